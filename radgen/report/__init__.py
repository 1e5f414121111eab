"""Figures and the page, drawn from tables and image sets alone."""
