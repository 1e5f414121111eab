"""The figures of a study, each one function of its tables and image sets."""
