"""The page of a pack stands alone, names everything, and no name can become markup."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from radgen.annotation.instruction_page import example_mask, instruction_page
from radgen.annotation.packers import PACKERS
from radgen.annotation.packers.material import Material, Packer
from radgen.annotation.schema import Label, label_schema
from tests.annotation.toys import LABELS, SHAPE, pack_images

VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Checks that tags are nested well, and keeps tags, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def material(labels: tuple[Label, ...] = LABELS) -> Material:
    return Material({item.image_id: item.image for item in pack_images()}, labels, "f" * 32)


def sources(page: str) -> list[str]:
    return [str(value) for key, value in Reader(page).attributes if key == "src"]


def test_page_names_every_tool_label_and_an_image() -> None:
    text = Reader(instruction_page(material())).text
    for words in [packer.tool for packer in PACKERS] + [label.name for label in LABELS]:
        assert words in text
    assert "main_normal_000000" in text
    assert "shows no patient" in text


@pytest.mark.parametrize("packer", PACKERS, ids=lambda packer: packer.folder)
def test_steps_say_what_to_open_and_where_to_save(packer: Packer) -> None:
    steps = " ".join(packer.steps)
    assert packer.folder in steps
    assert "masks" in packer.steps[-1]
    assert all(step.count("`") % 2 == 0 for step in packer.steps)


def test_page_loads_nothing_from_elsewhere() -> None:
    page = instruction_page(material())
    assert "http" not in page
    assert "script" not in Reader(page).tags
    assert all(source.startswith("data:image/png;base64,") for source in sources(page))


def test_first_picture_is_the_images_own_and_the_last_shows_both() -> None:
    shown = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))
        for source in sources(instruction_page(material()))
    ]
    image = pack_images()[0].image
    mask = example_mask(SHAPE, LABELS[1:])
    assert len(shown) == 3
    assert np.array_equal(shown[0], np.repeat(image[:, :, None], 3, axis=2))
    assert np.array_equal(shown[1][mask == 1], np.tile(LABELS[1].colour, (int((mask == 1).sum()), 1)))
    assert np.array_equal(shown[2][mask == 0], shown[0][mask == 0])
    assert not np.array_equal(shown[2][mask == 1], shown[0][mask == 1])


def test_names_never_become_markup() -> None:
    awkward = "<script>alert('x')</script> & \"more\""
    read = Reader(instruction_page(material(label_schema((awkward,)))))
    assert "script" not in read.tags
    assert awkward in read.text


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_example_shows_the_first_labels_apart_from_each_other(count: int) -> None:
    structures = label_schema([f"s{number}" for number in range(count)])[1:]
    mask = example_mask((64, 48), structures)
    assert set(np.unique(mask)) == {0, *range(1, min(count, 3) + 1)}
    assert mask.shape == (64, 48)
    assert not mask[0].any()
    assert not mask[:, 0].any()


def test_same_pack_same_page() -> None:
    assert instruction_page(material()) == instruction_page(material())
