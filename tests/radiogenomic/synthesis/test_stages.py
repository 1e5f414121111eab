"""The stages: training that goes on, refuses and republishes; samples that say of what they are made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from radgen.cli import main as radgen
from radgen.imageset.core import ImageSet
from radgen.provenance import read_manifest
from radgen.radiogenomic.expression import Expression, load_expression, save_expression
from radgen.radiogenomic.synthesis.checkpoint import load_radiogenomic
from tests.radiogenomic.synthesis import toys


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a toy study with a trained generator in radiogenomic/main, and samples of it."""
    folder = tmp_path_factory.mktemp("study")
    toys.write_sets(folder)
    assert radgen(toys.command(folder, "radiogenomic/main")) == 0
    assert radgen(sampled(folder, "samples/main")) == 0
    return folder


def sampled(folder: Path, out: str, *more: str, rna: str = "rna/rna.parquet", **changes: object) -> list[str]:
    options = {
        "weights": folder / "radiogenomic/main/generator.safetensors",
        "training-manifest": folder / "radiogenomic/main/manifest.json",
        "nodules": folder / "nodules/index.parquet",
        "backgrounds": folder / "nodules/backgrounds/index.parquet",
        "nodules-manifest": folder / "nodules/manifest.json",
        "rna": folder / rna,
        "index": folder / out / "index.parquet",
        "manifest": folder / out / "manifest.json",
        "settings": json.dumps({"radiogenomic_sample": {"per_patient": 3, "rows_per_shard": 8} | changes}),
        "device": "cpu",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return ["radiogenomic-sample", *words, *more]


def what(path: Path) -> Any:
    return read_manifest(path)["what"]


def test_weights_name_their_genes_and_whom_they_saw(study: Path) -> None:
    generator, card = load_radiogenomic(study / "radiogenomic/main/generator.safetensors", torch.device("cpu"))
    assert card.genes == tuple(f"G{n}" for n in range(toys.GENES))
    assert (card.source, card.seen_images) == ("main", 40)
    assert not generator.training
    manifest = what(study / "radiogenomic/main/manifest.json")
    assert card.saw_patients["pixels"]["digest"] == manifest["saw_patients"]["pixels"]["digest"]
    # p1 has no RNA: its healthy patches are drawn into, its nodules are not shown. p6 and p7 are held out.
    assert manifest["saw_patients"]["masks"]["by_split"] == {"train": ["p0", "p2", "p3", "p4", "p5"]}
    assert manifest["saw_patients"]["pixels"]["by_split"] == {"train": ["p0", "p1", "p2", "p3", "p4", "p5"]}


def test_a_finished_training_is_published_again_and_a_larger_budget_goes_on(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (study / "radiogenomic/main/generator.safetensors").read_bytes()
    again = toys.command(study, "again", work="work-radiogenomic/main", ep=8)
    assert radgen(again) == 0
    assert "4 epochs were trained before" not in capsys.readouterr().out
    assert radgen(toys.command(study, "radiogenomic/main")) == 0
    assert "4 epochs were trained before, published again" in capsys.readouterr().out
    assert (study / "radiogenomic/main/generator.safetensors").read_bytes() == before
    assert radgen(toys.command(study, "straight", ep=8)) == 0
    assert (study / "straight/generator.safetensors").read_bytes() == (
        study / "again/generator.safetensors"
    ).read_bytes()
    assert read_manifest(study / "again/manifest.json")["run"]["notes"]["resumed_images"] == 40


def test_training_killed_at_random_ends_in_the_same_bytes() -> None:
    command = [sys.executable, "-m", "tests.radiogenomic.synthesis.kills", "--kills", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kills in" in done.stdout


def test_samples_say_of_what_they_are_made(study: Path) -> None:
    images = ImageSet(study / "samples/main/index.parquet")
    switches = ImageSet(study / "samples/main/switches/index.parquet")
    # Seven people have RNA and images; each gets three images.
    assert len(images) == len(switches) == 21
    assert images.has_masks
    assert images.column("image_id")[0] == "main_p0_000000"
    assert images.column("image_id").tolist() == switches.column("image_id").tolist()
    assert set(images.column("split")) == {"synthetic"}
    assert images.table.column("window_low").to_pylist()[0] == [-1000.0]
    draws = pq.read_table(study / "samples/main/draws.parquet").to_pylist()
    assert [row["image_id"] for row in draws] == images.column("image_id").tolist()
    by_number = {number: {row["background"] for row in draws if row["number"] == number} for number in range(3)}
    assert all(len(found) == 1 for found in by_number.values())
    assert len(set.union(*by_number.values())) == 3
    manifest = what(study / "samples/main/manifest.json")
    assert manifest["saw_patients"]["pixels"]["by_split"] == {"train": ["p0", "p1", "p2", "p3", "p4", "p5"]}
    assert manifest["saw_patients"]["labels"]["by_split"]["test"] == ["p6", "p7"]
    embeddings = pq.read_table(study / "samples/main/embeddings.parquet")
    assert embeddings.column("profile").to_pylist() == ["p0", "p2", "p3", "p4", "p5", "p6", "p7"]
    saliency = pq.read_table(study / "samples/main/saliency.parquet")
    assert saliency.column_names == ["gene", "area", "density", "edge", "strength"]
    assert saliency.num_rows == toys.GENES
    for varies in ("background", "gene", "noise"):
        assert (study / f"samples/main/grid_{varies}.png").read_bytes().startswith(b"\x89PNG")


def test_away_from_its_mask_an_image_is_its_background(study: Path) -> None:
    images, healthy = (ImageSet(study / place / "index.parquet") for place in ("samples/main", "nodules/backgrounds"))
    for row in pq.read_table(study / "samples/main/draws.parquet").to_pylist():
        (place,), (behind,) = (
            images.rows_where(image_id=row["image_id"]),
            healthy.rows_where(image_id=row["background"]),
        )
        change = np.abs(images.images([place])[0, 0].astype(int) - healthy.images([behind])[0, 0])
        cover = images.covers([place])[0]
        # A cover below half a grey is stored as none, and its share of the drawn picture is as small.
        assert change[cover == 0].max(initial=0) <= 1
        assert (change[cover == 0] > 0).sum() <= (cover > 0).sum()


def test_samples_are_the_same_bytes_alone_and_together(study: Path) -> None:
    assert radgen(sampled(study, "samples/one", patients=["p3"])) == 0
    together, alone = (ImageSet(study / f"samples/{name}/index.parquet") for name in ("main", "one"))
    rows = together.rows_where(image_id=alone.column("image_id").tolist())
    np.testing.assert_array_equal(together.images(rows), alone.images(range(3)))
    np.testing.assert_array_equal(together.covers(rows), alone.covers(range(3)))


def test_a_sample_is_made_again_from_its_id(study: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    index = study / "samples/main/index.parquet"
    assert radgen(["regenerate", "main_p6_000002", "--index", str(index), "--out", str(tmp_path / "one.png")]) == 0
    assert f"equal: all {toys.PX**2} pixels" in capsys.readouterr().out
    assert radgen(["regenerate", "main_p6_000009", "--index", str(index)]) == 2


def test_own_backgrounds_are_the_patients(study: Path) -> None:
    assert radgen(sampled(study, "samples/own", backgrounds="own")) == 0
    for row in pq.read_table(study / "samples/own/draws.parquet").to_pylist():
        assert row["background"].startswith(row["profile"]) or row["profile"] == "p0"


def test_edited_profiles_are_drawn_beside_the_patients(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = study / "edits.csv"
    table.write_text("profile,patient,gene,value\np3-up,p3,G0,2.5\np3-up,p3,G1,0\nplain,mean,G0,0\n")
    assert radgen(sampled(study, "samples/edited", "--edits", str(table), patients=["p3"])) == 0
    found = load_expression(study / "samples/edited/profiles.parquet")
    assert found.patients == ("p3", "p3-up", "plain")
    np.testing.assert_array_equal(found.values[1, 2:], found.values[0, 2:])
    assert found.values[1, :2].tolist() == [2.5, 0.0]
    assert not found.values[2].any()
    for line, words in (
        ("x,p3,NONE,1", "gene 'NONE' is not among the 6"),
        ("x,nobody,G0,1", "it starts from nobody among the 7 patients"),
        ("p3,p3,G0,1", "it bears a patient's name"),
        ("x,p3,G0,much", "line 2 has no profile, patient, gene or finite value"),
    ):
        table.write_text(f"profile,patient,gene,value\n{line}\n")
        capsys.readouterr()
        assert radgen(sampled(study, "samples/edited", "--edits", str(table), patients=["p3"])) == 2
        assert words in capsys.readouterr().err


def test_a_table_of_other_people_is_drawn_by_its_transform(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from radgen.radiogenomic.rna_table import RnaTable
    from radgen.radiogenomic.rna_transform import fit, save
    from radgen.radiogenomic.settings import RnaSettings

    values = np.abs(toys.profiles(5).astype(np.float64)) + 1
    people = RnaTable("t", tuple("abcde"), tuple(f"G{n}" for n in range(toys.GENES)), values, "log")
    save(study / "transform.safetensors", fit(people, RnaSettings(scale="log")))
    lines = [",".join(["", *people.genes, "EXTRA"])]
    lines += [",".join([name, *map(str, row), "7"]) for name, row in zip(people.patients, values, strict=True)]
    (study / "table.csv").write_text("\n".join(lines))
    rna = {"scale": "log", "orientation": "patients-in-rows"}
    words = sampled(study, "samples/others", "--table", str(study / "table.csv"))
    words[words.index("--settings") + 1] = json.dumps({"radiogenomic_sample": {"per_patient": 1}, "rna_settings": rna})
    assert radgen(words) == 2
    assert "comes without --transform" in capsys.readouterr().err
    assert radgen([*words, "--transform", str(study / "transform.safetensors")]) == 0
    images = ImageSet(study / "samples/others/index.parquet")
    assert images.column("image_id").tolist() == [f"main_{name}_000000" for name in "abcde"]
    assert what(study / "samples/others/manifest.json")["saw_patients"]["unknown"]


def test_another_gene_set_ends_in_one_sentence(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = load_expression(study / "rna/rna.parquet")
    save_expression(study / "fewer.parquet", Expression(known.patients, known.genes[1:], known.values[:, 1:]))
    assert radgen(sampled(study, "samples/none", rna="fewer.parquet")) == 2
    said = capsys.readouterr().err
    assert "fewer.parquet: 5 genes (digest " in said
    assert "but the generator main learnt 6 (digest " in said
    assert "1 of the latter are missing, such as G0" in said
    assert said.count("\n") == 1


def test_a_patient_without_rna_ends_in_one_sentence(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert radgen(sampled(study, "samples/none", patients=["p1"])) == 2
    assert "1 of 1 patients asked for have no RNA among the 7 of the table" in capsys.readouterr().err


def test_a_dry_run_says_what_training_needs_and_writes_nothing(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radgen.training.probe.PROBE_SECONDS", 0.0)
    assert radgen([*toys.command(study, "dry"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "generator: 0.04 M parameters" in said
    assert "40 images take" in said
    assert not (study / "dry").exists()
