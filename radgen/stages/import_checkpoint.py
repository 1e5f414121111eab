"""Turn a published StyleGAN-XL or StyleGAN3 checkpoint into generator weights, running none of its code."""

from __future__ import annotations

from pathlib import Path

from radgen.errors import CheckpointError, ConfigError, InputError
from radgen.provenance import SawPatients, digest_file, what_part, write_manifest

VERSION = 1
ANCESTRY = "published checkpoint"


def run(*, checkpoint: Path, out: Path, classes: Path | None = None) -> None:
    """Write safetensors with their card, and a manifest beside them whose ancestry is unknown.

    Parameters
    ----------
    checkpoint
        The published .pkl file.
    out
        The .safetensors file to write; `manifest.json` is written beside it.
    classes
        A text file with one class name a line, in the order of class ids; class_000, class_001, ... without.

    Raises
    ------
    CheckpointError
        The file is damaged, asks for code, holds another kind of network, or tensors that do not fit it.
    InputError
        The class names cannot be read.
    ConfigError
        They are not as many as classes, or two are the same.
    """
    import torch

    from radgen.gan.aliasfree.generator import AliasFreeGenerator
    from radgen.gan.checkpoint import GeneratorCard, save_generator
    from radgen.gan.published.generator import read_published

    found = read_published(checkpoint)
    names = _names(classes, found.shape.classes)
    with torch.device("meta"):
        expected = {name: tuple(value.shape) for name, value in AliasFreeGenerator(found.shape).state_dict().items()}
    for name, size in expected.items():
        if tuple(found.tensors[name].shape) != size:
            msg = f"{checkpoint.name}: {name} is {tuple(found.tensors[name].shape)}, {size} is expected"
            raise CheckpointError(msg)
    digest = digest_file(checkpoint)
    settings = {"imported_from": digest, "class_names": list(names)}
    card = GeneratorCard(found.shape, names, source="imported", seen_images=0, settings=settings)
    save_generator(out, found.tensors, card)
    what = what_part(stage="import_checkpoint", version=VERSION, settings=settings, inputs={"checkpoint": digest})
    write_manifest(
        out.parent / "manifest.json",
        what=what,
        outputs={"generator": out},
        saw_patients=SawPatients(unknown=frozenset({ANCESTRY})),
    )
    stages = [found.shape.stem.resolution, *(head.resolution for head in found.shape.heads)]
    print(f"import-checkpoint: {len(names)} classes, {stages} px, {out}")  # noqa: T201 - the command's one line


def _names(classes: Path | None, count: int) -> tuple[str, ...]:
    if classes is None:
        return tuple(f"class_{number:03d}" for number in range(count))
    try:
        names = tuple(line.strip() for line in classes.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{classes}: no readable list of class names ({error}); give one name a line"
        raise InputError(msg) from error
    if len(names) != count or len(set(names)) != count:
        found = f"{len(set(names))} different class names in {len(names)} lines"
        msg = f"{classes}: {found}; the checkpoint has {count} classes, give each a name of its own"
        raise ConfigError(msg)
    return names
