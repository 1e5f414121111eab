"""One patient who does not exist: tissue values and labels on the scanner's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radgen.cohort.phantom.body import Body, draw_body, outline, paint_body
from radgen.cohort.phantom.canvas import Canvas, Floats
from radgen.cohort.phantom.organs import paint_lesions, paint_organs
from radgen.cohort.phantom.settings import STRUCTURES, TISSUES, PhantomSettings
from radgen.cohort.phantom.surroundings import paint_arms, paint_blanket, paint_couch
from radgen.cohort.phantom.traits import place
from radgen.seeds import random_generator

# True values that tissues lie between, HU; veins and soft edges lie between these.
TISSUE_HU = {"fat": (-200.0, -20.0), "lean": (-20.0, 112.0), "gas": (-1024.0, -500.0), "ribs": (170.0, 3072.0)}
ARMS_MM = 82.0
"""How much farther out the picture reaches on each side when the arms are in it."""


@dataclass(frozen=True)
class Anatomy:
    """The true patient, before any scanner.

    Attributes
    ----------
    hu
        float32 [S, H, W], HU; slices run from feet to head, rows from front to back, columns from the right side of the
        patient to the left.
    labels
        uint8 [S, H, W], ids of `settings.STRUCTURES` plus one; where asked for, ids of `settings.TISSUES` follow.
    pixel_mm
        Width of a pixel.
    lesions
        How many lesions were painted.
    modality
        Of the scanner the patient goes to: CT or MR, which shows neither couch nor blanket.
    """

    hu: Floats
    labels: npt.NDArray[np.uint8]
    pixel_mm: float
    lesions: int
    modality: str


def draw_patient(settings: PhantomSettings, number: int) -> Anatomy:
    """Draw patient `number` of an archive: the same for the same settings, whoever else is drawn."""

    def rng(part: str) -> np.random.Generator:
        return random_generator("phantom", settings.seed, number, part)

    body = draw_body(rng("body"))
    arms = place(settings.seed, "arms", number) < settings.arms_fraction
    reach_mm = body.rx + ARMS_MM if arms else body.rx / settings.body_fill
    canvas = Canvas(
        settings.slices_per_patient, settings.size_px, round(2 * reach_mm / settings.size_px, 3), settings.slice_mm
    )
    modality = "MR" if place(settings.seed, "mr", number) < settings.mr_fraction else "CT"
    if modality == "CT":
        paint_couch(canvas, body, rng("couch"))
    if modality == "CT" and place(settings.seed, "blanket", number) < settings.blanket_fraction:
        paint_blanket(canvas, body, rng("blanket"))
    if arms:
        paint_arms(canvas, body, rng("arms"))
    cavity = paint_body(canvas, body, rng("wall"))
    liver = paint_organs(canvas, body, cavity, rng("organs"))
    lesions = 0
    if place(settings.seed, "lesion", number) < settings.lesion_patient_fraction:
        lesions = 1 + int(rng("second lesion").random() < settings.second_lesion_fraction)
    paint_lesions(canvas, liver, settings, lesions, rng("lesions"))
    if settings.tissues:
        _label_tissues(canvas, body)
    return Anatomy(canvas.hu, canvas.labels, canvas.pixel_mm, lesions, modality)


def _label_tissues(canvas: Canvas, body: Body) -> None:
    """Label what is left of the trunk by its true value, as programs that measure body composition do."""
    trunk = canvas.distance(outline(body, canvas.z, 0), canvas.everywhere) < 0
    free = trunk & (canvas.labels == 0)
    for number, name in enumerate(TISSUES, start=len(STRUCTURES) + 1):
        low, high = TISSUE_HU[name]
        canvas.labels[free & (canvas.hu >= low) & (canvas.hu < high)] = number
