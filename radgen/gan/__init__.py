"""The class-conditional generator: networks, losses, augmentation, latent tools."""
