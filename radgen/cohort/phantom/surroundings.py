"""What lies around the patient: couch, blanket, arms."""

from __future__ import annotations

import numpy as np

from radgen.cohort.phantom.body import Body
from radgen.cohort.phantom.canvas import Canvas, Ellipse

COUCH_FOAM_HU = -930.0


def paint_couch(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """Paint a curved couch: a dense shell around light foam, just under the back."""
    radius, thickness = float(rng.uniform(260, 420)), float(rng.uniform(18, 30))
    half_width, shell_hu = float(rng.uniform(150, 200)), float(rng.uniform(-250, 60))
    top = body.ry * 1.03 + float(rng.uniform(2, 5))
    x, y = canvas.x[None, None, :], canvas.y[None, :, None]
    # The upper and the lower face are arcs about centres on the axis above; their distance is the thickness.
    depth = np.sqrt(x**2 + (y - np.float32(top - radius)) ** 2) - np.float32(radius)
    slab = np.maximum(np.abs(depth - np.float32(thickness / 2)) - np.float32(thickness / 2), np.abs(x) - half_width)
    slab = np.maximum(slab, np.float32(-body.ry * 0.2) - y)
    slab = np.broadcast_to(slab.astype(np.float32), canvas.hu.shape)
    where = canvas.everywhere
    canvas.fill(slab, where, shell_hu)
    canvas.fill(slab + np.float32(3), where, COUCH_FOAM_HU)


def paint_blanket(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """Paint a thin wavy cloth over the front of the body."""
    lift, thickness = float(rng.uniform(5, 14)), float(rng.uniform(3, 6))
    waves = tuple((k, float(rng.uniform(0.004, 0.014)), float(rng.uniform(0, 2 * np.pi))) for k in (7, 11, 15))
    shape = Ellipse(0, 0, body.rx + lift, body.ry + lift, wobble=(*body.wobble, *waves))
    where = canvas.everywhere
    cloth = np.abs(canvas.distance(shape, where)) - np.float32(thickness / 2)
    # It hangs down to about the height of the spine on both sides.
    cloth = np.maximum(cloth, canvas.y[None, :, None] - np.float32(body.ry * rng.uniform(0.1, 0.5)))
    canvas.fill(cloth.astype(np.float32), where, float(rng.uniform(-850, -500)))


def paint_arms(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """Paint both forearms beside the body: skin, fat, muscle and two bones each."""
    for side in (-1, 1):
        radius = float(rng.uniform(30, 36))
        x = side * (body.rx * 1.02 + radius + float(rng.uniform(3, 9)))
        y, turn = float(rng.uniform(-5, 45)), float(rng.uniform(0, np.pi))
        canvas.paint(Ellipse(x, y, radius, radius * 1.15), 20)
        canvas.paint(Ellipse(x, y, radius - 2, radius * 1.15 - 2), body.fat_hu)
        canvas.paint(Ellipse(x, y, radius - 7, radius * 1.15 - 7), body.muscle_hu)
        for bone in (-1, 1):
            bone_x, bone_y = x + bone * 12 * np.cos(turn), y + bone * 12 * np.sin(turn)
            canvas.paint(Ellipse(bone_x, bone_y, 8, 7), 1050)
            canvas.paint(Ellipse(bone_x, bone_y, 4, 3.5), 100)
