"""One small study and its figures, made once for all tests of the report."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from report_tree import FACTS, REPORT, Tree, build_tree

from radgen.report.settings import ReportSettings, StudyFacts
from radgen.stages import figures as figures_stage
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
    figures_stage.run(**draw, manifest=out / "figures" / "manifest.json", report=report, facts=facts)
    listing = out / "figures" / "figures.json"
    write = {"results": root, "figures": listing, "page": out / "index.html", "manifest": out / "manifest.json"}
    report_stage.run(**write, report=report, facts=facts)
    return Made(root)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A whole study; tests read it and never change it."""
    return make(build_tree(tmp_path_factory.mktemp("study")))


@pytest.fixture
def tree(made: Made, tmp_path: Path) -> Tree:
    """A copy of its tables that a test may change."""
    root = tmp_path / "study"
    shutil.copytree(made.root, root, ignore=shutil.ignore_patterns("report"))
    return Tree(root)
