"""The body mask against the true body of the phantom, scanned with noise, with couch, blanket and arms around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from radgen.cohort.phantom import anatomy
from radgen.cohort.phantom.scanner import scanner
from radgen.cohort.phantom.settings import PhantomSettings
from radgen.imaging.body import find_body
from radgen.imaging.settings import BodySettings

SETTINGS = PhantomSettings(slices_per_patient=3, blanket_fraction=1.0)


@pytest.mark.parametrize(("number", "arms"), [(1, 0.0), (2, 1.0), (3, 0.0), (4, 1.0), (5, 1.0)])
def test_the_mask_is_the_true_body(number: int, arms: float, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SETTINGS, arms_fraction=arms)
    patient = anatomy.draw_patient(settings, number)
    image = scanner(settings.size_px, settings.views).scan(
        patient.hu, patient.pixel_mm, 1.6e5, 1.0, np.random.default_rng(number)
    )
    for part in ("paint_couch", "paint_blanket"):  # every part has its own random numbers: the patient stays the same
        monkeypatch.setattr(anatomy, part, lambda *_: None)
    bare = anatomy.draw_patient(settings, number).hu > -400
    truth = np.stack([ndimage.binary_fill_holes(one) for one in bare])
    assert (patient.hu > -400).sum() > bare.sum() * 1.005  # there is something to remove
    body = find_body(
        np.rint(image).astype(np.int16), (settings.slice_mm, patient.pixel_mm, patient.pixel_mm), "CT", BodySettings()
    )
    assert body is not None
    dice = 2 * (body & truth).sum() / (body.sum() + truth.sum())
    assert dice >= 0.995
