"""Studies of semantic synthesis on archives that are not at hand: miniatures, and what is said without organ labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from radgen.cohort.archives import ArchiveSettings
from radgen.config import load_config
from radgen.errors import ConfigError
from radgen.imageset.core import ImageSet
from radgen.semantic.maps.schema import MapSchema
from radgen.semantic.rows import Rules, learning_sides
from radgen.study import Study
from radgen.workflow import Plan
from tests.cohort.toys import write_nifti
from tests.conftest import REPOSITORY
from tests.workflow.runs import Folder

AFFINE = np.diag([4.0, 4.0, 6.0, 1.0])


def _config(name: str, folder: Path, **changes: Any) -> dict[str, Any]:
    """Read a study's configuration; its archives lie in a folder, its tables in the repository."""
    plain = yaml.safe_load((REPOSITORY / "config" / name).read_text())
    for archive in plain["archives"]:
        archive["path"] = str(folder / archive["path"])
        if "labels" in archive:
            archive["labels"]["merge"] = str(REPOSITORY / archive["labels"]["merge"])
    return dict(plain | changes)


@pytest.mark.parametrize(
    ("name", "images", "organs"),
    [
        ("autopet-semantic.yaml", "data/FDG-PET-CT-Lesions", "data/autopet-organs"),
        ("synthrad2023.yaml", "data/Task1/pelvis", "data/synthrad-organs"),
    ],
)
def test_without_organ_labels_one_sentence_says_how_to_get_them(
    tmp_path: Path, name: str, images: str, organs: str
) -> None:
    (tmp_path / images).mkdir(parents=True)
    with pytest.raises(
        ConfigError, match=rf"archive organs, .*{organs}: no such folder of label maps; make them by Total"
    ):
        Plan.of(_config(name, tmp_path))
    (tmp_path / organs).mkdir()
    plan = Plan.of(_config(name, tmp_path))
    assert plan.study.config.structures.names[-1] == "body"
    assert plan.study.settings("report")["facts"]["automatic_labels"]


def test_the_outline_is_no_organ_and_labels_of_archives_are_not_automatic_unless_said() -> None:
    study = Study.of(load_config({"study": "toy", "archives": [{"path": "data"}]}))
    assert study.archives == {"": ArchiveSettings(path="data")}
    assert not study.settings("report")["facts"]["automatic_labels"]


def _write_patient(root: Path, number: int) -> None:
    """Write MR and CT of one trunk, its outline, and the spleen and liver that a program found on the CT."""
    random = np.random.default_rng(number)
    y, x, _ = np.mgrid[:40, :40, :4]
    trunk = np.hypot(y - 20, x - 20) < 14
    organs = np.zeros(trunk.shape, dtype=np.uint8)
    organs[np.hypot(y - 15, x - 15) < 4] = 1
    organs[np.hypot(y - 22, x - 24) < 5] = 5
    case = root / "data" / "Task1" / "pelvis" / f"1PA{number:03d}"
    volumes: dict[str, NDArray[Any]] = {
        "ct": np.where(trunk, 40 + 40 * (organs > 0), -1000) + random.normal(0, 5, trunk.shape),
        "mr": np.where(trunk, 300 - 100 * (organs > 0), 2) + random.normal(0, 2, trunk.shape),
        "mask": trunk.astype(np.uint8),
    }
    for name, array in volumes.items():
        kind = np.uint8 if name == "mask" else np.int16
        write_nifti(case / f"{name}.nii.gz", array.astype(kind), AFFINE)
    write_nifti(root / "data" / "synthrad-organs" / f"1PA{number:03d}.nii.gz", organs, AFFINE)


def test_a_miniature_of_synthrad_gives_maps_of_ct_and_images_of_mr(tmp_path: Path) -> None:
    for number in range(1, 11):
        _write_patient(tmp_path, number)
    changes = {
        "cohort": {"val": 0.1, "test": 0.1, "annotator": 0.2, "min_patients": 1, "min_images": 1},
        "slices": {"size_px": 32, "field_of_view_mm": 160, "quality": {"min_contrast": 0.0}},
        "inventory": {"shards": 1},
        "device": "cpu",
    }
    config = _config("synthrad2023.yaml", tmp_path, **changes)
    path = tmp_path / "miniature.yaml"
    path.write_text(yaml.safe_dump(config))
    done = Folder(tmp_path, path).snakemake("slices")
    assert done.returncode == 0, done.stdout + done.stderr
    study = Study.of(load_config(config))
    images = ImageSet(tmp_path / study.path("slices.index"))
    names = study.config.structures.names
    held = set(np.unique(images.masks(range(len(images)))).tolist())
    assert held == {0, *(names.index(name) + 1 for name in ("spleen", "liver", "body"))}
    rules = Rules(study.config.sources["unpaired"], study.config.low, study.config.classes, study.semantic("unpaired"))
    sides = learning_sides(images, None, rules)
    assert set(images.column("modality")[sides.map_rows]) == {"CT"}
    assert set(images.column("modality")[sides.image_rows]) == {"MR"}
    maps, pictures = (set(images.column("patient")[rows]) for rows in (sides.map_rows, sides.image_rows))
    assert (len(maps), len(pictures), maps & pictures) == (3, 3, set())
    assert MapSchema.of_structures(names).classes == len(names) + 1
    assert os.fspath(study.path("sample.part_index", source="unpaired")).startswith("results/synthrad2023/samples/")
