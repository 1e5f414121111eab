"""The gallery page: thousands of synthetic images to browse, filter and look at, from disk and without a network."""
