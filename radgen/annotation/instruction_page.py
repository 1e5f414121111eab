"""The page instructions.html of a pack: one sheet with pictures, for the person who paints. It loads nothing."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radgen.annotation.packers import PACKERS
from radgen.annotation.packers.material import Material, Packer, hex_colour
from radgen.annotation.pictures import SYNTHETIC_NOTICE
from radgen.annotation.schema import Label
from radgen.report.html import Html, element, join

SHOWN_PIXELS = 256  # height of a picture on the page
DRAWN_LABELS = 3  # more shapes in one example only hide each other

PAINTING_PROGRAM = Packer(
    folder="images",
    tool="A painting program (GIMP, Krita, ImageJ)",
    files=lambda _material: iter(()),
    steps=(
        "Open `images/NAME.png`.",
        "Paint each structure with its number as grey value, or in an indexed picture whose palette holds the colours "
        "above at these places. Use a pencil without soft edges.",
        "Save as `masks/NAME.png`, indexed or 8-bit grey.",
    ),
)

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; color: #1d2733; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.notice { background: #fff4d6; border-left: 4px solid #d99a00; padding: .5rem .75rem; margin: .75rem 0; }
.row { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; width: min-content; }
figure img { image-rendering: pixelated; display: block; border: 1px solid #c6ced8; }
figcaption { font-size: .85rem; color: #4a5868; margin-top: .3rem; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; }
.swatch { display: inline-block; width: 2.5rem; height: 1rem; border: 1px solid #5b6877; vertical-align: middle; }
.tools { columns: 25rem; column-gap: 1rem; }
.tool { border: 1px solid #c6ced8; border-radius: 6px; padding: .25rem 1rem .5rem; margin-bottom: 1rem;
  break-inside: avoid; }
.tool h3 { font-size: 1rem; margin: .5rem 0 .25rem; }
ol, ul { padding-left: 1.25rem; margin: .25rem 0; }
code { background: #eef1f5; border-radius: 3px; padding: 0 .25em; font-size: .875em; overflow-wrap: anywhere; }
@media print { /* one sheet of A4 for a few labels */
  html { font-size: 9.5px; }
  body { line-height: 1.35; margin: 0; padding: 0; max-width: none; }
  h2 { margin: 1rem 0 .25rem; }
  figure img { height: 13rem; width: auto; }
  .tools { columns: 2; }
  .tool { padding: 0 .75rem .25rem; margin-bottom: .75rem; }
}
"""


def instruction_page(material: Material) -> str:
    """Return the whole page."""
    example, image = next(iter(material.pictures.items()))
    count = len(material.pictures)
    mask = example_mask(image.shape, material.structures)
    title = f"{count} synthetic images, to be painted by hand"
    body = element(
        "body",
        element("h1", title),
        element("p", SYNTHETIC_NOTICE, class_="notice"),
        _shown(example, image, mask, material.labels),
        element("h2", "What to paint"),
        _label_table(material.labels),
        element("h2", "With which tool"),
        element(
            "p",
            join(
                _marked("Any one of these. `NAME` stands for a picture's name, for example "), element("code", example)
            ),
            join(
                _marked(". Everything that you paint goes into the folder `masks`; paths are those inside this folder.")
            ),
        ),
        element("div", [_tool(packer) for packer in (PAINTING_PROGRAM, *PACKERS)], class_="tools"),
        element("h2", "Please mind"),
        _rules(),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(STYLE)),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def example_mask(shape: tuple[int, ...], structures: Sequence[Label]) -> NDArray[np.uint8]:
    """Return a mask [H, W] of one ellipse for each of the first labels, side by side: a drawing, not a segmentation."""
    height, width = shape
    drawn = structures[:DRAWN_LABELS]
    rows, columns = np.mgrid[0:height, 0:width]
    mask = np.zeros((height, width), np.uint8)
    for place, label in enumerate(drawn, start=1):
        centre = width * place / (len(drawn) + 1)
        across = (columns + 0.5 - centre) / (0.36 * width / len(drawn))
        down = (rows + 0.5 - height * (0.5 + 0.12 * math.sin(2.4 * place))) / (0.2 * height)
        mask[across**2 + down**2 <= 1] = label.id
    return mask


def _shown(example: str, image: NDArray[np.uint8], mask: NDArray[np.uint8], labels: Sequence[Label]) -> Html:
    colours = np.zeros((256, 3), np.uint8)
    for label in labels:
        colours[label.id] = label.colour
    grey = np.repeat(image[:, :, None], 3, axis=2)
    overlay = np.where(mask[:, :, None] > 0, (grey.astype(np.uint16) + colours[mask]) // 2, grey).astype(np.uint8)
    return element(
        "div",
        _figure(grey, f"A picture of this pack: {example}"),
        _figure(colours[mask], "A mask: every pixel has the number of one label, background is 0"),
        _figure(overlay, "Both: the shapes are drawn to show the idea and follow nothing in the picture"),
        class_="row",
    )


def _figure(pixels: NDArray[np.uint8], words: str) -> Html:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    source = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
    height, width = pixels.shape[:2]
    shown = round(SHOWN_PIXELS * width / height)
    picture = element("img", src=source, alt=words, width=shown, height=SHOWN_PIXELS)
    return element("figure", picture, element("figcaption", words))


def _label_table(labels: Sequence[Label]) -> Html:
    heading = element("tr", [element("th", words) for words in ("Number", "Name", "Colour")])
    rows = [
        element(
            "tr",
            element("td", str(label.id)),
            element("td", label.name),
            element(
                "td",
                element("span", class_="swatch", style=f"background:{hex_colour(label)}"),
                join(" ", element("code", hex_colour(label))),
            ),
        )
        for label in labels
    ]
    return element("table", heading, rows)


def _tool(packer: Packer) -> Html:
    steps = [element("li", _marked(step)) for step in packer.steps]
    return element("section", element("h3", packer.tool), element("ol", steps), class_="tool")


def _rules() -> Html:
    rules = (
        "A mask has exactly the size of its picture. Nothing is ever resized.",
        "A picture that shows nothing to paint gets an empty mask: where the tool saves none, copy the picture's empty "
        "file from the tool's folder into `masks`. A picture without a mask is left out.",
        "Not every picture must be painted; a few of each class are needed.",
        "Leave `masks/generator.json` where it is: it says for which pictures the masks were painted.",
        "Do not rename pictures: a mask finds its picture by name.",
        "Two people paint the same pictures: each saves into a folder of their own inside `masks`.",
        "If you note your time: `masks/seconds.csv` with the columns image_id and seconds.",
    )
    return element("ul", [element("li", _marked(rule)) for rule in rules])


def _marked(text: str) -> Html:
    """Escape a text and set what stands between backticks as code."""
    parts = text.split("`")
    return join(*(element("code", part) if place % 2 else part for place, part in enumerate(parts)))
