"""Sources of labelled synthetic images: of which kind each is, what it may learn from, where its images lie."""

from __future__ import annotations

from radgen.settings import one_of, section, setting

KINDS = ("gan", "semantic", "radiogenomic", "images")
TRAIN_ON = ("train", "low", "generator")
ANCESTRY_SETTINGS = ("shared", "scarce-labels", "scarce", "disjoint", "external")


@section
class SourceSettings:
    """One named source of synthetic images: which real images it learns from, and what its samples may claim."""

    kind: str = setting(
        "gan",
        "gan (class-conditional, with a label head), semantic (painted on label maps), radiogenomic (nodules drawn "
        "from genes) or images (made elsewhere).",
    )
    images: str | None = setting(
        None, "Of kind images: the folder that `radgen import-images` wrote; s3://... or fs:/... in a storage."
    )
    train_on: str = setting("train", "train (all training rows), low (the low fraction's patients) or generator rows.")
    seed: int | None = setting(
        None,
        "Another draw of the same recipe: seed of the generator and of its latents; null takes that of each section.",
    )
    # Last, because inside the class body the field hides the function of the same name.
    setting: str = setting("shared", "external, disjoint, scarce-labels, scarce or shared; a test asks the ancestry.")

    def __post_init__(self) -> None:
        """Refuse unknown words."""
        for name, allowed in (("kind", KINDS), ("train_on", TRAIN_ON), ("setting", ANCESTRY_SETTINGS)):
            one_of(name, getattr(self, name), allowed)
        if (self.kind == "images") != (self.images is not None):
            given = f"kind {self.kind} with images {self.images}"
            msg = f"{given}; kind images takes a folder of images, and no other kind does"
            raise ValueError(msg)


def stored_in(place: str) -> tuple[str | None, str] | None:
    """Return plugin and query of a place in a storage of Snakemake's; None for an ordinary path.

    A URL tells its plugin by itself. The plugin for file systems, whose queries are paths, is named before the path.

    >>> stored_in("s3://bucket/made"), stored_in("fs:/mnt/share/made"), stored_in("imported/made")
    ((None, 's3://bucket/made'), ('fs', '/mnt/share/made'), None)
    """
    if "://" in place:
        return None, place
    return ("fs", place.removeprefix("fs:")) if place.startswith("fs:") else None


def images_of(kind: str, task: str) -> str:
    """Return the stage whose image set a source gives to a task or to metrics: its name in the table of paths.

    Every kind puts its images where samples lie. Only a class-conditional generator has no masks of its own: what
    segmentation reads are its pairs. Of nodules it reads those from training patients' genes.

    >>> images_of("gan", "segmentation"), images_of("semantic", "segmentation")
    ('pairs', 'sample')
    """
    own = {"gan": "pairs", "radiogenomic": "training_sample"}
    return own.get(kind, "sample") if task == "segmentation" else "sample"
