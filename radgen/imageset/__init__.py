"""The one table that stages hand to each other: images, masks and an index of one row per image."""
