"""Style mixing: the coarse layers follow one image, the fine layers another.

Source: Karras et al. 2019, "A style-based generator architecture", section 3.1.
"""

from __future__ import annotations

import torch

from radgen.errors import ConfigError
from radgen.gan.latent.styles import Style


def mix(coarse: Style, fine: Style, first_fine: int) -> Style:
    """Return a style whose layers below `first_fine` are those of `coarse` and whose others are those of `fine`.

    Noise is that of `coarse`, so that its maps stay as they are up to the first fine layer.

    Raises
    ------
    ConfigError
        There is no such layer.
    """
    layers = len(coarse.w)
    if not 0 <= first_fine <= layers:
        msg = f"first fine layer {first_fine}: this generator has {layers} layers; give 0 to {layers}"
        raise ConfigError(msg)
    return Style(torch.cat([coarse.w[:first_fine], fine.w[first_fine:]]), coarse.noise)
