"""`radgen semantic-volume` paints a case on its source's own grid, and says in words what cannot be painted."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.cli import main as radgen
from radgen.imageset.gather import join_index
from radgen.imaging.reassemble import SourceGrid, write_grids
from radgen.imaging.settings import SlicesSettings
from radgen.imaging.volume import Volume
from radgen.provenance import saw_patients_of
from radgen.semantic.checkpoint import SemanticCard, save_semantic
from radgen.semantic.generator import SemanticGenerator, SemanticShape
from radgen.semantic.painter import Painter
from tests.imaging.archives import AFFINE, Archive
from tests.imaging.test_reassemble import write
from tests.imaging.test_restore import oblique, stored_of
from tests.semantic.toys import TINY

LABELS = ("background", "trunk", "lung")
CONFIG = """
study: toy
archive: {root}/archive
results: {root}/..
work: {root}/work
patient_key: {{public: radgen toy}}
structures: {{names: [trunk, lung]}}
benchmark: {{tasks: [segmentation]}}
sources:
  painted: {{kind: semantic, setting: shared}}
"""


def untrained(folder: Path, side: int, modality: str | None = None) -> None:
    """Write an untrained generator."""
    torch.manual_seed(0)
    shape = SemanticShape(side, side, 1, len(LABELS), TINY)
    card = SemanticCard(shape, LABELS, "painted", 0, {"image_modality": modality})
    save_semantic(folder / "generator.safetensors", SemanticGenerator(shape).state_dict(), card)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every generator paint a grey level for each label, a little lighter or darker by its first noise."""

    def paint(_: Painter, label_map: Tensor, noise: Tensor) -> Tensor:
        return (label_map - 1) * 0.8 + 0.05 * noise[:, :1, None, None].clamp(-2, 2)

    monkeypatch.setattr(Painter, "prepare", lambda _, label_map: label_map)
    monkeypatch.setattr(Painter, "paint", paint)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stored series at the pixels of their source, and a generator; the folder of the study's results."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("results") / "toy"
    root.mkdir()
    archive = Archive(root)
    archive.add("one", "test")
    archive.add("two", "train")
    out = archive.run(slices=SlicesSettings(size_px=160))
    join_index([out / "shard-000.index.parquet"], out / "index.parquet")
    for name, place in (("shard-000", "cohort/series"), ("files", "private/files")):
        (root / place).parent.mkdir()
        shutil.copy(root / f"{name}.parquet", root / f"{place}.parquet")
    untrained(root / "semantic" / "painted", 160)
    (root / "toy.yaml").write_text(CONFIG.format(root=root))
    return root


def paint(study: Path, out: Path, *words: str, series: str = "one") -> int:
    given = ["semantic-volume", str(study / "toy.yaml"), "--source", "painted", "--series", series]
    return radgen([*given, "--out", str(out), "--device", "cpu", *words])


def read(path: Path) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    image = nib.load(path)  # type: ignore[attr-defined]
    return np.asarray(image.dataobj), image.affine  # type: ignore[attr-defined]


def explained(grey: NDArray[np.floating], labels: NDArray[np.floating]) -> float:
    """Return the share of the grey levels' variance that labels explain, over the voxels that were painted."""
    seen = np.isfinite(grey)
    groups = [grey[seen & (labels == label)] for label in np.unique(labels[seen])]
    within = sum(len(group) * group.var() for group in groups)
    return float(1 - within / (seen.sum() * grey[seen].var()))


