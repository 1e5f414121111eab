"""One HTML page of all masks that came back, over their images: to be looked at before anything is trained on them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radgen.annotation.agreement import agreement_table, mean_agreement
from radgen.annotation.check import Gathered
from radgen.annotation.doubts import Doubt
from radgen.annotation.merge import Painted, undecided_px
from radgen.annotation.pack import Pack
from radgen.annotation.schema import Label
from radgen.report.html import Html, element, join, table
from radgen.report.theme import STYLE

STRENGTH = 0.4  # of a label's colour inside it; its border is drawn in full colour
OWN_STYLE = """
.case{border-top:1px solid var(--rule);padding:1.2rem 0}
.views{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}
.views figure{margin:0;width:16rem}
.views img{image-rendering:pixelated;border-radius:.2rem;background:#000}
.key{display:inline-block;width:.8em;height:.8em;border:1px solid var(--muted);margin-right:.35em}
"""
NO_SCRIPT = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def check_page(pack: Pack, gathered: Gathered, doubts: Sequence[Doubt], seconds: Mapping[str, float]) -> str:
    """Return the page: self-contained, without scripts, every text escaped.

    Parameters
    ----------
    pack
        What went out.
    gathered
        What came back; what is wrong with it stands at the top.
    doubts
        Of `radgen.annotation.check.doubts_of`.
    seconds
        By image, where known.
    """
    by_image = gathered.by_image
    title = f"Masks of {len(by_image)} of {len(pack.rows)} images"
    remarks = {image_id: [element("p", f"{value:g} s")] for image_id, value in seconds.items()}
    for image_id, painted in by_image.items():
        if pixels := undecided_px(painted):
            told = f"{pixels} px have no label of more than half of the annotators; a majority leaves them background"
            remarks.setdefault(image_id, []).append(element("p", told, class_="notice"))
    for doubt in doubts:
        for image_id in doubt.image_ids:
            notice = element("p", element("b", "Doubtful: "), doubt.sentence, class_="notice")
            remarks.setdefault(image_id, []).append(notice)
    body = join(
        element("h1", title),
        element("p", f"Generator {pack.generator}. Synthetic images; they show no patient.", class_="lead"),
        _notices("Cannot be used", gathered.problems),
        _notices("Doubtful", [doubt.sentence for doubt in doubts]),
        _summary(by_image, pack.labels),
        _agreement(by_image, pack.labels),
        [
            _case(image_id, pack.image(image_id), painted, pack.labels, remarks.get(image_id, []))
            for image_id, painted in by_image.items()
        ],
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{NO_SCRIPT}">'),
        element("title", title),
        element("style", Html(STYLE + OWN_STYLE)),
    )
    return "<!doctype html>\n" + element("html", head, element("body", element("div", body, class_="page")), lang="en")


def _notices(heading: str, sentences: Sequence[str]) -> Html | None:
    if not sentences:
        return None
    listed = element("ul", [element("li", sentence) for sentence in sentences])
    return element("div", element("b", f"{heading}: {len(sentences)}"), listed, class_="notice")


def _summary(by_image: Mapping[str, Sequence[Painted]], labels: Sequence[Label]) -> Html:
    """Return a table of labels: in how many masks each is, and how large."""
    masks = [item.mask for painted in by_image.values() for item in painted]
    rows = []
    for label in labels[1:]:
        shares = [share for mask in masks if (share := float((mask == label.id).mean())) > 0]
        middle = f"{np.median(shares):.2%}" if shares else "-"
        span = f"{min(shares):.2%} to {max(shares):.2%}" if shares else "-"
        rows.append([_named(label), str(len(shares)), middle, span])
    caption = f"{len(masks)} masks; areas are shares of the image"
    return table(["label", "in masks", "median area", "from, to"], rows, caption=caption, numeric=(1, 2, 3))


def _agreement(by_image: Mapping[str, Sequence[Painted]], labels: Sequence[Label]) -> Html | None:
    means = mean_agreement(agreement_table(by_image, labels))
    if not means:
        return None
    rows = [[label, f"{value['dice']:.3f}", str(value["pairs"])] for label, value in means.items()]
    return table(["label", "mean Dice", "pairs of masks"], rows, caption="Agreement of annotators", numeric=(1, 2))


def _case(
    image_id: str,
    image: NDArray[np.uint8],
    painted: Sequence[Painted],
    labels: Sequence[Label],
    remarks: Sequence[Html],
) -> Html:
    views = [_view(np.repeat(image[..., None], 3, axis=2), "image", element("span", "image"))]
    views += [_view(overlay(image, item.mask, labels), f"mask of {item.who}", _facts(item, labels)) for item in painted]
    return element("section", element("h3", image_id), remarks, element("div", views, class_="views"), class_="case")


def _view(pixels: NDArray[np.uint8], alt: str, caption: Html) -> Html:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    source = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    return element("figure", element("img", src=source, alt=alt), element("figcaption", caption))


def _facts(item: Painted, labels: Sequence[Label]) -> Html:
    """Return whose a mask is, its labels with their areas, and what is to be known of it."""
    areas = [(label, int(np.count_nonzero(item.mask == label.id))) for label in labels[1:]]
    lines = [element("li", _named(label), f": {pixels} px") for label, pixels in areas if pixels]
    empty = None if lines else element("b", "empty mask")
    overlap = element("p", f"labels overlapped on {item.overlap_px} px") if item.overlap_px else None
    return join(element("b", item.who), " ", element("small", item.file), element("ul", lines), empty, overlap)


def _named(label: Label) -> Html:
    key = element("span", class_="key", style=f"background:#{bytes(label.colour).hex()}")
    return join(key, label.name)


def overlay(image: NDArray[np.uint8], mask: NDArray[np.uint8], labels: Sequence[Label]) -> NDArray[np.uint8]:
    """Return a grey image with its labels in their colours: uint8 [H, W, 3]."""
    colours = np.zeros((256, 3))
    for label in labels:
        colours[label.id] = label.colour
    border = np.zeros(mask.shape, dtype=bool)
    border[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    border[1:] |= mask[1:] != mask[:-1]
    weight = np.where(border, 1.0, STRENGTH)[..., None] * (mask > 0)[..., None]
    return np.rint((1 - weight) * image[..., None] + weight * colours[mask]).astype(np.uint8)
