"""The quality-control pages: every series once, unusual ones first, bounded pages, nothing from elsewhere."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import Made, make_checks
from PIL import Image
from report_archive import ODD, REMARKED, write_cohort, write_slices
from report_study import FACTS, PATIENTS, REPORT, Tree
from report_tree import build_tree
from test_page import parsed

from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from radgen.imaging.across_splits import SCHEMA as NEAR_DUPLICATES_SCHEMA
from radgen.imaging.qc import QC_SCHEMA
from radgen.report.qc.outliers import FEWEST, MEASURES, Measure, find_outliers, in_order, robust_scores
from radgen.report.qc.table import QcTable
from radgen.report.settings import ReportSettings
from radgen.report.study import StudyResults

HOSTILE = "<script>alert('x')</script>"
MEASURE = Measure("x", "x", "mm", 0.1)


@pytest.fixture
def small(tmp_path: Path) -> Tree:
    """Write tables of cohort and slices alone, which is all that the pages need."""
    return Tree(build_tree(tmp_path, parts=(write_cohort, write_slices)))


def cards(page: Path) -> list[str]:
    """Return the series keys of a page's cards in order."""
    return re.findall(r'id="series-([^"]+)"', page.read_text(encoding="utf-8"))


def series_pages(folder: Path) -> list[Path]:
    return sorted(folder.glob("series-*.html"))


def key(number: int) -> str:
    return f"{PATIENTS[number][0]}s"


# ---------------------------------------------------------------- pages


def test_every_series_that_was_read_has_one_card_unusual_ones_first(made: Made) -> None:
    folder = made.root / "report" / "qc"
    shown = [one for page in series_pages(folder) for one in cards(page)]
    assert sorted(shown) == sorted(key(number) for number in range(len(PATIENTS)))
    assert shown[:2] == [key(ODD), key(REMARKED)]
    rest = [one for one in (key(number) for number in range(len(PATIENTS))) if one not in shown[:2]]
    assert shown[2:] == rest
    assert cards(folder / "index.html") == [key(ODD)]


def test_a_card_shows_both_pictures_as_the_table_holds_them(made: Made) -> None:
    rows = {row["series_key"]: row for row in pq.read_table(made.root / "slices" / "qc.parquet").to_pylist()}
    for page in series_pages(made.root / "report" / "qc"):
        text = page.read_text(encoding="utf-8")
        for name, card in re.findall(r'<article class="[^"]*" id="series-([^"]+)">(.*?)</article>', text, re.DOTALL):
            pictures = re.findall(r'src="data:image/png;base64,([^"]+)" alt="([^"]+)"', card)
            assert [base64.b64decode(data) for data, _ in pictures] == [
                rows[name][kind] for kind in ("before", "after")
            ]
            assert [words.endswith(end) for (_, words), end in zip(pictures, ("window", "stored"), strict=True)] == [
                True
            ] * 2
            assert card.count("<svg") == 1


def test_pages_are_whole_and_link_to_each_other(made: Made) -> None:
    folder = made.root / "report" / "qc"
    for page in (folder / "index.html", *series_pages(folder)):
        text = page.read_text(encoding="utf-8")
        checker = parsed(text)
        assert not checker.tags & {"script", "link", "iframe"}
        for link in checker.links:
            if link.startswith("#"):
                assert f'id="{link[1:]}"' in text
            elif not link.startswith("data:"):
                assert (folder / link).is_file(), link
        assert "PHANTOM ARCHIVE" in checker.text
    assert '<a href="qc/index.html">' in made.page


def test_the_first_page_tells_refusals_remarks_and_findings(made: Made) -> None:
    text = parsed((made.root / "report" / "qc" / "index.html").read_text(encoding="utf-8")).text
    assert "removed share 97.0 %, usually 5" in text
    assert "1 series stand out: removed share 1." in text
    for words in ("almost empty", "too little", "truncated", "it is damaged", "side file", "set aside", "not stored"):
        assert words in text
    assert "tilted" in text
    assert "12.5 degrees" in text
    assert "keep them where" not in text


def test_slices_that_lose_tissue_are_listed(small: Tree) -> None:
    path = small.path("slices.index")
    table = pd.read_parquet(path)
    table["removed_tissue_fraction"] = 0.01
    table.loc[[3, 7], "removed_tissue_fraction"] = (0.4, 0.55)
    table.to_parquet(path)
    text = (make_checks(small.root) / "index.html").read_text(encoding="utf-8")
    assert f"2 of {len(table)} slices stand out" in text
    keys = re.findall(r"<td><code>([^<]+)</code></td>", text)
    assert keys == [table["series"][7], table["series"][3]]
    assert '<td class="n">55.0 %</td>' in text


