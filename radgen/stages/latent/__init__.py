"""The latent tools: each a pure `run` with a manifest, called by `radgen latent`."""
