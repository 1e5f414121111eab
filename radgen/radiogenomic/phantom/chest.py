"""A chest with one nodule: the trunk of the abdominal phantom, its cavity filled with lungs, heart and vessels.

Axes and units as in `radgen.cohort.phantom.canvas`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radgen.cohort.phantom.body import Body, draw_body, paint_body, spine_front
from radgen.cohort.phantom.canvas import Canvas, Ellipse, Floats, dome, smooth_union
from radgen.cohort.phantom.surroundings import paint_couch
from radgen.radiogenomic.phantom.genes import Traits, pathways_of, traits_of
from radgen.radiogenomic.phantom.settings import RadiogenomicPhantomSettings
from radgen.seeds import random_generator

PLEURA_MM = 3.0
BODY_FILL = 0.9
VESSELS = 46
SPICULES = 9


@dataclass(frozen=True, eq=False)
class Chest:
    """The true patient, before any scanner.

    Attributes
    ----------
    hu
        float32 [S, H, W], HU.
    nodule, lungs
        bool [S, H, W].
    pixel_mm
        Width of a pixel.
    """

    hu: Floats
    nodule: npt.NDArray[np.bool_]
    lungs: npt.NDArray[np.bool_]
    pixel_mm: float


def draw_chest(settings: RadiogenomicPhantomSettings, number: int) -> Chest:
    """Draw patient `number`: anatomy is chance, the nodule follows the patient's pathways."""

    def rng(part: str) -> np.random.Generator:
        return random_generator("radiogenomic", settings.seed, number, part)

    body = draw_body(rng("body"))
    canvas = Canvas(
        settings.slices_per_patient,
        settings.size_px,
        round(2 * body.rx / BODY_FILL / settings.size_px, 3),
        settings.slice_mm,
    )
    paint_couch(canvas, body, rng("couch"))
    cavity = paint_body(canvas, body, rng("wall"))
    lungs = _paint_mediastinum_and_lungs(canvas, body, cavity, rng("lungs"))
    _paint_vessels(canvas, lungs, rng("vessels"))
    canvas.labels[:] = 0
    _paint_nodule(canvas, lungs, traits_of(pathways_of(settings, number)), rng("nodule"))
    return Chest(canvas.hu, canvas.labels == 1, lungs < 0, canvas.pixel_mm)


def _paint_mediastinum_and_lungs(canvas: Canvas, body: Body, cavity: Floats, rng: np.random.Generator) -> Floats:
    """Fill the cavity; return the distance to the lungs, negative inside."""
    s, front, where = body.scale, spine_front(body), canvas.everywhere
    blood, shift = float(rng.uniform(60, 170)), rng.normal(0, 3, 4)
    heart = Ellipse(16 * s + shift[0], -24 * s + shift[1], 50 * s, 37 * s, 0.45, ((3, 0.05, float(shift[2])),))
    middle = Ellipse(shift[3], 0, 27 * s, 78 * s, 0.0, ((2, 0.04, 0.5),))
    spine = Ellipse(0, front + 27 * s, 37 * s, 36 * s)
    solid = smooth_union(canvas.distance(heart, where), canvas.distance(middle, where), 12.0)
    solid = smooth_union(solid, canvas.distance(spine, where), 8.0)
    lungs: Floats = np.maximum(cavity + np.float32(PLEURA_MM), -solid)
    canvas.fill(lungs, where, float(rng.normal(-860, 18)))
    canvas.paint(Ellipse(heart.x, heart.y, 46 * s, 33 * s, 0.45, heart.wobble), blood * 0.9)
    canvas.paint(Ellipse(17 * s + shift[1], front - 8 * s, 12 * s, 12 * s), blood)
    for side in (-1, 1):
        canvas.paint(Ellipse(side * 13 * s, front - 20 * s, 6.5 * s, 5.5 * s), -980)
        canvas.paint(Ellipse(side * 31 * s, front - 24 * s, 9 * s, 7 * s, side * 0.6), blood, within=-lungs)
    return lungs


def _paint_vessels(canvas: Canvas, lungs: Floats, rng: np.random.Generator) -> None:
    """Paint vessels that thin out from the hilum: cut across as dots, cut along as strands."""
    middle = lungs[len(lungs) // 2]
    rows, columns = np.nonzero(middle < -5)
    for pick in rng.integers(rows.size, size=VESSELS):
        x, y = float(canvas.x[columns[pick]]), float(canvas.y[rows[pick]])
        away = np.hypot(x, y) / 110
        width = float(np.clip(rng.normal(2.6 - 1.4 * away, 0.4), 0.9, 3.2))
        length = width * float(rng.choice((1.0, 1.3, 5.0)))
        drift = rng.normal(0, 0.5, 2)
        shape = Ellipse(x + drift[0] * canvas.z, y + drift[1] * canvas.z, length, width, float(np.arctan2(y, x)))
        canvas.paint(shape, float(rng.uniform(-250, 20)), within=lungs)


def _paint_nodule(canvas: Canvas, lungs: Floats, traits: Traits, rng: np.random.Generator) -> None:
    """Paint the nodule with label 1: a bent ellipsoid, and spicules that taper out of it."""
    radius, middle = traits.diameter_mm / 2, len(lungs) // 2
    room = lungs < -(radius + 4)
    rows, columns = np.nonzero(room[middle] if room[middle].any() else lungs[middle] == lungs[middle].min())
    pick = int(rng.integers(rows.size))
    x, y = float(canvas.x[columns[pick]]), float(canvas.y[rows[pick]])
    size = radius * dome(canvas.z, float(rng.uniform(-3, 3)), radius, 2.5)
    bend = tuple((k, float(rng.normal(0, 0.04)), float(rng.uniform(0, 2 * np.pi))) for k in (2, 3, 5))
    squash, turn = float(rng.uniform(0.85, 1.0)), float(rng.uniform(0, np.pi))
    for spicule in range(SPICULES):
        angle = np.pi * (spicule + float(rng.uniform(-0.3, 0.3))) / SPICULES
        reach = size * (1 + traits.spiculation * float(rng.uniform(0.7, 1.3)))
        # Without spiculation nothing stands out of the body; with it, strands thicken as they lengthen.
        width = np.minimum(1.0 + 0.14 * radius * traits.spiculation, size)
        canvas.paint(Ellipse(x, y, reach, width, angle), traits.hu, 1, within=lungs)
    canvas.paint(Ellipse(x, y, size / np.sqrt(squash), size * np.sqrt(squash), turn, bend), traits.hu, 1, within=lungs)
