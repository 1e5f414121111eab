"""Run-length codes: the tools' own libraries code, we decode."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from radgen.annotation.importers.rle import counts_of_text, mask_of_counts, opacity_of_brush
from radgen.errors import AnnotationError
from tests.annotation.drawn import FIXTURES
from tests.annotation.fixtures.truth import SHAPE, masks


def brush_code(task: int = 0) -> bytes:
    tasks = json.loads((FIXTURES / "label_studio.json").read_text())
    return bytes(tasks[task]["annotations"][0]["result"][0]["value"]["rle"])


@pytest.mark.parametrize("seed", range(6))
def test_compressed_text_of_coco_is_decoded_exactly(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random((70, 90)) < (0.5, 0.01, 0.99, 0.0, 1.0, 0.2)[seed]
    text = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert np.array_equal(mask_of_counts(counts_of_text(text, ""), mask.shape, "", by_column=True), mask)


def test_runs_go_along_rows_or_down_columns() -> None:
    counts = np.array([1, 2, 3])
    assert mask_of_counts(counts, (2, 3), "", by_column=False).tolist() == [[False, True, True], [False] * 3]
    assert mask_of_counts(counts, (2, 3), "", by_column=True).tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([], "add up to 0 pixels, but the picture has 2 x 3 = 6"),
        ([1, 2], "add up to 3 pixels"),
        ([4, 4], "add up to 8 pixels"),
        ([9, -3], "hold 9, but"),
        ([-1, 7], "hold -1, but"),
        ([2**62, 2**62, 2**62, 2**62, 6], "hold 4611686018427387904, but"),  # would add up to 6 in 64 bits
    ],
)
def test_counts_that_do_not_add_up_are_refused(counts: list[int], message: str) -> None:
    with pytest.raises(AnnotationError, match=f"toy counts {message}"):
        mask_of_counts(np.array(counts, np.int64), (2, 3), "toy", by_column=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n", r"has '\\n' as character 2"),
        ("1\N{SNOWMAN}", "as character 2"),
        ("1P", "ends within a number after 2 characters"),
        ("o" * 12, "has 'o' as character 8, where no code goes on"),
    ],
)
def test_text_that_is_no_code_is_refused(text: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        counts_of_text(text, "toy")


def test_brush_codes_are_decoded_exactly() -> None:
    assert np.array_equal(opacity_of_brush(brush_code(), SHAPE, ""), masks()["ring"] * np.uint8(255))
    assert np.array_equal(opacity_of_brush(brush_code(1), SHAPE, ""), masks()["all"] * np.uint8(255))


@pytest.mark.parametrize("word_sizes", [(3, 4, 8, 16), (1, 2, 5, 16)])
def test_brush_codes_with_plain_words_are_decoded(word_sizes: tuple[int, ...]) -> None:
    """The tool codes what repeats not as plain words; its library's encoder never does, so these bits are ours."""
    words = np.random.default_rng(1).integers(0, 256, 2 * 3 * 4).tolist()
    bits = f"{len(words):032b}" + f"{7:05b}" + "".join(f"{size - 1:04b}" for size in word_sizes)
    for kind, run in ((0, words[:2]), (3, words[2:20]), (2, words[20:])):
        bits += f"0{kind:02b}{len(run) - 1:0{word_sizes[kind]}b}" + "".join(f"{word:08b}" for word in run)
    bits += "0" * (-len(bits) % 8)
    code = int(bits, 2).to_bytes(len(bits) // 8, "big")
    assert opacity_of_brush(code, (2, 3), "").tolist() == np.reshape(words, (2, 3, 4))[..., 3].tolist()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda code: code[:-4], r"stops after \d+ bytes, within the picture"),
        (lambda code: b"", "stops after 0 bytes"),
        (lambda code: b"\xff\xff\xff\xff" + code[4:], "codes 1.07374e.09 pixels, but the picture has 24 x 20 = 480"),
        (lambda code: code[:4] + b"\xff" + code[5:], "codes words of 32 bits, but colours have 8"),
        (lambda code: code[:6] + b"\xff" * 40, r"paints \d+ of 1920 words"),
    ],
)
def test_brush_codes_that_do_not_fit_are_refused(spoil: Callable[[bytes], bytes], message: str) -> None:
    with pytest.raises(AnnotationError, match=f"toy {message}"):
        opacity_of_brush(spoil(brush_code()), SHAPE, "toy")
