"""The organs of the upper abdomen, in portal-venous contrast, and the lesions of the liver.

Positions are those of an average patient, in mm: x towards the patient's left, y towards the back, z towards the head
from the middle of the stack. Every patient shifts, scales and bends them a little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radgen.cohort.phantom.body import Body, spine_front
from radgen.cohort.phantom.canvas import Canvas, Ellipse, Floats, dome, ramp, smooth_union
from radgen.cohort.phantom.settings import STRUCTURES, PhantomSettings

LABEL = {name: number for number, name in enumerate(STRUCTURES, start=1)}


@dataclass(frozen=True)
class Jitter:
    """Small differences of one organ between patients."""

    x: float
    y: float
    z: float
    scale: float
    wobble: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True)
class Liver:
    """The liver of one patient.

    Attributes
    ----------
    distance
        float32 [S, H, W], mm to its visible outline, negative inside.
    hu
        Its value.
    """

    distance: Floats
    hu: float


def draw_jitter(rng: np.random.Generator, shift_mm: float, z_mm: float, spread: float, bend: float = 0.02) -> Jitter:
    """Draw a shift (mm, standard deviation), a relative size and a bent outline."""
    dx, dy, dz, grow = np.clip(rng.normal(size=4), -2, 2)
    wobble = tuple((k, float(rng.normal(0, bend)), float(rng.uniform(0, 2 * np.pi))) for k in (2, 3, 4))
    return Jitter(float(dx * shift_mm), float(dy * shift_mm), float(dz * z_mm), 1 + float(grow * spread), wobble)


def paint_organs(canvas: Canvas, body: Body, cavity: Floats, rng: np.random.Generator) -> Liver:
    """Paint all organs and vessels, and return the liver that lesions are painted into."""
    wall = cavity + np.float32(3)
    _paint_bowel(canvas, body, wall, rng)
    _paint_stomach(canvas, body, wall, rng)
    _paint_pancreas(canvas, body, rng)
    _paint_spleen(canvas, body, wall, rng)
    liver = _paint_liver(canvas, body, wall, rng)
    for side in (-1, 1):
        _paint_kidney(canvas, body, wall, side, rng)
    _paint_great_vessels(canvas, body, rng)
    # What was painted over the liver is not liver any more.
    visible = canvas.labels == LABEL["liver"]
    return Liver(np.where(visible, liver.distance, np.maximum(liver.distance, np.float32(1))), liver.hu)


def _paint_liver(canvas: Canvas, body: Body, wall: Floats, rng: np.random.Generator) -> Liver:
    s, j, hu = body.scale, draw_jitter(rng, 4, 7, 0.05), float(rng.normal(102, 7))
    z = canvas.z - j.z
    size = s * j.scale * (0.72 + 0.28 * ramp(z, -62, 5))
    flank = -(body.rx - body.fat_mm - body.wall_mm)
    right = Ellipse(flank + 64 * s + j.x, -2 * s + j.y + 8 * ramp(z, 0, -50), 68 * size, 76 * size, 0.12, j.wobble)
    left_size = s * j.scale * ramp(z, -52, 2)
    left = Ellipse(
        -18 * s + j.x, -0.48 * body.ry + j.y, 74 * left_size, 30 * left_size * (1 + 0.003 * z), 0.12, j.wobble[:2]
    )
    liver = smooth_union(
        canvas.distance(right, canvas.everywhere), canvas.distance(left, canvas.everywhere), blend_mm=24
    )
    liver = np.maximum(liver, wall)
    canvas.fill(liver, canvas.everywhere, hu, LABEL["liver"])
    inside = liver + np.float32(6)
    for _ in range(7):
        _paint_liver_vessel(canvas, right, inside, hu, rng)
    return Liver(liver, hu)


def _paint_liver_vessel(
    canvas: Canvas, lobe: Ellipse, inside: Floats, liver_hu: float, rng: np.random.Generator
) -> None:
    x, y, r = np.asarray(lobe.x), np.asarray(lobe.y), np.asarray(lobe.rx)
    turn, reach, drift = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.6), rng.normal(0, 0.35, 2)
    path_x = x + np.cos(turn) * reach * r + drift[0] * canvas.z
    path_y = y + np.sin(turn) * reach * r + drift[1] * canvas.z
    width = rng.uniform(2.5, 4.5)
    canvas.paint(
        Ellipse(path_x, path_y, width * rng.uniform(1, 2.5), width, rng.uniform(0, np.pi)), liver_hu + 38, within=inside
    )


def _paint_kidney(canvas: Canvas, body: Body, wall: Floats, side: int, rng: np.random.Generator) -> None:
    s, j, z = body.scale, draw_jitter(rng, 3, 6, 0.06), canvas.z
    cortex, medulla = float(rng.normal(175, 10)), float(rng.normal(140, 10))
    # The right kidney (side -1) lies lower, pushed down by the liver.
    centre = (-42 if side < 0 else -26) + j.z
    length = dome(z, centre, 56 * j.scale, 2.6)
    x = side * (62 * s + 0.12 * (centre - z)) + j.x
    y = spine_front(body) + 16 * s + j.y
    turn, rx, ry = side * 0.45, 25 * s * j.scale * length, 30 * s * j.scale * length
    within = wall + np.float32(1)
    capsule = np.where(length > 0, 5.0, 0.0)
    canvas.paint(Ellipse(x, y, rx + capsule, ry + capsule, turn, j.wobble), body.fat_hu, 0, within=wall)
    canvas.paint(Ellipse(x, y, rx, ry, turn, j.wobble), cortex, LABEL["kidneys"], within=within)
    inner = np.maximum(np.minimum(rx, ry) - 8, 0)
    canvas.paint(Ellipse(x, y, inner, inner * 1.25, turn), medulla, within=within)
    sinus = np.where(np.abs(z - centre) < 26, 1.0, 0.0) * s
    canvas.paint(Ellipse(x - side * 14 * s, y - 5 * s, 12 * sinus, 8 * sinus, turn), body.fat_hu + 40, 0)
    canvas.paint(Ellipse(x - side * 17 * s, y - 5 * s, 9 * sinus, 3.5 * sinus, turn), 60)


def _paint_spleen(canvas: Canvas, body: Body, wall: Floats, rng: np.random.Generator) -> None:
    s, j, z = body.scale, draw_jitter(rng, 4, 7, 0.09), canvas.z
    size = s * j.scale * dome(z, 22 + j.z, 58, 2.6)
    flank = body.rx - body.fat_mm - body.wall_mm
    shape = Ellipse(flank - 26 * s + j.x, 20 * s + j.y, 27 * size, 50 * size, 0.35, j.wobble)
    canvas.paint(shape, float(rng.normal(118, 7)), LABEL["spleen"], within=wall + np.float32(1))


def _paint_stomach(canvas: Canvas, body: Body, wall: Floats, rng: np.random.Generator) -> None:
    s, j, z = body.scale, draw_jitter(rng, 5, 7, 0.10, 0.04), canvas.z
    size = s * j.scale * dome(z, 26 + j.z, 62, 2.6)
    x, y = 52 * s + j.x - 0.25 * np.minimum(z, 0), -30 * s + j.y
    outer = Ellipse(x, y, 50 * size, 36 * size, -0.35, j.wobble)
    lumen = Ellipse(x, y, np.maximum(50 * size - 5, 0), np.maximum(36 * size - 5, 0), -0.35, j.wobble)
    canvas.paint(outer, 70, within=wall)
    canvas.paint(lumen, float(rng.uniform(5, 35)), within=wall + np.float32(5))
    # The patient lies on the back: gas rises to the front and ends at a level.
    level = float(y - 36 * s * rng.uniform(-0.1, 0.5))
    gas = np.broadcast_to(np.maximum(wall + np.float32(5), canvas.y[:, None] - np.float32(level)), canvas.hu.shape)
    canvas.paint(lumen, -960, within=gas)


def _paint_bowel(canvas: Canvas, body: Body, wall: Floats, rng: np.random.Generator) -> None:
    s, z = body.scale, canvas.z
    for number in range(9):
        x, y = rng.uniform(-35, 105) * s, rng.uniform(-66, 22) * s
        top, half = rng.uniform(-16, 2), rng.uniform(30, 60)
        size = s * dome(z, top - half, half) * rng.uniform(0.85, 1.15)
        drift = rng.normal(0, 0.3, 2)
        path_x, path_y, turn = x + drift[0] * (z + 25), y + drift[1] * (z + 25), rng.uniform(0, np.pi)
        canvas.paint(Ellipse(path_x, path_y, 23 * size, 15 * size, turn), 75, within=wall)
        inner_x, inner_y = np.maximum(23 * size - 3, 0), np.maximum(15 * size - 3, 0)
        canvas.paint(Ellipse(path_x, path_y, inner_x, inner_y, turn), rng.uniform(10, 45), within=wall + np.float32(3))
        if number % 3 == 0:
            canvas.paint(
                Ellipse(path_x, path_y - 4 * s, inner_x * 0.6, inner_y * 0.6, turn), -930, within=wall + np.float32(3)
            )


def _paint_pancreas(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    s, j, z = body.scale, draw_jitter(rng, 4, 5, 0.08), canvas.z
    size = s * j.scale * dome(z, -4 + j.z, 30)
    y = spine_front(body) - 36 * s + j.y
    canvas.paint(Ellipse(26 * s + j.x, y, 46 * size, 9 * size, 0.25, j.wobble), float(rng.normal(88, 6)))


def _paint_great_vessels(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    s, j, z, front = body.scale, draw_jitter(rng, 2, 0, 0.08, 0.01), canvas.z, spine_front(body)
    aorta, caval = float(rng.normal(155, 10)), float(rng.normal(128, 8))
    radius = 11.5 * s * j.scale * (1 + 0.0015 * z)
    x, y = 9 * s + j.x + 0.04 * z, front - 9 * s + 0.2 * j.y
    canvas.paint(Ellipse(x, y, radius + 2.5, radius + 2.5), body.fat_hu, 0)
    canvas.paint(Ellipse(x, y, radius, radius, 0, j.wobble), aorta, LABEL["aorta"])
    canvas.paint(Ellipse(-21 * s + j.x, front - 7 * s - 0.12 * z, 13.5 * s, 9.5 * s, 0.2, j.wobble), caval, 0)


def paint_lesions(
    canvas: Canvas, liver: Liver, settings: PhantomSettings, count: int, rng: np.random.Generator
) -> None:
    """Paint hypodense lesions into the liver: smooth, and as wide as asked wherever the liver has room for them."""
    for _ in range(count):
        low, high = settings.lesion_diameter_mm
        radius, contrast = float(rng.uniform(low, high)) / 2, float(rng.uniform(*settings.lesion_contrast_hu))
        height, centre_z = float(rng.uniform(26, 42)), float(rng.uniform(-32, 32))
        middle = int(np.argmin(np.abs(canvas.z - centre_z)))
        radius, row, column = _find_room(liver.distance[middle], radius, low / 2, rng)
        # The fourth power keeps a lesion wide nearly to its poles, so that few slices show a mere speck.
        size = radius * dome(canvas.z, centre_z, height, 4.0)
        bend = tuple((k, float(rng.normal(0, 0.04)), float(rng.uniform(0, 2 * np.pi))) for k in (2, 3))
        squash = float(rng.uniform(0.88, 1.0))
        shape = Ellipse(canvas.x[column], canvas.y[row], size, size * squash, float(rng.uniform(0, np.pi)), bend)
        canvas.paint(shape, liver.hu - contrast, LABEL["lesion"], within=liver.distance + np.float32(2), soft_mm=3.0)


def _find_room(liver: Floats, radius: float, least: float, rng: np.random.Generator) -> tuple[float, int, int]:
    """Return a radius, and the row and column of a centre around which it fits into the liver, shrunk if it must be."""
    while radius > least:
        rows, columns = np.nonzero(liver < -(radius + 3))
        if rows.size:
            break
        radius *= 0.93
    else:
        deepest = np.unravel_index(int(np.argmin(liver)), liver.shape)
        return least, int(deepest[0]), int(deepest[1])
    pick = int(rng.integers(rows.size))
    return radius, int(rows[pick]), int(columns[pick])