def turned(labels: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    """Return labels as they would lie were an axis reversed."""
    return [np.flip(labels, axis) for axis in range(3)]


def test_images_and_labels_lie_on_the_grid_of_the_archives_file(study: Path, tmp_path: Path) -> None:
    assert paint(study, tmp_path, "--images", "2") == 0
    names = {"one_labels.nii.gz", "one_000.nii.gz", "one_001.nii.gz", "manifest.json"}
    assert {path.name for path in tmp_path.iterdir()} == names
    source, _ = read(study / "archive" / "one-mask.nii")
    labels, affine = read(tmp_path / "one_labels.nii.gz")
    np.testing.assert_array_equal(affine, AFFINE)
    np.testing.assert_array_equal(labels, source)
    one, two = (read(tmp_path / f"one_00{number}.nii.gz") for number in range(2))
    np.testing.assert_array_equal(one[1], AFFINE)
    assert one[0].shape == source.shape
    assert np.nanmin(one[0]) >= -160  # Hounsfield units of the maps' window
    assert np.nanmax(one[0]) <= 240
    assert np.nanmax(np.abs(one[0] - two[0])) > 1  # each has noise of its own
    right = explained(one[0], source)
    assert right > 0.99
    assert all(explained(one[0], wrong) < right - 0.1 for wrong in turned(source)[:2])  # its slices are alike


def test_ancestry_names_the_patient_of_the_map_and_weights_without_a_manifest(study: Path, tmp_path: Path) -> None:
    assert paint(study, tmp_path) == 0
    saw = saw_patients_of(tmp_path / "manifest.json")
    assert saw.patients("masks") == {"patient-one"}
    assert saw.unknown == {"generator.safetensors: no manifest beside it"}


def blocks() -> tuple[Volume, NDArray[np.uint8]]:
    """Return a volume whose axes are oblique, and labels that no reversal of an axis leaves as they are."""
    labels = np.zeros((9, 30, 28), np.uint8)
    labels[:6, 3:20, 4:15], labels[2:7, 22:28, 12:26] = 1, 2
    return Volume(np.zeros(labels.shape, np.int16), oblique((1, 2, 0), (1, -1, 1), (1.1, 0.8, 1.3))), labels


def test_imported_maps_take_their_grid_from_beside_them(study: Path, tmp_path: Path) -> None:
    volume, labels = blocks()
    write(tmp_path / "maps", stored_of(volume, labels, size_px=32), (None,))
    write_grids(tmp_path / "maps" / "grids.parquet", [SourceGrid.of("s", volume)])
    root = shutil.copytree(study, tmp_path / "results" / "toy")
    (root / "toy.yaml").write_text(CONFIG.format(root=root))
    untrained(root / "semantic" / "painted", 32, modality="MR")
    assert paint(root, tmp_path / "out", "--maps", str(tmp_path / "maps"), series="s") == 0
    found, affine = read(tmp_path / "out" / "s_labels.nii.gz")
    grey, same = read(tmp_path / "out" / "s_000.nii.gz")
    for one in (affine, same):
        np.testing.assert_allclose(one, volume.affine, atol=1e-5)
    np.testing.assert_array_equal(found, labels)
    assert np.nanmin(grey) >= 0  # of another modality than its map, so grey levels
    assert np.nanmax(grey) <= 255
    right = explained(grey, labels)
    assert all(explained(grey, wrong) < right - 0.1 for wrong in turned(labels))


def step(volume: NDArray[np.floating]) -> float:
    """Return the mean difference of slices that lie next to each other, in Hounsfield units."""
    return float(np.nanmean(np.abs(np.diff(volume, axis=2))))


def test_noise_hangs_together_over_as_many_slices_as_asked(study: Path, tmp_path: Path) -> None:
    steps = []
    for length in ("inf", "2", "0"):
        assert paint(study, tmp_path / length, "--noise-slices", length) == 0
        steps.append(step(read(tmp_path / length / "one_000.nii.gz")[0]))
    assert steps[0] == 0  # the toy's slices have one map
    assert 0 < steps[1] < steps[2] / 2


def test_what_cannot_be_painted_is_refused_in_words(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str, series: str = "one") -> str:
        assert paint(study, tmp_path, *words, series=series) == 2
        return capsys.readouterr().err

    assert "no slice of series three among those of 2, such as one, two" in said(series="three")
    assert "--channel 1: images have 1 channel(s), counted from 0" in said("--channel", "1")
    assert "--images 0: give at least 1" in said("--images", "0")
    assert "noise of -1.0 slices' length; give 0" in said("--noise-slices", "-1")
    assert "--source other: semantic sources of this study are ['painted']" in said("--source", "other")
    assert not list(tmp_path.iterdir())
