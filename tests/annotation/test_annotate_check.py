"""`radgen annotate-check` and the import stage: what a person sees, what the tables keep, what ends with code 2."""

from __future__ import annotations

import base64
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from radgen.annotation.check_page import overlay
from radgen.annotation.pack import pack_files, read_pack, write_pack
from radgen.annotation.result import write_annotation
from radgen.annotation.schema import label_schema
from radgen.annotation.seconds import carry_people, note_people
from radgen.annotation.settings import AnnotationSettings
from radgen.cli import main
from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.errors import AnnotationError
from radgen.imageset.core import ImageSet, gather_index
from radgen.imaging.run_lengths import run_lengths
from radgen.provenance import SawPatients, read_manifest, what_part, write_manifest
from radgen.stages import annotate_import
from tests.annotation.toys import LABELS, make_pack, pack_images, save_indexed, toy_mask

NAME = "main_normal_000001"
HOSTILE = "<script>alert(1)</script>"


def test_the_page_shows_images_masks_areas_people_and_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_pack(tmp_path)
    (tmp_path / "masks" / "anna").mkdir()
    save_indexed(tmp_path / "masks" / "anna" / f"{NAME}.png", toy_mask())
    save_indexed(tmp_path / "masks" / "main_normal_000000.png", 0 * toy_mask())
    (tmp_path / "masks" / "seconds.csv").write_text(f"image_id,seconds\n{NAME},41.5\n")
    assert main(["annotate-check", str(tmp_path)]) == 0
    assert "2 of 3 images have a mask; look at" in capsys.readouterr().out
    page = (tmp_path / "check.html").read_text()
    assert "Masks of 2 of 3 images" in page
    assert "<b>anna</b>" in page
    assert "<b>unnamed</b>" in page
    assert "41.5 s" in page
    assert f"liver: {np.count_nonzero(toy_mask() == 1)} px" in page
    assert "<b>empty mask</b>" in page
    pictures = [Image.open(BytesIO(base64.b64decode(text))) for text in re.findall(r"base64,([^\"]+)", page)]
    assert len(pictures) == 4
    image = pack_images()[1].image
    assert np.array_equal(np.asarray(pictures[3]), overlay(image, toy_mask(), LABELS))
    assert np.array_equal(np.asarray(pictures[2])[..., 0], image)


def test_an_overlay_keeps_what_is_not_painted_and_draws_borders_in_full_colour() -> None:
    image = np.full((6, 6), 100, dtype=np.uint8)
    mask = np.zeros((6, 6), dtype=np.uint8)
    mask[1:5, 1:5] = 1
    drawn = overlay(image, mask, LABELS)
    assert (drawn[mask == 0] == 100).all()
    assert tuple(drawn[1, 1]) == LABELS[1].colour
    assert tuple(drawn[3, 3]) == tuple(np.rint(0.6 * 100 + 0.4 * np.array(LABELS[1].colour)).astype(int))


def test_problems_and_doubts_end_with_code_2_and_the_page_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_pack(tmp_path)
    for number in (0, 1):
        save_indexed(tmp_path / "masks" / f"main_normal_00000{number}.png", toy_mask())
    assert main(["annotate-check", str(tmp_path), "--out", str(tmp_path / "page.html")]) == 2
    assert "DOUBT  main_normal_000001 and main_normal_000000 have the same mask" in capsys.readouterr().out
    (tmp_path / "masks" / "seconds.csv").write_text("nothing\n1\n")
    save_indexed(tmp_path / "masks" / "somebody.png", toy_mask())
    assert main(["annotate-check", str(tmp_path), "--out", str(tmp_path / "page.html")]) == 2
    said = capsys.readouterr().out
    assert "FAIL   somebody.png: no image of this pack is called somebody" in said
    assert "FAIL   seconds.csv: not a table" in said
    page = (tmp_path / "page.html").read_text()
    assert "Cannot be used: 2" in page
    assert page.count("Doubtful: </b>") == 2


def test_an_empty_pack_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_pack(tmp_path)
    assert main(["annotate-check", str(tmp_path)]) == 2
    assert "no masks yet; paint the images of" in capsys.readouterr().err


def test_nothing_on_the_page_is_markup_that_came_back(tmp_path: Path) -> None:
    labels = label_schema((HOSTILE, "lesion"))
    write_pack(tmp_path / "pack.parquet", pack_images(), labels, generator=HOSTILE, truncation=0.7, sampler_seed=1)
    person = tmp_path / "masks" / "<img src=x onerror=alert(2)>"
    person.mkdir()
    save_indexed(person / f"{NAME}.png", toy_mask())
    (tmp_path / "masks" / "<b onclick=x>.png").write_bytes(b"x")
    assert main(["annotate-check", str(tmp_path)]) == 2
    page = (tmp_path / "check.html").read_text()
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "<b onclick" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")


# ---------------------------------------------------------------- the stage


def imported(folder: Path, **settings: str) -> dict[str, Any]:
    pack = folder / "pack" / "pack.parquet"
    write_manifest(
        folder / "pack" / "manifest.json",
        what=what_part(stage="annotate_pack", version=1, settings={}, inputs={}, seed=1),
        outputs={str(path): path for path in pack_files(pack)},
        saw_patients=SawPatients(),
    )
    annotate_import.run(
        pack=pack,
        pack_manifest=folder / "pack" / "manifest.json",
        folder=folder / "pack",
        source="main",
        index=folder / "index.parquet",
        manifest=folder / "manifest.json",
        annotation=AnnotationSettings(source="folder", **settings),
        structures=StructureSettings(names=("liver", "lesion")),
        classes=ClassSettings(),
    )
    return read_manifest(folder / "manifest.json")


