"""Checkpoints that others published as Python pickles, read without running any of their code."""
