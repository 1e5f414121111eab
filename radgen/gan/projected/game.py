"""One meeting of both sides: the projected discriminator's loss, and the generator's slope in its images.

A step of training is:

1. `made = generator(z, class_ids, noise)`; `fake = made.detach().requires_grad_()`.
2. `shown_real, shown_fake`: both augmented alike, then blurred alike with `blur(x, blur_sigma_px(seen_images, ...))`.
3. `meeting = meet(discriminator, shown_real, shown_fake, class_ids, fake)`, convolutions in autocast.
4. `meeting.discriminator.backward(inputs=list(discriminator.parameters()))`.
5. `made.backward(meeting.slope)`, to which guidance may have added its own slope in `fake`.
6. Both optimisers step.

The feature network sees each image once: real ones without a gradient, and generated ones with a gradient in the image
alone, which serves the generator; heads see the same maps.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from radgen.gan.losses import hinge_discriminator, hinge_generator
from radgen.gan.projected.discriminator import ProjectedDiscriminator


class Meeting(NamedTuple):
    """What a step needs of one meeting.

    Attributes
    ----------
    discriminator
        Hinge loss of the discriminator, with a graph to heads and embeddings and no further.
    generator
        The generator's loss, a number.
    slope
        Its gradient in the generated images [n, C, H, W].
    """

    discriminator: Tensor
    generator: Tensor
    slope: Tensor


def meet(
    discriminator: ProjectedDiscriminator, real: Tensor, fake: Tensor, class_ids: Tensor, images: Tensor
) -> Meeting:
    """Judge real and generated images of the same classes once.

    Parameters
    ----------
    discriminator
        In training.
    real, fake
        What it is shown, [n, C, H, W] in about [-1, 1].
    class_ids
        Classes [n] of both.
    images
        The generated images that `fake` was made of, requiring a gradient.
    """
    with torch.no_grad():
        real_maps = discriminator.project(real)
    fake_maps = discriminator.project(fake)
    seen = [x.detach().requires_grad_() for x in fake_maps]
    with parametrize.cached():  # spectral norms are estimated once for both sides
        real_logits = discriminator.judge(real_maps, class_ids)
        fake_logits = discriminator.judge(seen, class_ids)
    generator = hinge_generator(fake_logits)
    slopes = torch.autograd.grad(generator, seen, retain_graph=True)
    (slope,) = torch.autograd.grad(fake_maps, images, slopes)
    return Meeting(hinge_discriminator(real_logits, fake_logits), generator.detach(), slope)
