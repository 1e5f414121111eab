"""The laws of a CT scanner: exact on average, and its noise and streaks where physics puts them."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from radgen.cohort.phantom.scanner import Scanner, ramp_response, scanner, transmission, water_length

SIZE_PX, VIEWS, PIXEL_MM = 96, 140, 3.2
NO_NOISE = 1e15
AXIS = (np.arange(SIZE_PX) - (SIZE_PX - 1) / 2) * PIXEL_MM
X, Y = AXIS[None, :], AXIS[:, None]

Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def machine() -> Scanner:
    return scanner(SIZE_PX, VIEWS)


def disc(x: float, y: float, radius: float) -> npt.NDArray[np.float64]:
    return np.clip(0.5 - (np.hypot(X - x, Y - y) - radius) / PIXEL_MM, 0, 1)


def water_disc(radius: float, hu: float = 0.0) -> Floats:
    return (-1000 + (1000 + hu) * disc(0, 0, radius)).astype(np.float32)


def noise_of(machine: Scanner, hu: Floats, photons: float, count: int = 16, roll_off: float = 1.0) -> Floats:
    rng = np.random.default_rng(5)
    stack = np.repeat(hu[None], count, axis=0)
    noisy = machine.scan(stack, PIXEL_MM, photons, roll_off, rng)
    return noisy - noisy.mean(axis=0)


def test_back_projection_is_the_adjoint_of_projection(machine: Scanner) -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(1, SIZE_PX, SIZE_PX)).astype(np.float32) * machine.inside
    rays = rng.normal(size=(VIEWS * machine.detectors, 1)).astype(np.float32)
    forward = float((machine.project(image) * rays).sum())
    backward = float((image[:, machine.inside].T * (machine.matrix @ rays)).sum())
    assert forward == pytest.approx(backward, rel=1e-3)


def test_every_view_holds_the_whole_mass(machine: Scanner) -> None:
    image = disc(30, -20, 60)[None].astype(np.float32)
    views = machine.project(image).reshape(VIEWS, machine.detectors).sum(axis=1)
    np.testing.assert_allclose(views, image.sum(), rtol=1e-4)


def test_tissues_keep_their_hu(machine: Scanner) -> None:
    body = water_disc(120, hu=50)
    places = {"liver": (-60, 0, 100), "fat": (60, 0, -100), "lesion": (0, -60, 55), "gas": (0, 60, -1000)}
    for x, y, hu in places.values():
        body += ((hu - body) * disc(x, y, 25)).astype(np.float32)
    seen = machine.scan(body[None], PIXEL_MM, NO_NOISE, 1.0, np.random.default_rng(0))[0]
    for name, (x, y, hu) in places.items():
        inside = np.hypot(X - x, Y - y) < 12
        assert seen[inside].mean() == pytest.approx(hu, abs=10 if name == "gas" else 3), name


def test_noise_power_rises_like_a_ramp_then_rolls_off() -> None:
    # A window of 88 pixels, because the spectrum of a small one is too blurred to show the way to zero frequency.
    size, edge, pixel_mm = 168, 88, 2.0
    axis = (np.arange(size) - (size - 1) / 2) * pixel_mm
    water = np.clip(0.5 - (np.hypot(axis, axis[:, None]) - 155) / pixel_mm, 0, 1) * 1000 - 1000
    stack = np.repeat(water[None].astype(np.float32), 20, axis=0)
    seen = Scanner(size, 200).scan(stack, pixel_mm, 2e5, 1.0, np.random.default_rng(1))
    low = (size - edge) // 2
    noise = (seen - seen.mean(axis=0))[:, low : low + edge, low : low + edge]
    power = (np.abs(np.fft.fft2(noise)) ** 2).mean(axis=0)
    frequency = np.hypot(np.fft.fftfreq(edge)[:, None], np.fft.fftfreq(edge))
    rings = np.arange(0.01, 0.5, 0.02)
    spectrum = np.array([power[np.abs(frequency - ring) <= 0.01].mean() for ring in rings])
    assert spectrum[0] < 0.25 * spectrum.max()
    assert spectrum[-1] < 0.02 * spectrum.max()
    # Theory: the ramp, times the Hann roll-off and the linear interpolation of the back-projection, both squared.
    shaping = (0.5 * (1 + np.cos(2 * np.pi * rings))) ** 2 * np.sinc(rings) ** 4
    rising = (rings > 0.03) & (rings < 0.3)
    slope = np.polyfit(np.log(rings[rising]), np.log((spectrum / shaping)[rising]), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.15)
    assert rings[np.argmax(spectrum)] == pytest.approx(rings[np.argmax(rings * shaping)], abs=0.045)


def test_earlier_roll_off_means_less_noise(machine: Scanner) -> None:
    early, late = (noise_of(machine, water_disc(110), 2e5, roll_off=cut).std() for cut in (0.6, 1.0))
    assert early < 0.7 * late


def test_larger_body_is_noisier_at_its_centre(machine: Scanner) -> None:
    centre = np.hypot(X, Y) < 25
    noise = [noise_of(machine, water_disc(radius), 2e5)[:, centre].std() for radius in (70, 100, 130)]
    # Each step adds 60 mm of water on both sides together: variance goes as 1 / transmission.
    depth = 0.0192 * 60
    for smaller, larger in itertools.pairwise(noise):
        assert larger / smaller == pytest.approx(np.exp(depth / 2), rel=0.2)


def test_body_is_noisier_at_its_centre_than_near_its_skin(machine: Scanner) -> None:
    noise = noise_of(machine, water_disc(130), 2e5)
    radius = np.hypot(X, Y)
    assert noise[:, radius < 25].std() > 1.2 * noise[:, (radius > 100) & (radius < 122)].std()


def test_half_the_dose_is_root_two_noisier(machine: Scanner) -> None:
    full, half = (noise_of(machine, water_disc(100), photons).std() for photons in (4e5, 2e5))
    assert half / full == pytest.approx(np.sqrt(2), rel=0.1)


def test_dark_streaks_lie_between_dense_objects(machine: Scanner) -> None:
    body = water_disc(125)
    for x in (-60, 60):
        body += ((1200 - body) * disc(x, 0, 18)).astype(np.float32)
    seen = machine.scan(body[None], PIXEL_MM, NO_NOISE, 1.0, np.random.default_rng(0))[0]
    between = seen[(np.abs(X) < 25) & (np.abs(Y) < 8)].mean()
    beside = seen[(np.abs(X) < 25) & (np.abs(np.abs(Y) - 75) < 8)].mean()
    assert between < beside - 8


def test_noise_streaks_run_between_dense_objects(machine: Scanner) -> None:
    body = water_disc(125)
    for x in (-75, 75):
        body += ((1800 - body) * disc(x, 0, 25)).astype(np.float32)
    noise = noise_of(machine, body, 5e4)
    between = noise[:, (np.abs(X) < 30) & (np.abs(Y) < 8)]
    beside = noise[:, (np.abs(X) < 30) & (np.abs(np.abs(Y) - 75) < 8)]
    assert between.std() > 1.3 * beside.std()
    window = noise[:, np.abs(AXIS) < 10][:, :, np.abs(AXIS) < 30]
    along, across = np.diff(window, axis=2).std(), np.diff(window, axis=1).std()
    assert across > 1.15 * along


def test_water_correction_undoes_the_spectrum() -> None:
    depth = np.linspace(0, 12, 50)
    np.testing.assert_allclose(water_length(-np.log(transmission(depth, 0.0))), depth, atol=1e-3)


def test_ramp_filter_removes_the_mean_and_rises_linearly() -> None:
    response = ramp_response(512, roll_off=1e6)
    frequency = np.arange(257) / 512
    assert abs(response[0]) < 2e-3
    np.testing.assert_allclose(response[20:], frequency[20:], rtol=0.02)


def test_outside_the_circle_is_air(machine: Scanner) -> None:
    seen = machine.scan(water_disc(60)[None], PIXEL_MM, 1e5, 1.0, np.random.default_rng(0))[0]
    assert (seen[~machine.inside] == -1000).all()
    assert seen.min() >= -1024
