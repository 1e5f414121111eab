"""One source from patches and genes to its statistics, figures and section of the report, at budgets of seconds."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radgen.benchmark.settings import ArmSettings, BenchmarkSettings
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.cli import main
from radgen.cohort.settings import ClassSettings, LowSettings, StructureSettings
from radgen.errors import AncestryError, CohortError, InputError
from radgen.features.settings import JudgeSettings
from radgen.imageset.core import ImageSet, write_table
from radgen.labels.settings import AnnotatorSettings
from radgen.metrics.settings import MetricsSettings
from radgen.paths import StudyPaths
from radgen.provenance import read_manifest, saw_patients_of
from radgen.radiogenomic.evaluation.settings import RadiogenomicScoresSettings, SurvivalSettings
from radgen.radiogenomic.expression import load_expression, save_expression
from radgen.radiogenomic.settings import RnaSettings
from radgen.radiogenomic.synthesis.settings import RadiogenomicSampleSettings, RadiogenomicSettings
from radgen.report.album import Album
from radgen.report.browse.rows import _set_rows
from radgen.report.figures.catalogue import NODULE_FIGURES
from radgen.report.figures.radiogenomic import draw_patches, scale_words
from radgen.report.figures.safety import draw_audited
from radgen.report.parts import Pictures
from radgen.report.sections.radiogenomic import radiogenomic_block
from radgen.report.settings import ReportSettings, StudyFacts
from radgen.report.share import may_leave
from radgen.report.study import StudyResults
from radgen.report.style import figure_style
from radgen.safety.settings import ReleaseSettings
from radgen.stages import (
    audit,
    benchmark,
    judge,
    radiogenomic,
    radiogenomic_sample,
    radiogenomic_scores,
    radiogenomic_survival,
)
from tests.radiogenomic.nodule_study import NoduleStudy

SOURCE = "genes"
SCORES = RadiogenomicScoresSettings(
    permutations=199,
    profiles=2,
    backgrounds=2,
    noises=2,
    bootstrap_samples=20,
    segmenter=AnnotatorSettings(images=32, channels=(4, 8)),
)
TRAINING = RadiogenomicSettings(
    ep=1, bs=4, g_n_feat=2, d_n_feat=2, hidden=8, embed_dim=4, code_kernel=4, save_interval=1, precision="fp32"
)
SIMULATED = "simulated pairing: genes and images are of different people"
FACTS = StudyFacts(study="genes", is_phantom=True, sources={SOURCE: "shared"}, kinds={SOURCE: "radiogenomic"})


@dataclass(frozen=True)
class Source:
    """A results folder laid out as the workflow does."""

    root: Path

    def __call__(self, key: str) -> Path:
        return Path(StudyPaths(str(self.root))(key, source=SOURCE, part="samples"))

    def score(self, **changes: Any) -> None:
        """Run the stage of the scores."""
        files = {name: self(f"radiogenomic_scores.{name}") for name in (*radiogenomic_scores.FILES, "manifest")}
        given = {
            "nodules": self("nodules.index"),
            "backgrounds": self("nodules.backgrounds"),
            "nodules_manifest": self("nodules.manifest"),
            "codes": self("rna.codes"),
            "judge": self("nodule_judge.weights"),
            "judge_manifest": self("nodule_judge.manifest"),
            "weights": self("radiogenomic.weights"),
            "samples": self("sample.part_index"),
            "samples_manifest": self("sample.part_manifest"),
            "draws": self("radiogenomic_sample.draws"),
            "gene_saliency": self("radiogenomic_sample.saliency"),
        }
        radiogenomic_scores.run(
            **(given | changes),
            **files,
            source=SOURCE,
            radiogenomic_scores=SCORES,
            work=self.root / "work",
            device="cpu",
        )


@pytest.fixture(scope="module")
def source(study: NoduleStudy, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Everything up to the statistics, on a simulated pairing of the phantom's own patients."""
    made = Source(tmp_path_factory.mktemp("source") / "genes")
    shutil.copytree(study.out, made.root / "nodules")
    shutil.copytree(study.root / "clinical", made.root / "clinical")
    settings = RnaSettings(most_missing=0.5, pairing="simulated", orientation="genes-in-rows")
    shutil.copytree(study.read_rna(settings, "rna of the source"), made.root / "rna")
    patches = {
        "nodules": made("nodules.index"),
        "backgrounds": made("nodules.backgrounds"),
        "nodules_manifest": made("nodules.manifest"),
    }
    judge.run(
        slices=made("nodules.index"),
        slices_manifest=made("nodules.manifest"),
        **{name: made(f"nodule_judge.{name}") for name in ("weights", "history", "checks", "manifest")},
        judge=JudgeSettings(images=32, batch_size=16, width=4, dimension=4, check_images=8),
        classes=ClassSettings(by="folder", names=("nodule",)),
        work=made.root / "work",
        device="cpu",
    )
    radiogenomic.run(
        **patches,
        rna=made("rna.codes"),
        rna_manifest=made("rna.manifest"),
        source=SOURCE,
        **{name: made(f"radiogenomic.{name}") for name in ("weights", "history", "grid", "manifest")},
        radiogenomic=TRAINING,
        work=made.root / "work",
        device="cpu",
    )
    radiogenomic_sample.run(
        weights=made("radiogenomic.weights"),
        training_manifest=made("radiogenomic.manifest"),
        **patches,
        rna=made("rna.codes"),
        index=made("sample.part_index"),
        manifest=made("sample.part_manifest"),
        radiogenomic_sample=RadiogenomicSampleSettings(per_patient=2),
        device="cpu",
    )
    made.score(planted=study.archive / "truth" / "planted.csv")
    radiogenomic_survival.run(
        codes=made("rna.codes"),
        joined=made("rna.join"),
        clinical=made("clinical.table"),
        weights=made("radiogenomic.weights"),
        training_manifest=made("radiogenomic.manifest"),
        source=SOURCE,
        table=made("radiogenomic_survival.table"),
        manifest=made("radiogenomic_survival.manifest"),
        survival=SurvivalSettings(folds=2, repeats=1, bootstrap_samples=20),
        device="cpu",
    )
    return made


