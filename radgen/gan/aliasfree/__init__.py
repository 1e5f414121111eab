"""The alias-free generator: StyleGAN3's layers with StyleGAN-XL's growth, mapping and class averages."""
