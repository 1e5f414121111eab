"""Distances between image sets, coverage, and the nearest training images."""
