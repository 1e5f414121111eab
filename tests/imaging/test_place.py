import numpy as np
import pytest

from radgen.imaging.place import Place
from radgen.imaging.refusal import RefusedError


def test_a_slice_is_padded_to_a_square_in_millimetres() -> None:
    place = Place.of((40, 100), (2.0, 1.0), None, 50, field_mm=None)
    assert place.pixel_mm == 2.0
    rows, cols = place.geometry.rows, place.geometry.cols
    assert (rows.step, cols.step) == (1.0, 2.0)
    assert (rows.offset, cols.offset) == (-5.0, 0.5)


@pytest.mark.parametrize(("rows", "cols"), [(64, 64), (41, 64), (64, 40)])
def test_nothing_is_interpolated_when_nothing_is_scaled(rows: int, cols: int) -> None:
    geometry = Place.of((rows, cols), (0.7, 0.7), None, 64, field_mm=None).geometry
    for axis in (geometry.rows, geometry.cols):
        assert axis.step == 1
        assert axis.offset == int(axis.offset)


def test_a_field_of_view_is_centred_on_the_body_and_gives_one_pixel_size() -> None:
    body = np.zeros((3, 100, 100), dtype=bool)
    body[1, 10:50, 60:90] = True
    place = Place.of((100, 100), (1.0, 1.0), body, 25, field_mm=50.0)
    assert place.pixel_mm == 2.0
    rows, cols = place.geometry.rows, place.geometry.cols
    assert rows.offset + rows.step * (rows.stored - 1) / 2 == pytest.approx(29.5)
    assert cols.offset + cols.step * (cols.stored - 1) / 2 == pytest.approx(74.5)
    for picture in body:
        place.refuse_beyond_field(picture)


def test_a_body_beyond_the_field_is_refused_with_the_figures() -> None:
    body = np.zeros((1, 100, 100), dtype=bool)
    body[:, 10:90, 40:60] = True
    place = Place.of((100, 100), (0.9, 0.9), body, 64, field_mm=64.0)
    with pytest.raises(
        RefusedError, match=r"measures 72 x 18 mm and reaches beyond the field of view of 64 mm"
    ) as found:
        place.refuse_beyond_field(body[0])
    assert (found.value.figure, found.value.limit) == (pytest.approx(72), 64)


def test_slices_share_one_place_and_each_is_checked_on_all_sides() -> None:
    body = np.zeros((5, 100, 100), dtype=bool)
    body[0, 5:40, 50], body[1, 60:95, 50], body[2, 50, 5:40], body[3, 50, 60:95], body[4, 40:60, 40:60] = (True,) * 5
    place = Place.of((100, 100), (1.0, 1.0), body, 64, field_mm=64.0)
    place.refuse_beyond_field(body[4])
    for picture in body[:4]:
        with pytest.raises(RefusedError, match="reaches beyond"):
            place.refuse_beyond_field(picture)


def test_without_a_body_the_whole_picture_must_fit() -> None:
    Place.of((50, 60), (1.0, 1.0), None, 64, field_mm=64.0).refuse_beyond_field(None)
    with pytest.raises(RefusedError, match="measures 50 x 65 mm"):
        Place.of((50, 65), (1.0, 1.0), None, 64, field_mm=64.0).refuse_beyond_field(None)
