"""Print the methods paragraphs of a study, written from what its manifests say was done."""

from __future__ import annotations

import argparse
from pathlib import Path


def main(words: list[str]) -> int:
    """Print one paragraph after another, free to copy into a paper."""
    parser = argparse.ArgumentParser("radgen methods", description=__doc__)
    parser.add_argument(
        "results", type=Path, nargs="?", default=Path("results/demo"), help="results folder of the study (results/demo)"
    )
    root = parser.parse_args(words).results

    from radgen.report.methods import methods_paragraphs
    from radgen.report.study import recorded_study

    print("\n\n".join(methods_paragraphs(recorded_study(root))), flush=True)  # noqa: T201 - the answer of this command
    return 0
