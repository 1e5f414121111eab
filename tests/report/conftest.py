"""One small study and its figures, made once for all tests of the report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from chromium import Browser, find_chromium
from report_study import FACTS, REPORT, Tree
from report_tree import build_tree

from radgen.report.settings import ReportSettings, StudyFacts
from radgen.stages import figures as figures_stage
from radgen.stages import gallery as gallery_stage
from radgen.stages import qc as qc_stage
from radgen.stages import report as report_stage


@dataclass(frozen=True)
class Made:
    """A study's folder with figures and page."""

    root: Path

    @property
    def figures(self) -> Path:
        return self.root / "report" / "figures"

    @property
    def gallery(self) -> Path:
        return self.root / "report" / "gallery"

    @property
    def share(self) -> Path:
        return self.root / "share"

    @property
    def page(self) -> str:
        return (self.root / "report" / "index.html").read_text(encoding="utf-8")


def make_checks(root: Path, facts: StudyFacts = FACTS, report: ReportSettings = REPORT) -> Path:
    """Run the stage of the quality-control pages on a results folder, and return the folder of its pages."""
    out = root / "report" / "qc"
    write = {"results": root, "tables": (root / "slices" / "qc.parquet",), "page": out / "index.html"}
    qc_stage.run(**write, manifest=out / "manifest.json", report=report, facts=facts)
    return out


def make(root: Path, facts: StudyFacts = FACTS, report: ReportSettings = REPORT) -> Made:
    """Run both stages on a results folder."""
    out = root / "report"
    make_checks(root, facts, report)
    draw = {"results": root, "tables": (root / "slices" / "index.parquet",), "folder": out / "figures"}
    figures_stage.run(**draw, manifest=out / "figures.manifest.json", report=report, facts=facts)
    for shareable, folder in ((False, out), (True, root / "share")):
        name, own = ("share" if shareable else "own"), {"report": report, "facts": facts, "shareable": shareable}
        browse = {"results": root, "tables": draw["tables"], "folder": folder / "gallery"}
        gallery_stage.run(**browse, manifest=out / f"gallery_{name}.json", **own)
        write = {"results": root, "figures": out / "figures" / "figures.json", "page": folder / "index.html"}
        report_stage.run(**write, manifest=out / ("manifest.json" if name == "own" else "share.manifest.json"), **own)
    return Made(root)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A whole study; tests read it and never change it."""
    return make(build_tree(tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium; tests of pages are skipped, and say so, where there is none."""
    program = find_chromium()
    if program is None:
        pytest.skip("Chromium is not installed, so no page was opened in a browser; Debian's package is chromium")
    with Browser(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def tree(made: Made, tmp_path: Path) -> Tree:
    """A copy of its tables that a test may change."""
    root = tmp_path / "study"
    shutil.copytree(made.root, root, ignore=shutil.ignore_patterns("report", "share"))
    return Tree(root)
