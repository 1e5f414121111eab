"""Which weights are published: the averages kept at ticks, and the choice among them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from radgen.training.loop import History

SCORE = "domain_fid"


class Candidates:
    """Averages of the generator, one file per tick in the work folder.

    The best of the last half of a budget is published. A candidate that a later one beats can be the best of no budget,
    now or larger, so it is dropped: few files stay.

    Parameters
    ----------
    folder
        The run's work folder.
    save
        Writes the average of now to a path, with the images seen on its card.
    score
        Name of the score at ticks that chooses.
    highest
        Whether the highest is best; else the lowest.
    """

    def __init__(
        self, folder: Path, save: Callable[[Path, int], None], *, score: str = SCORE, highest: bool = False
    ) -> None:
        self._folder = folder
        self._save = save
        self._score = score
        self._sign = -1.0 if highest else 1.0

    def scores(self, history: History) -> dict[int, float]:
        """Return the score of each tick, turned so that the lowest is best; ticks without one are left out."""
        found = history.of(self._score).items()
        return {seen: self._sign * value for seen, value in found if math.isfinite(value)}

    def path(self, seen_images: int) -> Path:
        """Return where the average of that many images lies."""
        return self._folder / f"average-{seen_images:010d}.safetensors"

    def keep(self, seen_images: int) -> Path:
        """Write the average of now."""
        path = self.path(seen_images)
        self._save(path, seen_images)
        return path

    def drop_beaten(self, history: History, saved_images: int) -> None:
        """Delete candidates that a later one beats, as far as a saved state remembers both."""
        scores = {seen: score for seen, score in self.scores(history).items() if seen <= saved_images}
        for seen in beaten(scores):
            self.path(seen).unlink(missing_ok=True)

    def choose(self, history: History, *, publish: str, budget_images: int, seen_images: int) -> int:
        """Return the images seen of the weights to publish.

        Parameters
        ----------
        history
            With the scores of the ticks.
        publish
            "best" or "last".
        budget_images, seen_images
            The budget and where training ended; without scores the last weights are published.
        """
        late = {
            seen: score
            for seen, score in self.scores(history).items()
            if budget_images / 2 <= seen <= seen_images and self.path(seen).is_file()
        }
        if publish == "last" or not late:
            return seen_images
        return min(late, key=lambda seen: (late[seen], -seen))


def beaten(scores: dict[int, float]) -> list[int]:
    """Return the ticks after which a score at least as good (as low) follows.

    >>> beaten({1: 9.0, 2: 4.0, 3: 5.0})
    [1]
    """
    best_later = float("inf")
    lost = []
    for seen in sorted(scores, reverse=True):
        if scores[seen] >= best_later:
            lost.append(seen)
        best_later = min(best_later, scores[seen])
    return lost
