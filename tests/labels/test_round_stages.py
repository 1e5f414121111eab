"""A second round of annotation through the stages: chosen by the first head, joined, kept, and refused when foreign."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from radgen.annotation.pictures import read_grey
from radgen.annotation.schema import read_labels
from radgen.annotation.settings import AnnotationSettings, at_round
from radgen.cohort.settings import StructureSettings
from radgen.errors import AnnotationError, CheckpointError
from radgen.features.rows import pixel_digests
from radgen.gan.sampling import load_sampler
from radgen.imageset.core import ImageSet, gather_index, masks_path
from radgen.imageset.writers import ShardWriter
from radgen.provenance import read_manifest, saw_patients_of
from radgen.stages import annotate_gather, annotate_import, labels
from tests.annotation.toys import save_indexed
from tests.labels.test_stages import CLASS_SETTINGS, HEAD, SAMPLE, STRUCTURE_SETTINGS, Study
from tests.labels.toys import CPU, SIDE, SOURCE, STRUCTURES, paint_by_grey, save_generator_file, write_real

ROUNDS = AnnotationSettings(source="folder", count=8, further_rounds=(6,), candidates_per_class=32)
GROWN = StructureSettings(names=(*STRUCTURES, "edge"))


@dataclass
class Rounds(Study):
    """A toy study in two rounds, painted by a person who paints by grey level."""

    def part(self, name: str) -> Path:
        return self.annotation / name

    def pack_of(self, name: str) -> Path:
        return self.part(name) / "pack" / "pack.parquet"

    def send(self, name: str, earlier: tuple[str, ...] = (), **change: Any) -> None:
        given: dict[str, Any] = {
            "folder": self.pack_of(name).parent,
            "pack": self.pack_of(name),
            "manifest": self.pack_of(name).parent / "manifest.json",
            "annotation": at_round(ROUNDS, name),
            "round_name": name,
            "earlier": tuple(map(self.pack_of, earlier)),
        }
        if earlier:
            given |= {"head": self.head, "labels_manifest": self.head.parent / "manifest.json"}
        self.make_pack(**(given | change))

    @property
    def head(self) -> Path:
        return self.root / "labels" / "until-round-01" / "head.safetensors"

    def paint(self, name: str, structures: StructureSettings = STRUCTURE_SETTINGS) -> None:
        folder = self.pack_of(name).parent
        for image_id, image in pixels_of(folder).items():
            save_indexed(folder / "masks" / f"{image_id}.png", paint_by_grey(image[None, None])[0])
        self.bring_back(name, structures)

    def bring_back(self, name: str, structures: StructureSettings = STRUCTURE_SETTINGS) -> None:
        annotate_import.run(
            pack=self.pack_of(name),
            pack_manifest=self.pack_of(name).parent / "manifest.json",
            folder=self.pack_of(name).parent,
            source=SOURCE,
            index=self.part(name) / "index.parquet",
            manifest=self.part(name) / "manifest.json",
            annotation=ROUNDS,
            structures=structures,
            classes=CLASS_SETTINGS,
        )

    def join(self, *names: str, stem: str = "") -> None:
        annotate_gather.run(
            weights=self.weights,
            packs=tuple(map(self.pack_of, names)),
            parts=tuple(self.part(name) / "index.parquet" for name in names),
            part_manifests=tuple(self.part(name) / "manifest.json" for name in names),
            source=SOURCE,
            index=self.annotation / f"{stem}index.parquet",
            pack=self.annotation / f"{stem}pack.parquet",
            manifest=self.annotation / f"{stem}manifest.json",
        )

    def learn(self, stem: str, head: Path, structures: StructureSettings = STRUCTURE_SETTINGS) -> None:
        labels.run(
            weights=self.weights,
            gan_manifest=self.gan_manifest,
            annotation=self.annotation / f"{stem}index.parquet",
            annotation_manifest=self.annotation / f"{stem}manifest.json",
            pack=self.annotation / f"{stem}pack.parquet",
            source=SOURCE,
            head=head,
            validation=head.parent / "validation.parquet",
            manifest=head.parent / "manifest.json",
            labels=HEAD,
            structures=structures,
            classes=CLASS_SETTINGS,
            work=self.root / "work",
            device="cpu",
        )


def pixels_of(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: read_grey(path) for path in sorted((folder / "images").glob("*.png"))}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Rounds:
    """A study whose first round is painted, with a head taught on it."""
    study = Rounds(tmp_path_factory.mktemp("rounds"))
    study.send("round-01")
    study.paint("round-01")
    study.join("round-01", stem="until-round-01.")
    study.learn("until-round-01.", study.head)
    return study


@pytest.fixture(scope="module")
def second(first: Rounds) -> Rounds:
    """The same with its second round chosen."""
    first.send("round-02", earlier=("round-01",), sample=dataclasses.replace(SAMPLE, seed=SAMPLE.seed + 1))
    return first


def test_a_second_round_asks_the_head_and_repeats_nothing(second: Rounds) -> None:
    one, two = (pq.read_table(second.pack_of(name)).to_pylist() for name in ("round-01", "round-02"))
    assert {row["round"] for row in one} == {"round-01"}
    assert {row["reason"] for row in one} == {"coverage"}
    assert {row["round"] for row in two} == {"round-02"}
    assert sorted((row["class_id"], row["reason"]) for row in two) == [
        *[(0, "coverage"), (0, "uncertainty"), (0, "uncertainty")],
        *[(1, "coverage"), (1, "uncertainty"), (1, "uncertainty")],
    ]
    assert not {row["image_id"] for row in one} & {row["image_id"] for row in two}
    # Another seed of samples came between: ids still name one picture each, drawn as the first round was.
    assert {row["sampler_seed"] for row in (*one, *two)} == {SAMPLE.seed}
    notes = read_manifest(second.pack_of("round-02").parent / "manifest.json")["run"]["notes"]
    assert notes["chosen_for"] == {"coverage": 2, "uncertainty": 4}
    assert set(notes["near_copies_refused"]) == {"plain", "spotted"}
    assert notes["nearest_allowed"]["features"] > 0


def test_the_head_of_all_rounds_learns_from_all_masks(second: Rounds) -> None:
    second.paint("round-02")
    second.join("round-01", "round-02")
    assert len(ImageSet(second.annotation / "index.parquet")) == 14
    run = read_manifest(second.annotation / "manifest.json")["run"]["notes"]
    assert run["annotator"] == {"kind": "person"}
    assert run["rounds"] == [{"images": 8, "of": 8}, {"images": 6, "of": 6}]
    head = second.root / "labels" / "head.safetensors"
    second.learn("", head)
    notes = read_manifest(head.parent / "manifest.json")["run"]["notes"]
    assert (notes["taught"], notes["held_out"]) == (14, 8)  # each of two members holds out four others
    assert saw_patients_of(head.parent / "manifest.json").patients("pixels") == {"patient1", "patient3", "patient5"}


def test_a_corrected_mask_and_a_longer_schema_teach_the_head_alone(first: Rounds, tmp_path: Path) -> None:
    folder = first.pack_of("round-01").parent
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.parent.name != "masks"}
    key = read_manifest(first.head.parent / "manifest.json")["what"]["inputs"]
    image_id = next(iter(pixels_of(folder)))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:3] = 3  # the structure that was added after the pack went out
    kept = (folder / "masks" / f"{image_id}.png").read_bytes()
    Image.fromarray(mask).save(folder / "masks" / f"{image_id}.png")
    with pytest.raises(AnnotationError, match=r"unknown label ids 3; labels.json knows 0, 1, 2"):
        first.bring_back("round-01")
    first.bring_back("round-01", GROWN)
    first.join("round-01", stem="grown.")
    head = tmp_path / "head.safetensors"
    first.learn("grown.", head, GROWN)
    assert {path: path.read_bytes() for path in before} == before
    now = read_manifest(head.parent / "manifest.json")["what"]
    assert (now["inputs"]["weights"], now["inputs"]["pack"]) == (key["weights"], key["pack"])
    assert now["inputs"]["annotation"] != key["annotation"]
    table = pq.read_table(head.parent / "validation.parquet")
    assert set(table.column("structure").to_pylist()) == {*STRUCTURES, "edge"}
    (folder / "masks" / f"{image_id}.png").write_bytes(kept)
    first.bring_back("round-01")


def test_a_pack_that_is_painted_keeps_its_images_and_gets_the_new_labels(tmp_path: Path) -> None:
    study = Rounds(tmp_path)
    study.send("round-01")
    before = pixels_of(study.pack_of("round-01").parent)
    rows = pq.read_table(study.pack_of("round-01"))
    study.paint("round-01")
    study.send("round-01", annotation=at_round(dataclasses.replace(ROUNDS, count=4), "round-01"), structures=GROWN)
    after = pixels_of(study.pack_of("round-01").parent)
    assert list(after) == list(before)
    assert all(np.array_equal(after[name], before[name]) for name in before)
    assert pq.read_table(study.pack_of("round-01")).equals(rows)
    assert [label.name for label in read_labels(study.pack_of("round-01").parent / "labels.json")][1:] == [*GROWN.names]


def test_latents_of_an_older_generator_are_refused_everywhere(tmp_path: Path) -> None:
    study = Rounds(tmp_path)
    study.send("round-01")
    study.paint("round-01")
    study.join("round-01", stem="until-round-01.")
    study.learn("until-round-01.", study.head)
    pictures = pixels_of(study.pack_of("round-01").parent)
    save_generator_file(study.weights, seed=5)
    refusal = (
        "the images of round-01 are of generator .*, but the generator is now .*: bring that generator back, or move"
    )
    for act in (
        lambda: study.send("round-01"),
        lambda: study.send("round-02", earlier=("round-01",)),
        lambda: study.join("round-01"),
    ):
        with pytest.raises(AnnotationError, match=refusal):
            act()
    after = pixels_of(study.pack_of("round-01").parent)
    assert all(np.array_equal(after[name], pictures[name]) for name in pictures)
    with pytest.raises(CheckpointError, match=r"was taught on generator .*, but the generator is now"):
        study.send("round-02", head=study.head)  # a head alone, as if the packs had been made again


def test_a_generators_copies_of_training_images_never_go_out(tmp_path: Path) -> None:
    study = Rounds(tmp_path)
    drawn = load_sampler(study.weights, seed=SAMPLE.seed, truncation=SAMPLE.truncation, device=CPU).block(0, 0).images
    folder = tmp_path / "memorised"
    with ShardWriter(folder, "shard-000", (1, SIDE, SIDE), with_masks=False) as writer:
        for number, image in enumerate(drawn[:12]):
            facts = {"source": "real", "split": "train", "class_name": "plain", "class_id": 0}
            writer.append(facts | {"image_id": f"r{number}", "patient": f"p{number % 4}"}, image)
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    study.send("round-01", slices=folder / "index.parquet", annotation=at_round(ROUNDS, "round-01"))
    chosen = [row for row in pq.read_table(study.pack_of("round-01")).to_pylist() if row["class_id"] == 0]
    assert min(row["index"] for row in chosen) >= 12
    notes = read_manifest(study.pack_of("round-01").parent / "manifest.json")["run"]["notes"]
    assert notes["near_copies_refused"]["plain"] >= 12


def test_masks_reach_no_key_of_encoder_generator_or_pack(tmp_path: Path) -> None:
    one, two = (write_real(tmp_path / name) for name in ("one", "two"))
    masks = masks_path(two.parent / "shard-000")
    table = np.frombuffer(masks.read_bytes(), np.uint8).copy()
    table[table == 2] = 3  # a structure more
    masks.write_bytes(table.tobytes())
    assert masks.read_bytes() != masks_path(one.parent / "shard-000").read_bytes()
    assert pixel_digests(one, "slices") == pixel_digests(two, "slices")
