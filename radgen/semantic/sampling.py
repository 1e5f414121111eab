"""Images of label maps: image i of a map is a function of weights, map, seed, spread, source, the map's name and i.

Its bytes are those it has when it is made alone, whatever is made with it (`Painter`). Another precision gives others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.errors import InputError
from radgen.gan.sampling import to_grey
from radgen.seeds import derive_seed
from radgen.semantic.generator import UNLABELLED, SemanticGenerator, draw_noise, spread_regions
from radgen.semantic.maps.noise import case_noise
from radgen.semantic.painter import Painter
from radgen.semantic.settings import SemanticSampleSettings


class SemanticSampler:
    """Make images on label maps.

    Parameters
    ----------
    generator
        In evaluation mode.
    source
        The study's name for the generator.
    seed
        Seed of the noise.
    region_spread
        Factor on the noise that changes slowly over an image.
    precision
        Of the arithmetic: fp32, bf16 or auto.
    """

    def __init__(
        self,
        generator: SemanticGenerator,
        *,
        source: str,
        seed: int,
        region_spread: float = 1.0,
        precision: str = "fp32",
    ) -> None:
        self.shape = generator.shape
        self._source, self._seed, self._spread = source, seed, region_spread
        self._device = generator.paint.weight.device
        self._painter = Painter(generator, precision)

    @classmethod
    def of(cls, generator: SemanticGenerator, source: str, settings: SemanticSampleSettings) -> SemanticSampler:
        """Return the sampler that a study's settings ask for."""
        return cls(
            generator,
            source=source,
            seed=settings.seed,
            region_spread=settings.region_spread,
            precision=settings.precision,
        )

    def seed_of(self, map_name: str, index: int) -> int:
        """Return the seed of one image; maps that share a name, as slices of a case, share their noise."""
        return derive_seed("semantic sample", self._seed, self._source, map_name, index)

    def images(self, label_map: NDArray[np.integer], map_name: str, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Make images of a map by their numbers: uint8 [n, C, H, W]; see `paint`."""
        return self.paint(label_map, map_name, [self.seed_of(map_name, index) for index in indices])

    def case(
        self,
        label_maps: NDArray[np.integer],
        case: str,
        slices: Sequence[int],
        number: int,
        *,
        length_slices: float = math.inf,
    ) -> NDArray[np.uint8]:
        """Make image `number` of every slice of a case, of noise that is alike from slice to slice.

        Parameters
        ----------
        label_maps
            Ids [slices, H, W], unlabelled -1.
        case
            Its name; it decides the noise.
        slices
            Slice indices of the maps.
        number
            Which of the case's images.
        length_slices
            How far noise stays alike, see `case_noise`.

        Returns
        -------
        uint8 [slices, C, H, W]

        Raises
        ------
        InputError, ConfigError
            See `paint` and `case_noise`.
        """
        noise = case_noise(
            (self.shape.noise_length,),
            slices,
            seed=self.seed_of(case, number),
            case=case,
            length_slices=length_slices,
        )
        planes = zip(label_maps, slices, noise, strict=True)
        return np.concatenate([self._painted(one, f"{case}, slice {place}", own[None]) for one, place, own in planes])

    def paint(self, label_map: NDArray[np.integer], map_name: str, seeds: Sequence[int]) -> NDArray[np.uint8]:
        """Make images of a map.

        Parameters
        ----------
        label_map
            Ids [H, W], unlabelled -1.
        map_name
            For messages.
        seeds
            Of the noise of each image.

        Returns
        -------
        uint8 [n, C, H, W]

        Raises
        ------
        InputError
            The map has another size or ids than the generator learnt.
        """
        return self._painted(label_map, map_name, draw_noise(self.shape, list(seeds)))

    def _painted(self, label_map: NDArray[np.integer], map_name: str, noise: Tensor) -> NDArray[np.uint8]:
        """Make an image of a map for each noise of [n, noise_length]."""
        shape = self.shape
        if label_map.shape != (shape.height, shape.width):
            msg = (
                f"label map {map_name}: {label_map.shape} pixels, but the generator paints "
                f"{(shape.height, shape.width)}; resample it (nearest) or train for its size"
            )
            raise InputError(msg)
        low, high = int(label_map.min()), int(label_map.max())
        if low < UNLABELLED or high >= shape.labels:
            msg = (
                f"label map {map_name}: ids from {low} to {high}, but the generator knows 0 to {shape.labels - 1} and "
                f"{UNLABELLED} for unlabelled; map its ids by the schema it was trained with"
            )
            raise InputError(msg)
        ids = torch.from_numpy(label_map.astype(np.int64)).to(self._device)
        noise = spread_regions(shape, noise, self._spread).to(self._device)
        with torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False):
            return to_grey(self._painter.paint(self._painter.prepare(ids), noise))
