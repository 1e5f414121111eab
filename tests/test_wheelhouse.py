"""Installing where there is no network: radgen's own wheel, the words of the Makefile, and the container's recipe.

The whole installation from a folder of wheels, 3 GB, is a run by hand: docs/trust.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
# No index is asked, whatever the machine's own settings name: this one does not answer.
UNREACHABLE = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}


def run(words: list[str], folder: Path, **more: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    environment = kept | UNREACHABLE | more
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_radgens_own_wheel_installs_without_an_index(tmp_path: Path) -> None:
    sources, wheels, place = tmp_path / "sources", tmp_path / "wheelhouse", tmp_path / "site"
    shutil.copytree(REPOSITORY / "radgen", sources / "radgen", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, sources / name)
    run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(sources)], tmp_path)
    shutil.rmtree(sources)
    words = ["install", "--no-index", "--find-links", str(wheels), "--no-deps", "--target", str(place), "radgen"]
    run([*PIP, *words], tmp_path)
    told = "import radgen, radgen.cli, radgen.planning; print(radgen.__file__)"
    assert run([sys.executable, "-c", told], tmp_path, PYTHONPATH=str(place)).startswith(str(place))
    modules = {path.relative_to(REPOSITORY) for path in (REPOSITORY / "radgen").rglob("*.py")}
    assert {path.relative_to(place) for path in (place / "radgen").rglob("*.py")} == modules
    assert (place / "radgen" / "planning" / "rates.json").is_file()


def test_a_wheelhouse_is_all_that_setup_asks() -> None:
    """`make setup WHEELHOUSE=folder` asks no index, and `make wheelhouse` brings what building takes too."""
    said = run(["make", "-n", "-B", "setup", "WHEELHOUSE=some/wheels", "PYTHON=python3"], REPOSITORY)
    (install,) = [line for line in said.splitlines() if "pip" in line and " install " in line]
    assert "--no-index --find-links some/wheels" in install
    assert "-c constraints.txt" in install
    (collect,) = [line for line in run(["make", "-n", "wheelhouse"], REPOSITORY).splitlines() if " wheel " in line]
    build = re.search(r'requires = \["(.*)"\]', (REPOSITORY / "pyproject.toml").read_text())
    assert build is not None
    assert f"'{build[1]}'" in collect
    assert "-c constraints.txt" in collect


def test_the_containers_recipe_takes_what_is_there() -> None:
    text = (REPOSITORY / "containers" / "radgen.def").read_text()
    files = text.split("%files\n")[1].split("\n\n")[0].split("\n")
    pairs = dict(line.split() for line in files)
    assert all((REPOSITORY / name).exists() for name in pairs)
    assert {Path(place).name for place in pairs.values()} == {Path(name).name for name in pairs}
    # What pyproject.toml names is beside it, and the pins are obeyed.
    assert {"radgen", "pyproject.toml", "README.md", "LICENSE", "constraints.txt", "workflow"} <= pairs.keys()
    assert "-c constraints.txt ." in text.split("%post")[1]
