"""Semantic synthesis: images made from label maps."""
