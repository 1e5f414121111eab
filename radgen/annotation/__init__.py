"""A few synthetic images out to an annotator, masks back in."""
