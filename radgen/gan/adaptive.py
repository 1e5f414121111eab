"""How often the discriminator's images are changed, adapted to how far it has learnt the real ones by heart.

A discriminator that is sure of nearly every real training image has stopped comparing: with few images that comes
early. Then changes are shown more often, and less often once it is in doubt again. Counted in images seen; what is
remembered is part of the training's state.

Source: Karras et al. 2020, "Training generative adversarial networks with limited data", section 3.1: the heuristic
r_t = E[sign(D(real))] and its target.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from radgen.gan.settings import MOST_AUGMENTED, AugmentSettings

AVERAGE_IMAGES = 256  # the paper's four minibatches of 64


class Adaptive(nn.Module):
    """The chance of changes now; a module, so that what it remembers is saved and loaded with the networks.

    Parameters
    ----------
    settings
        With the chance to begin with.

    Attributes
    ----------
    probability
        Buffer, float64: chance of each kind of change now.
    mean_sureness
        Buffer, float64: running mean of `sureness`, between -1 and 1.
    """

    probability: Tensor
    mean_sureness: Tensor

    def __init__(self, settings: AugmentSettings) -> None:
        super().__init__()
        self._settings = settings
        self.register_buffer("probability", torch.tensor(settings.probability, dtype=torch.float64))
        self.register_buffer("mean_sureness", torch.tensor(0.0, dtype=torch.float64))

    def now(self) -> AugmentSettings:
        """Return the settings of changes with the chance of now."""
        return replace(self._settings, probability=float(self.probability))

    def adapt(self, found: float, *, batch_size: int) -> None:
        """Take in the sureness of one batch and move the probability by one step towards the target."""
        if self._settings.adapt_images == 0:
            return
        share = min(1.0, batch_size / AVERAGE_IMAGES)
        self.mean_sureness += share * (found - self.mean_sureness)
        step = batch_size / self._settings.adapt_images
        self.probability += step if self.mean_sureness > self._settings.target_sureness else -step
        self.probability.clamp_(0, MOST_AUGMENTED)


def sureness(real_logits: Tensor, fake_logits: Tensor, *, relative: bool) -> Tensor:
    """Return the mean sign of the verdicts on real images: 1 = sure of every one, 0 = undecided.

    A relativistic loss leaves the zero of logits undecided, so real images are compared with generated ones.
    """
    verdicts = real_logits - fake_logits if relative else real_logits
    return torch.sign(verdicts.detach()).mean()
