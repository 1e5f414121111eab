"""The closest pairs of the audit, for human eyes: no number tells what a look does."""

from __future__ import annotations

from radgen.report.album import Album
from radgen.report.figures.quality import LEFT_PX, draw_pairs_row, tile_of
from radgen.report.study import StudyResults, records
from radgen.report.style import SYNTHETIC

IMAGES = ("image_id", "class_name", "kept", "closeness", "comparison", "nearest_image_id", "mirrored")


def draw_audited(study: StudyResults, album: Album, part: str, source: str) -> None:
    """Show the images of one set that are most like a copy, each above the training image it resembles."""
    rows = study.table("audit.images", IMAGES, part=part, source=source)
    rows = rows[rows["nearest_image_id"].notna()].sort_values(["closeness", "image_id"])
    closest = rows.head(study.report.closest_pairs)
    name = f"audit_{part}_{source}"
    if closest.empty:
        album.absent[name] = "the audit found no nearest training image"
        return
    tile = tile_of(study.report.closest_pairs)
    sheet = album.sheet(30 + 2 * tile + 50)
    top = album.sheet_top
    title = "SYNTHETIC, and the training image it resembles below"
    sheet.words(title, LEFT_PX, top, weight="bold", fontsize=8, color=SYNTHETIC)
    key = "sample.part_index" if part == "samples" else "pairs.part_index"
    above = study.pixels_of(closest["image_id"].tolist(), key, source=source)
    below = study.pixels_of(closest["nearest_image_id"].tolist(), study.real_of(source))
    turned = closest["mirrored"].fillna(value=False).to_numpy(bool)
    below[turned] = below[turned][..., ::-1]
    words = [f"{row['closeness']:.2f} {row['comparison']}" for row in records(closest)]
    draw_pairs_row(sheet, above, below, words, (top + 30, tile))
    copies = int((rows["closeness"] < 1).sum())
    album.add(
        sheet.figure,
        name,
        section="safety",
        title=f"Most like a copy: {part} of {source}",
        caption=(
            f"The {len(closest)} of {len(rows):,} images that the audit finds most like a copy, closest first. Below "
            "each its closeness, in units of the limit (below 1 is a near copy, and is dropped), and the comparison "
            "that found it; a training image is shown mirrored where its mirror image is what is resembled. "
            f"Dropped for it: {copies:,}."
        ),
        data=closest[list(IMAGES)],
        source=source,
        real_pixels=True,
        shows=key,
    )
