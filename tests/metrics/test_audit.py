"""The audit finds planted copies, under another brightness too, and never answers with the same patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radgen.features.embed import features_of
from radgen.features.network import load_features
from radgen.features.rows import held_out_rows
from radgen.imageset.core import ImageSet, gather_index
from radgen.imageset.writers import ShardWriter
from radgen.metrics import audit
from radgen.metrics.audit import NEAREST_SCHEMA, Queries, nearest_table, normalised
from radgen.metrics.quality import audit_rows
from radgen.metrics.settings import MetricsSettings
from tests.features.toys import CLASSES, JudgedStudy, toy_image

COPIES = 12


def _with_copies(folder: Path, real: ImageSet, rows: np.ndarray) -> ImageSet:
    """Sixty honest images, then copies of training images: half exact, half with another contrast and brightness."""
    rng = np.random.default_rng(9)
    with ShardWriter(folder, "shard-000", real.image_shape, with_masks=False) as writer:
        for number in range(60 + COPIES):
            if number < 60:
                image = toy_image(rng, 1.0, spot=number % 2 == 1)
            else:
                image = real.images(rows[[number - 60]])[0]
                image = image if number % 2 else (0.8 * image + 20).astype(np.uint8)
            row = {"image_id": f"main_{number:03d}", "source": "main", "split": "synthetic"}
            writer.append(row | {"class_name": CLASSES.names[number % 2], "class_id": number % 2}, image)
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    return ImageSet(folder / "index.parquet")


@pytest.mark.parametrize("at_once", [16, 4_096])
def test_planted_copies_are_found_and_others_are_not(
    judged: JudgedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(audit, "IMAGES_AT_ONCE", at_once)
    real, judge = ImageSet(judged.slices), load_features(judged.weights)
    training, control = real.rows_where(split="train"), held_out_rows(real, CLASSES)
    synthetic = _with_copies(tmp_path / "samples", real, training[::20])
    everything = np.arange(len(synthetic))
    queries = [
        Queries("synthetic", synthetic, everything, features_of(judge, synthetic, everything)),
        Queries("control", real, control, features_of(judge, real, control)),
    ]
    table = nearest_table(queries, real, training, features_of(judge, real, training))
    assert table.schema == NEAREST_SCHEMA
    rows = {row["image_id"]: row for row in table.to_pylist()}
    copies = [rows[f"main_{60 + number:03d}"] for number in range(COPIES)]
    originals = real.column("image_id")[training[::20][:COPIES]].tolist()
    assert [row["nearest_pixels_image_id"] for row in copies] == originals
    assert max(row["distance_pixels"] for row in copies) < 0.05
    exact = copies[1::2]
    assert [row["nearest_image_id"] for row in exact] == originals[1::2]
    assert max(row["distance_features"] for row in exact) < 1e-4
    shares = {(r["metric"], r["role"], r["class_name"]): r["value"] for r in _audit(table)}
    assert shares["near_copies_pixels", "synthetic", "all"] == pytest.approx(COPIES / 72, abs=0.03)
    assert shares["near_copies_pixels", "floor", "all"] < 0.02


def _audit(table: object) -> list[dict[str, object]]:
    return audit_rows("main", table, CLASSES.names, MetricsSettings())  # type: ignore[arg-type, return-value]


def test_a_patient_is_never_the_nearest_of_itself(judged: JudgedStudy) -> None:
    real, judge = ImageSet(judged.slices), load_features(judged.weights)
    training = real.rows_where(split="train")
    query = Queries("control", real, training[:24], features_of(judge, real, training[:24]))
    table = nearest_table([query], real, training, features_of(judge, real, training))
    own = dict(zip(real.column("image_id"), real.column("patient"), strict=True))
    for row in table.to_pylist():
        assert row["nearest_patient"] != own[row["image_id"]]
        assert own[row["nearest_pixels_image_id"]] != own[row["image_id"]]
        assert row["distance_pixels"] > 0


def test_normalised_images_ignore_brightness_and_contrast_and_stay_small() -> None:
    image = np.random.default_rng(0).integers(0, 100, (1, 1, 200, 150), dtype=np.uint8)
    one, two = normalised(image), normalised(2 * image + 20)
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert one.shape[1] <= 64 * 64
    assert np.linalg.norm(one) == pytest.approx(1, rel=1e-5)
    np.testing.assert_array_equal(normalised(np.full((1, 1, 8, 8), 7, dtype=np.uint8)), 0)
