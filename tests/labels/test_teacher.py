"""Teachers paint samples, each for its own member, and the member comes to paint as its teacher does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from radgen.gan.sampling import load_sampler, to_grey
from radgen.imageset.core import ImageSet
from radgen.labels.annotated import Annotated, held_out_rows, read_pack_facts, redraw
from radgen.labels.head import HeadShape
from radgen.labels.masks import member_probabilities
from radgen.labels.segmenter import Segmenter, SegmenterShape, to_network
from radgen.labels.settings import LabelHeadSettings
from radgen.labels.teacher import Teachers, teach_teachers
from radgen.labels.train import train_heads
from radgen.provenance import digest_file
from tests.labels.toys import CLASSES, CPU, STRUCTURES, make_annotation, save_generator_file

LABELS = ("background", *STRUCTURES)
BRIEF = LabelHeadSettings(members=2, images=16, batch_size=8, width=8, teacher_images=16, teacher_channels=(4, 8))


class ByGrey(Segmenter):
    """A teacher that never learnt: it gives the brighter half of the grey range one label, and is rather sure of it."""

    def __init__(self, label: int) -> None:
        super().__init__(SegmenterShape(1, (4, 8), LABELS))
        self.label = label

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits [n, labels, H, W]."""
        logits = torch.zeros(len(images), len(LABELS), *images.shape[2:])
        logits[:, 0] = 2.0
        logits[:, self.label] = 4.0 * (images[:, 0] > 0).float()
        return logits


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Annotated:
    folder: Path = tmp_path_factory.mktemp("teacher")
    weights = save_generator_file(folder / "generator.safetensors")
    pack, index = make_annotation(folder, weights, count=12)
    facts = read_pack_facts(pack, digest_file(weights))
    sampler = load_sampler(weights, seed=facts.sampler_seed, truncation=facts.truncation, device=CPU)
    return redraw(sampler, facts, ImageSet(index))


def _shape(annotated: Annotated, members: int = 2) -> HeadShape:
    return HeadShape(tuple(annotated.sampler.feature_channels.items()), CLASSES, LABELS, members, 8, generator="g")


def _stub(annotated: Annotated, batch_size: int = 8) -> Teachers:
    return Teachers([ByGrey(1), ByGrey(2)], annotated.sampler, torch.tensor([0, 1]), batch_size, seed=5)


def test_images_are_drawn_again_as_they_were_painted(annotated: Annotated) -> None:
    images = annotated.images()
    assert images.shape == (len(annotated), 1, *annotated.masks.shape[1:])
    brightest = np.quantile(images[:, 0].astype(float), 0.8, axis=(1, 2), keepdims=True)
    assert np.array_equal(images[:, 0] > brightest, annotated.masks.numpy() == 1)


def test_a_lesson_is_what_each_teacher_thinks_of_the_samples_of_its_step(annotated: Annotated) -> None:
    teachers = _stub(annotated)
    lesson, again, next_one = teachers.lesson(3), teachers.lesson(3), teachers.lesson(4)
    assert lesson.class_ids.tolist() == [0, 1] * 4
    assert lesson.probabilities.shape == (2, 8, 3, 16, 16)
    torch.testing.assert_close(lesson.probabilities.sum(dim=2), torch.ones(2, 8, 16, 16))
    assert torch.equal(lesson.probabilities, again.probabilities)
    assert not torch.equal(lesson.probabilities, next_one.probabilities)
    assert not torch.equal(lesson.features["scale_004"][:4], lesson.features["scale_004"][4:])
    # The same picture as stored: bright pixels are the first teacher's label 1 and the second one's label 2.
    random = torch.Generator().manual_seed(_seed_of(teachers, 3))
    shape = annotated.sampler.generator
    draws = torch.randn(8, shape.shape.z_dim + shape.noise_length, generator=random)
    z, noise = draws[:, : shape.shape.z_dim], draws[:, shape.shape.z_dim :]
    with torch.no_grad():
        images, _ = shape.synthesise(annotated.sampler.styles(z, lesson.class_ids), noise)
    bright = to_network(to_grey(images))[:, 0] > 0
    assert bright.any()
    for number in (0, 1):
        assert torch.equal(lesson.probabilities[number].argmax(dim=1), bright.long() * (number + 1))


