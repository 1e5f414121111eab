"""Images painted on label maps: how training went, how they look, how they score beside real images."""

from __future__ import annotations

from typing import Any

from radgen.report.html import Html, element, join, table
from radgen.report.parts import DASH, Block, Pictures, count, number, paragraph
from radgen.report.study import StudyResults, dig, lent_surroundings, records

SCORES = ("source", "metric", "label", "role", "value", "n", "reason")
DISTANCES = ("_fd", "fid")  # shown beside their audit alone
WORDS = {
    "judge_fd": "Frechet distance (judge)",
    "fid": "FID (Inception)",
    "dice": "Dice with the map",
    "ms_ssim": "MS-SSIM within a map",
    "body_distance_px": "distance of body outlines, pixels",
    "psnr": "PSNR, dB",
    "rmse": "RMSE, grey levels",
    "ssim": "SSIM",
    "encoder_distance": "distance in the judge's features",
    "alexnet_distance": "distance in AlexNet's features",
    "lpips": "LPIPS (AlexNet)",
}


def semantic_block(study: StudyResults, pictures: Pictures) -> Block | None:
    """Return curves, images and final scores of semantic sources; None where there is none."""
    sources = [name for name in study.sources if study.has("semantic.scores", source=name)]
    if not sources:
        return None
    words = paragraph(
        "A generator paints images on label maps; the map is the image's mask. Scores are taken on maps of test "
        "patients, whom no network of the training saw; those of background alone are left out. Dice is that of a "
        "segmenter which learnt from other patients, between what it finds in an image and the map; beside it stands "
        "what it reaches on real images of the same patients, and on outlines filled with noise: as a segmenter knows "
        "where organs lie, only what is above that was shown to it. The floor of the distance is what real images of "
        "other patients reach."
    )
    bodies = [
        join(
            element("h3", f"Source {source} ({study.setting_of(source)})"),
            pictures.of("semantic", source=source),
            _scores(study, source),
            _left_out(study, source),
            _surroundings(study, source),
        )
        for source in sources
    ]
    return Block("semantic", "Images painted on label maps", join(words, bodies))


def _left_out(study: StudyResults, source: str) -> Html:
    maps = dig(study.manifest("semantic.scores_manifest", source=source), "run", "notes", "empty_maps_left_out")
    return paragraph(f"Test maps of background alone, left out: {count(maps)}.") if maps else join()


def _surroundings(study: StudyResults, source: str) -> Html:
    notes = dig(study.manifest("semantic.manifest", source=source), "run", "notes") or {}
    levels = notes.get("surroundings")
    if not levels:
        return join()
    told = ", ".join(number(level, 0) for level in levels)
    padding = " and the black around crops" if notes.get("padding_apart") else ""
    return paragraph(
        f"Background of its maps was told apart automatically, into {len(levels) + 1} groups of grey levels of the "
        f"map's own smoothed image (parted at {told} of 255){padding}. {_anatomy(study, source)}; "
        "their masks hold drawn structures alone."
    )


def _anatomy(study: StudyResults, source: str) -> str:
    if lent_surroundings(study, source):
        return (
            "What surrounds the labels of its images is the anatomy of other patients, whose images lent it "
            "(surroundings.parquet beside the images says which)"
        )
    return "Its images follow the anatomy of the patients whose maps they were painted on"


def _scores(study: StudyResults, source: str) -> Html:
    pairs: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    audited = study.has("metrics.nearest", source=source)
    for row in records(study.table("semantic.scores", SCORES, source=source)):
        if audited or not row["metric"].endswith(DISTANCES):
            pairs.setdefault((row["metric"], row["label"]), {})[row["role"]] = row
    listed = []
    for (metric, label), roles in pairs.items():
        made, beside = roles.get("synthetic", {}), roles.get("real") or roles.get("floor") or {}
        reason = made.get("reason")
        listed.append(
            [
                WORDS.get(metric, metric),
                label,
                number(made.get("value"), 3) if made else DASH,
                number(beside.get("value"), 3) if beside else DASH,
                number(roles["outline"].get("value"), 3) if "outline" in roles else DASH,
                count(made.get("n")) if made else DASH,
                reason if isinstance(reason, str) else "",
            ]
        )
    header = ("Score", "Structure", "Synthetic", "Real", "Outline alone", "n", "")
    return table(header, listed, numeric=range(2, 6))
