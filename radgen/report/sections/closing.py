"""The end of the page: what is absent, limits, provenance, and how to make it all again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radgen.report.html import Html, element, join, table
from radgen.report.parts import DASH, Block, Pictures, notice, paragraph
from radgen.report.study import StudyResults

CODE_DIGITS = 8


def absent_block(study: StudyResults, pictures: Pictures) -> Block:
    """Name the stages and figures that are not in this study, each with its reason."""
    stages = [f"Not in this study: {name}, because {reason}." for name, reason in study.facts.absent.items()]
    figures = [f"No figure {name.replace('_', ' ')}: {reason}." for name, reason in sorted(pictures.absent.items())]
    awaited = study.facts.awaiting
    waiting = [notice(element("b", "Masks are awaited "), "in ", element("code", awaited), ". Fill it as its instructions say and run the same command again: everything that rests on masks then goes on.", calm=True)] if awaited else []  # noqa: E501  # fmt: skip
    if not (stages or figures or waiting):
        return Block("absent", "Not in this study", paragraph("Nothing is absent: every stage of radgen was run."))
    return Block(
        "absent", "Not in this study", join(waiting, element("ul", [element("li", line) for line in stages + figures]))
    )


def limits_block(study: StudyResults, pictures: Pictures) -> Block:
    """State what the numbers do not show."""
    del pictures
    facts = study.facts
    lines = []
    if facts.trial is not None:
        lines.append(f"This is a trial on {facts.trial} patients with small budgets: none of its numbers is a result.")
    if facts.is_phantom:
        lines.append(
            "The archive is a phantom: anatomy, noise and lesions are computed. It shows that the pipeline works, and "
            "nothing about patients."
        )
    if facts.simulated_annotator:
        lines.append(
            "No person drew masks on synthetic images. A segmenter trained on patients set apart for it stands in, "
            "and its errors are in every result that rests on these masks."
        )
    if not facts.patient_claim or "rows" in facts.patients_from:
        lines.append(
            "Patients are approximated, so the intervals may be too narrow where one person counts as several."
        )
    lines += [
        "Images are two-dimensional slices of reduced size; nothing is claimed about volumes or full resolution.",
        "Test patients come from the same archive: nothing is claimed about other scanners, hospitals or populations.",
        "Intervals cover the choice of test patients and average over the networks trained; they do not cover the "
        "choice of training patients, nor training the generator again from another seed.",
        "Distances to the nearest training image find copies as the judge's features see them; they are no proof of "
        "privacy.",
    ]
    return Block("limits", "Limits", element("ul", [element("li", line) for line in lines]))


def provenance_block(study: StudyResults, pictures: Pictures) -> Block:
    """List every manifest: what made each output, and how the run went."""
    del pictures
    header = ("Output", "Stage", "Version", "Code", "Inputs", "Device", "Seconds", "Peak MiB", "Date", "Reused")
    rows = [_row(place, manifest["what"], manifest.get("run", {})) for place, manifest in study.manifests]
    packages = {
        name: version for _, one in study.manifests for name, version in one.get("run", {}).get("packages", {}).items()
    }
    words = paragraph(
        "One row per manifest. Version and code digest, settings and input digests decide an output's bytes; device, "
        "seconds, memory and date tell how the run went. A reused output was published again from a finished job."
    )
    versions = ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))
    used = paragraph(f"Packages: {versions}.") if versions else None
    return Block("provenance", "Provenance", join(words, table(header, rows, numeric=(2, 6, 7)), used))


def _row(place: str, what: Mapping[str, Any], run: Mapping[str, Any]) -> list[str | Html]:
    inputs = what.get("inputs") or {}
    listed = [
        element("li", f"{name} ", element("code", str(digest)[:CODE_DIGITS])) for name, digest in sorted(inputs.items())
    ]
    folded = element("details", element("summary", str(len(listed))), element("ul", listed)) if listed else "0"
    return [
        element("code", place.removesuffix("manifest.json").rstrip("./") or place),
        str(what.get("stage", DASH)),
        str(what.get("version", DASH)),
        element("code", str(what.get("code", ""))[:CODE_DIGITS] or DASH),
        folded,
        str(run.get("device", DASH)),
        str(run.get("seconds", DASH)),
        str(run.get("peak_memory_mib", DASH)),
        str(run.get("date", DASH)),
        "yes" if run.get("reused") else "no",
    ]


def again_block(study: StudyResults, pictures: Pictures) -> Block:
    """Say how to make the study, its figures and one image again."""
    del pictures
    source = next(filter(study.can_make_again, study.sources), None)
    lines = [
        f"{study.facts.command}                 # the whole study; what is finished is not done again",
        "snakemake figures              # the figures, from tables and image sets alone",
    ]
    if source is not None and study.has("sample.part_index", source=source):
        images = study.images("sample.part_index", source=source)
        if len(images):
            again = f"radgen regenerate {images.column('image_id')[0]} --study {study.facts.study}"
            lines.append(f"{again}   # one synthetic image, compared with the stored one")
    words = paragraph(
        "Same bytes are promised for the same processor instruction set, pinned packages, device, precision and "
        "thread count; the figures are the same bytes whenever they are drawn again."
    )
    return Block("again", "Make it again", join(element("pre", "\n".join(lines)), words))
