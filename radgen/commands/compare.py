"""Put two studies side by side: settings, scores of samples, and the benchmark paired by test patient."""

from __future__ import annotations

import argparse
from pathlib import Path


def main(words: list[str]) -> int:
    """Print the comparison, and write it as a page where one is named."""
    parser = argparse.ArgumentParser("radgen compare", description=__doc__)
    parser.add_argument("one", type=Path, help="results folder of a study, such as results/demo")
    parser.add_argument("other", type=Path, help="that of another")
    parser.add_argument("--page", type=Path, help="HTML file to write too")
    options = parser.parse_args(words)

    from radgen.provenance import write_text
    from radgen.report.compare import as_page, as_text, compare

    found = compare(options.one, options.other)
    print(as_text(found), end="", flush=True)  # noqa: T201 - the answer of this command
    if options.page is not None:
        write_text(options.page, as_page(found))
    return 0
