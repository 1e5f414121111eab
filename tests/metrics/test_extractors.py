"""Features by published networks and formulas: equal to pytorch-fid's, laws of texture, tables made once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from PIL import Image
from torchvision.models import inception_v3, resnet50

from radgen.cli import main
from radgen.errors import CheckpointError, ConfigError
from radgen.metrics.extractors import Extractor, extra_extractors, inception_extractor
from radgen.metrics.feature_tables import FeatureTables
from radgen.metrics.frechet import frechet_between
from radgen.metrics.intervals import distance_interval, drawn_rows, mean_interval
from radgen.metrics.settings import MetricsSettings, NetworkSettings
from radgen.metrics.texture import NAMES, radiomics
from tests.features.toys import write_toy

CPU = torch.device("cpu")
RNG = np.random.default_rng(11)
KEPT = 4  # features whose distance is compared: fewer than images, so that pytorch-fid's square root is well defined


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of Inception under pytorch-fid's names, normalised so that features vary."""
    torch.manual_seed(0)
    network = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network(torch.rand(6, 3, 128, 128) * 2 - 1)
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.save(network.state_dict(), path)
    return path


def grey_pictures(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 1, 8, 8)).astype(np.uint8)
    return np.kron(coarse, np.ones((1, 1, 6, 6), dtype=np.uint8))