@pytest.fixture(scope="module")
def results(source: Source) -> StudyResults:
    return StudyResults(source.root, ReportSettings(), FACTS)


@pytest.fixture(scope="module")
def pictures(source: Source, results: StudyResults) -> Pictures:
    album = Album(source.root / "report" / "figures", FACTS)
    with figure_style():
        draw_patches(results, album)
        for one in NODULE_FIGURES:
            assert all(results.has(key, source=SOURCE) for key in one.needs), one.name
            one.draw(results, album, SOURCE)
    album.finish()
    return Pictures(source.root / "report" / "figures" / "figures.json", source.root / "report" / "index.html")


def test_every_statistic_has_its_row(source: Source) -> None:
    rows = pq.read_table(source("radiogenomic_scores.scores")).to_pylist()
    found = {row["metric"] for row in rows}
    assert {"coupling_p", "coupling_shuffles", "agreement_r", "variance_genes", "copies", "mask_dice"} <= found
    assert {"saliency_auc", "empty_masks", "nearest_is_own"} <= found
    assert all(row["source"] == SOURCE for row in rows)
    assert all(row["value"] is None or np.isfinite(row["value"]) for row in rows)
    audit = next(row for row in rows if row["metric"] == "copies")
    assert "training patients, memorising them is the default outcome" in audit["words"]
    genes = pq.read_table(source("radiogenomic_scores.saliency")).to_pylist()
    assert sum(row["pathway"] is not None for row in genes) == 15
    assert len(pq.read_table(source("radiogenomic_scores.shuffles"))) == 2 * 20


def test_ancestry_names_whoever_was_read(source: Source) -> None:
    saw = saw_patients_of(source("radiogenomic_scores.manifest"))
    everyone = set(pq.read_table(source("nodules.index")).column("patient").to_pylist())
    assert saw.patients("pixels") >= everyone
    assert saw.patients("masks") >= everyone


def test_the_same_scores_are_published_again(source: Source, study: NoduleStudy) -> None:
    before = source("radiogenomic_scores.scores").read_bytes()
    source.score(planted=study.archive / "truth" / "planted.csv")
    assert read_manifest(source("radiogenomic_scores.manifest"))["run"]["reused"]
    assert source("radiogenomic_scores.scores").read_bytes() == before


def test_a_gene_set_that_differs_from_the_generators_ends_in_one_sentence(source: Source, tmp_path: Path) -> None:
    known = load_expression(source("rna.codes"))
    fewer = replace(known, genes=known.genes[1:], values=known.values[:, 1:])
    save_expression(tmp_path / "rna.parquet", fewer)
    with pytest.raises(InputError, match=r"rna.parquet: 39 genes \(digest \w+\), but the generator genes learnt 40"):
        source.score(codes=tmp_path / "rna.parquet")


