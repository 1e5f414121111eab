"""Pages lead somewhere: what they link to, and what they name as a proof, is in the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def kept() -> set[str]:
    """Return every file and folder that git keeps; what is only on this machine leads nobody anywhere."""
    done = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    files = done.stdout.splitlines()
    return {*files, *(parent.as_posix() for file in files for parent in Path(file).parents)}


def pages(kept: set[str]) -> list[Path]:
    return [REPOSITORY / name for name in sorted(kept) if name.endswith(".md")]


def test_every_link_of_a_page_leads_to_a_file_that_is_kept(kept: set[str]) -> None:
    assert len(pages(kept)) > 40
    dead = []
    for page in pages(kept):
        for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.read_text()):
            place = (page.parent / target).resolve()
            if not place.is_relative_to(REPOSITORY) or place.relative_to(REPOSITORY).as_posix() not in kept:
                dead.append(f"{page.relative_to(REPOSITORY)} -> {target}")
    assert dead == []


def test_every_test_and_bench_that_a_page_names_is_there(kept: set[str]) -> None:
    named = {
        (page.name, path, name)
        for page in pages(kept)
        for path, name in re.findall(r"\b((?:tests|bench)/[\w/]+(?:\.py\b|(?=`)))(?:::(\w+))?", page.read_text())
    }
    assert len(named) > 20
    gone = {
        f"{page}: {path}{name and '::'}{name}"
        for page, path, name in named
        if path.rstrip("/") not in kept or (name and f"def {name}(" not in (REPOSITORY / path).read_text())
    }
    assert gone == set()


def test_every_module_that_a_page_tells_to_run_is_there(kept: set[str]) -> None:
    told = {
        name for page in pages(kept) for name in re.findall(r"python -m ((?:tests|bench)[\w.]*\w)", page.read_text())
    }
    assert len(told) > 5
    places = {name: name.replace(".", "/") for name in told}
    assert [
        name for name, place in places.items() if f"{place}.py" not in kept and f"{place}/__main__.py" not in kept
    ] == []
