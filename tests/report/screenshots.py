"""Take the pictures of docs/images from a study's pages: `python -m tests.report.screenshots RESULTS FOLDER`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from chromium import Browser, find_chromium

DESK, PHONE = (1200, 900), (390, 780)
SETTLE_S = 1.5  # pictures are decoded after a page is whole


def main(results: Path, folder: Path) -> None:
    """Write report and gallery at both widths, and one image opened at the wider."""
    program = find_chromium()
    if program is None:
        sys.exit("Chromium is not installed; Debian's package is chromium")
    with tempfile.TemporaryDirectory() as profile, Browser(program, Path(profile)) as browser:
        for suffix, size in (("", DESK), ("-phone", PHONE)):
            browser.resize(*size)
            browser.open(results / "report" / "index.html")
            time.sleep(SETTLE_S)
            browser.picture(folder / f"demo-report{suffix}.png")
            browser.open(results / "report" / "gallery" / "index.html")
            browser.wait("document.documentElement.dataset.ready === 'yes'")
            browser.js("document.querySelector('[name=masks]').click()")
            time.sleep(SETTLE_S)
            browser.picture(folder / f"demo-gallery{suffix}.png")
        browser.resize(*DESK)
        browser.js("document.querySelectorAll('.tile')[5].click()")
        browser.wait("document.getElementById('detail').open")
        time.sleep(SETTLE_S)
        browser.picture(folder / "demo-gallery-image.png")
        if browser.errors:
            sys.exit("\n".join(browser.errors))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
