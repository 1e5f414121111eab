"""The gallery's one page: markup that is the same for four images and forty thousand."""

from __future__ import annotations

from radgen.report.browse.script import SCRIPT
from radgen.report.browse.style import GALLERY_STYLE
from radgen.report.html import Html, element, join
from radgen.report.study import StudyResults
from radgen.report.theme import STYLE

# Nothing may be asked of a network, whatever a script tries.
POLICY = "connect-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'"
RANGES = (("uncertainty", "Uncertainty"), ("distance", "Distance to training"))
ORDERS = (
    ("stored", "as stored"),
    ("uncertainty-up", "surest first"),
    ("uncertainty-down", "most uncertain first"),
    ("distance-up", "closest to training first"),
    ("distance-down", "farthest from training first"),
)


def gallery_page(study: StudyResults) -> str:
    """Return the page; what it shows comes from the scripts and sheets beside it."""
    title = f"Gallery · {study.facts.title or study.facts.study}"
    head = join(
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("title", title),
        element("style", Html(STYLE + GALLERY_STYLE)),
    )
    body = join(
        element("header", element("h1", title), element("p", _lead(study), class_="lead")),
        element("form", _filters(), id="filters", autocomplete="off"),
        element("p", "Loading …", id="status", role="status"),
        element("noscript", "This page needs JavaScript; it asks for nothing from a network."),
        element("div", id="grid", role="list", aria_label="Synthetic images"),
        _dialog(),
        element("script", Html(SCRIPT)),
    )
    page = element("body", element("div", body, class_="page"))
    return f"<!doctype html>\n{element('html', element('head', head), page, lang='en')}\n"


def _lead(study: StudyResults) -> str:
    facts = study.facts
    told = ["Synthetic images: none was taken of a person."]
    if facts.trial is not None:
        told.insert(0, f"TRIAL on {facts.trial} patients: small budgets, no result.")
    if facts.is_phantom:
        told.append("The generators learnt from a phantom: simulated patients.")
    told += [f"{words}." for words in study.annotator_words()]
    told.append("Distances are to the nearest training image, by pixels: sqrt(2 (1 - correlation)).")
    return " ".join(told)


def _filters() -> Html:
    choices = [_choice(name, label) for name, label in (("source", "Source"), ("class", "Class"), ("split", "Split"))]
    ranges = [
        element(
            "fieldset",
            element("legend", label),
            *(
                element("input", type="number", step="any", min="0", name=f"{name}-{end}", placeholder=words,
                        inputmode="decimal", aria_label=f"{label}, {words}")
                for end, words in (("least", "from"), ("most", "to"))
            ),
        )
        for name, label in RANGES
    ]  # fmt: skip
    orders = [element("option", words, value=value) for value, words in ORDERS]
    order = element("label", "Order", element("select", orders, name="order"))
    masks = element("label", element("input", type="checkbox", name="masks"), "Masks", class_="check-box")
    return join(choices, ranges, order, masks, element("button", "Reset", type="reset"))


def _choice(name: str, label: str) -> Html:
    return element("label", label, element("select", element("option", "all", value=""), name=name))


def _dialog() -> Html:
    view = element("div", element("div", class_="image"), element("div", class_="mask"), class_="stack", id="picture")
    near = element(
        "figure", element("div", id="nearest", class_="stack"), element("figcaption", id="nearest-words"), id="beside"
    )
    own = element("figure", view, element("figcaption", "Synthetic"))
    mask = element("label", element("input", type="checkbox", id="show-mask", checked="checked"), " Mask")
    legend = element("ul", id="legend")
    buttons = [
        element("button", words, type="button", id=name, aria_label=label)
        for name, words, label in (
            ("before", "‹", "image before"),
            ("after", "›", "next image"),
            ("close", "×", "close"),
        )
    ]
    command = join(element("p", "Make it again:", class_="what"), element("pre", id="command"))
    return element(
        "dialog",
        element("div", buttons, class_="bar"),
        element("h2", id="name"),
        element("div", own, near, class_="views"),
        element("p", mask, legend, id="mask-line"),
        element("dl", id="facts"),
        command,
        id="detail",
    )
