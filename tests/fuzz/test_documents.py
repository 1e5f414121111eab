"""A short fixed part of the fuzzing of documents, and every mutant that once was a finding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.fuzz.document import Document, Reading, judge_document
from tests.fuzz.documents import Pool, fuzz_document, reading_pool
from tests.fuzz.readers import READERS

MUTANTS = 20
# Readers and mutants that once raised something else than a refusal, or were read wrongly: of seed 0, then of others.
FOUND: dict[str, tuple[int, ...]] = {
    "mask-binary.dcm": (3, 16),  # a declared length of gigabytes reserved them
    "config": (0, 4, 5, 6, 7, 9),  # bytes that are no UTF-8
    "imageset-index": (91, 96),  # a row that no shard has; bytes that are no UTF-8
    "imageset-pixels": (53, 114),  # a column that is no tensor any more
    "merge-table": (5, 37),  # a line without a structure
}
FOUND_LAST: dict[str, tuple[int, ...]] = {  # of seed 2
    "masks-zip": (44,),  # a member's name that is no UTF-8
    "rna-parquet": (62, 145),  # two columns of one name
    "imageset-index": (63,),  # a column's name that is no UTF-8
}
FOUND_LATER: dict[str, tuple[int, ...]] = {
    "mask-indexed.png": (279,),  # pixels whose check sum nobody compared
    "mask-nii.gz": (128,),  # the same
    "mask-labelmap.dcm": (85,),  # a value of unknown kind
    "weights-published": (75,),  # a pickle's frame of a declared length reserved it
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with reading_pool() as one:
        yield one


@pytest.mark.parametrize("name", READERS)
def test_damaged_documents_are_refused_or_read_as_they_say(name: str, pool: Pool) -> None:
    numbers = sorted({*range(MUTANTS), *FOUND.get(name, ())})
    assert fuzz_document(name, numbers, 0, pool).findings == {}
    for seed, found in ((1, FOUND_LATER), (2, FOUND_LAST)):
        assert fuzz_document(name, found.get(name, ()), seed, pool).findings == {}


def test_what_is_wrong_is_told() -> None:
    good = Reading({"weights": np.zeros(4, np.float32), "card": "main"})
    one, two = (
        Reading({"weights": np.float32([0, 1, 0, 0]), "card": "main"}),
        Reading({"weights": np.zeros(4), "card": ""}),
    )
    open_, sealed = Document(lambda path: path, lambda _: {}), Document(lambda path: path, lambda _: {}, sealed=True)
    assert "raised" in judge_document(open_, b"", None, good, Reading(raised="IndexError"))
    assert judge_document(sealed, b"", None, good, one) == "silently other weights"
    assert judge_document(open_, b"", None, good, one) == ""
    assert judge_document(open_, b"abcd", b"abxd", good, one) == ""
    assert "values changed by 1 bytes" in judge_document(open_, b"abcd", b"abxd", good, two)
    assert judge_document(sealed, b"", None, good, Reading(refused="no")) == ""
