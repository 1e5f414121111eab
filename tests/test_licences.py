"""The default installation brings no strong copyleft licence, and the page of licences is up to date."""

from __future__ import annotations

import pytest

from tests.licences import PAGE, Package, packages, page


def test_no_package_is_under_a_strong_copyleft_licence_or_none() -> None:
    found = packages()
    assert len(found) > 50
    assert [package for package in found if package.kind in {"copyleft", "unstated"}] == []


def test_the_page_is_up_to_date() -> None:
    stated = page(packages())
    assert PAGE.read_text() == stated, "run `python -m tests.licences --write`"


@pytest.mark.parametrize(
    ("licence", "kind"),
    [
        ("GPL-3.0-only", "copyleft"),
        ("GNU Lesser General Public License v3 (LGPLv3)", "copyleft"),
        ("GNU Affero General Public License v3", "copyleft"),
        ("LGPL-2.1-or-later", "copyleft"),
        ("MIT OR GPL-2.0", "permissive"),
        ("MPL-2.0", "copyleft per file"),
        ("MIT; brings the solver CBC under EPL-2.0", "copyleft per file"),
        ("BSD License", "permissive"),
        ("LicenseRef-NVIDIA-Proprietary", "vendor's"),
        ("not stated", "unstated"),
    ],
)
def test_licences_are_told_apart(licence: str, kind: str) -> None:
    assert Package("x", "1", licence).kind == kind
