"""Which pictures are nearly the same, even shifted, mirrored, turned by quarters, cropped or of another size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

from radgen.cohort.near_duplicates import box_mean

ROWS_PER_BLOCK = 1024
# Central shares of the one picture that are compared with the other as a whole.
ZOOMS = (1.0, 0.9, 0.8)
# Spectra less alike than this are not looked at further, and of the others the nearest few.
LEAST_ALIKE = 0.25
NEAREST = 4
PAIRS_PER_BLOCK = 256
# The part of the thumbnail in which two pictures must overlap to be compared.
OVERLAP = 0.6

# Turn and zoom; with the half turn of each, which has the same spectrum, the turns are all eight.
_VARIANTS = tuple((turn, zoom) for zoom in ZOOMS for turn in range(4))

Grey = NDArray[np.float32]
Link = tuple[int, int, float]


def picture_links(thumbnails: Sequence[Grey], correlation: float) -> list[Link]:
    """Find pairs of pictures that are nearly the same.

    The spectrum's magnitude does not change with shifts, and only mirrors with mirrors and turns: it finds for each
    picture the few that may be the same, and a correlation over all shifts decides. Blocks bound the memory.

    Parameters
    ----------
    thumbnails
        Squares of the same size.
    correlation
        Two pictures with at least this normalised correlation of their detail, at the best shift with enough overlap,
        are a pair.

    Returns
    -------
    list of (one, two, correlation)
        one < two; at most NEAREST for each picture, so that an archive of equal pictures ends.
    """
    if len(thumbnails) < 2:
        return []
    stack = np.stack(thumbnails)
    places, variants = _alike(stack)
    tries = [
        (one, int(places[one, rank]), *_VARIANTS[variants[one, rank]])
        for one, rank in np.argwhere(variants >= 0).tolist()
    ]
    found: dict[tuple[int, int], float] = {}
    for start in range(0, len(tries), PAIRS_PER_BLOCK):
        block = tries[start : start + PAIRS_PER_BLOCK]
        first = np.stack([_detail(stack[one]) for one, *_ in block])
        second = np.stack([_detail(_turned(_zoomed(stack[two], zoom), turn)) for _, two, turn, zoom in block])
        for (one, two, *_), best in zip(block, _best_shifts(first, second).tolist(), strict=True):
            pair = (min(one, two), max(one, two))
            found[pair] = max(best, found.get(pair, -1.0))
    return [(one, two, best) for (one, two), best in sorted(found.items()) if best >= correlation]


def _alike(stack: Grey) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pictures of the nearest spectra, [n, NEAREST], and by which variant they are near (-1: none is)."""
    plain = _spectra(stack)
    mean, spread = plain.mean(axis=0), plain.std(axis=0) + np.float32(1e-6)
    base = _unit((plain - mean) / spread)
    shape = (len(stack), NEAREST)
    value = np.full(shape, LEAST_ALIKE, dtype=np.float32)
    place, variant = np.zeros(shape, dtype=np.int64), np.full(shape, -1, dtype=np.int64)
    for number, (turn, zoom) in enumerate(_VARIANTS):
        pictures = stack if zoom == 1 else np.stack([_zoomed(picture, zoom) for picture in stack])
        turned = np.stack([_turned(picture, turn) for picture in pictures])
        other = _unit((_spectra(turned) - mean) / spread)
        for start in range(0, len(stack), ROWS_PER_BLOCK):
            rows = slice(start, min(start + ROWS_PER_BLOCK, len(stack)))
            block = base[rows] @ other.T
            np.fill_diagonal(block[:, start:], -1)
            few = np.argpartition(block, -min(NEAREST, len(stack)), axis=1)[:, -NEAREST:]
            values = np.concatenate([value[rows], np.take_along_axis(block, few, axis=1)], axis=1)
            places = np.concatenate([place[rows], few], axis=1)
            variants = np.concatenate([variant[rows], np.full_like(few, number)], axis=1)
            best = np.argsort(-values, axis=1, kind="stable")[:, :NEAREST]
            value[rows] = np.take_along_axis(values, best, axis=1)
            place[rows] = np.take_along_axis(places, best, axis=1)
            variant[rows] = np.take_along_axis(variants, best, axis=1)
    return place, variant


def _spectra(stack: Grey) -> Grey:
    """Return the logarithm of the spectrum's magnitude of each picture's detail: [n, frequencies]."""
    side = stack.shape[1]
    edge = np.hanning(side + 2)[1:-1].astype(np.float32)
    out = []
    for start in range(0, len(stack), ROWS_PER_BLOCK):
        detail = np.stack([_detail(picture) for picture in stack[start : start + ROWS_PER_BLOCK]])
        magnitude = np.abs(np.fft.rfft2(detail * edge[:, None] * edge[None, :]))
        size = magnitude.mean(axis=(1, 2), keepdims=True) + 1e-9
        out.append(np.log(magnitude / size + 0.05).reshape(len(detail), -1).astype(np.float32))
    return np.concatenate(out)


def _unit(rows: Grey) -> Grey:
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + np.float32(1e-9)))


def _turned(picture: Grey, turn: int) -> Grey:
    """Mirror and transpose a picture: bit 1 of `turn` and bit 2."""
    picture = picture.T if turn & 2 else picture
    return picture[:, ::-1] if turn & 1 else picture


def _zoomed(picture: Grey, zoom: float) -> Grey:
    """Return the central share of a picture at the size of the whole."""
    if zoom == 1:
        return picture
    side = picture.shape[0]
    edge = side * (1 - zoom) / 2
    box = (edge, edge, side - edge, side - edge)
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR, box=box))


def _detail(picture: Grey) -> Grey:
    detail = picture - box_mean(picture)
    length = float(np.linalg.norm(detail))
    return detail / np.float32(length) if length else detail


def _best_shifts(first: Grey, second: Grey) -> Grey:
    """Return the largest correlation of each pair over all shifts that overlap enough, and over a half turn.

    Parameters
    ----------
    first, second
        Details, float32 [n, side, side]. Their mean is near 0 everywhere, so that products need no centring.
    """
    side = first.shape[1]
    size = (2 * side, 2 * side)
    whole = fft.rfft2(np.ones((side, side), np.float32), size)
    enough = np.round(fft.irfft2(whole * whole, size)) >= OVERLAP * side * side
    one, one_squared = fft.rfft2(first, size), fft.rfft2(first**2, size)
    energy = fft.irfft2(one_squared * whole, size)
    best = np.full(len(first), -1.0, dtype=np.float32)
    for turned in (second, second[:, ::-1, ::-1]):
        cross = fft.irfft2(one * fft.rfft2(turned, size), size)
        spread = energy * fft.irfft2(fft.rfft2(turned**2, size) * whole, size)
        sure = enough & (spread > 1e-4)
        values = cross / np.sqrt(np.where(sure, spread, 1))
        best = np.maximum(best, np.max(values, axis=(1, 2), where=sure, initial=-1.0))
    return best
