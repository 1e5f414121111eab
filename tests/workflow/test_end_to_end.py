"""The whole DAG on a tiny phantom, run twice, and what editing, deleting and adding make run again.

The tests share one finished run and are written so that each leaves it finished; a file's tests run in order.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.privacy.planted_archive import NAME
from tests.privacy.planted_study import needles, plant_phantom
from tests.privacy.search import leaks
from tests.workflow.runs import BIN, NOTHING, TINY, Folder

pytestmark = pytest.mark.slow

TINY_PATIENTS = 24
DRAWN = {"figures_draw", "gallery_internal", "gallery_shareable", "report", "report_shareable", "all"}
AFTER_BENCHMARK = {"benchmark_arm", "benchmark_summary", *DRAWN}
AFTER_PAIRS = {"pairs_draft", "pairs_source", "pairs_gather", "audit_set", *AFTER_BENCHMARK}
AFTER_GAN = {
    *("gan_train", "interpolation", "sample_source", "sample_gather", "annotate_pack", "annotate_simulated"),
    *("annotate_gather", "labels_head"),
    *("metrics_source", *AFTER_PAIRS),
}
AFTER_SLICES = {"slices_shard", "slices_gather", "qc_pages", "encoder_train", "judge", "annotator", *AFTER_GAN}


def digests(results: Path) -> dict[str, str]:
    """Digest every result but logs; of a manifest its `what` part alone, as `run` tells how it went."""
    found = {}
    for path in sorted(results.rglob("*")):
        if path.is_file() and "logs" not in path.parts:
            data = path.read_bytes()
            if path.name.endswith("manifest.json"):
                data = json.dumps(json.loads(data)["what"], sort_keys=True).encode()
            found[str(path.relative_to(results))] = hashlib.sha256(data).hexdigest()
    return found


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A finished run of the tiny study, with a copy of the package that tests may edit.

    Its phantom patients are given names and dates, in tags, headers, folders and file names, before anything reads them.
    """
    path = tmp_path_factory.mktemp("tiny")
    for name in ("radgen", "workflow"):
        shutil.copytree(REPOSITORY / name, path / "package" / name, ignore=shutil.ignore_patterns("__pycache__"))
    folder = Folder(path, package=path / "package")
    done = folder.snakemake("phantom")
    assert done.returncode == 0, done.stdout + done.stderr
    assert plant_phantom(path / "results" / "tiny" / "archive") > TINY_PATIENTS
    done = folder.snakemake("all")
    logs = "".join(log.read_text() for log in sorted((path / "results").rglob("*.log")) if "rror" in log.read_text())
    assert done.returncode == 0, done.stdout + done.stderr + logs
    return folder


@pytest.fixture
def results(tiny: Folder) -> Path:
    return tiny.path / "results" / "tiny"


def test_the_walk_ends_at_the_report(results: Path) -> None:
    tables = ("cohort/series.parquet", "benchmark/scores.parquet", "pairs/index.parquet")
    pages = [f"{folder}index.html" for folder in ("report/", "report/qc/", "report/gallery/", "share/", "share/gallery/")]
    for name in (*pages, *tables):
        assert (results / name).stat().st_size > 0


def test_the_second_run_has_nothing_to_do_and_changes_nothing(tiny: Folder, results: Path) -> None:
    before = digests(results)
    done = tiny.snakemake("all")
    assert NOTHING in done.stdout + done.stderr
    assert digests(results) == before


