"""The five stages in a row on a toy study: files, notes, ancestry, and what a second run does."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from radgen.annotation.settings import AnnotationSettings
from radgen.cohort.settings import ClassSettings, LowSettings, StructureSettings
from radgen.errors import AnnotationError, CheckpointError, ConfigError, InputError
from radgen.gan.settings import SampleSettings
from radgen.imageset.core import ImageSet
from radgen.imageset.gather import check_drafts
from radgen.labels.settings import AnnotatorSettings, LabelHeadSettings, PairsSettings
from radgen.provenance import SawPatients, read_manifest, saw_patients_of
from radgen.sources import SourceSettings
from radgen.stages import (
    annotate_import,
    annotate_pack,
    annotate_simulated,
    annotator,
    labels,
    pairs,
    pairs_draft,
    regenerate,
)
from tests.annotation.toys import save_indexed
from tests.labels.toys import (
    CLASSES,
    SOURCE,
    STRUCTURES,
    save_encoder_file,
    save_generator_file,
    write_any_manifest,
    write_real,
)

ANNOTATION = AnnotationSettings(count=6, candidates_per_class=16)
CLASS_SETTINGS = ClassSettings(by="folder", names=CLASSES)
STRUCTURE_SETTINGS = StructureSettings(names=STRUCTURES)
SAMPLE = SampleSettings(counts={"plain": 6, "spotted": 5}, match=None, threads=1, seed=2)
HEAD = LabelHeadSettings(
    members=2, images=32, folds=2, teacher_images=16, teacher_channels=(4, 8), validation_fraction=0.2, threads=1
)
TEACHER = AnnotatorSettings(images=64, channels=(4, 8), threads=1)
PAIRS = PairsSettings(drop_fraction=0.25)
GAN_SAW = SawPatients(pixels={"train": frozenset({"patient1", "patient3"})})
# The choice looks at all training images, so that no near-copy of one goes out.
PACK_SAW = SawPatients(pixels={"train": frozenset({"patient1", "patient3", "patient5"})})


DRAFT_OPTIONS = sorted(set(inspect.signature(pairs_draft.run).parameters) - {"job", "folder", "pairs"})


@dataclass
class Study:
    """Paths of a toy study whose real slices, encoder and generator stand."""

    root: Path

    def __post_init__(self) -> None:
        (self.root / "gan").mkdir()
        self.slices = write_real(self.root / "slices")
        self.slices_manifest = write_any_manifest(self.root / "slices" / "manifest.json", SawPatients())
        self.weights = save_generator_file(self.root / "gan" / "generator.safetensors")
        self.gan_manifest = write_any_manifest(self.root / "gan" / "manifest.json", GAN_SAW, self.weights)
        self.encoder = save_encoder_file(self.root / "encoder.safetensors")
        self.annotation = self.root / "annotation"
        self.pack = self.annotation / "pack" / "pack.parquet"
        self.pack_manifest = self.annotation / "pack" / "manifest.json"
        self.index = self.annotation / "index.parquet"

    def make_pack(self, **change: Any) -> None:
        given = {
            "weights": self.weights,
            "gan_manifest": self.gan_manifest,
            "encoder": self.encoder,
            "encoder_manifest": self.gan_manifest,
            "slices": self.slices,
            "slices_manifest": self.slices_manifest,
            "source": SOURCE,
            "folder": self.pack.parent,
            "pack": self.pack,
            "manifest": self.pack_manifest,
            "annotation": ANNOTATION,
            "structures": STRUCTURE_SETTINGS,
            "classes": CLASS_SETTINGS,
            "sample": SAMPLE,
            "source_settings": SourceSettings(),
            "low": LowSettings(),
            "device": "cpu",
        }
        annotate_pack.run(**(given | change))

    def teach(self, device: str = "cpu") -> None:
        annotator.run(
            slices=self.slices,
            slices_manifest=self.slices_manifest,
            weights=self.root / "annotator" / "annotator.safetensors",
            scores=self.root / "annotator" / "scores.parquet",
            manifest=self.root / "annotator" / "manifest.json",
            annotator=TEACHER,
            structures=STRUCTURE_SETTINGS,
            classes=CLASS_SETTINGS,
            work=self.root / "work",
            device=device,
        )

    def simulate(self, structures: StructureSettings = STRUCTURE_SETTINGS) -> None:
        annotate_simulated.run(
            pack=self.pack,
            pack_manifest=self.pack_manifest,
            annotator=self.root / "annotator" / "annotator.safetensors",
            annotator_manifest=self.root / "annotator" / "manifest.json",
            source=SOURCE,
            index=self.index,
            manifest=self.annotation / "manifest.json",
            annotation=ANNOTATION,
            structures=structures,
            classes=CLASS_SETTINGS,
            device="cpu",
        )

    def read_back(self) -> None:
        annotate_import.run(
            pack=self.pack,
            pack_manifest=self.pack_manifest,
            folder=self.pack.parent,
            source=SOURCE,
            index=self.index,
            manifest=self.annotation / "manifest.json",
            annotation=ANNOTATION,
            structures=STRUCTURE_SETTINGS,
            classes=CLASS_SETTINGS,
        )

    def teach_head(self, device: str = "cpu") -> None:
        labels.run(
            weights=self.weights,
            gan_manifest=self.gan_manifest,
            annotation=self.index,
            annotation_manifest=self.annotation / "manifest.json",
            pack=self.pack,
            source=SOURCE,
            head=self.root / "labels" / "head.safetensors",
            validation=self.root / "labels" / "validation.parquet",
            manifest=self.root / "labels" / "manifest.json",
            labels=HEAD,
            structures=STRUCTURE_SETTINGS,
            classes=CLASS_SETTINGS,
            work=self.root / "work",
            device=device,
        )

    def make_pairs(
        self, folder: str = "pairs", sample: SampleSettings = SAMPLE, settings: PairsSettings = PAIRS
    ) -> Path:
        index = self.root / folder / "index.parquet"
        given = {
            "weights": self.weights,
            "gan_manifest": self.gan_manifest,
            "head": self.root / "labels" / "head.safetensors",
            "labels_manifest": self.root / "labels" / "manifest.json",
            "encoder": self.encoder,
            "encoder_manifest": self.gan_manifest,
            "slices": self.slices,
            "slices_manifest": self.slices_manifest,
            "source": SOURCE,
            "pairs": settings,
            "sample": sample,
            "source_settings": SourceSettings(),
            "low": LowSettings(),
            "structures": STRUCTURE_SETTINGS,
            "classes": CLASS_SETTINGS,
        }
        drafts = tuple(self.root / "drafts" / folder / f"{job:03d}" for job in range(settings.jobs))
        for job, draft in enumerate(drafts):
            pairs_draft.run(job=f"{job:03d}", folder=draft, device="cpu", **given)
        uncertainty, manifest = index.parent / "uncertainty.parquet", index.parent / "manifest.json"
        pairs.run(drafts=drafts, index=index, uncertainty=uncertainty, manifest=manifest, **given)
        return index


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = Study(tmp_path_factory.mktemp("study"))
    study.make_pack()
    study.teach()
    study.simulate()
    study.teach_head()
    return study


def test_simulated_annotator_is_named_down_to_the_pairs(study: Study) -> None:
    index = study.make_pairs()
    for folder in (study.root / "annotator", study.annotation, study.root / "labels", index.parent):
        who = read_manifest(folder / "manifest.json")["run"]["notes"]["annotator"]
        assert who["kind"] == "simulated annotator"
        assert set(who["validation_dice"]) == set(STRUCTURES)
        assert who["patients_taught"] == 2
        assert who["patients_held_out"] == 1


def test_annotators_patients_count_as_masks_and_nothing_else_does(study: Study) -> None:
    set_apart = frozenset({"patient0", "patient2", "patient4"})
    alone = saw_patients_of(study.root / "annotator" / "manifest.json")
    assert alone == SawPatients(pixels={"annotator": set_apart}, masks={"annotator": set_apart})
    index = study.make_pairs()
    for path in (
        study.annotation / "manifest.json",
        study.root / "labels" / "manifest.json",
        index.parent / "manifest.json",
    ):
        assert saw_patients_of(path) == alone | PACK_SAW
    assert saw_patients_of(study.pack_manifest) == PACK_SAW


def test_pairs_are_counted_and_ranked(study: Study) -> None:
    index = study.make_pairs()
    found = ImageSet(index)
    assert np.unique(found.column("class_name"), return_counts=True)[1].tolist() == [6, 5]
    table = pq.read_table(index.parent / "uncertainty.parquet")
    assert table.num_rows == 8 + 7
    manifest = read_manifest(index.parent / "manifest.json")
    assert set(manifest["what"]["outputs"]) == {path.name for path in index.parent.iterdir()} - {"manifest.json"}


def test_pairs_made_again_have_the_same_bytes(study: Study) -> None:
    one, two = study.make_pairs("one").parent, study.make_pairs("two").parent
    first, second = (read_manifest(folder / "manifest.json")["what"] for folder in (one, two))
    assert first == second
    assert (one / "shard-000.masks.arrow").read_bytes() == (two / "shard-000.masks.arrow").read_bytes()


def test_one_job_and_four_make_the_same_pairs_and_manifest(study: Study) -> None:
    one = study.make_pairs("one_job").parent
    four = study.make_pairs("four_jobs", settings=PairsSettings(drop_fraction=0.25, jobs=4)).parent
    assert read_manifest(one / "manifest.json")["what"] == read_manifest(four / "manifest.json")["what"]
    names = {path.name for path in one.iterdir()} - {"manifest.json"}
    assert names == {path.name for path in four.iterdir()} - {"manifest.json"}
    assert all((one / name).read_bytes() == (four / name).read_bytes() for name in names)


def test_the_manifest_names_the_threshold_and_what_was_dropped(study: Study) -> None:
    index = study.make_pairs()
    notes = read_manifest(index.parent / "manifest.json")["run"]["notes"]
    rows = pq.read_table(index.parent / "uncertainty.parquet").to_pylist()
    for name, drawn, kept in (("plain", 8, 6), ("spotted", 7, 5)):
        told = notes["classes"][name]
        assert (told["drawn"], told["kept"], told["uncertain"], told["other_class"]) == (drawn, kept, drawn - kept, 0)
        assert told["threshold"] == max(
            row["expected_error"] for row in rows if row["kept"] and row["class_name"] == name
        )
    assert notes["class_filter"] == "none"


def test_a_wish_for_agreement_is_told_where_the_encoder_knows_no_classes(study: Study) -> None:
    wish = PairsSettings(drop_fraction=0.25, least_class_probability=0.5)
    index = study.make_pairs("wish", settings=wish)
    notes = read_manifest(index.parent / "manifest.json")["run"]["notes"]
    assert notes["class_filter"] == "none: the encoder has no class head"
    assert notes["drawn"] == 15


def test_drafts_of_other_settings_are_refused(study: Study) -> None:
    study.make_pairs("kept")
    folder = study.root / "drafts" / "kept" / "000"
    with pytest.raises(InputError, match=r"000: a draft of head \w+, but here it is other; run pairs-draft again"):
        check_drafts((folder,), {"head": "other"}, stage="pairs-draft")
    with pytest.raises(InputError, match=r"a draft of job \[0, 1\], but here it is \[0, 2\]"):
        check_drafts((folder, folder), {}, stage="pairs-draft")
    with pytest.raises(ConfigError, match=r"--job 7: pairs.jobs is 1, so jobs are 0 to 0"):
        pairs_draft.run(job="7", folder=folder, **dict.fromkeys(DRAFT_OPTIONS, Path()), pairs=PAIRS)  # type: ignore[arg-type]


def test_pairs_match_the_training_set(study: Study) -> None:
    index = study.make_pairs("matched", SampleSettings(threads=1))
    assert len(ImageSet(index)) == 16  # three training patients of 8 images, less the low fraction's one


def test_a_pair_is_made_again_from_its_id_and_two_studies_with_it_are_named(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    results = study.root / "results"
    index = study.make_pairs(f"results/one/pairs/{SOURCE}")
    image_id = str(ImageSet(index).column("image_id")[-1])
    regenerate.run(image_id=image_id, results=results, weights=study.weights)
    assert "equal: all" in capsys.readouterr().out
    shutil.copytree(results / "one", results / "two")
    with pytest.raises(
        InputError, match=rf"'{image_id}' is in 2 studies under .*: one, two; give --study or --index of one"
    ):
        regenerate.run(image_id=image_id, results=results, weights=study.weights)
    regenerate.run(image_id=image_id, results=results, study="two", weights=study.weights)
    assert "equal: all" in capsys.readouterr().out
    with pytest.raises(InputError, match="is in none of the 2 image sets under"):
        regenerate.run(image_id="toy_none_000000", results=results)


def test_finished_jobs_are_published_again(study: Study) -> None:
    for folder, again in (("annotator", study.teach), ("labels", study.teach_head)):
        files = [path for path in (study.root / folder).iterdir() if path.suffix != ".json"]
        before = {path.name: path.read_bytes() for path in files}
        assert len(before) == 2
        for name in before:
            (study.root / folder / name).unlink()
        again(device="auto")
        assert {name: (study.root / folder / name).read_bytes() for name in before} == before
        run = read_manifest(study.root / folder / "manifest.json")["run"]
        assert (run["reused"], run["device"]) == (True, "cpu")  # the device of the training, not the word that asked


def test_validation_tables_hold_every_structure(study: Study) -> None:
    scores = pq.read_table(study.root / "annotator" / "scores.parquet")
    assert scores.column("structure").to_pylist() == list(STRUCTURES)
    assert scores.column("n").to_pylist() == [8, 4]
    validation = pq.read_table(study.root / "labels" / "validation.parquet")
    assert set(validation.column("member").to_pylist()) == {"0", "1", "ensemble", "leave-some-out"}
    notes = read_manifest(study.root / "labels" / "manifest.json")["run"]["notes"]
    assert set(notes["leave_some_out_dice"]) == set(STRUCTURES)


def test_person_can_take_the_annotators_place(tmp_path: Path) -> None:
    study = Study(tmp_path)
    study.make_pack()
    with pytest.raises(AnnotationError, match="no masks yet"):
        study.read_back()
    ids = pq.read_table(study.pack).column("image_id").to_pylist()
    for number, image_id in enumerate(ids[:-1]):
        mask = np.zeros((16, 16), dtype=np.uint8)
        mask[:4, : 3 * number] = 1
        save_indexed(study.pack.parent / "masks" / f"{image_id}.png", mask)
    study.read_back()
    notes = read_manifest(study.annotation / "manifest.json")["run"]["notes"]
    expected = {"annotator": {"kind": "person"}, "images": 5, "of": 6, "empty_masks": ids[:1]}
    assert {name: notes[name] for name in expected} == expected
    study.teach_head()
    assert read_manifest(tmp_path / "labels" / "manifest.json")["run"]["notes"]["annotator"] == {"kind": "person"}
    painted_before = read_manifest(study.annotation / "manifest.json")["what"]["inputs"]["masks"]
    save_indexed(study.pack.parent / "masks" / f"{ids[0]}.png", np.ones((16, 16), dtype=np.uint8))
    study.read_back()
    assert read_manifest(study.annotation / "manifest.json")["what"]["inputs"]["masks"] != painted_before


def test_generator_trained_again_is_refused(tmp_path: Path) -> None:
    study = Study(tmp_path)
    study.make_pack()
    study.teach()
    study.simulate()
    save_generator_file(study.weights, seed=5)
    with pytest.raises(CheckpointError, match="was made with generator"):
        study.teach_head()


def _other_structures(study: Study) -> None:
    study.simulate(StructureSettings(names=("bright", "dark")))


def _pack_elsewhere(study: Study) -> None:
    study.make_pack(folder=study.root)


def _other_classes(study: Study) -> None:
    study.make_pack(classes=ClassSettings(by="folder", names=("one", "two")))


def _too_few_candidates(study: Study) -> None:
    study.make_pack(annotation=AnnotationSettings(count=40, candidates_per_class=16))


@pytest.mark.parametrize(
    ("spoil", "kind", "message"),
    [
        (_other_structures, AnnotationError, "the study's structures are bright, dark"),
        (_pack_elsewhere, ConfigError, "must lie in --folder"),
        (_other_classes, ConfigError, "the study has one, two, its generator plain, spotted"),
        (_too_few_candidates, ConfigError, r"20 images of a class are to be chosen, but only \d+ candidates are left"),
    ],
)
def test_what_does_not_fit_is_refused(
    study: Study, spoil: Callable[[Study], None], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        spoil(study)
