"""Tools in the space of styles: truncation, centroids, mixing, interpolation and inversion."""
