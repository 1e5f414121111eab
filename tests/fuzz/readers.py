"""The registry of all other readers of outside files: masks that come back, weights, tables, settings, image sets.

To add a reader: write a maker of one small good file, a function that reads it into named arrays and texts and asserts
what must hold of anything that was read, and add a line to `READERS`.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from radgen.cohort.csv_tables import read_pairs
from radgen.config import read_config
from radgen.errors import RadgenError
from radgen.features.network import load_features
from radgen.gan.checkpoint import GeneratorCard, load_generator, save_generator
from radgen.gan.projected.weights import read_weights as read_foreign
from radgen.gan.published.generator import read_published
from radgen.imageset.core import ImageSet
from radgen.imports.reading import Pixels, Task, read_pixels
from radgen.radiogenomic.clinical import read_clinical
from radgen.radiogenomic.rna_table import read_rna
from radgen.radiogenomic.settings import ClinicalSettings
from radgen.settings import as_plain
from radgen.study import Study
from radgen.training.state import StateStore
from tests.annotation import drawn
from tests.annotation.test_array_formats import NAME
from tests.annotation.test_damaged_files import WRITERS
from tests.annotation.test_read_tdid import NODULES
from tests.annotation.toys import LABELS, SHAPE, toy_mask
from tests.fuzz.document import Document, Said
from tests.fuzz.returned_masks import coco, exported, painted, returned, tdid, zipped
from tests.fuzz.small_files import SMALL
from tests.gan import toys
from tests.gan.published import craft
from tests.radiogenomic.test_rna_damage import write_good as write_rna
from tests.workflow.runs import TINY

CPU = torch.device("cpu")

# ---------------------------------------------------------------- weights and states


def _weights(folder: Path) -> Path:
    path = folder / "generator.safetensors"
    card = GeneratorCard(toys.SHAPE, toys.CLASS_NAMES, "main", 800, {})
    save_generator(path, toys.generator().state_dict(), card)
    return path


def _tensors(state: Mapping[str, torch.Tensor]) -> Said:
    return {name: value.detach().float().numpy() for name, value in state.items()}


def _load_weights(path: Path) -> Said:
    generator, card = load_generator(path, CPU)
    return _tensors(generator.state_dict()) | {"card": repr(as_plain(card))}


def _encoder(folder: Path) -> Path:
    return toys.write_encoder(folder)


def _load_encoder(path: Path) -> Said:
    network = load_features(path)
    return _tensors(network.module.state_dict()) | {"names": repr(network.class_names)}


def _foreign(folder: Path) -> Path:
    torch.save({"state_dict": dict(toys.generator().state_dict())}, folder / "weights.pt")
    return folder / "weights.pt"


def _state(folder: Path) -> Path:
    store = StateStore(folder / "states", lambda _: None)
    (folder / "states").mkdir()
    store.save(100, {"weights": torch.arange(60.0), "seen": 100, "history": [{"loss": 1.5}]})
    return next((folder / "states").iterdir())


def _load_state(path: Path) -> Said:
    data = path.read_bytes()
    found = StateStore(path.parent, lambda _: None).load(200)
    path.write_bytes(data)  # a damaged one is dropped, which is right; the next mutant is put in its place
    if found is None:
        msg = "passed over"
        raise RadgenError(msg)
    seen, state = found
    return {"seen": str(seen), "weights": state["weights"].numpy(), "rest": repr((state["seen"], state["history"]))}


def _published(folder: Path) -> Path:
    return craft.checkpoint(folder / "a.pkl", craft.generator(craft.SHAPES["one class"]))


def _load_published(path: Path) -> Said:
    found = read_published(path)
    return _tensors(found.tensors) | {"shape": repr(found.shape)}


# ---------------------------------------------------------------- tables


def _rna(name: str, folder: Path) -> Path:
    write_rna(folder / name)
    return folder / name


def _load_rna(path: Path) -> Said:
    table = read_rna(path, "raw", "genes-in-rows")
    assert table.values.shape == (len(table.patients), len(table.genes))
    assert not np.isinf(table.values).any()
    assert len(set(table.genes)) == len(table.genes)
    return {"values": table.values, "patients": repr(table.patients), "genes": repr(table.genes)}


def _clinical(folder: Path) -> Path:
    head = "Case ID,CT Date,Date of Last Known Alive,Date of Death,Survival Status,Age at Histological Diagnosis,Gender"
    lines = [
        f"P{number},1/{number + 1}/2000,5/9/20{number:02d},{f'6/7/20{number:02d}' if dead else ''},"
        f"{'Dead' if dead else 'Alive'},{40 + number},{'Male' if number % 3 else 'Female'}"
        for number, dead in ((number, number % 2) for number in range(1, 13))
    ]
    path = folder / "clinical.csv"
    path.write_text("\n".join([head, *lines, ""]))
    return path


def _load_clinical(path: Path) -> Said:
    table = read_clinical(path, CLINICAL)
    assert table.time_days.shape == table.died.shape == (len(table.patients),)
    assert (table.time_days > 0).all()
    assert table.variables.shape == (len(table.patients), len(table.names))
    assert not np.isinf(table.variables).any()
    return {"time": table.time_days, "died": table.died, "variables": table.variables, "names": repr(table.names)}


def _pairs(folder: Path) -> Path:
    path = folder / "patients.csv"
    path.write_text("file,patient\n" + "".join(f"scan {number}.nii,person {number // 2}\n" for number in range(12)))
    return path


def _load_pairs(path: Path) -> Said:
    return {"pairs": repr(read_pairs(path, "file", "patient"))}


# ---------------------------------------------------------------- configurations and image sets


def _configuration(folder: Path) -> Path:
    return Path(shutil.copy(TINY, folder / "tiny.yaml"))


def _load_configuration(path: Path) -> Said:
    return {"study": repr(as_plain(Study.of(read_config(path)).config))}


def _image_set(name: str, folder: Path) -> Path:
    toys.write_images(folder / "set", train=6, val=2, shards=1)
    return folder / "set" / name


def _load_image_set(path: Path) -> Said:
    images = ImageSet(path.parent / "index.parquet")
    pixels = images.images(np.arange(len(images)))
    assert pixels.dtype == np.uint8
    assert len(pixels) == len(images)
    return {"pixels": pixels, "index": repr(images.table.to_pylist())}


def _arrow_values(data: bytes) -> int:
    with pa.ipc.open_file(io.BytesIO(data)) as file:
        column = file.get_batch(0).column("image").to_numpy_ndarray()
    return data.index(column[:2].tobytes())


def _picture(suffix: str, folder: Path) -> Path:
    from PIL import Image

    path = folder / f"a.{suffix}"
    Image.fromarray(toys.picture(1, np.random.default_rng(2))[0]).save(path)
    Image.fromarray(toy_mask()).resize((16, 16), Image.Resampling.NEAREST).save(folder / "mask.png")
    return path


def _load_picture(path: Path) -> Said:
    mask = path.with_name("mask.png")
    found = read_pixels(Task(path, mask if path != mask else None, None))
    if not isinstance(found, Pixels):
        raise RadgenError(found.sentence)
    assert found.image.dtype == np.uint8
    return {"image": found.image} | ({} if found.mask is None else {"mask": found.mask})


CLINICAL = ClinicalSettings()
SEALED = {"indexed.png", "colour.png", "nii.gz"}
TOY_SIZES = {NAME: SHAPE}
EXPORTS = {
    "label-studio": "label_studio.json",
    "labelme": "labelme_0.json",
    "cvat": "cvat.xml",
    "coco-export": "label_studio_as_coco.json",
}
READERS: dict[str, Document] = {
    **{
        f"mask-{kind}": Document(partial(painted, kind), partial(returned, TOY_SIZES, LABELS), sealed=kind in SEALED)
        for kind in WRITERS
    },
    **{
        f"masks-{name}": Document(partial(exported, file), partial(returned, drawn.SIZES, drawn.LABELS))
        for name, file in EXPORTS.items()
    },
    "masks-zip": Document(zipped, partial(returned, TOY_SIZES, LABELS)),
    "masks-coco": Document(coco, partial(returned, drawn.SIZES, drawn.LABELS)),
    "masks-tdid": Document(tdid, partial(returned, drawn.SIZES, NODULES)),
    "weights-generator": Document(
        _weights, _load_weights, raw_from=lambda data: 8 + int.from_bytes(data[:8], "little")
    ),
    "weights-features": Document(_encoder, _load_encoder, raw_from=lambda data: 8 + int.from_bytes(data[:8], "little")),
    "weights-foreign": Document(_foreign, lambda path: _tensors(read_foreign(path))),
    "weights-published": Document(_published, _load_published),
    "weights-state": Document(_state, _load_state, sealed=True),
    "rna-text": Document(partial(_rna, "rna.txt"), _load_rna),
    "rna-gzip": Document(partial(_rna, "rna.txt.gz"), _load_rna),
    "rna-parquet": Document(partial(_rna, "rna.parquet"), _load_rna),
    "clinical": Document(_clinical, _load_clinical),
    "csv": Document(_pairs, _load_pairs),
    "config": Document(_configuration, _load_configuration),
    "imageset-index": Document(partial(_image_set, "index.parquet"), _load_image_set),
    "imageset-pixels": Document(partial(_image_set, "shard-000.images.arrow"), _load_image_set, raw_from=_arrow_values),
    "import-png": Document(partial(_picture, "png"), _load_picture, sealed=True),
    "import-tiff": Document(partial(_picture, "tif"), _load_picture),
    "import-jpeg": Document(partial(_picture, "jpg"), _load_picture),
    **SMALL,
}
