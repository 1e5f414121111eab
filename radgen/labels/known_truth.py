"""Masks of the heads where the truth is known: on inverted held-out slices, and on samples as an oracle sees them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.gan.sampling import BLOCK_SIZE, image_id
from radgen.imageset.core import ImageSet
from radgen.labels.calibration import HELD_OUT, IMAGES_SCHEMA, SAMPLES, Curve, image_errors, risk_coverage
from radgen.labels.inverted import invert_rows
from radgen.labels.painting import Painter, doubt, paint
from radgen.labels.segmenter import Segmenter, predict
from radgen.labels.settings import CalibrationSettings


def held_out_errors(
    painter: Painter, oracle: Segmenter, real: ImageSet, rows: NDArray[np.int64], settings: CalibrationSettings
) -> pa.Table:
    """Invert held-out slices and compare the heads' masks with the real ones; an IMAGES_SCHEMA table.

    Parameters
    ----------
    painter
        Generator and heads.
    oracle
        A segmenter taught on real masks of other patients; its own errors stand beside.
    real, rows
        The slices.
    settings
        Of the inversion.
    """
    found = invert_rows(painter.sampler, painter.heads, real, rows, settings)
    truth, labels = real.masks(rows), len(oracle.shape.labels)
    device = next(oracle.parameters()).device
    columns = {
        "set": [HELD_OUT] * len(rows),
        "image_id": real.column("image_id")[rows].tolist(),
        "class_name": real.column("class_name")[rows].tolist(),
        "expected_error": found.expected_errors,
        "disagreement": found.disagreements,
        "error": image_errors(found.masks, truth, labels),
        "psnr_db": found.psnr_db,
        "oracle_error": image_errors(predict(oracle, real.images(rows), device), truth, labels),
        "inverted_oracle_error": image_errors(predict(oracle, found.images, device), truth, labels),
    }
    return pa.table(columns, schema=IMAGES_SCHEMA)


def sample_errors(painter: Painter, oracle: Segmenter, count: int) -> pa.Table:
    """Compare the heads' masks of the first samples of each class with the oracle's; an IMAGES_SCHEMA table."""
    device, labels = next(oracle.parameters()).device, len(oracle.shape.labels)
    parts = []
    for class_id, class_name in enumerate(painter.sampler.class_names):
        for number in range(-(-count // BLOCK_SIZE)):
            drawn = painter.sampler.block(class_id, number, with_features=True)
            masks, expected = paint(painter.heads, drawn.features, class_id)
            wanted = range(min(BLOCK_SIZE, count - number * BLOCK_SIZE))
            errors = image_errors(masks, predict(oracle, drawn.images, device), labels)
            names = [image_id(painter.sampler.source, class_name, number * BLOCK_SIZE + place) for place in wanted]
            columns = {
                "set": [SAMPLES] * len(names),
                "image_id": names,
                "class_name": [class_name] * len(names),
                "expected_error": expected[: len(names)],
                "disagreement": doubt(painter.heads, drawn.features, class_id)[: len(names)],
                "error": errors[: len(names)],
                **{name: pa.nulls(len(names), pa.float64()) for name in IMAGES_SCHEMA.names[6:]},
            }
            parts.append(pa.table(columns, schema=IMAGES_SCHEMA))
    return pa.concat_tables(parts)


def curves_of(table: pa.Table) -> dict[str, Curve]:
    """Return the risk-coverage curve of each set of an IMAGES_SCHEMA table."""
    sets = np.array(table.column("set").to_pylist())
    columns = np.stack([table.column(name).to_numpy() for name in ("error", "expected_error", "disagreement")])
    return {name: risk_coverage(*columns[:, sets == name]) for name in (HELD_OUT, SAMPLES)}
