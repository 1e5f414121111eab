"""What every latent tool opens first: weights, their manifest and names, and the centroids of truncation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from radgen.errors import InputError
from radgen.provenance import SawPatients, digest_file, saw_patients_of

if TYPE_CHECKING:
    from radgen.gan.checkpoint import GeneratorCard
    from radgen.gan.kinds import ImageGenerator
    from radgen.gan.latent.styles import Style, Truncation


@dataclass(frozen=True)
class Key:
    """A style as the command line names it, `class:seed`."""

    class_name: str
    seed: int

    def __str__(self) -> str:
        """Return `class:seed`."""
        return f"{self.class_name}:{self.seed}"

    @classmethod
    def of(cls, word: str) -> Key:
        """Read `class:seed`.

        >>> Key.of("liver_lesion:7")
        Key(class_name='liver_lesion', seed=7)

        Raises
        ------
        InputError
            The word is no such pair.
        """
        class_name, _, seed = word.rpartition(":")
        if not class_name or not seed.isdecimal():
            msg = f"{word!r} is no style; give class:seed, such as normal:7"
            raise InputError(msg)
        return cls(class_name, int(seed))


@dataclass(frozen=True)
class Opened:
    """A generator ready for use.

    Attributes
    ----------
    generator, card
        In evaluation mode; what the file says of itself.
    weights
        Where it lies.
    digest
        Of the weights file.
    saw_patients
        The generator's ancestry.
    device
        cpu or cuda.
    """

    generator: ImageGenerator
    card: GeneratorCard
    weights: Path
    digest: str
    saw_patients: SawPatients
    device: str

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by class id."""
        return self.card.class_names

    def class_id(self, name: str) -> int:
        """Return the number of a class (InputError where there is none of that name)."""
        if name not in self.class_names:
            msg = f"{self.weights}: no class {name!r}; its classes are {', '.join(self.class_names)}"
            raise InputError(msg)
        return self.class_names.index(name)

    def truncation(self, psi: float, centroids: Path | None) -> Truncation:
        """Return the truncation of a command line."""
        from radgen.gan.latent.centroids import load_centroids
        from radgen.gan.latent.styles import Truncation

        found = None if centroids is None else load_centroids(centroids, generator=self.digest)
        return Truncation(psi, found)

    def styles(self, keys: Sequence[Key], truncation: Truncation) -> list[Style]:
        """Return the styles of some keys."""
        from radgen.gan.latent.styles import draw_style

        return [draw_style(self.generator, self.class_id(key.class_name), key.seed, truncation) for key in keys]

    def inputs(self, centroids: Path | None) -> dict[str, str]:
        """Return the digests that a manifest names."""
        return {"weights": self.digest} | ({} if centroids is None else {"centroids": digest_file(centroids)})


def open_generator(weights: Path, gan_manifest: Path | None, device: str, threads: int) -> Opened:
    """Open weights, and the manifest beside them where none is named.

    Raises
    ------
    CheckpointError, InputError
        The weights are damaged; there is no manifest, so nobody knows whose images they were learnt from.
    """
    from radgen.gan.checkpoint import load_generator
    from radgen.training.devices import use_device

    saw = saw_patients_of(gan_manifest or weights.parent / "manifest.json")
    chosen, _ = use_device(device, threads=threads)
    generator, card = load_generator(weights, chosen)
    return Opened(generator, card, weights, digest_file(weights), saw, chosen.type)


def manifest_path(out: Path) -> Path:
    """Return the manifest of one output file.

    >>> manifest_path(Path("a/sheet.png")).as_posix()
    'a/sheet.png.manifest.json'
    """
    return out.with_name(f"{out.name}.manifest.json")


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
