"""The line every bench prints first: date, processor and versions."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa


def describe() -> str:
    """Return the date, the processor's name, and the versions that matter for speed."""
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, PyArrow {pa.__version__}"
    return f"{datetime.now(tz=UTC).date().isoformat()}, {_processor()}, {versions}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.is_file() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
