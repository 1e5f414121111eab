"""The stream of pairs: the same pairs whatever the number of workers, and none that the stage would have dropped."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader

from radgen.benchmark.settings import ArmSettings, BenchmarkSettings
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.cohort.settings import ClassSettings, LowSettings, StructureSettings
from radgen.errors import CheckpointError, ConfigError
from radgen.gan.sampling import load_sampler
from radgen.gan.settings import SampleSettings
from radgen.imageset.core import ImageSet, gather_index, write_table
from radgen.imageset.writers import ShardWriter
from radgen.labels.drafts import write_draft
from radgen.labels.head import HeadShape, save_heads
from radgen.labels.members import start_members
from radgen.labels.painting import Painter
from radgen.labels.pairs import join_pairs
from radgen.labels.plan import PairsPlan
from radgen.labels.settings import PairsSettings
from radgen.labels.stream import BLOCKS_PER_CHUNK, PairBatch, PairStream
from radgen.labels.uncertainty import MEASURE
from radgen.provenance import SawPatients, by_split, digest_file, what_part, write_manifest
from radgen.settings import as_plain
from radgen.stages import benchmark
from tests.labels.toys import CLASSES, CPU, SIDE, SOURCE, save_encoder_file, save_generator_file

COUNTS = {"plain": 90, "spotted": 30}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with generator, heads, and the pairs that the stage made of them."""
    root = tmp_path_factory.mktemp("stream")
    weights = save_generator_file(root / "generator.safetensors")
    sample, pairs = SampleSettings(counts=COUNTS, match=None, seed=4), PairsSettings(drop_fraction=0.25)
    sampler = load_sampler(weights, seed=4, truncation=1.0, device=CPU)
    scales = tuple(sampler.feature_channels.items())
    torch.manual_seed(0)
    heads = start_members(HeadShape(scales, CLASSES, ("background", "x"), 3, 8, "g"), range(3)).eval()
    save_heads(heads, root / "head.safetensors")
    plan = PairsPlan.of(pairs, COUNTS, (SOURCE, digest_file(weights)), 1024, asked=False)
    write_draft(Painter(sampler, heads), plan, root / "draft", 0, 1)
    index = root / "pairs" / "index.parquet"
    table, _, choice = join_pairs([root / "draft"], plan, index)
    write_table(root / "uncertainty.parquet", table)
    what = what_part(
        stage="pairs",
        version=1,
        settings={"source": SOURCE, "sample": as_plain(sample), "pairs": as_plain(pairs), "uncertainty": MEASURE},
        inputs={"weights": digest_file(weights), "head": digest_file(root / "head.safetensors")},
    )
    notes = {"classes": {name: as_plain(outcome) for name, outcome in choice.outcomes.items()}}
    write_manifest(root / "manifest.json", what=what, outputs={}, saw_patients=SawPatients(), notes=notes)
    return root


def _stream(made: Path, **change: object) -> PairStream:
    given = {name: made / name for name in ("generator.safetensors", "head.safetensors", "manifest.json")}
    return PairStream(*given.values(), **change)  # type: ignore[arg-type]


def _first(stream: PairStream, batches: int, size: int = 24, workers: int = 0) -> list[PairBatch]:
    return list(itertools.islice(stream.batches(size, workers=workers), batches))


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_are_the_same_with_any_number_of_workers(made: Path, workers: int) -> None:
    alone, helped = _first(_stream(made), 12), _first(_stream(made), 12, workers=workers)
    for one, other in zip(alone, helped, strict=True):
        assert one.image_ids == other.image_ids
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.masks, other.masks)
        assert torch.equal(one.class_ids, other.class_ids)
        assert len(one) == 24
    names = [name for batch in alone for name in batch.image_ids]
    assert len(set(names)) == len(names)


def test_a_streamed_pair_is_the_pair_on_disk_and_dropped_ones_never_come(made: Path) -> None:
    on_disk = ImageSet(made / "pairs" / "index.parquet")
    place_of = {name: place for place, name in enumerate(on_disk.column("image_id").tolist())}
    dropped = {row["image_id"] for row in pq.read_table(made / "uncertainty.parquet").to_pylist() if not row["kept"]}
    streamed = PairBatch.join(_first(_stream(made), 8))
    found = [(place, place_of[name]) for place, name in enumerate(streamed.image_ids) if name in place_of]
    assert len(found) > 60
    for place, stored in found:
        assert np.array_equal(streamed.images[place].numpy(), on_disk.images([stored])[0])
        assert np.array_equal(streamed.masks[place].numpy(), on_disk.masks([stored])[0])
    assert len(dropped) == 40
    assert not dropped & set(streamed.image_ids)


def test_classes_come_in_their_shares_and_mixed(made: Path) -> None:
    by_manifest = PairBatch.join(_first(_stream(made), 30))
    assert 0.15 < float(by_manifest.class_ids.float().mean()) < 0.35  # 30 of 120 pairs are spotted
    even = PairBatch.join(_first(_stream(made, shares={"plain": 1, "spotted": 1}), 30))
    assert 0.4 < float(even.class_ids.float().mean()) < 0.6
    assert len(set(even.class_ids[:20].tolist())) == 2
    alone = PairBatch.join(_first(_stream(made, shares={"spotted": 1.0}), 4))
    assert set(alone.class_ids.tolist()) == {1}


def test_a_stream_goes_on_where_a_training_stopped(made: Path) -> None:
    chunks = list(itertools.islice(iter(_stream(made)), 4))
    later = next(iter(_stream(made, first_chunk=3)))
    assert later.image_ids == chunks[3].image_ids
    assert torch.equal(later.images, chunks[3].images)
    assert max(map(len, chunks)) <= 16 * BLOCKS_PER_CHUNK


