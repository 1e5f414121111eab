"""The body wall, the spine and the ribs: everything that the organs lie in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radgen.cohort.phantom.canvas import Canvas, Ellipse, Floats
from radgen.cohort.phantom.settings import STRUCTURES

SKIN_MM = 2.0
SPINE = STRUCTURES.index("spine") + 1


@dataclass(frozen=True)
class Body:
    """What differs between two bodies.

    Attributes
    ----------
    rx, ry
        Half axes of the trunk, mm.
    fat_mm
        Thickness of the fat under the skin, mm.
    wall_mm
        Thickness of the muscle wall, mm.
    fat_hu, muscle_hu
        Tissue values, HU.
    scale
        Size of everything inside, relative to the average.
    wobble
        Harmonics of the outline.
    taper
        Relative growth of the outline per mm towards the head.
    """

    rx: float
    ry: float
    fat_mm: float
    wall_mm: float
    fat_hu: float
    muscle_hu: float
    scale: float
    wobble: tuple[tuple[int, float, float], ...]
    taper: float


def draw_body(rng: np.random.Generator) -> Body:
    """Draw a body: fat goes with girth, organs follow size less than the outline does."""
    size = float(np.clip(rng.normal(1.0, 0.055), 0.88, 1.12))
    fat_mm = float(rng.uniform(8, 24))
    girth = (fat_mm - 16) * 0.7
    return Body(
        rx=152 * size + girth + float(rng.normal(0, 3)) + 8,
        ry=108 * size + girth + float(rng.normal(0, 3)) + 6,
        fat_mm=fat_mm,
        wall_mm=float(rng.uniform(12, 16)),
        fat_hu=float(rng.normal(-103, 4)),
        muscle_hu=float(rng.normal(55, 4)),
        scale=size,
        wobble=_outline(rng),
        taper=float(rng.normal(0, 0.0004)),
    )


def _outline(rng: np.random.Generator) -> tuple[tuple[int, float, float], ...]:
    # The fourth harmonic with phase pi flattens flanks, front and back at once: a rounded box, as a supine trunk is.
    fourth = (4, float(rng.uniform(0.005, 0.025)), float(np.pi + rng.normal(0, 0.1)))
    bumps = tuple((k, float(rng.normal(0, 0.006)), float(rng.uniform(0, 2 * np.pi))) for k in (2, 3, 5))
    return (fourth, *bumps)


def outline(body: Body, z: Floats, inset_mm: float) -> Ellipse:
    """Return the trunk's outline, `inset_mm` below the skin."""
    growth = 1 + body.taper * z
    return Ellipse(0, 0, body.rx * growth - inset_mm, body.ry * growth - inset_mm, wobble=body.wobble)


def paint_body(canvas: Canvas, body: Body, rng: np.random.Generator) -> Floats:
    """Paint skin, fat, muscle wall, spine and ribs.

    Returns
    -------
    Floats
        Distance to the abdominal cavity over the whole volume, mm, negative inside: organs stay within.
    """
    canvas.paint(outline(body, canvas.z, 0), 20)
    canvas.paint(outline(body, canvas.z, SKIN_MM), body.fat_hu)
    canvas.paint(outline(body, canvas.z, body.fat_mm), body.muscle_hu)
    cavity_shape = outline(body, canvas.z, body.fat_mm + body.wall_mm)
    cavity = canvas.distance(cavity_shape, canvas.everywhere)
    canvas.fill(cavity, canvas.everywhere, body.fat_hu)
    _paint_back_muscles(canvas, body)
    _paint_ribs(canvas, body, rng)
    _paint_spine(canvas, body, rng)
    return cavity


def spine_front(body: Body) -> float:
    """Return y of the front of the vertebral bodies, mm."""
    return body.ry - body.fat_mm - 62 * body.scale


def _paint_back_muscles(canvas: Canvas, body: Body) -> None:
    s, front = body.scale, spine_front(body)
    for side in (-1, 1):
        canvas.paint(Ellipse(side * 31 * s, front + 47 * s, 29 * s, 19 * s, side * 0.15), body.muscle_hu)
        psoas = np.clip(14 - 0.12 * canvas.z, 0, 24) * s
        canvas.paint(Ellipse(side * 33 * s, front + 18 * s, psoas * 0.8, psoas, 0), body.muscle_hu)


def _paint_spine(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    s, front, z = body.scale, spine_front(body), canvas.z
    phase, cancellous = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(150, 230))
    # One vertebra and its disc are about 35 mm tall; the waist narrows a body halfway between its end plates.
    waist = 1 + 0.05 * np.cos(2 * np.pi * z / 35 + phase)
    middle = front + 17 * s
    for side in (-1, 1):
        reach = 1 + 0.25 * np.cos(2 * np.pi * z / 35 + phase)
        canvas.paint(Ellipse(side * 25 * s * reach, front + 37 * s, 17 * s, 4.5 * s, side * 0.35), 380, SPINE)
    canvas.paint(Ellipse(0, front + 53 * s, 4.5 * s, 17 * s), 420, SPINE)
    canvas.paint(Ellipse(0, front + 41 * s, 17 * s, 11 * s), 520, SPINE)
    canvas.paint(Ellipse(0, middle, 23 * s * waist, 17 * s * waist, wobble=((3, 0.04, np.pi / 2),)), 620, SPINE)
    canvas.paint(Ellipse(0, middle, 23 * s * waist - 3, 17 * s * waist - 3, wobble=((3, 0.04, np.pi / 2),)), cancellous)
    canvas.paint(Ellipse(0, front + 40 * s, 9.5 * s, 7.5 * s), 35, 0)


def _paint_ribs(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    inset = body.fat_mm + body.wall_mm * 0.55
    spacing, start = float(rng.uniform(0.36, 0.44)), float(rng.uniform(0.55, 0.95))
    # Ribs slope down towards the front: going up, a cut meets each rib nearer to the back.
    for side in (-1, 1):
        for number in range(5):
            theta = start + spacing * number + 0.006 * canvas.z + float(rng.normal(0, 0.03))
            shown = (theta > 0.5) & (theta < 2.3)
            x = side * (body.rx - inset) * np.sin(theta)
            y = (body.ry - inset) * np.cos(theta)
            tangent = np.arctan2(-(body.ry - inset) * np.sin(theta), side * (body.rx - inset) * np.cos(theta))
            outer = np.where(shown, 1.0, 0.0)
            canvas.paint(Ellipse(x, y, 11 * outer, 4.6 * outer, tangent), 650)
            canvas.paint(Ellipse(x, y, 8.5 * outer, 2.4 * outer, tangent), 220)
