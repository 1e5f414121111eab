"""Who is in the archive: readers, labels, pseudonyms, splits, and the phantom archive of the demo."""
