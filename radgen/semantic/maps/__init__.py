"""Label maps as training reads them: what their ids mean, whether they are fit, in which order they come."""
