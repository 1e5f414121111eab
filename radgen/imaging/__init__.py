"""From volumes to slices: orientation, window, background removal, resizing, quality."""
