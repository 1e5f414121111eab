"""HyperKvasir in miniature: classes by folder, polyps with JPEG masks, a table that disagrees once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radgen.cohort.settings import StructureSettings
from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from tests.cohort.layout_study import LayoutStudy, texture
from tests.cohort.toys import write_picture

LOWER, UPPER = "labeled-images/lower-gi-tract", "labeled-images/upper-gi-tract"
POLYPS, CECUM = f"{LOWER}/pathological-findings/polyps", f"{LOWER}/anatomical-landmarks/cecum"
PYLORUS = f"{UPPER}/anatomical-landmarks/pylorus"
CLASSES = ("ES/lower-gi-tract/polyps", "ES/lower-gi-tract/cecum", "ES/upper-gi-tract/pylorus")
TABLE = "Video file,Organ,Finding,Classification\na1,Lower GI,polyps,pathological-findings\nc3,Lower GI,polyps,x\n"


def colour(seed: int) -> np.ndarray:
    """A blurred colour picture, as an endoscope's."""
    return np.kron(texture(seed, (4, 4, 3)), np.ones((6, 6, 1), dtype=np.uint8))


def save_jpeg(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=90)


@pytest.fixture
def study(tmp_path: Path) -> LayoutStudy:
    made = LayoutStudy(tmp_path, "hyperkvasir", CLASSES, inventory={"patient_from": "none"})
    for number, place in enumerate((f"{POLYPS}/a1", f"{CECUM}/b2", f"{CECUM}/c3", f"{PYLORUS}/d4")):
        save_jpeg(made.archive / f"{place}.jpg", colour(number))
    (made.archive / "labeled-images" / "image-labels.csv").write_text(TABLE)
    seen = np.zeros((24, 24), dtype=np.uint8)
    seen[4:12, 6:18] = 255
    save_jpeg(made.archive / "segmented-images" / "images" / "e5.jpg", colour(9))
    save_jpeg(made.archive / "segmented-images" / "masks" / "e5.jpg", seen)
    (made.archive / "segmented-images" / "bounding-boxes.json").write_text('{"e5": {"width": 24}}')
    return made


def test_classes_are_named_by_tract_and_folder(study: LayoutStudy) -> None:
    study.assemble()
    assert {path: row["class_name"] for path, row in study.series().items()} == {
        f"{POLYPS}/a1.jpg": CLASSES[0],
        f"{CECUM}/b2.jpg": CLASSES[1],
        f"{PYLORUS}/d4.jpg": CLASSES[2],
        "segmented-images/images/e5.jpg": CLASSES[0],
    }
    assert {(row["modality"], row["anatomy"]) for row in study.series().values()} == {
        ("ES", "lower-gi-tract"),
        ("ES", "upper-gi-tract"),
    }
    assert {path: reason for path, (reason, _) in study.rejects().items()} == {
        f"{CECUM}/c3.jpg": "no-class",  # the table calls it a polyp
        "labeled-images/image-labels.csv": "side-file",
        "segmented-images/bounding-boxes.json": "side-file",
    }


def test_masks_of_polyps_are_read_past_the_noise_of_jpeg(study: LayoutStudy) -> None:
    study.structures, study.classes = StructureSettings(names=("polyp",)), CLASSES[:1]
    images: ImageSet = study.slice()
    assert study.mask_of("segmented-images/images/e5.jpg") == ["segmented-images/masks/e5.jpg"]
    assert len(images) == 1
    mask = images.masks([0])[0]
    assert set(np.unique(mask)) == {0, 1}
    assert abs(int(mask.sum()) - 8 * 12) <= 10
    assert study.rejects()[f"{POLYPS}/a1.jpg"][0] == "no-mask"


def test_a_mask_without_its_image_is_refused(study: LayoutStudy) -> None:
    write_picture(study.archive / "segmented-images" / "masks" / "f6.png", texture(1))
    study.take()
    assert study.rejects()["segmented-images/masks/f6.png"][0] == "mask-without-image"


def test_another_table_stops_the_inventory_with_what_is_wrong(study: LayoutStudy) -> None:
    (study.archive / "labeled-images" / "image-labels.csv").write_text("file;class\na1;polyps\n")
    with pytest.raises(InputError, match="lacks the column 'video file' among its 2 columns"):
        study.take()
