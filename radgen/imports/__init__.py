"""Import: synthetic images that another tool made become an image set of the house."""
