"""`radgen latent`: every tool by its command line, its bytes, its manifest and its refusals."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from radgen.cli import main
from radgen.gan.checkpoint import load_generator
from radgen.gan.generator import Generator
from radgen.gan.grid import write_png
from radgen.gan.latent.centroids import find_centroids, load_centroids
from radgen.gan.latent.inversion import psnr_db
from radgen.gan.latent.mixing import mix
from radgen.gan.latent.styles import Style, Truncation, draw_style, paint
from radgen.imageset.core import ImageSet
from radgen.provenance import SawPatients, digest_file, read_manifest, saw_patients_of
from radgen.stages.latent.opened import Key, manifest_path
from radgen.stages.latent.pictures import read_png, shown, write_film
from tests.gan import toys
from tests.gan.latent.toys import SAW, write_generator


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy study with a generator."""
    folder = toys.study(tmp_path_factory.mktemp("latent"))
    write_generator(folder / "gan" / "generator.safetensors")
    return folder


def _latent(folder: Path, tool: str, *words: object) -> int:
    return main(["latent", tool, str(folder / "gan/generator.safetensors"), *map(str, words)])


def _generator(folder: Path) -> Generator:
    return load_generator(folder / "gan/generator.safetensors", torch.device("cpu"))[0]


def _cells(path: Path, side: int = 16) -> np.ndarray:
    picture = np.asarray(Image.open(path))
    rows, columns = picture.shape[0] // side, picture.shape[1] // side
    return picture.reshape(rows, side, columns, side).swapaxes(1, 2)


def _image(folder: Path, class_id: int, seed: int, truncation: Truncation | None = None) -> np.ndarray:
    generator = _generator(folder)
    return paint(generator, draw_style(generator, class_id, seed, truncation))[0]


def test_help_lists_the_tools(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "latent              Latent tools of a trained generator: sheet, mix, interpolate" in capsys.readouterr().out
    for words, said in (
        (["latent", "--help"], ("sheet", "mix", "interpolate", "centroids", "invert")),
        (["latent", "invert", "--help"], ("--image-id", "--tune", "Steps of pivotal tuning", "--encoder")),
    ):
        with pytest.raises(SystemExit, match="0"):
            main(words)
        text = capsys.readouterr().out
        assert all(word in text for word in said)


def test_a_sheet_has_a_row_per_class_and_truncation_and_a_column_per_seed(folder: Path) -> None:
    centroids = folder / "centroids.safetensors"
    assert _latent(folder, "centroids", "--out", centroids, "--count", 2, "--styles", 300) == 0
    out = folder / "sheet.png"
    words = ["--seeds", 4, 9, 2, "--truncations", 1, 0.5, "--centroids", centroids, "--out", out]
    assert _latent(folder, "sheet", *words) == 0
    cells = _cells(out)
    assert cells.shape == (4, 3, 16, 16)
    near = Truncation(0.5, find_centroids(_generator(folder), 2, seed=1, styles=300))
    assert np.array_equal(cells[2, 1], _image(folder, 1, 9))
    assert np.array_equal(cells[3, 1], _image(folder, 1, 9, near))
    what = read_manifest(manifest_path(out))["what"]
    assert what["inputs"]["centroids"] == digest_file(centroids)
    assert what["outputs"] == {"sheet.png": digest_file(out)}
    assert SawPatients.from_json(what["saw_patients"]) == SAW
    before = out.read_bytes()
    assert _latent(folder, "sheet", *words) == 0
    assert out.read_bytes() == before


def test_centroids_are_written_with_their_generators_ancestry(folder: Path) -> None:
    weights, out = folder / "gan/generator.safetensors", folder / "pooled.safetensors"
    assert _latent(folder, "centroids", "--out", out, "--count", 3, "--styles", 100, "--pooled", "--seed", 5) == 0
    found = load_centroids(out, generator=digest_file(weights))
    assert torch.equal(found.centres, find_centroids(_generator(folder), 3, seed=5, styles=100, pooled=True).centres)
    what = read_manifest(manifest_path(out))["what"]
    assert (what["seed"], what["settings"]["count"], what["settings"]["styles"]) == (5, 3, 100)
    assert saw_patients_of(manifest_path(out)) == SAW


def test_a_mixed_table_shows_what_was_mixed(folder: Path) -> None:
    out, generator = folder / "mix.png", _generator(folder)
    words = ["--coarse", "small:1", "small:2", "--fine", "large:3", "--first-fine", 3]
    assert _latent(folder, "mix", *words, "--out", out) == 0
    cells = _cells(out)
    assert cells.shape == (3, 2, 16, 16)
    assert cells[0, 0].max() == 0
    assert np.array_equal(cells[0, 1], _image(folder, 1, 3))
    assert np.array_equal(cells[2, 0], _image(folder, 0, 2))
    mixed = mix(draw_style(generator, 0, 2), draw_style(generator, 1, 3), 3)
    assert np.array_equal(cells[2, 1], paint(generator, mixed)[0])


def test_a_film_begins_and_ends_with_its_keys_and_has_the_same_bytes_twice(folder: Path) -> None:
    words = ["--keys", "small:1", "large:1", "--frames", 3]
    strip = folder / "strip.png"
    assert _latent(folder, "interpolate", *words, "--out", strip) == 0
    cells = _cells(strip)[0]
    assert len(cells) == 4
    assert np.array_equal(cells[0], _image(folder, 0, 1))
    assert np.array_equal(cells[-1], _image(folder, 1, 1))
    films = [folder / "one.gif", folder / "two.gif"]
    for film in films:
        assert _latent(folder, "interpolate", *words, "--loop", "--scale", 2, "--out", film) == 0
    assert films[0].read_bytes() == films[1].read_bytes()
    with Image.open(films[0]) as opened:
        # A GIF counts time in hundredths of a second.
        assert (opened.n_frames, opened.size, opened.info["duration"]) == (6, (32, 32), 80)  # type: ignore[attr-defined]
        assert np.array_equal(np.asarray(opened.convert("L"))[::2, ::2], cells[0])


def test_a_colour_film_keeps_its_colours(tmp_path: Path) -> None:
    colours = np.array([[255, 0, 0], [0, 200, 90], [10, 20, 250]], dtype=np.uint8)
    frames = [np.broadcast_to(colour, (6, 8, 3)).copy() for colour in colours]
    write_film(tmp_path / "film.gif", frames, 10)
    with Image.open(tmp_path / "film.gif") as film:
        for place, colour in enumerate(colours):
            film.seek(place)
            assert np.abs(np.asarray(film.convert("RGB")).astype(int) - colour).max() <= 4
    write_png(tmp_path / "colour.png", shown(frames[1].transpose(2, 0, 1)))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "colour.png")), frames[1])


