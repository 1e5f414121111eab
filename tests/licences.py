"""The licences of everything a default installation brings, as their packages state them: docs/licences.md.

    python -m tests.licences [--write]

Walks the requirements of radgen, extras left out, through what is installed here. A package whose statement names a
copyleft licence is listed apart: strong ones (GPL, LGPL, AGPL) end with code 1 unless the package may also be used
under another; weak ones (MPL: per file) are named.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "licences.md"
STRONG = re.compile(r"\b(A?GPL|LGPL|GNU .{0,20}General Public|EUPL|CC[- ]BY[- ]SA|SSPL)", re.IGNORECASE)
WEAK = re.compile(r"\b(MPL|Mozilla Public|EPL|CDDL)", re.IGNORECASE)
PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software|Public Domain|Unlicense|0BSD|HPND|Zlib)\b", re.IGNORECASE
)
# Where packages say too little of themselves, what their own files say.
READ: dict[str, str] = {
    "docutils": "Public Domain, BSD-2-Clause (and GPL for a file of Emacs that is not installed)",
    "pulp": "MIT; brings the solver CBC under EPL-2.0",
    "cuda-toolkit": "NVIDIA Proprietary Software (a list of requirements, without files)",
}


@dataclass(frozen=True)
class Package:
    """One installed package."""

    name: str
    version: str
    licence: str

    @property
    def kind(self) -> str:
        """What the licence asks of whoever passes the package on."""
        if STRONG.search(self.licence) and not PERMISSIVE.search(self.licence):
            return "copyleft"
        if WEAK.search(self.licence):
            return "copyleft per file"
        if PERMISSIVE.search(self.licence):
            return "permissive"
        return "vendor's" if re.search("nvidia|proprietary", self.licence, re.IGNORECASE) else "unstated"


def packages(root: str = "radgen") -> list[Package]:
    """Return what a default installation of a package brings, by name, itself left out."""
    seen: dict[str, Package] = {}
    waiting = [(root, frozenset[str]())]
    done: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in done:
            continue
        done.add((name, extras))
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # of another platform
        if name != root:
            seen[name] = Package(name, found.version, licence_of(found))
        for line in found.requires or ():
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (extras or {""})):
                waiting.append((canonicalize_name(need.name), frozenset(need.extras)))
    return [seen[name] for name in sorted(seen)]


def licence_of(found: metadata.Distribution) -> str:
    """Return a package's licence in a line, by its own statements: expression, then classifiers, then free text."""
    facts = found.metadata
    if canonicalize_name(facts["Name"]) in READ:
        return READ[canonicalize_name(facts["Name"])]
    if facts.get("License-Expression"):
        return str(facts["License-Expression"])
    classifiers = [text.rpartition(":: ")[2] for text in facts.get_all("Classifier") or () if "License ::" in text]
    said = [text for text in classifiers if text != "OSI Approved"]
    if said:
        return "; ".join(said)
    texts = [path for path in found.files or () if path.name.upper().startswith("LICEN")]
    said_there = (str(facts.get("License") or "") or (texts[0].read_text() if texts else "")).strip()
    return said_there.splitlines()[0][:80] if said_there else "not stated"


def page(found: list[Package]) -> str:
    """Return the page of licences."""
    lines = [
        "# Licences of the default installation",
        "",
        "Written by `python -m tests.licences --write` from what each package states of itself, in the versions of",
        "constraints.txt on Linux with Python 3.11; `make test` compares. It is a list, not legal advice. radgen",
        "itself is Apache-2.0. Extras (`dev`, `video`) and programs outside Python (Slurm, a container runtime) are",
        "not in it.",
        "",
        "Packages under a strong copyleft licence (GPL, LGPL, AGPL): "
        + (", ".join(package.name for package in found if package.kind == "copyleft") or "none")
        + ". Copyleft per file (MPL, EPL), used unchanged: "
        + (", ".join(package.name for package in found if package.kind == "copyleft per file") or "none")
        + ".",
        "",
        "| package | version | licence as stated | kind |",
        "|---|---|---|---|",
    ]
    rows = (f"| {p.name} | {p.version} | {p.licence.replace('|', '/')} | {p.kind} |" for p in found)
    return "\n".join([*lines, *rows]) + "\n"


def main() -> int:
    """Write or compare the page; 1 where a copyleft licence is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    found = packages()
    if options.write:
        PAGE.write_text(page(found))
    bad = [package for package in found if package.kind in {"copyleft", "unstated"}]
    for package in bad:
        print(f"{package.name} {package.version}: {package.licence}")  # noqa: T201
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
