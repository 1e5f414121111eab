"""A Slurm of one node for the tests, its whole trial, and its faults."""
