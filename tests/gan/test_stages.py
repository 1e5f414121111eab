"""The stages in fresh processes: killed, stopped, damaged, resumed; then sampled and made again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from radgen import code, keyed
from radgen.cli import main
from radgen.errors import LeaseError
from radgen.gan.run import Lesson
from radgen.gan.sampling import Sampler
from radgen.keyed import KeyedJob
from radgen.provenance import read_manifest
from radgen.stages import gan
from tests.gan import toys

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def _start(arguments: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "import sys; from radgen.cli import main; sys.exit(main())", *arguments]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _states(study: Path, out: str) -> list[Path]:
    return sorted((study / f"work-{out}").glob("gan/*/state-*.pt"))


def _stop(process: subprocess.Popen[str], study: Path, out: str, more_than: str, number: signal.Signals) -> str:
    """Send a signal once a state newer than the one named is on disk; return what the process printed."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if any(path.name > more_than for path in _states(study, out)):
            process.send_signal(number)
            break
        time.sleep(0.01)
    return process.communicate(timeout=120)[0]


def _manifest(study: Path, out: str) -> dict[str, Any]:
    return read_manifest(study / out / "manifest.json")


@pytest.fixture(scope="module")
def straight(study: Path) -> Path:
    """Train without a stop in a process of its own."""
    process = _start(toys.gan_command(study, "straight"))
    assert process.communicate(timeout=300)[0]
    assert process.returncode == 0
    return study / "straight"


