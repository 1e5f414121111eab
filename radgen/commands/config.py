"""Show the commented default configuration, or write the generated files again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from radgen.provenance import PACKAGE_ROOT, write_text


def main(words: list[str]) -> int:
    """Print the demo's configuration with every key's meaning; `--write` updates the generated files."""
    parser = argparse.ArgumentParser("radgen config", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write config/config.yaml and the JSON schema again")
    parser.add_argument("--root", type=Path, default=PACKAGE_ROOT.parent, help="the repository")
    options = parser.parse_args(words)
    from radgen.config_files import commented_yaml, generated_files
    from radgen.demo import demo_config

    if not options.write:
        sys.stdout.write(commented_yaml(demo_config()))
        return 0
    for path, text in generated_files(options.root).items():
        write_text(path, text)
        sys.stdout.write(f"wrote {path.relative_to(options.root)}\n")
    return 0