def _seed_of(teachers: Teachers, step: int) -> int:
    from radgen.seeds import derive_seed

    return derive_seed("labels", "samples", teachers.seed, step)


def test_classes_that_nobody_annotated_are_not_drawn(annotated: Annotated) -> None:
    rows = [row for row, class_id in enumerate(annotated.class_ids.tolist()) if class_id == 1]
    only = annotated.take(rows)
    held = np.zeros((1, len(rows)), dtype=bool)
    teachers = teach_teachers(only, held, LABELS, replace(BRIEF, members=1), device=CPU, say=lambda _: None)
    assert teachers.lesson(0).class_ids.tolist() == [1] * 8


def test_each_head_comes_to_paint_as_its_own_teacher_does(
    annotated: Annotated, monkeypatch: pytest.MonkeyPatch
) -> None:
    teachers = _stub(annotated)
    monkeypatch.setattr("radgen.labels.train.teach_teachers", lambda *_, **__: teachers)
    held = np.zeros((2, len(annotated)), dtype=bool)
    settings = replace(BRIEF, images=960)
    heads = train_heads(annotated, held, _shape(annotated), settings, device=CPU, say=lambda _: None)
    fresh = teachers.lesson(10_000)
    own = member_probabilities(heads, fresh.features, fresh.class_ids)
    for number in (0, 1):
        painted = own[number].argmax(dim=1) == number + 1
        bright = fresh.probabilities[number].argmax(dim=1) == number + 1
        assert 2 * int((painted & bright).sum()) / int(painted.sum() + bright.sum()) > 0.9
        assert not (own[number].argmax(dim=1) == 2 - number).any()
        # As sure as the teacher, not surer.
        assert float((own[number] - fresh.probabilities[number]).abs().mean()) < 0.08


def test_what_a_member_holds_out_teaches_neither_it_nor_its_teacher(annotated: Annotated) -> None:
    held = held_out_rows(annotated.class_ids, 0.25, 2, range(len(annotated)))
    rows = np.flatnonzero(held[0] & ~held[1])
    changed = replace(annotated, masks=annotated.masks.clone())
    changed.masks[rows] = 2 - changed.masks[rows]
    one, two = (
        teach_teachers(source, held, LABELS, BRIEF, device=CPU, say=lambda _: None) for source in (annotated, changed)
    )
    same = [
        all(torch.equal(a, b) for a, b in zip(x.state_dict().values(), y.state_dict().values(), strict=True))
        for x, y in zip(one.segmenters, two.segmenters, strict=True)
    ]
    assert same == [True, False]


def test_a_member_has_the_teacher_that_it_would_have_alone(annotated: Annotated) -> None:
    held = np.zeros((2, len(annotated)), dtype=bool)
    both = teach_teachers(annotated, held, LABELS, BRIEF, device=CPU, say=lambda _: None)
    alone = teach_teachers(annotated, held[:1], LABELS, BRIEF, device=CPU, say=lambda _: None)
    states = [teacher.state_dict() for teacher in (*both.segmenters, *alone.segmenters)]
    assert all(torch.equal(value, states[2][name]) for name, value in states[0].items())
    assert not all(torch.equal(value, states[2][name]) for name, value in states[1].items())


def test_taught_twice_the_heads_are_the_same_and_without_teachers_others(annotated: Annotated) -> None:
    held = held_out_rows(annotated.class_ids, 0.25, 2, range(len(annotated)))
    one, two, masks_alone = (
        train_heads(annotated, held, _shape(annotated), settings, device=CPU, say=lambda _: None).state_dict()
        for settings in (BRIEF, BRIEF, replace(BRIEF, teacher_images=0))
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["paint"], masks_alone["paint"])
    assert not torch.equal(one["paint"][0], one["paint"][1])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"teacher_images": -1}, "teacher_images must be at least 0, not -1"),
        ({"fine_layers": 2}, "fine_layers is 2, but with teacher_images [0-9]+ no annotated image"),
        ({"teacher_channels": (8,)}, "teacher_channels needs at least two numbers above 0"),
    ],
)
def test_budgets_that_teach_nobody_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(BRIEF, **wrong)  # type: ignore[arg-type]
