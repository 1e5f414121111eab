import numpy as np
import pytest

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.imaging.refusal import RefusedError
from radgen.imaging.select import ClassRule, chosen_slices
from radgen.imaging.settings import SlicesSettings

STRUCTURES = StructureSettings(names=("liver", "lesion"))
BY_MASK = ClassSettings(by="mask", names=("normal", "ill"), structure="lesion", min_area_mm2=50.0)


@pytest.mark.parametrize("choice", ["all", "every", "central", "mask"])
@pytest.mark.parametrize("split", ["val", "test"])
def test_patients_to_be_judged_on_come_whole(choice: str, split: str) -> None:
    settings = SlicesSettings(slice_choice=choice, every=3, central_fraction=0.2)
    mask = np.zeros((11, 4, 4), dtype=np.uint8)
    assert chosen_slices(11, split, settings, mask).tolist() == list(range(11))


@pytest.mark.parametrize("split", ["train", "annotator", "generator"])
def test_training_slices_are_chosen(split: str) -> None:
    mask = np.zeros((10, 4, 4), dtype=np.uint8)
    mask[[3, 7], 1, 1] = 1

    def chosen(**kind: object) -> list[int]:
        return chosen_slices(10, split, SlicesSettings(**kind), mask).tolist()  # type: ignore[arg-type]

    assert chosen() == list(range(10))
    assert chosen(slice_choice="every", every=4) == [0, 4, 8]
    assert chosen(slice_choice="central", central_fraction=0.4) == [3, 4, 5, 6]
    assert chosen(slice_choice="central", central_fraction=0.01) == [4]
    assert chosen(slice_choice="mask") == [3, 7]
    assert chosen_slices(10, split, SlicesSettings(slice_choice="mask"), None).tolist() == []


def area_class(pixels: int, split: str) -> str:
    mask = np.ones((10, 10), dtype=np.uint8)  # liver everywhere must not count
    mask.reshape(-1)[:pixels] = 2
    return ClassRule(BY_MASK, STRUCTURES, None, split)(0, 1, mask, 2.0)


def test_the_class_by_mask_counts_square_millimetres_of_its_structure() -> None:
    assert area_class(0, "train") == "normal"
    assert area_class(25, "train") == "ill"
    with pytest.raises(RefusedError, match=r"48.0 mm2 of lesion are less than 50 mm2 but not nothing") as found:
        area_class(24, "train")
    assert (found.value.figure, found.value.limit) == (48, 50)


@pytest.mark.parametrize("split", ["val", "test"])
def test_slices_to_be_judged_on_are_never_ambiguous(split: str) -> None:
    assert [area_class(n, split) for n in (0, 24, 25)] == ["normal", "normal", "ill"]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 30, 31, 32])
def test_the_class_by_position_parts_a_series_evenly_and_in_order(count: int) -> None:
    names = ("lower", "middle", "upper")
    rule = ClassRule(ClassSettings(by="position", names=names), StructureSettings(), None, "train")
    given = [names.index(rule(index, count, None, 1.0)) for index in range(count)]
    assert given == sorted(given)
    sizes = np.bincount(given, minlength=3)
    assert sizes.max() - sizes.min() <= 1


def test_the_class_of_a_series_is_the_class_of_its_slices() -> None:
    classes = ClassSettings(by="folder", names=("a", "b"))
    assert ClassRule(classes, StructureSettings(), "b", "train")(3, 9, None, 1.0) == "b"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"slice_choice": "some"}, "slice_choice: 'some' is not one of all, every, central, mask"),
        ({"background": "white"}, "background: 'white' is not one of body, none"),
        ({"size_px": 4}, "size_px: 4 is not between 8 and 4096"),
        ({"every": 0}, "every: 0 takes no slice"),
        ({"central_fraction": 0.0}, "central_fraction: 0 is not a share above 0"),
        ({"field_of_view_mm": 0.0}, "field_of_view_mm: 0 is no length"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SlicesSettings(**wrong)  # type: ignore[arg-type]
