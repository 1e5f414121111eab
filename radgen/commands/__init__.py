"""Commands around the workflow that are not stages: first config, check, clean, running it."""