def test_near_duplicates_across_splits_are_shown_side_by_side(small: Tree) -> None:
    page = make_checks(small.root) / "index.html"
    text = page.read_text(encoding="utf-8")
    assert "2 pairs of stored images of different splits are nearly the same picture." in text
    assert '<td>train</td><td>annotator</td><td class="n">2</td>' in text
    images = ImageSet(small.path("slices.index"))
    ids = list(images.column("image_id"))
    for name in (f"{PATIENTS[0][0]}_000", f"{PATIENTS[-1][0]}_001"):
        data = re.findall(rf'base64,([^"]+)" alt="Image {name}"', text)
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data[0]))).convert("L"))
        assert np.array_equal(shown, images.images([ids.index(name)])[0, 0])
    small.table("slices.near_duplicates", [], NEAR_DUPLICATES_SCHEMA)
    make_checks(small.root)
    assert "No stored image has a near-duplicate in another split." in page.read_text(encoding="utf-8")


def test_pages_are_bounded_and_stale_ones_go(small: Tree) -> None:
    folder = make_checks(small.root, report=ReportSettings(qc_series_per_page=4))
    pages = series_pages(folder)
    assert len(pages) == -(-len(PATIENTS) // 4)
    assert max(len(cards(page)) for page in pages) == 4
    heaviest = max(page.stat().st_size for page in pages)
    make_checks(small.root, report=ReportSettings(qc_series_per_page=8))
    assert len(series_pages(folder)) == -(-len(PATIENTS) // 8)
    assert max(page.stat().st_size for page in series_pages(folder)) < 2 * heaviest


def test_of_too_many_series_the_unusual_ones_are_shown_and_the_rest_is_counted(small: Tree) -> None:
    folder = make_checks(small.root, report=ReportSettings(qc_series=5))
    shown = [one for page in series_pages(folder) for one in cards(page)]
    assert (len(shown), shown[0]) == (5, key(ODD))
    assert f"{len(PATIENTS) - 5} more are not pictured" in (folder / "index.html").read_text(encoding="utf-8")


def test_the_pages_are_the_same_bytes_for_the_same_tables(small: Tree) -> None:
    def made() -> dict[str, bytes]:
        paths = sorted(path for path in (small.root / "report" / "qc").rglob("*.*") if path.name != "manifest.json")
        return {path.name: path.read_bytes() for path in paths}

    make_checks(small.root)
    before = made()
    make_checks(small.root)
    assert made() == before


def test_pages_of_real_patients_say_so_and_text_of_others_is_escaped(small: Tree) -> None:
    path = small.path("slices.qc")
    rows = pq.read_table(path).to_pylist()
    for row in rows:
        row |= {"anatomy": HOSTILE, "class_names": [HOSTILE]}
        row["remarks"] = [{**one, "kind": HOSTILE} for one in row["remarks"]]
    small.table("slices.qc", rows, QC_SCHEMA)
    facts = dataclasses.replace(FACTS, is_phantom=False, title=HOSTILE, study=HOSTILE)
    folder = make_checks(small.root, facts)
    for page in (folder / "index.html", *series_pages(folder)):
        checker = parsed(page.read_text(encoding="utf-8"))
        assert "script" not in checker.tags
        assert "keep them where the archive itself may be kept" in checker.text
        assert "PHANTOM" not in checker.text


def test_no_patient_is_named(made: Made) -> None:
    for page in (made.root / "report" / "qc").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"\bprivate\b", text)
        assert not [one for one, _ in PATIENTS if re.search(rf"\b{one}\b", text)]


def test_series_without_figures_and_empty_cohorts_are_drawn(small: Tree) -> None:
    row = pq.read_table(small.path("slices.qc")).to_pylist()[0]
    unknown = ("spacing_slice_mm", "spacing_row_mm", "spacing_col_mm", "kept_low", "kept_median", "kept_high", "after")
    row |= dict.fromkeys(unknown) | {"modality": "", "class_names": [], "kept_counts": [0] * len(row["kept_counts"])}
    small.table("slices.qc", [row], QC_SCHEMA)
    folder = make_checks(small.root)
    text = parsed(series_pages(folder)[0].read_text(encoding="utf-8")).text
    assert "no slice stored" in text
    assert not re.search(r"\bnan\b", text)
    small.table("slices.qc", [], QC_SCHEMA)
    make_checks(small.root)
    assert series_pages(folder) == []
    assert "Nothing stands out" in (folder / "index.html").read_text(encoding="utf-8")


# ---------------------------------------------------------------- table


def test_rows_are_read_by_their_positions_over_groups_of_rows(small: Tree) -> None:
    path = small.path("slices.qc")
    pq.write_table(pq.read_table(path), path, row_group_size=4)
    checks = QcTable(StudyResults(small.root, REPORT, FACTS))
    wanted = [17, 3, 4, 11]
    found = [row["series_key"] for row in checks.rows(wanted, ("series_key", "before"))]
    assert found == [key(number) for number in sorted(wanted)]


def test_a_table_without_a_column_is_refused_with_its_name(small: Tree) -> None:
    path = small.path("slices.qc")
    pq.write_table(pq.read_table(path).drop(["after"]), path)
    with pytest.raises(InputError, match=r"qc\.parquet: column 'after' is missing; run the stage that writes it again"):
        QcTable(StudyResults(small.root, REPORT, FACTS))
    path.unlink()
    with pytest.raises(InputError, match=r"qc\.parquet: not a readable table .*run the slices stage"):
        QcTable(StudyResults(small.root, REPORT, FACTS))


def test_series_are_compared_within_their_archive_and_modality(small: Tree) -> None:
    rows = pq.read_table(small.path("slices.qc")).to_pylist()
    for number, row in enumerate(rows):
        row |= {"archive": "a" if number % 2 else "b", "modality": "CT" if number % 3 else ""}
    small.table("slices.qc", rows, QC_SCHEMA)
    checks = QcTable(StudyResults(small.root, REPORT, FACTS))
    assert sorted(checks.groups) == ["a CT", "a dicom", "b CT", "b dicom"]
    folder = make_checks(small.root)
    assert "b dicom" in (folder / "index.html").read_text(encoding="utf-8")


# ---------------------------------------------------------------- outliers


def test_scores_do_not_depend_on_order_offset_or_scale() -> None:
    values = np.random.default_rng(0).normal(5, 2, 40)
    scores, _ = robust_scores(values, MEASURE)
    order = np.random.default_rng(1).permutation(40)
    assert robust_scores(values[order], MEASURE)[0] == pytest.approx(scores[order])
    assert robust_scores(values + 100, MEASURE)[0] == pytest.approx(scores)
    assert robust_scores(3 * values, MEASURE)[0] == pytest.approx(scores)
    ratios = dataclasses.replace(MEASURE, is_ratio=True, floor=1e-9)
    assert robust_scores(10 * np.exp(values), ratios)[0] == pytest.approx(robust_scores(np.exp(values), ratios)[0])


def test_a_group_that_hardly_varies_has_no_outliers_and_a_small_one_neither() -> None:
    still = 1 + 1e-6 * np.random.default_rng(0).normal(size=30)
    assert np.abs(robust_scores(still, MEASURE)[0]).max() < 1e-3
    few = np.array([1.0] * (FEWEST - 2) + [1000.0])
    assert not robust_scores(few, MEASURE)[0].any()
    assert robust_scores(np.append(few, np.ones(FEWEST)), MEASURE)[0].max() > 100


def test_unknown_values_neither_stand_out_nor_count() -> None:
    values = np.array([np.nan] * 5 + [1.0] * 10 + [9.0])
    scores, usual = robust_scores(values, MEASURE)
    assert usual == 1
    assert not scores[:5].any()
    assert scores[-1] > 50


@pytest.mark.parametrize("measure", MEASURES, ids=lambda one: one.column)
def test_a_planted_outlier_of_each_figure_is_found_in_its_own_group(measure: Measure) -> None:
    usual = {"removed_fraction": 0.5, "clipped_fraction": 0.02, "kept_median": 40.0, "pixel_mm": 0.8}
    usual |= {"removed_tissue_most": 0.02, "spacing_slice_mm": 5.0, "n_slices": 100.0}
    odd = {"removed_fraction": 0.99, "clipped_fraction": 0.4, "kept_median": -900.0, "pixel_mm": 8.0}
    odd |= {"removed_tissue_most": 0.4, "spacing_slice_mm": 50.0, "n_slices": 3.0}
    rows = [
        {**usual, "group": group, "modality": group, "position": at, "remarks": []}
        for at, group in enumerate(["CT"] * 12 + ["MR"] * 12)
    ]
    rows[7][measure.column] = odd[measure.column]
    for row in rows[12:]:  # another modality has another usual value
        row[measure.column] = odd[measure.column]
    frame = pd.DataFrame(rows)
    found = find_outliers(frame, 5.0)
    assert {position: [one.measure for one in each] for position, each in found.items()} == {7: [measure]}
    assert in_order(frame, found)[0] == 7
