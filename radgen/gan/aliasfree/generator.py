"""The alias-free generator: Fourier input, filtered layers, projection to the image; stem and grown heads.

Source: Karras et al. 2021, "Alias-free generative adversarial networks"; Sauer et al. 2022, "StyleGAN-XL".
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from radgen.errors import ConfigError
from radgen.gan.aliasfree.fourier import FourierInput
from radgen.gan.aliasfree.layer import FilteredLayer, ModulatedLayer
from radgen.gan.aliasfree.mapping import EmbeddedMapping
from radgen.gan.aliasfree.resampling import Span
from radgen.gan.aliasfree.schedule import AliasFreeShape, Layer, input_channels, plan
from radgen.gan.generator import scale_name
from radgen.gan.layers import clip_grey

OUTPUT_SCALE = 0.25


class AliasFreeGenerator(nn.Module):
    """StyleGAN-XL's generator at one stage of growth.

    Parameters
    ----------
    shape
        Which tensors it holds.
    embeddings
        Class embeddings [classes, embedding_dim] to start from; random without.
    """

    def __init__(self, shape: AliasFreeShape, embeddings: Tensor | None = None) -> None:
        super().__init__()
        if embeddings is not None and embeddings.shape != (shape.classes, shape.embedding_dim):
            msg = (
                f"class embeddings of shape {tuple(embeddings.shape)}, but {shape.classes} classes with embeddings of "
                f"length {shape.embedding_dim}; give one row for each class"
            )
            raise ConfigError(msg)
        self.shape = shape
        plans = plan(shape)
        self._features = _last_of_each_rate(plans)
        self.mapping = EmbeddedMapping(shape, embeddings)
        self.input = FourierInput(shape.w_dim, input_channels(shape), plans[0].in_rate)
        self.filtered = nn.ModuleList(_filtered(plans[:-1], shape.w_dim, self._features))
        self.to_image = ModulatedLayer(plans[-1], shape.w_dim)

    @property
    def layers(self) -> int:
        """How many layers take a style: the input, the filtered ones and the projection."""
        return len(self.filtered) + 2

    @property
    def feature_channels(self) -> dict[str, int]:
        """Channels of each scale's feature map, by name, at increasing scales."""
        plans = plan(self.shape)
        return {scale_name(plans[place].out_rate): plans[place].outputs for place in self._features}

    @property
    def noise_length(self) -> int:
        """Numbers of noise that one image needs: none."""
        return 0

    def learning(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield name and parameter of what trains at this stage: all of a stem, the newest head of a grown network."""
        newest = len(self.shape.heads)
        kept = sum(layer.plan.stage < newest for layer in self._filtered_layers())
        for name, parameter in self.named_parameters():
            top, _, rest = name.partition(".")
            is_new = top == "to_image" or (top == "filtered" and int(rest.partition(".")[0]) >= kept)
            if newest == 0 or is_new:
                yield name, parameter

    def synthesise(self, w: Tensor, noise: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Make images from styles.

        Parameters
        ----------
        w
            Styles [n, w_dim], or one for each layer [n, layers, w_dim].
        noise
            Not used: [n, 0].

        Returns
        -------
        images, features
            Float32 images [n, C, H, W], grey levels in [-1, 1], and the last map of each scale [n, c, h, w] by name,
            margins cut off.
        """
        images, features = self.draw(w)
        return clip_grey(images), features

    def draw(self, w: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Make images as `synthesise` does, grey levels not clipped."""
        styles = (w[:, None].expand(-1, self.layers, -1) if w.dim() == 2 else w).unbind(1)
        first, *layers = self._filtered_layers()
        x = self.input(styles[0], first.needed)
        features = {}
        for place, (layer, following) in enumerate(itertools.zip_longest([first, *layers], layers)):
            x = layer(x, styles[place + 1])
            if place in self._features:
                rate = layer.plan.out_rate
                cut = _image_rows(layer.plan).inside(layer.wanted)
                features[scale_name(rate)] = x[:, :, cut, cut]
            if following is not None:
                cut = following.needed.inside(layer.wanted)
                x = x[:, :, cut, cut]
        return self.to_image(x, styles[-1]).float() * OUTPUT_SCALE, features

    def forward(self, z: Tensor, class_ids: Tensor, noise: Tensor | None = None) -> Tensor:
        """Make images [n, C, H, W] from latents [n, z_dim] and class ids [n]."""
        return self.synthesise(self.mapping(z, class_ids), noise)[0]

    def _filtered_layers(self) -> list[FilteredLayer]:
        return [layer for layer in self.filtered if isinstance(layer, FilteredLayer)]


@torch.no_grad()
def continue_from(generator: AliasFreeGenerator, earlier: AliasFreeGenerator) -> None:
    """Copy what an earlier stage of the chain learnt into a grown generator: mapping, input and the layers kept.

    Raises
    ------
    ConfigError
        The two are not stages of one chain.
    """
    one, two = earlier.shape, generator.shape
    chain = (two.stem, *two.heads)
    if (one.stem, *one.heads) != chain[: len(one.heads) + 1]:
        msg = f"stages {chain} do not continue {(one.stem, *one.heads)}; give the stage before of the same chain"
        raise ConfigError(msg)
    kept = sum(layer.stage <= len(one.heads) for layer in plan(two)[:-1]) if one != two else len(earlier.filtered)
    state = {
        name: value
        for name, value in earlier.state_dict().items()
        if name.startswith(("mapping.", "input."))
        or (name.startswith("filtered.") and int(name.split(".")[1]) < kept)
        or one == two
    }
    own = generator.state_dict()
    wrong = [name for name, value in state.items() if own[name].shape != value.shape]
    if wrong:
        msg = f"{wrong[0]} is {tuple(state[wrong[0]].shape)} in the earlier stage and {tuple(own[wrong[0]].shape)} here"
        raise ConfigError(msg + "; classes, channels and dimensions must be the same in every stage")
    for name, value in state.items():
        own[name].copy_(value)


def _last_of_each_rate(plans: tuple[Layer, ...]) -> tuple[int, ...]:
    """Return the place of the last layer before the projection at each sampling rate, smallest rate first."""
    return tuple(sorted({layer.out_rate: place for place, layer in enumerate(plans[:-1])}.values()))


def _image_rows(layer: Layer) -> Span:
    """Return the rows of a layer's map that lie in the image."""
    margin = (layer.out_size - layer.out_rate) // 2
    return Span(margin, margin + layer.out_rate)


def _filtered(plans: tuple[Layer, ...], w_dim: int, features: tuple[int, ...]) -> list[FilteredLayer]:
    """Return the layers, each computing the rows that the next one or the features need; built from the end."""
    layers: list[FilteredLayer] = []
    for place in reversed(range(len(plans))):
        wanted = layers[-1].needed if layers else _image_rows(plans[place])
        if place in features:
            wanted |= _image_rows(plans[place])
        layers.append(FilteredLayer(plans[place], w_dim, wanted))
    return layers[::-1]
