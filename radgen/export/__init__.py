"""Export: an image set as folders that other people's tools read, each saying whether its images are synthetic."""
