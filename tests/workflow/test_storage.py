"""Image sets that lie in a storage, by Snakemake's plugin for file systems: taken into a study, and written by one."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from radgen.config import load_config
from radgen.errors import ConfigError
from radgen.imageset.core import ImageSet
from radgen.provenance import digest_file, read_manifest
from radgen.stages import import_images
from radgen.study import Study
from radgen.workflow import Plan
from tests.workflow.runs import TINY, Folder

NAMES = ("normal", "liver_lesion")
STRUCTURES = ("liver", "spleen", "kidneys", "aorta", "spine", "lesion")


@pytest.fixture
def storage() -> None:
    """Skip where the plugin, or the program it copies with, is missing."""
    if importlib.util.find_spec("snakemake_storage_plugin_fs") is None:
        pytest.skip("snakemake-storage-plugin-fs is not installed; pip install -c constraints.txt -e '.[dev]'")
    if shutil.which("rsync") is None:
        pytest.skip("rsync, with which snakemake-storage-plugin-fs copies, is not installed")


def made_elsewhere(folder: Path) -> Path:
    """Import a few pictures with masks."""
    draw = np.random.default_rng(1)
    for number in range(6):
        for kind, levels in (("images", 256), ("masks", len(STRUCTURES) + 1)):
            target = folder / kind / NAMES[number % 2] / f"{number}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw.integers(levels, size=(32, 32), dtype=np.uint8)).save(target)
    import_images.run(
        pictures=folder / "images",
        masks=folder / "masks",
        name="made",
        out=folder / "set",
        class_names=NAMES,
        structures=STRUCTURES,
    )
    return folder / "set"


def study(folder: Path, **places: str) -> Path:
    """Write the tiny study with sources of images that lie somewhere, by name."""
    sources = {name: {"kind": "images", "images": place} for name, place in places.items()}
    data = yaml.safe_load(TINY.read_text()) | {"sources": sources, "arms": {}}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("storage")
def test_sources_of_images_are_taken_from_a_storage_and_from_a_folder(tmp_path: Path) -> None:
    share = made_elsewhere(tmp_path / "share")
    here = Folder(tmp_path / "here", study(tmp_path, stored=f"fs:{share}", near=str(share)))
    wanted = [f"results/tiny/samples/{name}/index.parquet" for name in ("stored", "near")]
    done = here.snakemake(*wanted)
    assert done.returncode == 0, done.stdout + done.stderr
    lent, every = ImageSet(share / "index.parquet"), range(6)
    for index in wanted:
        taken = ImageSet(here.path / index)
        assert taken.table.column("image_id") == lent.table.column("image_id")
        assert np.array_equal(taken.images(every), lent.images(every))
        assert np.array_equal(taken.masks(every), lent.masks(every))
    assert here.listed(*wanted) == set()


@pytest.mark.slow
@pytest.mark.usefixtures("storage")
def test_the_real_image_set_may_be_written_to_a_storage(tmp_path: Path) -> None:
    share = tmp_path / "share"
    few = "phantom={patients: 16, views: 30, slices_per_patient: 3, size_px: 64}"
    small = (few, "cohort={exact: true, min_patients: 1}", "inventory={shards: 1}")
    done = Folder(tmp_path / "here", config=small).snakemake(
        *("--default-storage-provider", "fs", "--default-storage-prefix", str(share), "slices")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    stored = share / "results/tiny/slices"
    for manifest in stored.glob("*manifest.json"):
        outputs = read_manifest(manifest)["what"]["outputs"]
        assert all(digest_file(stored / name) == digest for name, digest in outputs.items())
    images = ImageSet(stored / "index.parquet")
    assert images.images(range(len(images))).shape[1:] == (1, 32, 32)
    assert images.has_masks
    assert not (tmp_path / "here/results/tiny/slices").exists()


def test_a_place_in_a_storage_is_looked_for_when_its_job_starts(tmp_path: Path) -> None:
    data = yaml.safe_load(TINY.read_text()) | {"arms": {}}

    def check(images: str) -> None:
        Plan(Study.of(load_config(data | {"sources": {"made": {"kind": "images", "images": images}}}))).check_inputs()

    check("s3://bucket/made")
    with pytest.raises(ConfigError, match=r"sources.made.images .*nowhere: no image set there"):
        check(str(tmp_path / "nowhere"))
