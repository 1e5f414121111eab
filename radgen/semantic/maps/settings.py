"""How far drawn label maps may lie from the maps they are drawn from."""

from __future__ import annotations

from radgen.settings import section, setting

MOST_BEND = 0.48  # of the distance of control points: below it the deformation never folds (see deform.py)


@section
class DrawnMapsSettings:
    """Label maps drawn from others: structures of another patient put in, then bent, turned, scaled and moved."""

    mix: float = setting(0.5, "Chance that structures of another patient's map take the place of a map's own.")
    structures: float = setting(
        0.5, "Of a map that is mixed: chance of each structure that both show at a similar size."
    )
    control_points: int = setting(4, "Control points along a side; few bend the whole body, many its outlines.")
    bend: float = setting(0.3, "Largest displacement of a control point, in their distances; below 0.48 nothing folds.")
    rotation_degrees: float = setting(5.0, "Largest rotation.")
    scale: float = setting(0.08, "Largest change of height and of width, as a natural logarithm; each has its own.")
    shift: float = setting(0.03, "Largest shift, in heights and widths.")

    def __post_init__(self) -> None:
        """Refuse chances that are none, and bends that may fold."""
        for name in ("mix", "structures"):
            if not 0 <= getattr(self, name) <= 1:
                msg = f"{name}: {getattr(self, name):g} is no chance between 0 and 1"
                raise ValueError(msg)
        if self.control_points < 2:
            msg = f"control_points: {self.control_points} span no side; give at least 2"
            raise ValueError(msg)
        if not 0 <= self.bend <= MOST_BEND:
            msg = f"bend: {self.bend:g} may fold a map over itself; give 0 to {MOST_BEND}"
            raise ValueError(msg)
        for name in ("rotation_degrees", "scale", "shift"):
            if getattr(self, name) < 0:
                msg = f"{name}: {getattr(self, name):g} is below 0; give how far it may go either way"
                raise ValueError(msg)
