"""Open the test set for one configuration, and log the date, the configuration's digest and how often it was opened."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from radgen.benchmark.seal import Opening, is_open, open_test, read_openings
from radgen.config import read_config
from radgen.errors import ConfigError
from radgen.study import Study


def main(words: list[str]) -> int:
    """Write the log; the next run of the workflow scores the test.

    Raises
    ------
    ConfigError
        The study keeps no seal, or names no primary arm: an endpoint chosen after the test was read is no endpoint.
    """
    parser = argparse.ArgumentParser("radgen unseal", description=__doc__)
    parser.add_argument("config", type=Path, help="the study's YAML file")
    parser.add_argument("--reason", required=True, help="why now, in words; it stands in the log")
    options = parser.parse_args(words)
    study = Study.of(read_config(options.config))
    benchmark = study.config.benchmark
    if not benchmark.sealed:
        msg = f"{options.config}: benchmark.sealed is false, so the test was open from the first run; there is no seal"
        raise ConfigError(msg)
    if benchmark.primary is None:
        msg = f"{options.config}: benchmark.primary names no arm; name the primary endpoint before the test is opened"
        raise ConfigError(msg)
    log, digest = Path(study.path("benchmark.openings")), study.config_digest
    known = is_open(read_openings(log), digest)
    opening = Opening(datetime.now(UTC).date().isoformat(), digest, options.reason.strip())
    openings = open_test(log, opening)
    told = "was open for this configuration already" if known else "is open for this configuration now"
    sys.stdout.write(f"The test {told}: configuration {digest[:12]}, opened {len(openings)} time(s) in all ({log}).\n")
    return 0
