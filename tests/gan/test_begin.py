"""Where training begins: stages grow on the stage before, finished generators go on, parameters stay frozen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from radgen.cli import main
from radgen.errors import ConfigError
from radgen.gan.begin import Start, begin, freeze, shape_of_file
from radgen.gan.checkpoint import GeneratorCard, load_generator, save_generator
from radgen.gan.generator import Generator
from radgen.gan.settings import GanSettings, at_stage, growth_px
from radgen.provenance import SawPatients, read_manifest, what_part, write_manifest
from radgen.settings import build
from tests.conftest import REPOSITORY
from tests.gan import toys

CPU = torch.device("cpu")
ALIAS_FREE: dict[str, object] = {
    "generator": "alias-free",
    "discriminator": "projected",
    "alias_free": {"preset": "tiny"},
    "images": 64,
    "save_every_images": 32,
    "tick_images": 64,
}


def _saved(folder: Path, names: tuple[str, ...] = toys.CLASS_NAMES) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "generator.safetensors"
    save_generator(path, toys.generator(5).state_dict(), GeneratorCard(toys.SHAPE, names, "old", 800, {}))
    return path


def _start(path: Path | None, names: tuple[str, ...], means: np.ndarray[Any, Any] | None = None) -> Start:
    encoder = toys.encoder_of(16, 16)
    found = np.zeros((len(names), encoder.dimension)) if means is None else means
    return Start(None, path, names, lambda: found, encoder)


def _settings(command: list[str]) -> dict[str, Any]:
    return dict(json.loads(command[command.index("--settings") + 1]))


def test_classes_go_on_by_name_whatever_their_order(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    generator, old = Generator(toys.SHAPE), toys.generator(5)
    sentence = begin(generator, _start(path, ("large", "small")))
    assert sentence == "goes on from generator.safetensors (800 images); every class is known by name"
    assert torch.equal(generator.mapping.embedding, old.mapping.embedding.flip(0))
    assert torch.equal(generator.mapping.w_avg, old.mapping.w_avg.flip(0))
    assert torch.equal(generator.start, old.start)


def test_a_new_class_starts_as_the_one_that_looks_most_like_it(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    encoder = toys.encoder_of(16, 16)
    from radgen.gan.sampling import Sampler

    sampler = Sampler(toys.generator(5), toys.CLASS_NAMES, source="init_from", seed=0, truncation=1.0)
    for class_id, name in enumerate(toys.CLASS_NAMES):
        own = encoder.features(sampler.images(class_id, range(64))).mean(axis=0)
        shape = shape_of_file(path, classes=3, resolution=16, image_channels=1)
        generator = Generator(shape)  # type: ignore[arg-type]
        means = np.stack([np.zeros(encoder.dimension), np.zeros(encoder.dimension), own])
        sentence = begin(generator, _start(path, ("small", "large", "new"), means))
        assert sentence.endswith(f"new starts as {name}")
        assert torch.equal(generator.mapping.embedding[2], generator.mapping.embedding[class_id])


def test_images_of_another_size_are_refused_with_both_sizes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"images of 16 pixels and 1 channel\(s\), but the study's have 32 and 1"):
        shape_of_file(_saved(tmp_path), classes=2, resolution=32, image_channels=1)


def test_frozen_parameters_stay_and_unknown_ones_are_refused() -> None:
    generator = toys.generator().requires_grad_(True)
    freeze(generator, ("mapping", "blocks.0"))
    still = {name for name, parameter in generator.named_parameters() if not parameter.requires_grad}
    assert still == {name for name, _ in generator.named_parameters() if name.startswith(("mapping", "blocks.0"))}
    with pytest.raises(ConfigError, match="no parameter of the generator begins with 'block7'; they begin with blocks"):
        freeze(generator, ("block7",))
    with pytest.raises(ConfigError, match="leave no parameter of the generator to learn"):
        freeze(generator, ("",))


def test_stages_follow_from_the_resolution_and_know_only_their_own_settings() -> None:
    settings = build(GanSettings, {"generator": "alias-free", "images": 10})
    assert growth_px(settings, 256) == (16, 32, 64, 128)
    assert growth_px(GanSettings(), 256) == ()
    from radgen.gan.settings import StageSettings

    chain = GanSettings(generator="alias-free", images=10, stages={16: StageSettings(images=50, batch_size=64)})
    assert (at_stage(chain, 16).images, at_stage(chain, 16).batch_size) == (50, 64)
    assert at_stage(chain, 32) == GanSettings(generator="alias-free", images=10)


def _run_stage(study: Path, out: str, *options: str, **changes: object) -> list[str]:
    return [*toys.gan_command(study, out, **(ALIAS_FREE | changes)), *options]


@pytest.fixture(scope="module")
def large_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy study of 32 pixels, on which a chain of two stages can be trained."""
    return toys.study(tmp_path_factory.mktemp("large"), side=32)