def test_killed_stopped_and_damaged_training_ends_bit_for_bit_the_same(study: Path, straight: Path) -> None:
    command = toys.gan_command(study, "broken")
    killed = _start(command)
    _stop(killed, study, "broken", "", signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    first = _states(study, "broken")[-1].name

    stopped = _start(command)
    said = _stop(stopped, study, "broken", first, signal.SIGTERM)
    assert stopped.returncode == 75, said
    assert "stopped by SIGTERM at" in said
    states = _states(study, "broken")
    assert len(states) == 2
    states[-1].write_bytes(states[-1].read_bytes()[:-1])

    resumed = _start(command)
    said = resumed.communicate(timeout=300)[0]
    assert resumed.returncode == 0, said
    assert "is damaged (digest" in said
    notes = _manifest(study, "broken")["run"]["notes"]
    assert notes["resumed_images"] == int(states[0].name.split("-")[1]) > 0
    assert notes["seen_images"] == 800
    for name in ("generator.safetensors", "last.safetensors", "history.parquet", "samples.png"):
        assert (study / "broken" / name).read_bytes() == (straight / name).read_bytes(), name


def test_finished_training_is_published_again_in_no_time(study: Path, straight: Path) -> None:
    before = (straight / "generator.safetensors").read_bytes()
    (straight / "generator.safetensors").unlink()
    assert main(toys.gan_command(study, "straight")) == 0
    assert (straight / "generator.safetensors").read_bytes() == before
    manifest = _manifest(study, "straight")
    assert manifest["run"]["reused"] is True
    assert manifest["what"]["settings"]["gan"].keys().isdisjoint({"images", "save_every_images"})
    assert manifest["what"]["saw_patients"]["pixels"]["by_split"].keys() == {"train", "val"}


def test_training_by_other_code_is_published_again_under_the_name_of_that_code(
    study: Path, straight: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = toys.gan_command(study, "straight")
    assert main(command) == 0
    assert "other code" not in capsys.readouterr().out
    before = _manifest(study, "straight")["what"]
    for module in (keyed, code):  # manifests ask the second when they are written
        monkeypatch.setattr(module, "code_digest", lambda _: "edited")
    assert main(command) == 0
    said = capsys.readouterr().out
    assert f"gan main: other code made it ({before['code']}; today's is edited)" in said
    assert _manifest(study, "straight")["what"] == before


def test_a_larger_budget_goes_on_and_leaves_the_smaller_whole(study: Path, straight: Path) -> None:
    small = toys.gan_command(study, "grown", images=400)
    large = toys.gan_command(study, "grown")
    assert main(small) == 0
    before = (study / "grown/last.safetensors").read_bytes()
    assert main(large) == 0
    assert _manifest(study, "grown")["run"]["notes"]["resumed_images"] == 400
    assert (study / "grown/last.safetensors").read_bytes() == (straight / "last.safetensors").read_bytes()
    assert main(small) == 0
    assert _manifest(study, "grown")["run"]["reused"] is True
    assert (study / "grown/last.safetensors").read_bytes() == before


def test_a_second_live_writer_is_refused(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = toys.gan_command(study, "leased", images=16)
    assert main(command) == 0
    work = next((study / "work-leased/gan").iterdir())
    what = json.loads((work / "what.json").read_text())
    with KeyedJob(study / "work-leased", "gan", what) as job:
        assert job.folder == work
        assert main(command) == 2
        assert f"process {os.getpid()}" in capsys.readouterr().err
        with pytest.raises(LeaseError, match="is already"), KeyedJob(study / "work-leased", "gan", what):
            pass
    assert main(command) == 0


def test_a_class_without_images_is_refused(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = toys.gan_command(study, "lacking")
    command[-1] = command[-1].replace('["small", "large"]', '["small", "large", "none"]')
    assert main(command) == 2
    assert "source main: class none has 0 images to learn from, at least 2 are needed" in capsys.readouterr().err


@pytest.mark.parametrize("centroids", [0, 2])
def test_samples_are_made_and_made_again(
    study: Path, straight: Path, centroids: int, capsys: pytest.CaptureFixture[str]
) -> None:
    out = study / f"samples-{centroids}/main"
    sample = {"match": None, "threads": 1, "truncation": 0.8, "centroids": centroids}
    sections = {
        "sample": sample | {"counts": {"small": 18, "large": 5}},
        "classes": {"by": "folder", "names": toys.CLASS_NAMES},
    }
    options = {
        "weights": straight / "generator.safetensors",
        "gan-manifest": straight / "manifest.json",
        "slices": study / "slices/index.parquet",
        "slices-manifest": study / "slices/manifest.json",
        "source": "main",
        "index": out / "index.parquet",
        "manifest": out / "manifest.json",
        "settings": json.dumps(sections),
        "device": "cpu",
    }
    assert main(["sample", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]) == 0
    manifest = read_manifest(out / "manifest.json")
    assert manifest["what"]["saw_patients"] == _manifest(study, "straight")["what"]["saw_patients"]
    assert len(manifest["what"]["outputs"]) == 3

    again = ["regenerate", "main_small_000017", "--index", str(out / "index.parquet"), "--weights"]
    capsys.readouterr()
    assert main([*again, str(straight / "generator.safetensors"), "--out", str(study / "one.png")]) == 0
    assert "equal: all 256 pixels" in capsys.readouterr().out
    assert (study / "one.png").is_file()
    assert main([*again, str(straight / "history.parquet")]) == 2
    assert "was made with" in capsys.readouterr().err
    assert main(["regenerate", "main_small_000099", "--index", str(out / "index.parquet")]) == 2
    assert "no image 'main_small_000099' among 23" in capsys.readouterr().err


def test_three_jobs_and_one_make_the_same_samples_and_manifest(
    study: Path, straight: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = {"match": None, "threads": 1, "rows_per_shard": 8, "counts": {"small": 18, "large": 5}}
    settings = {"sample": sample, "classes": {"by": "folder", "names": toys.CLASS_NAMES}}
    made_with = _words(
        {
            "weights": straight / "generator.safetensors",
            "gan-manifest": straight / "manifest.json",
            "slices": study / "slices/index.parquet",
            "source": "main",
            "settings": json.dumps(settings),
        }
    )
    drafts = [study / "scattered/drafts" / f"{job:03d}" for job in range(3)]
    for draft in drafts:
        words = _words({"job": draft.name, "jobs": 3, "folder": draft, "device": "cpu"})
        assert main(["sample-draft", *made_with, *words]) == 0

    def gathered(name: str, *words: str) -> int:
        out = study / name / "main"
        places = {"index": out / "index.parquet", "manifest": out / "manifest.json"}
        manifest = _words({"slices-manifest": study / "slices/manifest.json", "device": "cpu"})
        return main(["sample", *made_with, *manifest, *_words(places), *words])

    assert gathered("in-one-job") == 0
    assert gathered("scattered", "--drafts", *map(str, drafts)) == 0
    one, three = (study / name / "main" for name in ("in-one-job", "scattered"))
    assert read_manifest(one / "manifest.json")["what"] == read_manifest(three / "manifest.json")["what"]
    names = {path.name for path in one.iterdir()} - {"manifest.json"}
    assert len(names) == 1 + 2 * 3
    assert names == {path.name for path in three.iterdir()} - {"manifest.json"}
    assert all((one / name).read_bytes() == (three / name).read_bytes() for name in names)

    capsys.readouterr()
    assert gathered("lacking", "--drafts", *map(str, drafts[:2])) == 2
    assert "a draft of job [0, 3], but here it is [0, 2]; run sample-draft again" in capsys.readouterr().err
    assert main(["sample-draft", *made_with, *_words({"job": 3, "jobs": 3, "folder": study / "none"})]) == 2
    assert "--job 3: there are 3 jobs, 0 to 2" in capsys.readouterr().err


def _words(options: dict[str, Any]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def test_a_collapsed_sampler_is_called_out_at_ticks(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = toys.images_of(study)
    rows = images.rows_where(split="train")
    lesson = Lesson(images, rows, images.column("class_id")[rows].astype(int), toys.CLASS_NAMES, "main")
    encoder = study / "encoder" / "encoder.safetensors"
    evaluate = gan._scorer(lesson, images.rows_where(split="val"), encoder, 48)
    assert evaluate is not None
    collapsed = toys.generator()
    for layer in collapsed.mapping.layers:
        layer.weight.zero_()  # type: ignore[operator, union-attr]
    for block in collapsed.blocks:
        block.noise_strength.zero_()  # type: ignore[operator, union-attr]
    scores = evaluate(Sampler(collapsed, toys.CLASS_NAMES, source="main", seed=1, truncation=1.0))
    assert scores["duplicates"] == 1.0
    assert scores["recall"] < 0.1
    assert "gan main: samples vary too little: recall 0.0" in capsys.readouterr().out


def test_every_class_is_scored_however_few_samples_are_asked_for(study: Path) -> None:
    images = toys.images_of(study)
    rows = images.rows_where(split="train")
    lesson = Lesson(images, rows, images.column("class_id")[rows].astype(int), toys.CLASS_NAMES, "main")
    evaluate = gan._scorer(lesson, images.rows_where(split="val"), study / "encoder" / "encoder.safetensors", 1)
    assert evaluate is not None
    assert "domain_fid" in evaluate(Sampler(toys.generator(), toys.CLASS_NAMES, source="m", seed=1, truncation=1.0))


def test_variety_is_in_the_history_beside_the_distance(straight: Path) -> None:
    names = set(pq.read_table(straight / "history.parquet").column("metric").to_pylist())
    assert {"domain_fid", "recall", "duplicates"} <= names
