"""A generator file of the toy study with its manifest."""

from __future__ import annotations

from pathlib import Path

from radgen.gan.checkpoint import GeneratorCard, save_generator
from radgen.gan.generator import GeneratorShape
from radgen.provenance import SawPatients, what_part, write_manifest
from tests.gan import toys

SAW = SawPatients(pixels={"train": frozenset({"train-patient-0"})}, labels={"train": frozenset({"train-patient-0"})})


def write_generator(path: Path, shape: GeneratorShape = toys.SHAPE) -> Path:
    """Write the weights of an untrained generator, and the manifest beside them."""
    card = GeneratorCard(shape, toys.CLASS_NAMES, "main", 800, {"seed": 1})
    save_generator(path, toys.generator(shape=shape).state_dict(), card)
    what = what_part(stage="gan", version=1, settings={}, inputs={})
    write_manifest(path.parent / "manifest.json", what=what, outputs={"weights": path}, saw_patients=SAW)
    return path
