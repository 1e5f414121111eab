"""Does it help: arms, ancestry, downstream networks, scores and intervals."""
