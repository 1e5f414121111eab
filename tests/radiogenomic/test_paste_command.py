"""`radgen radiogenomic-paste`: a slice of the patient's CT with the nodule in it, as DICOM and NIfTI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch

from radgen.cli import main as radgen
from radgen.imageset.core import ImageSet
from radgen.radiogenomic.settings import RnaSettings
from radgen.radiogenomic.synthesis.checkpoint import RadiogenomicCard, save_radiogenomic
from radgen.radiogenomic.synthesis.networks import RadiogenomicGenerator, RadiogenomicShape
from radgen.radiogenomic.synthesis.settings import RadiogenomicSampleSettings
from radgen.stages import radiogenomic_sample
from tests.radiogenomic.nodule_study import NoduleStudy

CONFIG = """
study: {name}
archive: {archive}
results: {results}
patient_key: {{public: tests}}
"""


def disc(shape: RadiogenomicShape) -> RadiogenomicGenerator:
    """Return a generator of a bright spot in the middle, whatever the genes."""
    torch.manual_seed(1)
    generator = RadiogenomicGenerator(shape)
    generator.generator.paint.register_forward_hook(_spot)
    return generator


def _spot(_module: torch.nn.Module, _inputs: Any, maps: torch.Tensor) -> torch.Tensor:
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in maps.shape[2:]), indexing="ij")
    mask = 8 * (0.3 - torch.hypot(y, x)) / 0.05
    return torch.stack([torch.full_like(mask, 0.5), mask])[None] + 0 * maps


@pytest.fixture(scope="module")
def pasted(study: NoduleStudy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the study, a sample's id and what the command wrote of it."""
    study.read_rna(RnaSettings(most_missing=0.5))
    nodules = ImageSet(study.out / "index.parquet")
    genes = genes_of(study)
    shape = RadiogenomicShape(
        resolution=32, genes=len(genes), hidden=8, embed_dim=4, g_ls=2, g_n_feat=2, d_n_feat=2, code_kernel=8
    )
    weights = study.root / "radiogenomic" / "main" / "generator.safetensors"
    card = RadiogenomicCard(shape, genes, "", "main", 0, {}, {})
    save_radiogenomic(weights, disc(shape).state_dict(), card)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radgen.radiogenomic.synthesis.checkpoint.RadiogenomicGenerator", disc)
        radiogenomic_sample.run(
            weights=weights,
            training_manifest=study.out / "manifest.json",
            nodules=study.out / "index.parquet",
            backgrounds=study.out / "backgrounds" / "index.parquet",
            nodules_manifest=study.out / "manifest.json",
            rna=study.root / "rna" / "rna.parquet",
            index=study.root / "samples" / "main" / "index.parquet",
            manifest=study.root / "samples" / "main" / "manifest.json",
            radiogenomic_sample=RadiogenomicSampleSettings(per_patient=1, splits=("test",), backgrounds="own"),
            device="cpu",
        )
    folder = tmp_path_factory.mktemp("pasted")
    text = CONFIG.format(name=study.root.name, archive=study.archive, results=study.root.parent)
    (folder / "study.yaml").write_text(text)
    name = str(ImageSet(study.root / "samples" / "main" / "index.parquet").column("image_id")[0])
    words = ["radiogenomic-paste", str(folder / "study.yaml"), "--source", "main", "--out", str(folder)]
    assert radgen([*words, "--images", name]) == 0
    return {"name": name, "folder": folder, "words": words, "nodules": nodules}


def genes_of(study: NoduleStudy) -> tuple[str, ...]:
    from radgen.radiogenomic.expression import load_expression

    return load_expression(study.root / "rna" / "rna.parquet").genes


def test_the_slice_is_its_source_but_for_the_nodule(study: NoduleStudy, pasted: dict[str, Any]) -> None:
    image = pydicom.dcmread(pasted["folder"] / f"{pasted['name']}.dcm")
    place = [float(value) for value in image.ImagePositionPatient]
    sources = [pydicom.dcmread(path) for path in study.archive.rglob("CT/*.dcm")]
    near = [
        source
        for source in sources
        if np.allclose([float(v) for v in source.ImagePositionPatient], place, atol=1e-3)
        and [float(v) for v in source.ImageOrientationPatient] == [float(v) for v in image.ImageOrientationPatient]
    ]
    hu = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
    mask = np.asarray(nib.load(pasted["folder"] / f"{pasted['name']}_mask.nii.gz").dataobj)[0] > 0  # type: ignore[attr-defined]
    changes = []
    for source in near:
        theirs = source.pixel_array * float(source.RescaleSlope) + float(source.RescaleIntercept)
        changes.append(np.abs(hu - theirs))
    change = min(changes, key=lambda values: float((values > 1).mean()))
    assert 20 < mask.sum() < 0.1 * mask.size
    assert (change > 1).mean() < 6 * mask.mean()
    assert change[mask].mean() > 200
    assert np.median(change) <= 0.5


def test_the_volume_and_the_dicom_hold_the_same_slice(pasted: dict[str, Any]) -> None:
    image = pydicom.dcmread(pasted["folder"] / f"{pasted['name']}.dcm")
    volume = nib.load(pasted["folder"] / f"{pasted['name']}.nii.gz")  # type: ignore[attr-defined]
    np.testing.assert_array_equal(np.asarray(volume.dataobj)[0], image.pixel_array)  # type: ignore[attr-defined]
    corner = volume.affine @ [0, 0, 0, 1]  # type: ignore[attr-defined]
    np.testing.assert_allclose(corner[:3] * [-1, -1, 1], [float(v) for v in image.ImagePositionPatient], atol=1e-3)


def test_the_dicom_says_that_it_is_synthetic_and_names_nobody(study: NoduleStudy, pasted: dict[str, Any]) -> None:
    image = pydicom.dcmread(pasted["folder"] / f"{pasted['name']}.dcm")
    assert (image.SyntheticData, list(image.ImageType[:2])) == ("YES", ["DERIVED", "SECONDARY"])
    source = pydicom.dcmread(next(study.archive.rglob("CT/*.dcm")))
    text = str(image)
    for value in (source.PatientID, source.StudyInstanceUID, source.FrameOfReferenceUID):
        assert str(value) not in text


def test_an_unknown_image_ends_in_one_sentence(pasted: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert radgen([*pasted["words"], "--images", "main_nobody_000000"]) == 2
    assert "'main_nobody_000000' is no image of" in capsys.readouterr().err


def test_the_same_command_writes_the_same_bytes(pasted: dict[str, Any], tmp_path: Path) -> None:
    words = [*pasted["words"][:-1], str(tmp_path)]
    assert radgen([*words, "--images", pasted["name"]]) == 0
    for name in (f"{pasted['name']}.dcm", f"{pasted['name']}.nii.gz", f"{pasted['name']}_mask.nii.gz"):
        assert (tmp_path / name).read_bytes() == (pasted["folder"] / name).read_bytes()