def test_mp4_has_the_same_bytes_twice_and_even_sides(tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (33, 47), dtype=np.uint8) for _ in range(5)]
    paths = [tmp_path / "one.mp4", tmp_path / "two.mp4"]
    for path in paths:
        write_film(path, frames, 10)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    reader = ffmpeg.read_frames(str(paths[0]), pix_fmt="gray", bits_per_pixel=8)
    assert next(reader)["size"] == (48, 34)
    assert len(list(reader)) == 5


def test_mp4_without_its_encoder_is_refused_with_a_way_out(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    out = folder / "film.mp4"
    assert _latent(folder, "interpolate", "--keys", "small:1", "large:1", "--frames", 1, "--out", out) == 2
    said = capsys.readouterr().err
    assert "MP4 needs the package imageio-ffmpeg; run `pip install 'radgen[video]'`, or write a .gif" in said
    assert not out.exists()


def test_a_failing_encoder_leaves_no_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from radgen.errors import StorageError

    broken = types.SimpleNamespace(get_ffmpeg_exe=lambda: "/bin/false")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", broken)
    with pytest.raises(StorageError, match=r"film.mp4: ffmpeg failed .* write a .gif instead"):
        write_film(tmp_path / "film.mp4", [np.zeros((4, 4), dtype=np.uint8)], 10)
    assert list(tmp_path.iterdir()) == []


INVERT = ["--candidates", 16, "--steps", 30]


def test_an_image_of_a_set_is_inverted_and_its_patient_enters_the_ancestry(folder: Path) -> None:
    out, index = folder / "inverted", folder / "slices/index.parquet"
    words = ["--index", index, "--image-id", "val-7", "--encoder", folder / "encoder/encoder.safetensors", "--tune", 20]
    assert _latent(folder, "invert", *INVERT, *words, "--out", out) == 0
    images = ImageSet(index)
    image = images.images(images.rows_where(image_id="val-7"))[0]
    cells = _cells(out / "side_by_side.png")[0]
    assert np.array_equal(cells[0], image[0])
    scores = pq.read_table(out / "scores.parquet").to_pylist()
    assert [row["step"] for row in scores] == ["start", "styles per layer", "tuned generator"]
    for row, cell in zip(scores, cells[1:], strict=True):
        assert row["psnr_db"] == pytest.approx(psnr_db(cell, image[0]))
        assert row["image_id"] == "val-7"
    assert scores[0]["psnr_db"] < scores[1]["psnr_db"] < scores[2]["psnr_db"]
    style = Style(**load_file(out / "style.safetensors"))
    assert np.array_equal(paint(_generator(folder), style)[0], cells[2])
    tuned, card = load_generator(out / "generator.safetensors", torch.device("cpu"))
    assert np.array_equal(paint(tuned, style)[0], cells[3])
    assert card.settings["tuned_to"]["weights"] == digest_file(folder / "gan/generator.safetensors")
    saw = saw_patients_of(out / "manifest.json")
    own = {"val": frozenset({"val-patient-1"})}
    assert saw == SAW | SawPatients(pixels=own, labels=own)
    assert len(read_manifest(out / "manifest.json")["what"]["outputs"]) == 4


def test_a_picture_file_is_inverted_and_its_patient_is_unknown_and_its_name_unsaid(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_png(folder / "Miller_Ada.png", _image(folder, 0, 3))
    out = folder / "of-file"
    assert _latent(folder, "invert", *INVERT, "--image", folder / "Miller_Ada.png", "--out", out) == 0
    saw = saw_patients_of(out / "manifest.json")
    assert (saw.pixels, saw.labels) == (SAW.pixels, SAW.labels)
    assert [text.split(",")[0] for text in saw.unknown] == ["an image file of unknown patient"]
    written = b"".join(path.read_bytes() for path in out.iterdir())
    assert b"Miller" not in written
    assert "Miller" not in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == [
        "manifest.json",
        "scores.parquet",
        "side_by_side.png",
        "style.safetensors",
    ]


REFUSALS: dict[str, tuple[list[Any], str]] = {
    "class": (["sheet", "--classes", "huge"], "no class 'huge'; its classes are small, large"),
    "style": (["mix", "--coarse", "small", "--fine", "large:1", "--first-fine", 1], "'small' is no style; give class:"),
    "layer": (["mix", "--coarse", "small:1", "--fine", "large:1", "--first-fine", 9], "has 5 layers; give 0 to 5"),
    "suffix": (["interpolate", "--keys", "small:1", "large:1"], "write .gif, .mp4 or .png"),
    "neither": (["invert"], "no image, or two; give --image FILE.png, or --index INDEX with --image-id ID"),
    "steps": (["invert", "--steps", 0], "--steps must be above 0, not 0"),
    "id": (["invert", "--index", "{folder}/slices/index.parquet", "--image-id", "none"], "no image 'none' among 120"),
    "png": (["invert", "--image", "{folder}/slices/index.parquet"], "give a PNG of 8 bits per channel"),
    "mode": (["invert", "--image", "{folder}/colour.png"], "mode RGB, but the generator makes 1 channel(s) (L)"),
    "manifest": (["sheet", "--gan-manifest", "{folder}/none.json"], "no such manifest"),
    "centroids": (["sheet", "--centroids", "{folder}/encoder/encoder.safetensors"], "not readable as style centroids"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_say_what_to_do(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_png(folder / "colour.png", np.zeros((16, 16, 3), dtype=np.uint8))
    (tool, *words), said = REFUSALS[name]
    words = [str(word).format(folder=folder) for word in words]
    out = folder / f"refused-{name}"
    assert _latent(folder, tool, *words, "--out", out) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_an_encoder_of_another_size_or_without_a_manifest_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from radgen.features.network import ConvEncoder, NetworkShape, save_network

    save_network(ConvEncoder(NetworkShape(1, 32, 32, 4, 4)), tmp_path / "encoder.safetensors")
    words = ["--index", folder / "slices/index.parquet", "--image-id", "val-7", "--out", tmp_path / "out"]
    words += ["--encoder", tmp_path / "encoder.safetensors"]
    assert _latent(folder, "invert", *words) == 2
    assert "no such manifest" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_bytes((folder / "encoder/manifest.json").read_bytes())
    assert _latent(folder, "invert", *words) == 2
    assert "takes images (1, 32, 32), but the generator makes (1, 16, 16)" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--scale", "--frames-per-second", "--frames", "--threads"])
def test_numbers_below_one_are_refused(folder: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        _latent(folder, "interpolate", "--keys", "small:1", "large:1", "--out", folder / "none.gif", option, 0)
    assert f"argument {option}: 0: give a whole number of at least 1" in capsys.readouterr().err


def test_a_colour_picture_is_read_as_three_channels(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 5, 7), dtype=np.uint8)
    write_png(tmp_path / "colour.png", shown(image))
    assert np.array_equal(read_png(tmp_path / "colour.png", 3), image)
    assert shown(image, 2).shape == (10, 14, 3)


def test_keys_may_hold_colons() -> None:
    assert Key.of("CT/liver:tumour:12") == Key("CT/liver:tumour", 12)
    assert str(Key("normal", 3)) == "normal:3"


def test_the_frames_of_the_report_are_those_of_the_way_between_classes(folder: Path) -> None:
    out = folder / "interpolation"
    words = ["--weights", folder / "gan/generator.safetensors", "--gan-manifest", folder / "gan/manifest.json"]
    words += ["--source", "main", "--index", out / "index.parquet", "--manifest", out / "manifest.json"]
    assert main(["interpolation", *map(str, words), "--settings", '{"sample": {"seed": 7, "truncation": 0.8}}']) == 0
    images, what = ImageSet(out / "index.parquet"), read_manifest(out / "manifest.json")["what"]
    names = load_generator(folder / "gan/generator.safetensors", torch.device("cpu"))[1].class_names
    assert what["settings"]["keys"] == [f"{name}:7" for name in names]
    assert what["saw_patients"] == SAW.to_json()
    frames = what["settings"]["frames"]
    assert len(images) == frames * (len(names) - 1) + 1
    shown = images.images(np.arange(len(images)))[:, 0]
    for class_id in range(len(names)):
        assert np.array_equal(shown[class_id * frames], _image(folder, class_id, 7, Truncation(0.8)))
    assert not np.array_equal(shown[0], shown[frames])
    assert images.column("class_name")[0] == names[0]
    assert images.column("class_name")[-1] == names[-1]
