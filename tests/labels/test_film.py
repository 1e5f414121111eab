"""Films with masks: image and mask move together, and a mask is that of its own frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from radgen.cli import main
from radgen.gan.latent.interpolation import walk
from radgen.gan.latent.styles import draw_style
from radgen.gan.sampling import load_sampler
from radgen.labels.film import OUTLINE_OPACITY, class_shares, overlaid, paint_with_mask
from radgen.labels.head import HeadShape, save_heads
from radgen.labels.masks import ensemble_masks
from radgen.labels.members import start_members
from radgen.provenance import SawPatients, digest_file, read_manifest
from tests.labels.toys import CLASSES, CPU, SIDE, save_generator_file, write_any_manifest


@pytest.fixture
def made(tmp_path: Path) -> Path:
    weights = save_generator_file(tmp_path / "gan" / "generator.safetensors")
    write_any_manifest(tmp_path / "gan" / "manifest.json", SawPatients())
    sampler = load_sampler(weights, seed=1, truncation=1.0, device=CPU)
    scales = tuple(sampler.feature_channels.items())
    torch.manual_seed(0)
    shape = HeadShape(scales, CLASSES, ("background", "x", "y"), 2, 8, digest_file(weights))
    save_heads(start_members(shape, [0, 1]), tmp_path / "labels" / "head.safetensors")
    saw = SawPatients(masks={"annotator": frozenset({"patient0"})})
    write_any_manifest(tmp_path / "labels" / "manifest.json", saw)
    return tmp_path


def _film(made: Path, out: str, *words: str) -> Path:
    path = made / out
    head = ("--head", str(made / "labels" / "head.safetensors"))
    given = ("--keys", "plain:1", "spotted:1", "--frames", "3", "--out", str(path), "--device", "cpu")
    assert main(["latent", "interpolate", str(made / "gan" / "generator.safetensors"), *given, *head, *words]) == 0
    return path


def test_a_strip_shows_images_and_below_each_its_mask(made: Path) -> None:
    path = _film(made, "strip.png")
    pixels = np.array(Image.open(path))
    assert pixels.shape == (2 * SIDE, 4 * SIDE, 3)
    images, masks = pixels[:SIDE], pixels[SIDE:]
    assert (images[..., 0] == images[..., 1]).all()  # grey
    assert (masks[..., 0] != masks[..., 1]).any()
    saw = read_manifest(made / "strip.png.manifest.json")["what"]
    assert saw["inputs"]["head"] == digest_file(made / "labels" / "head.safetensors")
    assert saw["saw_patients"]["masks"]["by_split"] == {"annotator": ["patient0"]}
    assert _film(made, "again.png").read_bytes() == path.read_bytes()


def test_heads_without_a_manifest_are_shown_and_their_ancestry_is_unknown(made: Path) -> None:
    with_manifest = _film(made, "with.png").read_bytes()
    (made / "labels" / "manifest.json").unlink()
    assert _film(made, "without.png").read_bytes() == with_manifest
    (unknown,) = read_manifest(made / "without.png.manifest.json")["what"]["saw_patients"]["unknown"]
    assert unknown == "head.safetensors: no manifest beside these heads says whose masks taught them"


def test_a_film_has_image_and_mask_side_by_side(made: Path) -> None:
    film = Image.open(_film(made, "film.gif", "--loop", "--scale", "2"))
    assert (film.size, film.n_frames) == ((4 * SIDE, 2 * SIDE), 6)  # type: ignore[attr-defined]


def test_heads_of_another_generator_are_refused(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = save_generator_file(made / "gan" / "other.safetensors", seed=3)
    words = ["--keys", "plain:1", "plain:2", "--out", str(made / "x.png"), "--device", "cpu"]
    head = ["--head", str(made / "labels" / "head.safetensors")]
    assert main(["latent", "interpolate", str(other), *words, *head]) == 2
    assert "the label head was made for generator" in capsys.readouterr().err


def test_shares_go_with_the_frames_of_the_walk(made: Path) -> None:
    generator = load_sampler(made / "gan" / "generator.safetensors", seed=1, truncation=1.0, device=CPU).generator
    styles = [draw_style(generator, class_id, 1) for class_id in (0, 1, 1)]
    for loop in (False, True):
        shares = list(class_shares([0, 1, 1], 4, loop=loop))
        assert len(shares) == len(list(walk(styles, 4, loop=loop)))
        assert all(sum(share.values()) == pytest.approx(1) for share in shares)
    assert shares[2] == {0: 0.5, 1: 0.5}
    assert shares[5] == {1: 1.0}


def test_a_frames_mask_is_what_the_heads_read_from_its_own_features(made: Path) -> None:
    generator = load_sampler(made / "gan" / "generator.safetensors", seed=1, truncation=1.0, device=CPU).generator
    torch.manual_seed(1)
    shape = HeadShape(tuple(generator.feature_channels.items()), CLASSES, ("background", "x"), 1, 8, "g")
    heads = start_members(shape, [1]).eval()
    style = draw_style(generator, 0, 5)
    _, features = generator.synthesise(style.w[None], style.noise[None])
    for class_id in (0, 1):
        _, mask = paint_with_mask(generator, heads, style, {class_id: 1.0})
        wanted = ensemble_masks(heads, features, torch.tensor([class_id]))
        assert np.array_equal(mask, wanted[0].numpy())


@pytest.mark.parametrize(("share", "label"), [(0.5, 0), (0.25, 1)])
def test_between_classes_probabilities_are_mixed_in_the_shares_of_the_way(
    made: Path, monkeypatch: pytest.MonkeyPatch, share: float, label: int
) -> None:
    def told(_heads: object, _features: object, class_ids: torch.Tensor) -> torch.Tensor:
        background = 0.9 if int(class_ids[0]) == 0 else 0.3
        return torch.tensor([background, 1 - background]).view(1, 2, 1, 1).expand(1, 2, SIDE, SIDE)

    monkeypatch.setattr("radgen.labels.film.ensemble_probabilities", told)
    generator = load_sampler(made / "gan" / "generator.safetensors", seed=1, truncation=1.0, device=CPU).generator
    _, mask = paint_with_mask(generator, None, draw_style(generator, 0, 5), {0: share, 1: 1 - share})
    assert (mask == label).all()


def test_an_overlay_colours_the_mask_alone() -> None:
    image, mask = np.full((1, 6, 6), 100, dtype=np.uint8), np.zeros((6, 6), dtype=np.uint8)
    mask[1:5, 1:5] = 1
    shown = overlaid(image, mask, [(0, 0, 0), (200, 0, 0)])
    assert (shown[:, mask == 0] == 100).all()
    assert shown[:, 1, 1].tolist() == pytest.approx([200 * OUTLINE_OPACITY + 10, 10, 10], abs=1)
    assert shown[0, 2, 2] < shown[0, 1, 1]
