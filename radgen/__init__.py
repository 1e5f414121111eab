"""radgen turns an archive of medical images into a labelled synthetic data set and proves whether it helps."""

__version__ = "0.1.0"
