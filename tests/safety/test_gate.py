"""What may leave: audited sets and weights by their verdict, without what was dropped; and who saw a patient."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
import yaml

from radgen.cli import main
from radgen.cohort.keys import patient_key
from radgen.errors import ReleaseError
from radgen.features.rows import pixel_digests
from radgen.imageset.core import gather_index, write_table
from radgen.provenance import SawPatients, digest_file, what_part, write_json, write_manifest
from radgen.safety.gate import release_of
from radgen.safety.tables import IMAGES_SCHEMA
from radgen.training.weights import save_weights
from tests.export.toys import write_pairs

KEY = "radgen test key, public"
PATIENT = "Mustermann, Erika"
SAW = SawPatients(pixels={"train": frozenset({patient_key(KEY.encode(), PATIENT), "ab" * 8})})


def audited(root: Path, part: str = "samples", *, passed: bool = True, drop: tuple[int, ...] = (3,)) -> Path:
    """Write a set of 20 images below a study and an audit of it; return its index."""
    folder = root / part / "main"
    index = write_pairs(folder)
    weights = (
        root
        / ("gan" if part == "samples" else "labels")
        / "main"
        / ("generator.safetensors" if part == "samples" else "head.safetensors")
    )
    save_weights(weights, {"w": torch.arange(3.0)}, {"kind": part})
    stage = "gan" if part == "samples" else "labels"
    note(weights.parent / "manifest.json", stage, {"weights": weights})
    inputs = {"weights": digest_file(weights)}
    what = what_part(stage="pairs", version=1, settings={"sample": {"truncation": 0.7}}, inputs=inputs)
    write_manifest(folder / "manifest.json", what=what, outputs={"index": index}, saw_patients=SAW)
    rows = [
        {"image_id": f"main_image_{number:06d}", "kept": number not in drop, "why": "near copy by whole"}
        for number in range(20)
    ]
    out = root / "audit" / part
    write_table(out / "main.images.parquet", pa.Table.from_pylist(rows, schema=IMAGES_SCHEMA))
    words = "membership inference reaches an area of up to 0.64 by pixels, the policy allows 0.60"
    sentence = "may leave: 19 of 20 images are kept" if passed else f"must not leave: {words}"
    verdict = {"passed": passed, "sentence": sentence, "checks": [{"words": words}]}
    write_json(out / "main.verdict.json", verdict)
    what = what_part(stage="audit", version=1, settings={}, inputs=pixel_digests(index, "images"))
    outputs = {name: out / f"main.{name}" for name in ("images.parquet", "verdict.json")}
    write_manifest(out / "main.manifest.json", what=what, outputs=outputs, saw_patients=SAW)
    return index


def note(path: Path, stage: str, outputs: dict[str, Path], saw: SawPatients = SAW) -> None:
    settings = {stage: {"images": 10}}
    what = what_part(stage=stage, version=1, settings=settings, inputs={})
    write_manifest(path, what=what, outputs=outputs, saw_patients=saw)


def export(index: Path, out: Path, *words: str) -> int:
    return main(["export", str(index), "--to", "png", "--out", str(out), *words])


# ---------------------------------------------------------------- export


def test_what_the_audit_dropped_stays_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = audited(tmp_path / "demo")
    assert export(index, tmp_path / "out") == 0
    assert "samples/main may leave: 19 of 20 images are kept" in capsys.readouterr().out
    with (tmp_path / "out" / "provenance.csv").open(newline="") as file:
        left = [row["image_id"] for row in csv.DictReader(file)]
    assert left == [f"main_image_{number:06d}" for number in range(20) if number != 3]
    assert len(list((tmp_path / "out" / "images").rglob("*.png"))) == 19
    assert "Audit for copies of patients: samples/main may leave" in (tmp_path / "out" / "README.md").read_text()


def test_a_gathered_set_leaves_by_the_verdicts_of_its_parts(tmp_path: Path) -> None:
    part = audited(tmp_path / "demo")
    gather_index([part], tmp_path / "demo" / "samples" / "index.parquet")
    release = release_of(tmp_path / "demo" / "samples" / "index.parquet")
    assert (len(release.kept), release.dropped) == (19, 1)


def test_a_set_that_fails_is_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(audited(tmp_path / "demo", passed=False), tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "this set must not leave: membership inference reaches an area of up to 0.64" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_no_audit_no_export_unless_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = write_pairs(tmp_path / "demo" / "pairs" / "main")
    assert export(index, tmp_path / "out") == 2
    assert "this set was not audited for copies of patients; run `snakemake audit`" in capsys.readouterr().err
    assert export(index, tmp_path / "out", "--unaudited") == 0
    assert json.loads((tmp_path / "out" / "export.json").read_text())["release"] == "not audited"


def test_a_verdict_of_other_images_or_a_changed_one_is_worth_nothing(tmp_path: Path) -> None:
    index = audited(tmp_path / "demo")
    other = write_pairs(tmp_path / "other" / "samples" / "main", 8)
    verdict = tmp_path / "demo" / "audit" / "samples" / "main.verdict.json"
    with pytest.raises(ReleaseError, match=r"these images are not those that main\.verdict\.json speaks of"):
        release_of(other, verdict)
    verdict.write_text(verdict.read_text().replace("19 of 20", "20 of 20"))
    with pytest.raises(ReleaseError, match=r"main\.verdict\.json: not as the audit wrote it; audit the set again"):
        release_of(index)


# ---------------------------------------------------------------- publish


def publish(root: Path, out: Path) -> int:
    return main(["publish", str(root), "main", "--out", str(out)])


def test_weights_leave_with_settings_and_a_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "demo"
    audited(root)
    audited(root, "pairs")
    assert publish(root, tmp_path / "out") == 0, capsys.readouterr().err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"generator.safetensors", "head.safetensors", "config.yaml", "README.md", "SHA256SUMS"}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "pixels of 2, labels of 0, masks of 0" in card
    assert (
        yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())["generator.safetensors"]["gan"]["images"] == 10
    )
    everything = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert not any(key.encode() in everything for key in SAW.everyone())
    assert publish(root, tmp_path / "out") == 2  # not empty


def test_weights_stay_where_their_images_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "demo"
    audited(root)
    audited(root, "pairs", passed=False)
    assert publish(root, tmp_path / "out") == 2
    assert "must not leave" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    audited(root, "pairs")
    save_weights(root / "gan" / "main" / "generator.safetensors", {"w": torch.zeros(3)}, {})
    assert publish(root, tmp_path / "out") == 2
    assert "the audited images were made with other weights" in capsys.readouterr().err


def test_a_key_in_the_weights_keeps_them_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "demo"
    audited(root)
    weights = root / "gan" / "main" / "generator.safetensors"
    save_weights(weights, {"w": torch.arange(3.0)}, {"patients": ["ab" * 8]})
    what = what_part(stage="sample", version=1, settings={}, inputs={"weights": digest_file(weights)})
    folder = root / "samples" / "main"
    write_manifest(folder / "manifest.json", what=what, outputs={}, saw_patients=SAW)
    assert publish(root, tmp_path / "out") == 2
    assert "generator.safetensors: holds a patient's key" in capsys.readouterr().err


# ---------------------------------------------------------------- forget


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study's configuration beside results in which some outputs saw the patient."""
    root = tmp_path / "results" / "demo"
    audited(root)
    note(root / "slices" / "manifest.json", "slices", {})
    note(root / "judge" / "manifest.json", "judge", {}, SawPatients(pixels={"train": frozenset({"cd" * 8})}))
    config: dict[str, Any] = {"study": "demo", "results": str(tmp_path / "results"), "work": str(tmp_path / "work")}
    path = tmp_path / "demo.yaml"
    path.write_text(yaml.safe_dump(config | {"patient_key": {"public": KEY}}))
    return path


@pytest.mark.parametrize("told", [PATIENT, patient_key(KEY.encode(), PATIENT)])
def test_every_output_that_saw_a_patient_is_listed(study: Path, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forget", told, str(study)]) == 0
    said = capsys.readouterr().out
    assert "retrain     gan/main  gan: generator.safetensors  (saw pixels)" in said
    assert "delete      slices  slices: no file  (saw pixels)" in said
    assert "make again  samples/main  pairs: index.parquet  (saw pixels)" in said
    assert "judge" not in said
    assert "1 to retrain, 1 to delete, 2 to make again" in said
    assert PATIENT not in said
    assert patient_key(KEY.encode(), PATIENT) not in said


def test_an_unknown_patient_is_told_without_repeating_the_name(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forget", "Nobody, Nowhere", str(study)]) == 2
    said = capsys.readouterr().err
    assert "no output of study demo saw this patient (3 patients are known)" in said
    assert "Nobody" not in said
