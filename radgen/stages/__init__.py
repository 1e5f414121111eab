"""One thin adapter per command: declared paths in, declared paths out, a manifest beside them."""