def test_the_stage_keeps_seconds_people_agreement_and_empty_masks(tmp_path: Path) -> None:
    make_pack(tmp_path / "pack")
    masks = tmp_path / "pack" / "masks"
    for name, seed in (("anna", 0), ("bert", 1)):
        (masks / name).mkdir()
        save_indexed(masks / name / f"{NAME}.png", toy_mask(seed))
    save_indexed(masks / "anna" / "main_normal_000000.png", 0 * toy_mask())
    (masks / "seconds.csv").write_text(f"image_id,seconds\n{NAME},90\n")
    notes = imported(tmp_path, consensus="anna")["run"]["notes"]
    images = ImageSet(tmp_path / "index.parquet")
    assert images.column("image_id").tolist() == ["main_normal_000000", NAME]
    assert images.table.column("seconds").to_pylist() == [None, 90.0]
    assert images.column("annotator").tolist() == ["anna", "anna; bert"]
    assert np.array_equal(images.masks([1])[0], toy_mask(0))
    agreement = pq.read_table(tmp_path / "agreement.parquet")
    assert agreement.num_rows == 2
    assert notes["agreement"]["liver"]["dice"] == pytest.approx(agreement.column("dice")[0].as_py())
    assert notes["empty_masks"] == ["main_normal_000000"]
    assert notes["seconds"] == {"images": 1, "total": 90.0}
    assert notes["overlap_px"] == {}
    assert notes["undecided_px"] == {NAME: np.count_nonzero(toy_mask(0) != toy_mask(1))}


def test_two_files_of_run_lengths_that_disagree_are_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """COCO names no annotator: folders do. What neither of two has a majority for is said in log, notes and page."""
    make_pack(tmp_path / "pack")
    liver = [toy_mask(seed) == 1 for seed in (0, 1)]
    for name, mask in zip(("anna", "bert"), liver, strict=True):
        code = {"size": list(mask.shape), "counts": run_lengths(mask)}
        folder = tmp_path / "pack" / "masks" / name
        folder.mkdir()
        (folder / "coco.json").write_text(
            json.dumps(
                {
                    "images": [{"id": 1, "file_name": f"{NAME}.png", "height": mask.shape[0], "width": mask.shape[1]}],
                    "categories": [{"id": 1, "name": "liver"}],
                    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": code, "iscrowd": 1}],
                }
            )
        )
    notes = imported(tmp_path, consensus="majority")["run"]["notes"]
    apart = int(np.count_nonzero(liver[0] != liver[1]))
    assert notes["undecided_px"] == {NAME: apart}
    assert np.array_equal(ImageSet(tmp_path / "index.parquet").masks([0])[0] == 1, liver[0] & liver[1])
    said = capsys.readouterr().out
    assert f"no label has a majority of {apart} pixels of 1 images (left as background); the worst is {NAME}" in said
    main(["annotate-check", str(tmp_path / "pack")])
    assert f"{apart} px have no label of more than half" in (tmp_path / "pack" / "check.html").read_text()


def test_settings_and_every_file_of_masks_decide_the_manifest(tmp_path: Path) -> None:
    make_pack(tmp_path / "pack")
    masks = tmp_path / "pack" / "masks"
    (masks / "anna").mkdir()
    save_indexed(masks / "anna" / f"{NAME}.png", toy_mask())
    first = imported(tmp_path)["what"]
    (masks / "seconds.csv").write_text(f"image_id,seconds\n{NAME},1\n")
    second = imported(tmp_path)["what"]
    assert first["inputs"]["masks"] != second["inputs"]["masks"]
    third = imported(tmp_path, overlap="first")["what"]
    assert second["settings"] != third["settings"]
    assert imported(tmp_path, overlap="first")["what"] == third


def test_doubtful_masks_stop_the_stage_until_they_are_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_pack(tmp_path / "pack")
    for number in (0, 1):
        save_indexed(tmp_path / "pack" / "masks" / f"main_normal_00000{number}.png", toy_mask())
    with pytest.raises(
        AnnotationError, match=r"doubtful masks: .* same mask.*annotate-check .* annotation.doubt to note"
    ):
        imported(tmp_path)
    notes = imported(tmp_path, doubt="note")["run"]["notes"]
    assert notes["doubts"][0].startswith("main_normal_000001 and main_normal_000000 have the same mask")
    assert "doubtful, but accepted" in capsys.readouterr().out


def test_joined_rounds_keep_seconds_and_people(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path / "pack"))
    names = sorted(pack.rows)
    for number, name in enumerate(names[:2]):
        write_annotation(tmp_path / str(number) / "index.parquet", pack, {name: toy_mask()}, source="main")
    note_people(tmp_path / "1" / "index.parquet", {names[1]: 8.0}, {names[1]: "anna"})
    parts = [tmp_path / str(number) / "index.parquet" for number in range(2)]
    gather_index(parts, tmp_path / "index.parquet")
    carry_people(parts, tmp_path / "index.parquet")
    table = ImageSet(tmp_path / "index.parquet").table
    assert table.column("seconds").to_pylist() == [None, 8.0]
    assert table.column("annotator").to_pylist() == [None, "anna"]
