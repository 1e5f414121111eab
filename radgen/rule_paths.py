"""Result paths as Snakemake's rules want them."""

from __future__ import annotations

from radgen.paths import StudyPaths


class RulePaths(StudyPaths):
    """Result paths, and the places of logs and benchmark files of jobs."""

    def log(self, job: str) -> str:
        """Return the log of a job."""
        return f"{self.root}/logs/{job}.log"

    def benchmark(self, job: str) -> str:
        """Return where Snakemake notes time and memory of a job."""
        return f"{self.root}/logs/{job}.benchmark.tsv"
