"""Pairs generated straight into a training loop: no image set on disk, and as many pairs as are asked for."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from radgen.errors import CheckpointError, ConfigError
from radgen.gan.sampling import BLOCK_SIZE, image_id, load_sampler
from radgen.gan.settings import SampleSettings
from radgen.labels.head import load_heads
from radgen.labels.painting import Painter, load_classifier
from radgen.labels.settings import PairsSettings
from radgen.labels.uncertainty import MEASURE
from radgen.paths import StudyPaths
from radgen.provenance import digest_file, read_manifest
from radgen.seeds import random_generator
from radgen.settings import build

BLOCKS_PER_CHUNK = 8  # pairs are shuffled within a chunk, so that classes come mixed


@dataclass(frozen=True)
class PairBatch:
    """Some pairs.

    Attributes
    ----------
    images
        uint8 [n, C, H, W].
    masks
        uint8 [n, H, W] of label ids.
    class_ids
        int64 [n].
    image_ids
        Names; a pair on disk of the same name is the same pair.
    """

    images: Tensor
    masks: Tensor
    class_ids: Tensor
    image_ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.image_ids)

    @classmethod
    def join(cls, parts: Sequence[PairBatch]) -> PairBatch:
        """Lay batches end to end."""
        return cls(
            torch.cat([part.images for part in parts]),
            torch.cat([part.masks for part in parts]),
            torch.cat([part.class_ids for part in parts]),
            tuple(name for part in parts for name in part.image_ids),
        )

    def take(self, places: Sequence[int]) -> PairBatch:
        """Return the pairs at some places, in their order."""
        rows = torch.tensor(places, dtype=torch.int64)
        names = tuple(self.image_ids[place] for place in places)
        return PairBatch(self.images[rows], self.masks[rows], self.class_ids[rows], names)


class PairStream(IterableDataset[PairBatch]):
    """An endless stream of pairs in chunks, without those that a finished `pairs` stage would have dropped.

    Chunk k holds the pairs left of the k-th run of `BLOCKS_PER_CHUNK` blocks, shuffled by its number, whatever process
    makes it; `batches` cuts chunks into batches, and its pairs come in the same order with any number of workers.

    Parameters
    ----------
    weights, head
        The generator and its label heads.
    manifest
        `pairs/<source>/manifest.json`: seed, truncation, and of each class the highest expected error that was
        kept. A pair with a higher one is skipped.
    encoder
        The domain encoder; needed where those pairs were filtered by class.
    shares
        Share of each class among the blocks by class name; by default as among the pairs of the manifest.
    first_chunk
        Where the stream starts: a training that goes on after a stop gives what it has seen.
    device
        cpu; or cuda, for `workers=0` only.

    Raises
    ------
    CheckpointError
        The weights, heads or encoder are not those of the manifest.
    ConfigError
        A class has no pairs in the manifest, so no threshold either.
    """

    def __init__(
        self,
        weights: Path,
        head: Path,
        manifest: Path,
        *,
        encoder: Path | None = None,
        shares: Mapping[str, float] | None = None,
        first_chunk: int = 0,
        device: str = "cpu",
    ) -> None:
        super().__init__()
        files = {"weights": weights, "head": head} | ({} if encoder is None else {"encoder": encoder})
        self._recipe = _Recipe.of(manifest, files, shares)
        self._first_chunk = first_chunk
        self._device = device
        self._painter: Painter | None = None

    @classmethod
    def of_study(cls, results: Path, source: str, **options: Any) -> Self:  # noqa: ANN401 - those of the class
        """Open the stream of a source of a finished study, by its folder such as `results/demo`."""
        path = StudyPaths(str(results))
        keys = ("gan.weights", "labels.head", "pairs.part_manifest")
        encoder = Path(path("encoder.weights", source=source))
        if encoder.is_file():
            options.setdefault("encoder", encoder)
        return cls(*(Path(path(key, source=source)) for key in keys), **options)

    def __getstate__(self) -> dict[str, Any]:
        # A worker opens the weights itself: networks need not travel between processes.
        return self.__dict__ | {"_painter": None}

    def __iter__(self) -> Iterator[PairBatch]:
        """Yield chunks, whose sizes vary with what is skipped; of several workers of a `DataLoader` each makes some."""
        worker = get_worker_info()
        number, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
        line = self._recipe.line()
        for chunk in itertools.count():
            blocks = list(itertools.islice(line, BLOCKS_PER_CHUNK))
            if chunk >= self._first_chunk and (chunk - self._first_chunk) % count == number:
                yield self._make(chunk, blocks)

    def _make(self, chunk: int, blocks: list[tuple[int, int]]) -> PairBatch:
        if self._painter is None:
            self._painter = self._recipe.painter(self._device)
        with _one_thread():
            whole = PairBatch.join([self._recipe.kept(self._painter, *block) for block in blocks])
        return whole.take(random_generator("stream", self._recipe.sample.seed, chunk).permutation(len(whole)).tolist())

    def batches(self, size: int, *, workers: int = 0) -> Iterator[PairBatch]:
        """Yield batches of exactly `size` pairs for ever, the same ones with any number of worker processes."""
        waiting: PairBatch | None = None
        # Without a batch size the loader takes one chunk from each worker in turn, so chunks arrive in their order.
        for chunk in DataLoader(self, batch_size=None, num_workers=workers):
            waiting = chunk if waiting is None else PairBatch.join([waiting, chunk])
            while len(waiting) >= size:
                yield waiting.take(range(size))
                waiting = waiting.take(range(size, len(waiting)))


@dataclass(frozen=True)
class _Recipe:
    """What decides every pair of a stream; `shares` and `thresholds` by class id."""

    weights: Path
    head: Path
    encoder: Path | None
    class_names: tuple[str, ...]
    source: str
    sample: SampleSettings
    pairs: PairsSettings
    shares: tuple[float, ...]
    thresholds: tuple[float, ...]

    @classmethod
    def of(cls, manifest: Path, files: Mapping[str, Path], shares: Mapping[str, float] | None) -> Self:
        made = read_manifest(manifest)
        what, classes = made["what"], made["run"]["notes"]["classes"]
        for name, wanted in what["inputs"].items():
            found = digest_file(files[name]) if name in files else "not given"
            if found != wanted:
                msg = f"{manifest}: its pairs were made with the {name} {wanted}, but here it is {found}; give that one"
                raise CheckpointError(msg)
        if what["settings"].get("uncertainty") != MEASURE:
            msg = f"{manifest}: its pairs were dropped by another measure than {MEASURE}; run the pairs stage again"
            raise CheckpointError(msg)
        wishes = {name: told["kept"] for name, told in classes.items()} if shares is None else dict(shares)
        for name, share in wishes.items():
            if share > 0 and classes.get(name, {}).get("threshold") is None:
                known = ", ".join(other for other, told in classes.items() if told["threshold"] is not None)
                msg = f"{manifest}: no pairs of class {name!r}, so no threshold for it; classes with pairs are {known}"
                raise ConfigError(msg)
        return cls(
            weights=files["weights"],
            head=files["head"],
            encoder=files["encoder"] if "encoder" in what["inputs"] else None,
            class_names=tuple(classes),
            source=what["settings"]["source"],
            sample=build(SampleSettings, what["settings"]["sample"]),
            pairs=build(PairsSettings, what["settings"]["pairs"]),
            shares=tuple(wishes.get(name, 0) / sum(wishes.values()) for name in classes),
            thresholds=tuple(
                -math.inf if told["threshold"] is None else told["threshold"] for told in classes.values()
            ),
        )

    def painter(self, device: str) -> Painter:
        sample = self.sample
        sampler = load_sampler(
            self.weights, seed=sample.seed, truncation=sample.truncation, device=device, centroids=sample.centroids
        )
        asked = None if self.encoder is None else load_classifier(self.encoder, self.class_names, self.pairs, device)
        return Painter(sampler, load_heads(self.head, torch.device(device)), asked)

    def line(self) -> Iterator[tuple[int, int]]:
        """Yield class id and number within the class of one block after another, for ever.

        Each block goes to the class that is furthest behind its share.
        """
        made = [0] * len(self.shares)
        for block in itertools.count(1):
            behind = [share * block - count for share, count in zip(self.shares, made, strict=True)]
            class_id = behind.index(max(behind))
            yield class_id, made[class_id]
            made[class_id] += 1

    def kept(self, painter: Painter, class_id: int, block: int) -> PairBatch:
        """Make a block without what is skipped."""
        made = painter.block(class_id, block)
        keep = made.expected_errors <= self.thresholds[class_id]
        if painter.classifier is not None:
            keep &= made.class_probabilities >= self.pairs.least_class_probability
        names = [
            image_id(self.source, self.class_names[class_id], block * BLOCK_SIZE + place)
            for place in np.flatnonzero(keep).tolist()
        ]
        return PairBatch(
            torch.from_numpy(made.images[keep]),
            torch.from_numpy(made.masks[keep]),
            torch.full((len(names),), class_id, dtype=torch.int64),
            tuple(names),
        )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread, as workers do: another number may change the lowest bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
