"""What rules of annotation read: the files of earlier rounds, what people brought back, which packs may be made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from radgen.paths import WILDCARDS
from radgen.report_files import sent_packs
from radgen.study import Study


class RoundsPlan:
    """Inputs of annotation's rules, round by round."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def returned_masks(self, wildcards: Any) -> list[str]:  # noqa: ANN401 - Snakemake's own type
        """Return the files that came back from a person in one round; those in folders of annotators too."""
        folder = self._study.pack_folder(wildcards.source, wildcards.round) / "masks"
        return sorted(str(path) for path in folder.rglob("*") if path.is_file())

    def joined(self, output: str) -> Callable[[Any], list[str]]:
        """Return a function of wildcards that lists a file of each round up to the wildcard's, else of all returned."""

        def files(wildcards: Any) -> list[str]:  # noqa: ANN401 - Snakemake's own type
            last = wildcards.get("round")
            rounds = self._study.returned_rounds(wildcards.source) if last is None else self._until(last)
            return [self._study.path(f"annotate.{output}", source=wildcards.source, round=name) for name in rounds]

        return files

    def before(self, output: str) -> Callable[[Any], list[str]]:
        """Return a function of wildcards that lists a file of every round before the wildcard's."""

        def files(wildcards: Any) -> list[str]:  # noqa: ANN401
            rounds = self._until(wildcards.round)[:-1]
            return [self._study.path(f"annotate.{output}", source=wildcards.source, round=name) for name in rounds]

        return files

    def head_before(self, output: str) -> Callable[[Any], list[str]]:
        """Return a function of wildcards that names a file of the label head taught on the rounds before, if any."""

        def file(wildcards: Any) -> list[str]:  # noqa: ANN401
            rounds = self._until(wildcards.round)[:-1]
            return [
                self._study.path(f"labels.until_{output}", source=wildcards.source, round=name) for name in rounds[-1:]
            ]

        return file

    def _until(self, name: str) -> list[str]:
        return list(self._study.rounds[: self._study.rounds.index(name) + 1])

    @property
    def to_choose(self) -> str:
        """Return the constraint of wildcard `round` in rule annotate_pack: a round that is being painted is left out.

        No rule makes its pack then: whatever changes, the images a person paints stay, and so do their latents.
        """
        painted = (f"(?<=/{source}/){name}" for source, name in self._study.painted_packs())
        return "".join(f"(?!{pair})" for pair in painted) + WILDCARDS["round"]

    def sent_packs(self) -> list[str]:
        """Return the packs of all rounds that go out."""
        return sent_packs(self._study)