def test_any_loader_takes_it(made: Path) -> None:
    loader = DataLoader(_stream(made), batch_size=None, num_workers=2)
    names = [chunk.image_ids for chunk in itertools.islice(loader, 3)]
    assert names == [chunk.image_ids for chunk in itertools.islice(iter(_stream(made)), 3)]


def test_other_weights_and_classes_without_pairs_are_refused(made: Path, tmp_path: Path) -> None:
    other = save_generator_file(tmp_path / "other.safetensors", seed=9)
    with pytest.raises(CheckpointError, match=r"made with the weights \w+, but here it is \w+; give that one"):
        PairStream(other, made / "head.safetensors", made / "manifest.json")
    with pytest.raises(ConfigError, match=r"no pairs of class 'striped', .* classes with pairs are plain, spotted"):
        _stream(made, shares={"striped": 1.0})


def test_thresholds_of_another_measure_are_refused(made: Path, tmp_path: Path) -> None:
    text = (made / "manifest.json").read_text()
    path = tmp_path / "manifest.json"
    path.write_text(text.replace(f'"uncertainty": "{MEASURE}"', '"uncertainty": "nats"'))
    assert path.read_text() != text
    with pytest.raises(CheckpointError, match=r"dropped by another measure than expected error; run the pairs stage"):
        PairStream(made / "generator.safetensors", made / "head.safetensors", path)


def test_an_encoder_that_filtered_the_pairs_must_be_given(made: Path, tmp_path: Path) -> None:
    text = (made / "manifest.json").read_text()
    digest = digest_file(save_encoder_file(tmp_path / "encoder.safetensors"))
    path = tmp_path / "manifest.json"
    path.write_text(text.replace('"inputs": {', f'"inputs": {{"encoder": "{digest}",'))
    with pytest.raises(CheckpointError, match=f"made with the encoder {digest}, but here it is not given"):
        PairStream(made / "generator.safetensors", made / "head.safetensors", path)


def test_the_example_of_the_documentation_runs(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "pairs.md").read_text(encoding="utf-8")
    example = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[0]
    assert len(example.strip().splitlines()) <= 10
    for stage, name in (("gan", "generator.safetensors"), ("labels", "head.safetensors"), ("pairs", "manifest.json")):
        place = made / "results" / "demo" / stage / "main"
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes((made / name).read_bytes())
    monkeypatch.chdir(made)
    exec(compile(example, "docs/pairs.md", "exec"), {})  # noqa: S102 - our own page
    losses = [float(word) for word in capsys.readouterr().out.split()]
    assert losses[-1] < losses[0]


def _drawn_as_real(made: Path, folder: Path) -> tuple[Path, Path]:
    """Write later pairs of the same stream as a study's images of eight patients; return index and manifest."""
    pairs = PairBatch.join(_first(_stream(made, first_chunk=50), 4))
    with ShardWriter(folder, "shard-000", (1, SIDE, SIDE), with_masks=True) as writer:
        for place, (image, mask) in enumerate(zip(pairs.images.numpy(), pairs.masks.numpy(), strict=True)):
            patient = place % 8
            split = ("train", "train", "val", "val")[patient // 2]
            row = {"image_id": f"{patient}-{place}", "source": "real", "split": split, "patient": f"p{patient}"}
            row |= {"series": f"s{patient}", "slice_index": place, "class_name": "plain", "class_id": 0}
            writer.append(row, image, mask)
    index = folder / "index.parquet"
    gather_index([folder / "shard-000.index.parquet"], index)
    saw = by_split((f"{'train' if number < 4 else 'val'}", f"p{number}") for number in range(8))
    write_manifest(
        folder / "manifest.json",
        what=what_part(stage="slices", version=1, settings={}, inputs={}),
        outputs={"index": index},
        saw_patients=SawPatients(pixels=saw, labels=saw, masks=saw),
    )
    return index, folder / "manifest.json"


def test_an_arm_learns_from_pairs_that_are_nowhere_stored(made: Path, tmp_path: Path) -> None:
    # What the heads paint is a function of the picture, so a network taught by the stream finds it on pictures that
    # came later; after a single step it does not.
    real = _drawn_as_real(made, tmp_path / "slices")
    dice = {}
    for steps in (1, 120):
        training = ArmTrainingSettings(max_steps=steps, eval_every=steps, segmenter_channels=(4, 8))
        out = tmp_path / str(steps)
        benchmark.run(
            slices=real[0],
            slices_manifest=real[1],
            synthetic=(made / "pairs" / "index.parquet",),
            synthetic_manifests=(made / "manifest.json",),
            volumes=(),
            task="segmentation",
            arm="online",
            scores=out / "scores.parquet",
            history=out / "history.parquet",
            manifest=out / "manifest.json",
            benchmark=BenchmarkSettings(training=training),
            arm_settings=ArmSettings(real_fraction=0, synthetic="toy", online=True, setting="external"),
            low=LowSettings(fraction=0.5),
            classes=ClassSettings(names=CLASSES),
            structures=StructureSettings(names=("x",)),
            work=tmp_path / "work",
            stream=tuple(made / name for name in ("generator.safetensors", "head.safetensors", "manifest.json")),
            seeds=(1,),
            device="cpu",
        )
        table = pq.read_table(out / "scores.parquet").to_pylist()
        dice[steps] = float(np.mean([row["value"] for row in table if row["metric"] == "dice"]))
    assert dice[120] > 0.9
    assert dice[1] < 0.8
