"""Nothing that an archive says of its people is seen outside the private folder: not in outputs, logs or messages."""

from __future__ import annotations

import gzip
import json
import stat
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radgen.cli import main
from radgen.paths import StudyPaths
from tests.privacy.planted_archive import DATE_FORMS, NAME, plant_pictures, plant_volumes, planted
from tests.privacy.search import leaks

# The first folder names the patient, as a path may; a class tag full of text is asked for too.
INVENTORY = {"patient_from": "regex", "patient_regex": "^([^/]+)/", "shards": 1, "class_tag": "StudyDescription"}
COHORT = {"val": 0.0, "test": 0.0, "min_patients": 1, "min_images": 1, "max_refused_fraction": 1.0}


class Study:
    """One archive through the stages that read it, by their commands; what they print goes to logs."""

    def __init__(self, root: Path, archive: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.out, self.archive, self._capfd = root / "out", archive, capfd
        self.paths = StudyPaths(str(self.out))
        (self.out / "logs").mkdir(parents=True)

    def __call__(self, log: str, stage: str, sections: dict[str, Any], **options: str | Path) -> int:
        words = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", str(value))]
        try:
            code = main([stage, *words, "--settings", json.dumps(sections)])
        finally:
            printed = self._capfd.readouterr()
            (self.out / "logs" / f"{log}.log").write_text(printed.out + printed.err)
        return code

    def inventory(self, log: str = "inventory", **changes: Any) -> int:
        p = self.paths
        return self(
            log,
            "inventory",
            {"inventory": INVENTORY | changes, "patient_key": {"public": "for tests"}},
            archive=self.archive,
            index=p("inventory.index"),
            rejects=p("inventory.rejects"),
            files=p("inventory.files"),
            manifest=p("inventory.manifest"),
            work=self.out / "work",
        )

    def cohort(
        self,
        log: str = "cohort",
        classes: dict[str, Any] | None = None,
        structures: dict[str, Any] | None = None,
        **changes: Any,
    ) -> int:
        p = self.paths
        by_position = {"by": "position", "names": ["low", "high"]}
        return self(
            log,
            "cohort",
            {"cohort": COHORT | changes, "classes": classes or by_position, "structures": structures or {}},
            inventory=p("inventory.index"),
            inventory_rejects=p("inventory.rejects"),
            inventory_manifest=p("inventory.manifest"),
            files=p("inventory.files"),
            series=p("cohort.series"),
            rejects=p("cohort.rejects"),
            counts=p("cohort.counts"),
            page=p("cohort.page"),
            shards=p("cohort.shard", shard="000"),
            manifest=p("cohort.manifest"),
        )

    def slices(self, log: str = "slices", structures: dict[str, Any] | None = None) -> int:
        p = self.paths
        given = {"masks": p("slices.part_masks", shard="000"), "volumes": p("slices.part_volumes", shard="000")}
        return self(
            log,
            "slices",
            {
                "slices": {"size_px": 32, "background": "none"},
                "classes": {"by": "position", "names": ["low", "high"]},
                "structures": structures or {},
            },
            series=p("cohort.shard", shard="000"),
            cohort_manifest=p("cohort.manifest"),
            files=p("inventory.files"),
            archive=self.archive,
            images=p("slices.part_images", shard="000"),
            index=p("slices.part_index", shard="000"),
            rejects=p("slices.part_rejects", shard="000"),
            qc=p("slices.part_qc", shard="000"),
            manifest=p("slices.part_manifest", shard="000"),
            work=self.out / "work",
            **(given if structures else {}),
        )

    def pages(self) -> int:
        p = self.paths
        self(
            "gather",
            "slices-gather",
            {"cohort": COHORT, "classes": {"by": "position", "names": ["low", "high"]}},
            parts=p("slices.part_index", shard="000"),
            part_manifests=p("slices.part_manifest", shard="000"),
            rejects_parts=p("slices.part_rejects", shard="000"),
            qc_parts=p("slices.part_qc", shard="000"),
            index=p("slices.index"),
            rejects=p("slices.rejects"),
            qc=p("slices.qc"),
            near_duplicates=p("slices.near_duplicates"),
            manifest=p("slices.manifest"),
        )
        return self(
            "qc",
            "qc",
            {},
            results=self.out,
            tables=p("slices.qc"),
            page=p("qc.page"),
            manifest=p("qc.manifest"),
        )

    def rows(self, key: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.paths(key, shard="000")).to_pylist()
        return rows

    def check(self) -> None:
        assert leaks((*planted(), *DATE_FORMS), self.out, self.out / "private") == {}
        assert stat.S_IMODE((self.out / "private").stat().st_mode) == 0o700
        assert stat.S_IMODE(Path(self.paths("inventory.files")).stat().st_mode) == 0o600


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both planted archives, read by all tests."""
    root = tmp_path_factory.mktemp("archives")
    plant_volumes(root / "volumes")
    plant_pictures(root / "pictures")
    return root


@pytest.fixture
def study(tmp_path: Path, archives: Path, capfd: pytest.CaptureFixture[str]) -> Study:
    return Study(tmp_path, archives / "volumes", capfd)


@pytest.fixture
def pictures(tmp_path: Path, archives: Path, capfd: pytest.CaptureFixture[str]) -> Study:
    return Study(tmp_path, archives / "pictures", capfd)


def test_an_archive_of_volumes_names_nobody(study: Study) -> None:
    assert study.inventory() == 0
    refused = {row["reason"] for row in study.rows("inventory.rejects")}
    assert refused >= {"truncated", "foreign", "colour", "burned-in", "tilted", "outside-link", "side-file", "packed"}
    kinds = {remark["kind"] for row in study.rows("inventory.index") for remark in row["remarks"]}
    assert kinds >= {"burned-in", "free-text"}
    assert study.cohort() == 0
    assert study.slices() == 0
    assert len(study.rows("slices.part_index")) > 10
    assert {row["reason"] for row in study.rows("slices.part_rejects")} >= {"undecodable"}
    assert study.pages() == 0
    study.check()


def test_masks_name_nobody(study: Study) -> None:
    assert study.inventory() == 0
    structures = {"names": ["liver"], "others": "background"}
    assert study.cohort(structures=structures) == 0
    assert [len(row["mask_ids"]) for row in study.rows("cohort.series")] == [3]
    assert study.slices(structures=structures) == 0
    assert "segmentation of unknown type" in study.rows("slices.part_rejects")[0]["sentence"]
    study.check()


def test_messages_that_stop_a_run_name_nobody(study: Study) -> None:
    assert study.inventory() == 0
    assert study.cohort("limit", max_refused_fraction=0.0) == 2
    assert "max_refused_fraction is 0.0%" in (study.out / "logs" / "limit.log").read_text()
    assert study.cohort("no class", {"by": "tag", "names": ["a", "b"]}) == 2
    assert study.cohort("no folder", {"by": "folder", "names": ["a", "b"]}) == 2
    assert study.inventory("nobody", patient_regex="^(nobody)/") == 2
    assert study.cohort("few", min_patients=1000) == 2
    study.check()


def test_an_archive_of_pictures_names_nobody(pictures: Study) -> None:
    assert pictures.inventory(modality="US") == 0
    assert pictures.cohort() == 0
    assert pictures.slices() == 0
    assert len(pictures.rows("slices.part_index")) > 10
    kinds = [{remark["kind"] for remark in row["remarks"]} for row in pictures.rows("inventory.index")]
    assert all("burned-in" in found for found in kinds)
    pictures.check()


def test_the_search_finds_what_is_planted_and_what_is_private(study: Study) -> None:
    seen = {text for texts in leaks(planted(), study.archive).values() for text in texts}
    assert seen == set(planted())
    study.inventory()
    assert NAME in leaks(planted(), study.out)["private/files.parquet"]


def test_the_search_looks_into_what_is_compressed(tmp_path: Path) -> None:
    text = f"{NAME}, seen".encode()
    with zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", text)
    (tmp_path / "b.gz").write_bytes(gzip.compress(text))
    names = [[{"first": f"{number:06x}{NAME}"[number % 6 :]}] for number in range(500)]
    options = {"compression": "gzip", "write_statistics": False, "use_dictionary": False}
    pq.write_table(pa.table({"names": names}), tmp_path / "c.parquet", **options)
    assert not [path.name for path in tmp_path.iterdir() if NAME.encode() in path.read_bytes()]
    assert set(leaks([NAME], tmp_path)) == {"a.pt", "b.gz", "c.parquet"}


def test_private_tables_are_ignored_by_git() -> None:
    root = Path(__file__).resolve().parents[2]
    paths = ["results/study/private/files.parquet", "private/files.parquet", "config/study.key"]
    done = subprocess.run(["git", "check-ignore", *paths], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode == 128:
        pytest.skip("not a git checkout")
    assert done.stdout.split() == paths