def test_too_few_held_out_patients_with_genes_end_in_one_sentence(source: Source, tmp_path: Path) -> None:
    known = load_expression(source("rna.codes"))
    nodules = pq.read_table(source("nodules.index")).to_pylist()
    train = sorted({row["patient"] for row in nodules if row["split"] == "train"} & set(known.patients))
    save_expression(tmp_path / "rna.parquet", replace(known, patients=tuple(train), values=known.of(train)))
    with pytest.raises(CohortError, match="0 held-out patients have genes, nodules and generated images"):
        source.score(codes=tmp_path / "rna.parquet")


def test_survival_compares_three_sets(source: Source) -> None:
    rows = pq.read_table(source("radiogenomic_survival.table")).to_pylist()
    assert [row["variables"] for row in rows] == ["clinical", "embedding", "clinical + embedding"]
    assert rows[2]["count"] == rows[0]["count"] + rows[1]["count"]
    assert rows[1]["count"] == TRAINING.embed_dim
    for row in rows:
        assert row["low"] <= row["concordance"] <= row["high"]


def test_every_caption_says_what_is_simulated(pictures: Pictures) -> None:
    assert len(pictures.pictures) == 10
    for picture in pictures.pictures:
        assert SIMULATED in picture.caption, picture.name
        assert "PHANTOM archive" in picture.caption


def test_patches_without_a_pixel_size_are_said_to_have_none(source: Source, tmp_path: Path) -> None:
    table = pq.read_table(source("nodules.index"))
    place = table.column_names.index("spacing_row_mm")
    write_table(
        tmp_path / "index.parquet", table.set_column(place, table.field(place), pa.nulls(len(table), "float64"))
    )
    assert scale_words(ImageSet(source("nodules.index"))) == ""
    assert "one counts as 1 mm" in scale_words(ImageSet(tmp_path / "index.parquet"))


def test_figures_name_nobody_where_no_pixels_are_seen(source: Source, pictures: Pictures) -> None:
    people = set(pq.read_table(source("nodules.index")).column("patient").to_pylist())
    for picture in pictures.pictures:
        text = (source.root / "report" / "figures" / f"{picture.name}.csv").read_text()
        assert picture.real_pixels or not any(person in text for person in people), picture.name


def test_the_section_tells_the_results_in_words(results: StudyResults, pictures: Pictures) -> None:
    block = radiogenomic_block(results, pictures)
    assert block is not None
    text = str(block.body)
    assert f"{SIMULATED[0].upper()}{SIMULATED[1:]}." in text
    assert "memorising them is the default outcome" in text
    assert "patients with images were given genes at random" in text
    assert "Gene saliency finds the 15 planted genes" in text
    assert '"figures/grid_gene_genes.csv"' in text
    nothing = StudyResults(results.root / "elsewhere", ReportSettings(), FACTS)
    assert radiogenomic_block(nothing, pictures) is None


def test_tables_hold_no_number_that_json_cannot(source: Source) -> None:
    json.dumps(pq.read_table(source("radiogenomic_scores.scores")).to_pylist(), allow_nan=False)


# ---------------------------------------------------------------- the machinery of all sources

LENIENT = ReleaseSettings(
    planted=4, images=64, resamples=20, near_copies=1, membership_auc=1, planted_found=0.01, min_patients_per_class=1
)
ARMS = BenchmarkSettings(
    sealed=False, training=ArmTrainingSettings(max_steps=4, eval_every=2, segmenter_channels=(4, 8))
)


@pytest.fixture(scope="module")
def audited(source: Source) -> Source:
    audit.run(
        slices=source("nodules.index"),
        slices_manifest=source("nodules.manifest"),
        judge_weights=source("nodule_judge.weights"),
        judge_manifest=source("nodule_judge.manifest"),
        image_set=source("sample.part_index"),
        **{name: source(f"audit.{name}") for name in ("images", "measures", "verdict", "closest")},
        manifest=source("audit.part_manifest"),
        release=LENIENT,
        metrics=MetricsSettings(),
        device="cpu",
    )
    return source


