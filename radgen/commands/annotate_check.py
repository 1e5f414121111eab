"""Show the masks that came back to a pack over their images, on one page to look at before training."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from radgen.errors import AnnotationError
from radgen.provenance import write_text


def main(words: list[str]) -> int:
    """Write the page and print what is wrong; end with code 2 if a mask cannot be used or is doubtful."""
    from radgen.annotation.check import doubts_of, gather
    from radgen.annotation.check_page import check_page
    from radgen.annotation.pack import read_pack
    from radgen.annotation.seconds import read_seconds, seconds_of
    from radgen.annotation.settings import OVERLAPS

    parser = argparse.ArgumentParser("radgen annotate-check", description=__doc__)
    parser.add_argument("folder", type=Path, help="the pack's folder; masks lie in `masks` inside it")
    parser.add_argument("--out", type=Path, help="the page; FOLDER/check.html by default")
    parser.add_argument("--overlap", choices=OVERLAPS, default="label", help="which label wins an overlap (label)")
    options = parser.parse_args(words)
    pack = read_pack(options.folder / "pack.parquet")
    gathered = gather(options.folder, pack, options.overlap)
    try:
        listed = read_seconds(options.folder, list(pack.rows))
    except AnnotationError as error:
        gathered.problems.append(str(error))
        listed = {}
    doubts = doubts_of(gathered, pack)
    out = options.out or options.folder / "check.html"
    write_text(out, check_page(pack, gathered, doubts, seconds_of(gathered.by_image, listed)))
    for sentence in gathered.problems:
        sys.stdout.write(f"FAIL   {sentence}\n")
    for doubt in doubts:
        sys.stdout.write(f"DOUBT  {doubt.sentence}\n")
    sys.stdout.write(f"{len(gathered.by_image)} of {len(pack.rows)} images have a mask; look at {out}\n")
    return 2 if gathered.problems or doubts else 0