def test_features_and_distance_are_pytorch_fids(
    inception_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytorch_fid import fid_score, inception

    state = torch.load(inception_file, weights_only=True)
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_words, **_more: state)
    network = inception.InceptionV3().eval()
    extractor = inception_extractor(inception_file, CPU)
    theirs, ours = [], []
    for name, images in (("a", grey_pictures(1, 8)), ("b", grey_pictures(2, 8) // 2)):
        files = []
        for number, image in enumerate(images):
            files.append(tmp_path / f"{name}{number}.png")
            Image.fromarray(image[0]).save(files[-1])
        theirs.append(fid_score.get_activations(files, network, batch_size=8, dims=2048, device="cpu", num_workers=0))
        ours.append(extractor.features(images))
        np.testing.assert_allclose(ours[-1], theirs[-1], rtol=1e-5, atol=1e-5)
    # SciPy 1.18 has no `disp` any more.
    root = scipy.linalg.sqrtm
    monkeypatch.setattr(fid_score.linalg, "sqrtm", lambda matrix, **_more: (root(matrix), 0))
    kept = theirs[0].std(axis=0).argsort()[-KEPT:]
    statistics = [value for one in theirs for value in (one[:, kept].mean(axis=0), np.cov(one[:, kept], rowvar=False))]
    number = fid_score.calculate_frechet_distance(*statistics)
    assert number > 1e-3
    assert frechet_between(theirs[0][:, kept], theirs[1][:, kept]) == pytest.approx(number, rel=1e-6)
    assert frechet_between(ours[0][:, kept], ours[1][:, kept]) == pytest.approx(number, rel=1e-6)


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(CheckpointError, match=r"text\.pth: no weights can be read from it without running code"):
        inception_extractor(tmp_path / "text.pth", CPU)
    torch.save({"w": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth: does not hold pytorch-fid's Inception network"):
        inception_extractor(tmp_path / "other.pth", CPU)
    settings = MetricsSettings(networks={"radimagenet": NetworkSettings(weights="nowhere.pt")})
    with pytest.raises(ConfigError, match=r"metrics\.networks\.radimagenet: nowhere\.pt is no file of weights"):
        extra_extractors(settings, (1, 32, 32), CPU)


def test_a_network_of_a_file_gives_features_of_grey_images(tmp_path: Path) -> None:
    torch.save(resnet50(weights=None).state_dict(), tmp_path / "random.pt")
    network = NetworkSettings(network="resnet50", weights=str(tmp_path / "random.pt"), input_px=64)
    found = extra_extractors(MetricsSettings(networks={"mine": network}, radiomics=False), (1, 32, 32), CPU)
    assert [(one.name, one.dimension, one.resize) for one in found] == [("mine", 2048, "bilinear, antialiased, to 64")]
    assert found[0].features(grey_pictures(1, 3)[..., :32, :32]).shape == (3, 2048)


# ---------------------------------------------------------------- radiomics


def test_texture_of_a_chessboard_is_known() -> None:
    board = (np.indices((8, 8)).sum(axis=0) % 2 * 80 + 40).astype(np.uint8)[None, None]
    found = dict(zip(NAMES, radiomics(board)[0], strict=True))
    assert found["mean"] == 80
    assert found["variance"] == 1600
    assert found["entropy"] == pytest.approx(1)
    assert found["area"] == 1
    # Of 56 + 56 + 49 + 49 pairs those to the side differ by 10 levels, the diagonal ones by none.
    assert found["contrast"] == pytest.approx(100 * 112 / 210)
    assert found["dissimilarity"] == pytest.approx(10 * 112 / 210)
    assert found["correlation"] == pytest.approx((98 - 112) / 210)


def test_texture_does_not_see_mirroring_or_background() -> None:
    image = RNG.integers(8, 256, (1, 1, 12, 17)).astype(np.uint8)
    np.testing.assert_allclose(radiomics(image), radiomics(image[..., ::-1]), rtol=1e-5)
    framed = np.pad(image, ((0, 0), (0, 0), (3, 5), (2, 4)), constant_values=3)
    same = np.array(NAMES) != "area"
    np.testing.assert_allclose(radiomics(image)[:, same], radiomics(framed)[:, same], rtol=1e-5)
    smooth = np.sort(image.reshape(-1)).reshape(image.shape)
    contrast = NAMES.index("contrast")
    assert radiomics(smooth)[0, contrast] < radiomics(image)[0, contrast]
    assert not radiomics(np.full((1, 2, 8, 8), 7, dtype=np.uint8)).any()


# ---------------------------------------------------------------- tables


def test_features_are_computed_once_for_each_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = write_toy(tmp_path / "set", source="main", count=20)
    calls = []

    def count(images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        return images.reshape(len(images), -1)[:, :5].astype(np.float32)

    extractor = Extractor("counted", "ab", "none", 5, count)
    tables = FeatureTables(tmp_path / "work")
    first = np.array(tables.of(extractor, index))
    np.testing.assert_array_equal(first, FeatureTables(tmp_path / "work").of(extractor, index))
    assert sum(calls) == 40
    tables.of(dataclasses.replace(extractor, digest="cd"), index)
    assert sum(calls) == 80
    other = write_toy(tmp_path / "other", source="main", count=20, blank=True)
    assert not tables.of(extractor, other).any()
    assert len(tables.keys) == 3
    assert main(["clean", str(tmp_path / "results"), str(tmp_path / "work"), "--yes"]) == 0
    assert capsys.readouterr().out.count("deleted") == 3
    assert not list((tmp_path / "work" / "features").iterdir())


# ---------------------------------------------------------------- intervals


def test_patients_are_drawn_whole() -> None:
    patients = np.array([3, 3, 3, 7, 7, -1, -1])
    rows = drawn_rows(patients, np.random.default_rng(2))
    counts = np.bincount(rows, minlength=7)
    assert counts[0] == counts[1] == counts[2]
    assert counts[3] == counts[4]
    assert counts[0] + counts[3] + counts[5] + counts[6] == 4


def test_an_interval_holds_the_truth_about_nineteen_times_of_twenty() -> None:
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        patients = np.repeat(np.arange(40), 5)
        values = np.repeat(rng.normal(size=40), 5)  # images of a patient are alike
        low, high = mean_interval(values, patients, rng, 100)
        held += low <= 0 <= high
    assert 85 <= held <= 99


def test_a_distance_lies_in_its_own_interval() -> None:
    patients = np.arange(200) // 20
    one = RNG.normal(size=(200, 3)) + RNG.normal(size=(10, 3))[patients]  # images of a patient are alike
    two = RNG.normal(0.3, 1, (200, 3))
    value = frechet_between(one, two)
    nobody = np.full(200, -1)
    low, high = distance_interval(
        lambda a, b: frechet_between(one[a], two[b]), value, (nobody, nobody), np.random.default_rng(1), 50
    )
    assert low < value < high
    wide = distance_interval(
        lambda a, b: frechet_between(one[a], two[b]),
        value,
        (patients, nobody),
        np.random.default_rng(1),
        50,
    )
    assert wide[1] - wide[0] > high - low


# ---------------------------------------------------------------- weights


def test_weights_are_looked_for_and_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert main(["weights", "check"]) == 0
    said = capsys.readouterr().out
    assert "not given  metrics.inception_weights: looked for " + str(tmp_path / "hub/checkpoints") in said
    assert "it would enable FID" in said
    place = tmp_path / "hub" / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"weights")
    assert main(["weights", "check"]) == 0
    assert f"unused   metrics.inception_weights: {place} is there" in capsys.readouterr().out
    config = tmp_path / "study.yaml"
    config.write_text(f"study: x\nmetrics:\n  inception_weights: {place}\n  networks: {{dino: {{weights: none.pt}}}}\n")
    assert main(["weights", "check", str(config)]) == 2
    said = capsys.readouterr().out
    assert f"present  metrics.inception_weights: {place}" in said
    assert "not given  metrics.alexnet_weights: looked for " + str(tmp_path / "hub/checkpoints/alexnet-owt") in said
    assert "MISSING  metrics.networks.dino.weights: looked for none.pt" in said
