"""Nodules from genes: networks, losses, training and sampling of the radiogenomic generator."""
