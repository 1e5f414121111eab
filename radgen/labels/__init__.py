"""The label head on a frozen generator's features, its ensemble, and filtered pairs."""
