"""The projected discriminator: trained heads on randomly mixed maps of a frozen feature network."""