def test_a_chain_grows_stage_by_stage(large_study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_run_stage(large_study, "stage-16", "--resolution", "16")) == 0
    stem = large_study / "stage-16/generator.safetensors"
    assert main(_run_stage(large_study, "grown", "--previous", str(stem))) == 0
    assert "grown on 16 pixels of 64 images" in capsys.readouterr().out
    (one, _), (two, card) = (load_generator(path, CPU) for path in (stem, large_study / "grown/generator.safetensors"))
    assert (one.shape.resolution, two.shape.resolution, card.class_names) == (16, 32, toys.CLASS_NAMES)
    kept = one.state_dict()["mapping.layers.0.weight"]
    assert torch.equal(two.state_dict()["mapping.layers.0.weight"], kept)
    what = read_manifest(large_study / "grown/manifest.json")["what"]
    assert set(what["inputs"]) >= {"previous", "encoder"}
    assert "alias_free" in what["settings"]["gan"]


def test_growing_on_a_generator_that_does_not_grow_is_refused(
    large_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_run_stage(large_study, "wrong", "--previous", str(_saved(tmp_path)))) == 2
    assert "generator.safetensors: holds a generator that does not grow" in capsys.readouterr().err


def test_training_goes_on_from_a_file_and_inherits_who_it_saw(study: Path, tmp_path: Path) -> None:
    path = _saved(tmp_path / "known")
    saw = SawPatients(pixels={"elsewhere": frozenset({"old-patient"})})
    what = what_part(stage="gan", version=1, settings={}, inputs={})
    write_manifest(tmp_path / "known/manifest.json", what=what, outputs={}, saw_patients=saw)
    assert main(toys.gan_command(study, "tuned", init_from=str(path), images=16, freeze=["mapping"])) == 0
    manifest = read_manifest(study / "tuned/manifest.json")["what"]
    assert manifest["saw_patients"]["pixels"]["by_split"]["elsewhere"] == ["old-patient"]
    assert "init_from" in manifest["inputs"]
    assert str(tmp_path) not in json.dumps(manifest)
    tuned, _ = load_generator(study / "tuned/last.safetensors", CPU)
    assert torch.equal(tuned.state_dict()["mapping.embedding"], toys.generator(5).mapping.embedding)
    assert not torch.equal(tuned.state_dict()["start"], toys.generator(5).start)
    (tmp_path / "known/manifest.json").unlink()
    assert main(toys.gan_command(study, "tuned_blind", init_from=str(path), images=16)) == 0
    assert read_manifest(study / "tuned_blind/manifest.json")["what"]["saw_patients"]["unknown"]


def test_a_dry_run_prints_what_training_needs_and_writes_nothing(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radgen.training.probe.PROBE_SECONDS", 0.2)
    assert main([*toys.gan_command(study, "dry"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    for part in ("generator: 0.0", "M parameters", "GFLOP per image", "MiB at most", "800 images take"):
        assert part in said
    assert not (study / "dry").exists()
    assert not (study / "work-dry").exists()


def test_two_processes_train_what_one_trains(study: Path) -> None:
    """The same parts of the same batches, added in another order: after 30 steps of 0.0025 equal to within 0.001."""
    options: dict[str, object] = {"part_size": 4, "images": 240, "rebuild": {"alone_images": 160}, "precision": "fp32"}
    options["learning_rate"] = 2.5e-3
    assert main(toys.gan_command(study, "one-process", **options)) == 0
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *torchrun, "-m", "radgen.cli", *toys.gan_command(study, "two-processes", **options)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    folders = (study / "one-process", study / "two-processes")
    one, two = (load_generator(folder / "last.safetensors", CPU)[0].state_dict() for folder in folders)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=1e-3)
    assert read_manifest(study / "two-processes/manifest.json")["run"]["notes"]["processes"] == 2
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert "240 images were trained before, published again" in again.stdout
