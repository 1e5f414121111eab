"""The gallery and the report in a browser: no errors, no network, filters that filter, text that stays text."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from chromium import Browser
from conftest import Made
from PIL import Image
from report_study import CLASSES, FACTS, REPORT, SOURCE, STRUCTURES, Tree

from radgen.report.browse.rows import collect_rows
from radgen.report.browse.write import write_gallery
from radgen.report.study import StudyResults

HOSTILE = "<img src=x onerror=alert(1)></script><script>document.title='owned'</script>"


def data(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8").partition("(")[2].strip().removesuffix(")"))


@pytest.fixture(scope="module")
def rows(made: Made) -> pd.DataFrame:
    return collect_rows(StudyResults(made.root, REPORT, FACTS), REPORT.browse_images)


# ---------------------------------------------------------------- files


def test_every_synthetic_image_is_there_once_with_what_is_known_of_it(made: Made, rows: pd.DataFrame) -> None:
    tree = Tree(made.root)
    samples = pd.read_parquet(tree.path("sample.part_index", source=SOURCE))
    nearest = pd.read_parquet(tree.path("metrics.nearest", source=SOURCE)).set_index("image_id")
    scores = pd.read_parquet(tree.path("pairs.uncertainty", source=SOURCE)).set_index("image_id")
    assert sorted(rows["image_id"]) == sorted(samples["image_id"])
    facts = data(made.gallery / "data" / "facts-000.js")
    for place, name in enumerate(rows["image_id"]):
        assert facts["distance"][place] == pytest.approx(nearest.loc[name, "distance_pixels"], rel=1e-3)
        assert facts["uncertainty"][place] == pytest.approx(scores.loc[name, "expected_error"], rel=1e-3)
        detail = data(made.gallery / "data" / f"details-{place // 25:04d}.js")[1][place % 25]
        assert detail["id"] == name


def test_a_command_is_printed_for_what_a_generator_here_has_made(made: Made, tmp_path: Path) -> None:
    for kind, again in (("gan", True), ("semantic", True), ("radiogenomic", True), ("images", False)):
        facts = dataclasses.replace(FACTS, kinds={SOURCE: kind})
        write_gallery(StudyResults(made.root, REPORT, facts), tmp_path / kind)
        assert data(tmp_path / kind / "data" / "meta.js")["sources"] == [[SOURCE, FACTS.sources[SOURCE], again]]


def test_the_page_does_not_grow_and_the_choice_is_bounded(made: Made, tmp_path: Path) -> None:
    few = dataclasses.replace(REPORT, browse_images=10, browse_tile_px=16)
    write_gallery(StudyResults(made.root, few, FACTS), tmp_path)
    meta = data(tmp_path / "data" / "meta.js")
    assert meta["count"] == 10
    assert meta["classes"] == list(CLASSES)
    assert Image.open(tmp_path / "tiles" / "images-0000.png").size == (5 * 16, 2 * 16)
    assert (tmp_path / "index.html").read_bytes() == (made.gallery / "index.html").read_bytes()


def test_no_nearest_image_where_the_policy_forbids_it(made: Made, tmp_path: Path) -> None:
    assert list(made.gallery.rglob("nearest-*"))
    write_gallery(StudyResults(made.root, dataclasses.replace(REPORT, show_nearest=False), FACTS), tmp_path)
    assert not list(tmp_path.rglob("nearest-*"))
    assert data(tmp_path / "data" / "meta.js")["nearest"] is False


# ---------------------------------------------------------------- in a browser


def opened(browser: Browser, folder: Path) -> None:
    browser.errors.clear()
    browser.asked.clear()
    browser.open(folder / "index.html")
    browser.wait("document.documentElement.dataset.ready === 'yes'")


def choose(browser: Browser, name: str, value: str) -> int:
    """Set one filter as a user would, and return how many images are left."""
    browser.js(
        f"(() => {{ const field = document.querySelector('[name={name}]'); field.value = {json.dumps(value)};"
        "field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    return int(browser.js("document.getElementById('status').textContent").split()[0])


def reset(browser: Browser) -> None:
    browser.js("document.querySelector('[type=reset]').click()")
    browser.wait("document.getElementById('status').textContent.startsWith('40 of 40')")


def look(browser: Browser, place: int) -> str:
    """Click a tile and return the id that is shown."""
    browser.js(f"document.querySelector('[data-place=\"{place}\"]').click()")
    browser.wait("document.getElementById('detail').open")
    return str(browser.js("document.getElementById('name').textContent"))


def visible(browser: Browser, name: str) -> bool:
    return bool(browser.js(f"document.getElementById('{name}').getBoundingClientRect().height > 0"))


def test_the_gallery_filters(browser: Browser, made: Made, rows: pd.DataFrame) -> None:
    browser.resize(1200, 900)
    opened(browser, made.gallery)
    assert choose(browser, "class", "1") == (rows["class_name"] == CLASSES[1]).sum() == 20
    reset(browser)
    limit = float(rows["uncertainty"].median())
    assert choose(browser, "uncertainty-most", f"{limit:.6f}") == (rows["uncertainty"] <= limit).sum()
    lesions = rows["class_name"] == CLASSES[1]
    assert choose(browser, "class", "1") == ((rows["uncertainty"] <= limit) & lesions).sum()
    reset(browser)
    limit = float(rows["distance_pixels"].quantile(0.7))
    assert choose(browser, "distance-least", f"{limit:.6f}") == (rows["distance_pixels"] >= limit).sum()
    reset(browser)
    assert choose(browser, "order", "distance-up") == 40
    assert look(browser, 0) == rows.loc[rows["distance_pixels"].idxmin(), "image_id"]
    assert browser.errors == []
    assert [url for url in browser.asked if not url.startswith(("file:", "data:"))] == []


def test_a_click_shows_mask_origin_and_command(browser: Browser, made: Made, rows: pd.DataFrame) -> None:
    browser.resize(1200, 900)
    opened(browser, made.gallery)
    masked = int(rows["masked"].to_numpy(bool).argmax())
    name = look(browser, masked)
    assert name == rows["image_id"].iloc[masked]
    assert (
        browser.js("document.getElementById('command').textContent")
        == f"radgen regenerate {name} --study {FACTS.study}"
    )
    assert visible(browser, "mask-line")
    assert visible(browser, "beside")
    assert browser.js("getComputedStyle(document.querySelector('#picture .mask')).backgroundImage").endswith('.png")')
    browser.js("document.getElementById('show-mask').click()")
    browser.wait("document.querySelector('#picture .mask').hidden")
    told = browser.js("document.getElementById('facts').textContent")
    assert FACTS.sources[SOURCE] in told
    assert f"{rows['distance_pixels'].iloc[masked]:.4g}" in told
    browser.js("document.getElementById('after').click()")
    browser.wait(f"document.getElementById('name').textContent === '{rows['image_id'].iloc[masked + 1]}'")
    browser.js("document.getElementById('close').click()")
    assert not browser.js("document.getElementById('detail').open")
    assert browser.errors == []


def test_the_shareable_gallery_shows_no_neighbour(browser: Browser, made: Made) -> None:
    opened(browser, made.share / "gallery")
    look(browser, 0)
    assert not visible(browser, "beside")
    assert browser.errors == []


def test_only_tiles_in_view_are_drawn(browser: Browser, made: Made) -> None:
    browser.resize(390, 400)
    opened(browser, made.gallery)
    browser.js("document.getElementById('grid').scrollIntoView()")
    drawn = "document.querySelectorAll('.tile').length"
    last = "document.querySelector('[data-place=\"39\"]') !== null"
    browser.wait(f"{drawn} > 9")
    assert browser.js(drawn) < 30
    assert not browser.js(last)
    browser.js("scrollTo(0, document.documentElement.scrollHeight)")
    browser.wait(last)
    assert browser.js(drawn) < 30


def test_names_of_others_stay_text(browser: Browser, made: Made, tmp_path: Path) -> None:
    facts = dataclasses.replace(FACTS, title=HOSTILE, structures=(HOSTILE, *STRUCTURES[1:]), sources={SOURCE: HOSTILE})
    write_gallery(StudyResults(made.root, REPORT, facts), tmp_path)
    browser.resize(1200, 900)
    opened(browser, tmp_path)
    look(browser, 0)
    assert browser.js("document.querySelector('#legend li').textContent") == HOSTILE
    assert HOSTILE in browser.js("document.getElementById('facts').textContent")
    assert browser.js("document.title") == f"Gallery · {HOSTILE}"
    assert browser.js("document.querySelectorAll('img').length") == 0
    assert browser.errors == []


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("edition", ["report", "share"])
def test_the_report_is_whole_and_fits(width: int, edition: str, browser: Browser, made: Made) -> None:
    browser.resize(width, 900)
    browser.errors.clear()
    browser.asked.clear()
    browser.open(made.root / edition / "index.html")
    assert browser.js("document.documentElement.scrollWidth") <= width
    assert browser.js("document.images.length") > 15
    assert browser.js("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert browser.errors == []
    own = (made.root / edition / "index.html").resolve().as_uri()
    assert {url for url in browser.asked if not url.startswith("data:")} == {own}