def test_the_shared_audit_looks_nodules_up_among_training_patients_nodules(audited: Source) -> None:
    rows = pq.read_table(audited("audit.images")).to_pylist()
    assert {row["image_id"] for row in rows} == set(ImageSet(audited("sample.part_index")).column("image_id"))
    nodules = ImageSet(audited("nodules.index"))
    train = set(nodules.column("image_id")[nodules.rows_where(split="train")])
    assert {row["nearest_image_id"] for row in rows} <= train
    assert json.loads(audited("audit.verdict").read_text())["images"] == len(rows)


def test_the_closest_pairs_are_drawn_and_the_shareable_edition_has_none_of_them(
    audited: Source, tmp_path: Path
) -> None:
    study = StudyResults(audited.root, ReportSettings(), FACTS)
    album = Album(tmp_path, FACTS)
    with figure_style():
        draw_audited(study, album, "samples", SOURCE)
    album.finish()
    (picture,) = Pictures(tmp_path / "figures.json", tmp_path / "index.html").pictures
    assert (picture.name, picture.real_pixels) == (f"audit_samples_{SOURCE}", True)
    # The audit lets them leave, and yet patients' lungs show around the nodules.
    assert may_leave(study, "sample.part_index", SOURCE)
    share = StudyResults(audited.root, ReportSettings(), FACTS, shareable=True)
    assert _set_rows(share, "sample.part_index", SOURCE).empty
    assert len(_set_rows(study, "sample.part_index", SOURCE)) == len(ImageSet(audited("sample.part_index")))


@pytest.mark.parametrize("to", ["nnunet", "dicom", "coco"])
def test_nodules_leave_with_their_label_and_the_word_of_whoever_is_shown(
    audited: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str
) -> None:
    words = ["export", str(audited("sample.part_index")), "--to", to, "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "are nodules drawn into real patches, which show around them; give --real" in capsys.readouterr().err
    assert main([*words, "--real"]) == 0
    assert json.loads((tmp_path / "out" / "export.json").read_text())["labels"] == {"background": 0, "nodule": 1}
    assert "Synthetic nodule made by radgen in a real patch" in (tmp_path / "out" / "README.md").read_text()


def run_arm(source: Source, out: Path, synthetic: str | None, name: str = "training_sample") -> list[dict[str, Any]]:
    """Run one arm of nodule segmentation; return its scores."""
    key = [] if synthetic is None else [name]
    benchmark.run(
        slices=source("nodules.index"),
        slices_manifest=source("nodules.manifest"),
        synthetic=tuple(source(f"{one}.part_index") for one in key),
        synthetic_manifests=tuple(source(f"{one}.part_manifest") for one in key),
        volumes=(),
        task="segmentation",
        arm="arm",
        **{name: out / f"{name}.parquet" for name in ("scores", "history")},
        manifest=out / "manifest.json",
        benchmark=ARMS,
        arm_settings=ArmSettings(synthetic=synthetic, setting=synthetic and "shared"),
        low=LowSettings(fraction=0.4),
        classes=ClassSettings(by="folder", names=("nodule",)),
        structures=StructureSettings(names=("nodule",)),
        work=out / "work",
        device="cpu",
    )
    rows: list[dict[str, Any]] = pq.read_table(out / "scores.parquet").to_pylist()
    return rows


def test_the_benchmark_segments_nodules_with_and_without_generated_ones(source: Source, tmp_path: Path) -> None:
    without, beside = (run_arm(source, tmp_path / str(name), name) for name in (None, SOURCE))
    nodules = ImageSet(source("nodules.index"))
    held_out = set(nodules.column("patient")[nodules.rows_where(split="test")])
    for rows in (without, beside):
        assert {row["patient"] for row in rows} == held_out
        assert {(row["structure"], row["metric"]) for row in rows} == {("nodule", "dice")}
        assert {row["seed"] for row in rows} == {1, 2, 3}
    assert without[0]["n_synthetic_images"] == 0
    assert beside[0]["n_synthetic_images"] == len(ImageSet(source("training_sample.part_index"))) > 0


def test_nodules_from_held_out_patients_genes_teach_no_arm(source: Source, tmp_path: Path) -> None:
    train = ImageSet(source("nodules.index"))
    people = set(train.column("patient")[train.rows_where(split="train")])
    draws = pq.read_table(source("radiogenomic_sample.draws")).to_pylist()
    taught = set(ImageSet(source("training_sample.part_index")).column("image_id"))
    assert taught == {row["image_id"] for row in draws if row["profile"] in people}
    with pytest.raises(AncestryError, match=r"saw the labels of \d+ forbidden patients \(\d+ of test"):
        run_arm(source, tmp_path, SOURCE, name="sample")