def test_snakemakes_own_report_holds_pages_and_figures_by_category(tiny: Folder) -> None:
    done = tiny.snakemake("--report", "report.zip", "--", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(tiny.path / "report.zip") as archive:
        names = archive.namelist()
        page = archive.read(next(name for name in names if name.endswith("/report.html"))).decode()
    for category in ("Figures", "Gallery", "Quality control", "Report", "Shareable edition"):
        assert f'"{category}"' in page
    assert any(name.endswith("design.png") for name in names)
    assert any(name.endswith("tiles/images-0000.png") for name in names)


def test_no_patient_identifier_leaves_the_archive(tiny: Folder, results: Path) -> None:
    # Every byte of results, resumable state, logs, reports and Snakemake's own notes, and what compressed files hold.
    folders = [tiny.path / name for name in ("results", "work", ".snakemake")]
    seen = {path: texts for folder in folders for path, texts in leaks((*needles(), "PHANTOM-0"), folder).items()}
    assert {path: seen[path] for path in seen if not path.startswith(("tiny/archive", "tiny/private"))} == {}
    assert NAME in seen["tiny/private/files.parquet"]
    assert set(needles()[:-3]) <= {text for path, texts in seen.items() if path.startswith("tiny/archive") for text in texts}
    assert (results / "private").stat().st_mode & 0o077 == 0


def test_no_page_loads_anything_from_outside(results: Path) -> None:
    pages = sorted(results.rglob("*.html"))
    assert len(pages) >= 8
    for page in pages:
        assert outside(page.read_text()) == [], page.relative_to(results)


class _Loads(HTMLParser):
    """What a page makes a browser fetch: not links to follow, but everything that is loaded with it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"src", "srcset", "data", "poster", "background", "action"} or (tag, name) == ("link", "href"):
                self.found.append(value or "")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "style":
            self.found += re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')]+)", data)


def outside(page: str) -> list[str]:
    """List what a page loads from elsewhere than its own folder."""
    parser = _Loads()
    parser.feed(page)
    return [place for place in parser.found if re.match(r"(?!data:)[a-z][a-z0-9+.-]*:|//", place.strip(), re.IGNORECASE)]


def test_what_would_be_loaded_from_outside_is_seen() -> None:
    page = """<style>@import "http://a/x.css"; b { background: url(https://b/y.png) }</style><a href="http://c/">c</a>
    <img src="//d/z.png"><img src="tiles/a.png"><img src="data:image/png;base64,AA"><link href="https://e/e.css">"""
    assert outside(page) == ["http://a/x.css", "https://b/y.png", "//d/z.png", "https://e/e.css"]


def test_no_test_patient_is_behind_anything_synthetic(results: Path) -> None:
    series = pq.read_table(results / "cohort" / "series.parquet").to_pylist()
    tested = {row["patient_key"] for row in series if row["split"] == "test"}
    assert tested
    for name in ("gan/main", "annotator", "labels/main", "pairs/main", "encoder/main"):
        saw = json.loads((results / name / "manifest.json").read_text())["what"]["saw_patients"]
        keys = {
            key for aspect in ("pixels", "labels", "masks") for part in saw[aspect]["by_split"].values() for key in part
        }
        assert keys, name
        assert not keys & tested, name


# ---------------------------------------------------------------- edits of the package


@pytest.fixture
def edit(tiny: Folder) -> Iterator[object]:
    """Edit a file of the package's copy; it is put back afterwards."""
    kept: dict[Path, str] = {}

    def change(name: str, old: str, new: str) -> None:
        assert tiny.package is not None
        path = tiny.package / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        kept.setdefault(path, text)
        path.write_text(text.replace(old, new, 1))

    yield change
    for path, text in kept.items():
        path.write_text(text)


def test_words_list_nothing(tiny: Folder, edit) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    edit("radgen/gan/losses.py", '"""', '"""Changed words. ')
    edit("radgen/imaging/body.py", "\nfrom ", "\n# a new comment\nfrom ")
    edit("radgen/errors.py", "Base of all errors", "Root of all errors")
    edit("radgen/imageset/writers.py", "unknown index column", "no such index column")
    assert tiny.listed() == set()


def test_a_real_edit_lists_the_rules_that_rest_on_it_and_no_more(tiny: Folder, edit) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    edit("radgen/stages/pairs.py", "\nVERSION = ", "\nVERSION = 9")
    assert tiny.listed() == AFTER_PAIRS


def test_a_real_edit_of_a_room_lists_every_rule_whose_closure_holds_it(tiny: Folder, edit) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    edit("radgen/report/style.py", "\nfrom ", "\nRADGEN_TEST_EDIT = 1\nfrom ")
    assert tiny.listed() == {"qc_pages", *DRAWN}
    edit("radgen/stages/benchmark.py", "\nVERSION = ", "\nVERSION = 9")
    assert tiny.listed() == {"qc_pages", *AFTER_BENCHMARK}


def test_another_stages_settings_do_not_retrain_the_generator(tiny: Folder) -> None:
    assert tiny.listed("all", config=("metrics={images: 50}",)) == {"metrics_source", "audit_set", *DRAWN}
    assert tiny.listed("all", config=("gan={seed: 7}",)) >= {"gan_train"}
    assert tiny.listed("all", config=("labels={members: 4, images: 64, threads: 1}",)) == {"labels_head", *AFTER_PAIRS}


# ---------------------------------------------------------------- reruns


def manifest_run(results: Path, name: str) -> dict[str, object]:
    return dict(json.loads((results / name).read_text())["run"])


def but_the_page(found: dict[str, str]) -> dict[str, str]:
    """Leave out the pages, which tell when and whether each result was republished."""
    pages = {"report/index.html", "report/manifest.json", "share/index.html", "report/share.manifest.json"}
    return {name: digest for name, digest in found.items() if name not in pages}


def test_a_cohort_rerun_with_equal_bytes_does_not_retrain(tiny: Folder, results: Path) -> None:
    before = digests(results)
    assert tiny.listed("all", "-R", "cohort") >= {"gan_train"}
    done = tiny.snakemake("-R", "cohort", "--", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("gan/main/manifest.json", "slices/shard-000.manifest.json", "annotator/manifest.json"):
        assert manifest_run(results, name)["reused"] is True, name
    assert but_the_page(digests(results)) == but_the_page(before)


def test_deleted_pairs_are_rebuilt_alone(tiny: Folder, results: Path) -> None:
    before = digests(results)
    shutil.rmtree(results / "pairs")
    assert tiny.listed("pairs") == {"pairs_draft", "pairs_source", "pairs_gather", "pairs"}
    done = tiny.snakemake("pairs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert digests(results) == before
    tiny.snakemake("all")


def test_figures_are_drawn_again_with_the_same_bytes(tiny: Folder, results: Path) -> None:
    before = digests(results)
    shutil.rmtree(results / "report" / "figures")
    assert tiny.listed("figures") == {"figures_draw", "figures"}
    done = tiny.snakemake("figures")
    assert done.returncode == 0, done.stdout + done.stderr
    assert digests(results) == before
    tiny.snakemake("all")


def test_pages_of_quality_control_are_written_again_with_the_same_bytes(tiny: Folder, results: Path) -> None:
    before = digests(results)
    shutil.rmtree(results / "report" / "qc")
    assert tiny.listed("qc") == {"qc_pages", "qc"}
    done = tiny.snakemake("qc")
    assert done.returncode == 0, done.stdout + done.stderr
    assert digests(results) == before
    tiny.snakemake("all")


def test_an_image_is_made_again_from_its_id(tiny: Folder, results: Path) -> None:
    table = pq.read_table(results / "samples" / "main" / "index.parquet")
    image_id = table.column("image_id")[table.num_rows - 1].as_py()
    weights = results / "gan/main/generator.safetensors"
    assert "equal" in regenerated(tiny, image_id, results / "samples/main/index.parquet", "--weights", weights)


def regenerated(tiny: Folder, image_id: str, index: Path, *more: str | Path) -> str:
    """Make an image again by the copy of the package, and return what was said."""
    words = [BIN / "radgen", "regenerate", image_id, "--index", index, *more]
    environment = os.environ | {"PYTHONPATH": str(tiny.package)}
    done = subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_index_is_readable_with_pyarrow_alone(results: Path) -> None:
    row = pq.read_table(results / "pairs" / "index.parquet").to_pylist()[0]
    with pa.memory_map(str(results / "pairs" / f"{row['shard']}.images.arrow")) as source:
        batch = pa.ipc.open_file(source).get_batch(0)
        assert batch.column("image_id")[row["row"]].as_py() == row["image_id"]
        assert batch.column("image").to_numpy_ndarray().shape[1:] == (1, 32, 32)


def test_a_source_that_paints_joins_a_finished_study(tiny: Folder, results: Path) -> None:
    networks = {"generator_channels": [8] * 6, "modulation_channels": 8, "segmenter_channels": [8, 8]}
    budget = {"images": 16, "tick_images": 8, "save_every_images": 8, "evaluate_maps": 4, "samples_per_map": 2}
    changes = {
        "sources": {"main": {"setting": "shared"}, "painted": {"kind": "semantic", "setting": "shared"}},
        "semantic": {"networks": networks, **budget},
        "semantic_sample": {"most_maps": 8},
    }
    path = tiny.path / "painted.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(TINY.read_text()) | changes))
    folder = Folder(tiny.path, path, package=tiny.package)
    targets = ("semantic_scores", "semantic_sample", "results/tiny/metrics/painted.quality.parquet")
    own = {"semantic_train", "semantic_sample_source", "semantic_scores_source", "metrics_source"}
    assert folder.listed(*targets) == {"encoder_train", *own, "semantic_scores", "semantic_sample"}
    done = folder.snakemake(*targets)
    assert done.returncode == 0, done.stdout + done.stderr
    scores = pq.read_table(results / "metrics" / "painted.semantic.parquet").to_pylist()
    assert {"judge_fd", "dice", "ms_ssim", "ssim"} <= {row["metric"] for row in scores}
    index = results / "samples" / "painted" / "index.parquet"
    image_id = pq.read_table(index).column("image_id")[3].as_py()
    assert "equal: all" in regenerated(tiny, image_id, index)
    assert tiny.listed() == set()
