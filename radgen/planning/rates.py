"""Seconds of processor time to a unit of work: measured by the last run of a study, or by the demo's, as shipped."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

from radgen.errors import InputError
from radgen.planning.amounts import JOBS, Amount

SHIPPED = Path(__file__).with_name("rates.json")


@dataclass(frozen=True)
class Rates:
    """Seconds to a unit by stage, and where they come from.

    Attributes
    ----------
    seconds
        Processor seconds to a unit of `Amount.size`, by stage.
    source
        In words: machine and date, or the folder of a run.
    """

    seconds: dict[str, float]
    source: str

    def cpu_seconds(self, amount: Amount) -> float:
        """Return the processor time of a stage.

        Raises
        ------
        InputError
            The stage was never measured.
        """
        if amount.stage not in self.seconds:
            msg = f"rates of {self.source}: stage {amount.stage} was not measured; name a run that has it by --measured"
            raise InputError(msg)
        return amount.size * self.seconds[amount.stage]


def shipped_rates() -> Rates:
    """Return the rates that come with radgen."""
    stored = json.loads(SHIPPED.read_text())
    return Rates({str(name): float(value) for name, value in stored["seconds"].items()}, str(stored["source"]))


def measured_rates(logs: Path, amounts: list[Amount], source: str) -> Rates:
    """Return the rates of a finished run from what Snakemake noted of its jobs; stages that are missing are left out.

    Raises
    ------
    InputError
        The folder holds no such notes.
    """
    seconds = {}
    for amount in amounts:
        files = [path for path in logs.glob("*.benchmark.tsv") if path.name.startswith(JOBS[amount.stage])]
        spent = sum(_cpu_seconds(path) for path in files)
        if files and spent > 0 and amount.size > 0:
            seconds[amount.stage] = spent / amount.size
    if not seconds:
        msg = f"{logs}: no *.benchmark.tsv of a finished run there; run the study, or leave --measured out"
        raise InputError(msg)
    return Rates(seconds, source)


def _cpu_seconds(path: Path) -> float:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    try:
        return sum(float(row["cpu_time"]) for row in rows if row["cpu_time"] not in {"NA", "-"})
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{path.name}: not what Snakemake writes of a job ({error}); remove it, then run again"
        raise InputError(msg) from error
