"""Start or stop the one-node Slurm: `python -m tests.slurm start|stop [FOLDER]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.slurm.onenode import DEFAULT_FOLDER, CannotStart, OneNode


def main() -> int:
    """Start or stop it; say how commands reach it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("start", "stop"))
    parser.add_argument("folder", type=Path, nargs="?", default=DEFAULT_FOLDER)
    options = parser.parse_args()
    node = OneNode(options.folder.resolve())
    if options.what == "stop":
        node.stop()
        return 0
    try:
        node.start()
    except CannotStart as reason:
        print(f"no Slurm: {reason}", file=sys.stderr)  # noqa: T201
        return 2
    print(node("sinfo", "--format", "%P %T %c %m %G"))  # noqa: T201
    print(f"export PATH={node.folder / 'bin'}:$PATH")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
