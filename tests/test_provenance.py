"""Digests of code and files, manifests, ancestry."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from radgen import code
from radgen.code import code_closure, code_digest
from radgen.errors import InputError, StorageError
from radgen.provenance import (
    SawPatients,
    atomic_path,
    by_split,
    digest_file,
    input_digest,
    read_manifest,
    saw_patients_of,
    what_part,
    write_manifest,
    write_text,
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy radgen with one stage that imports one room lazily."""
    for name, text in {
        "stages/toy.py": (
            '"""Doc."""\nfrom radgen.errors import RadgenError\n\n\n'
            "def run():\n    from radgen.room import f\n    return f()\n"
        ),
        "room.py": 'def f():\n    """Say one."""\n    return 1  # one\n',
        "other.py": "x = 1\n",
        "errors.py": "class RadgenError(Exception):\n    pass\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(code, "PACKAGE_ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    for cached in (code._source_path, code._source, code._facts, code._known):
        cached.cache_clear()


def digest_after(package: Path, name: str, old: str, new: str) -> tuple[str, str]:
    before = code_digest("radgen.stages.toy")
    path = package / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    forget()
    return before, code_digest("radgen.stages.toy")


def test_lazy_imports_are_in_the_closure(package: Path) -> None:
    assert code_closure("radgen.stages.toy") == {"radgen.stages.toy", "radgen.room"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("room.py", "# one", "# uno"),
        ("room.py", "Say one.", "Say it."),
        ("stages/toy.py", "Doc.", "Other words."),
        ("errors.py", "pass", "exit_code = 3"),
        ("other.py", "x = 1", "x = 2"),
    ],
)
def test_words_and_strangers_do_not_count(package: Path, name: str, old: str, new: str) -> None:
    before, after = digest_after(package, name, old, new)
    assert before == after


@pytest.mark.parametrize(
    ("stage", "name", "old", "counts"),
    [
        ("slices", "imageset/writers.py", "unknown index column", False),
        ("slices", "imageset/writers.py", "but this shard holds uint8", False),  # one of several joined f-strings
        ("slices", "imaging/quality.py", "of the slice is body", True),  # these three are written to tables
        ("metrics", "metrics/kid.py", "KID needs at least 4 images", True),
        ("metrics", "metrics/prdc.py", "neighbours of other patients; ", True),
    ],
)
def test_an_error_text_does_not_count_but_a_sentence_in_a_table_does(
    monkeypatch: pytest.MonkeyPatch, stage: str, name: str, old: str, counts: bool
) -> None:
    module = f"radgen.{name.removesuffix('.py').replace('/', '.')}"
    text = (code.PACKAGE_ROOT / name).read_text()
    assert text.count(old) == 1
    forget()
    before, source = code_digest(f"radgen.stages.{stage}"), code._source
    forget()
    edited = text.replace(old, "other words ").encode()
    monkeypatch.setattr(code, "_source", lambda asked: edited if asked == module else source(asked))
    after = code_digest(f"radgen.stages.{stage}")
    code._facts.cache_clear()
    assert (before != after) == counts


def test_sources_are_parsed_once_and_a_damaged_note_of_it_does_not_matter(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code.sys, "dont_write_bytecode", False)
    read, imports = [], code._imports
    monkeypatch.setattr(code, "_imports", lambda tree: read.append(tree) or imports(tree))
    first = code_digest("radgen.stages.toy")
    assert len(read) == 2
    forget()
    assert code_digest("radgen.stages.toy") == first
    assert len(read) == 2
    (note,) = (package / "__pycache__").glob("code-digests.*.json")
    for damaged in ("{", "[1]", '{"a": 1}', '{"a": ["b"]}'):
        note.write_text(damaged)
        forget()
        assert code_digest("radgen.stages.toy") == first


def test_a_real_edit_counts(package: Path) -> None:
    before, after = digest_after(package, "room.py", "return 1", "return 2")
    assert before != after


def test_an_aborted_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")

    def fail() -> None:
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            int("no number")

    with pytest.raises(ValueError, match="no number"):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_full_disk_is_said_in_words(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_path(tmp_path / "a.txt"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match=r"a\.txt: cannot be written \(No space left on device\); mend space"):
        fail()


def test_a_manifest_tells_inputs_outputs_and_ancestry(tmp_path: Path) -> None:
    write_text(tmp_path / "out.txt", "result")
    saw = SawPatients(pixels=by_split([("train", "a"), ("train", "b"), ("val", "c")]))
    what = what_part(stage="gather", version=1, settings={"k": 1}, inputs={"in": "0"}, seed=3)
    write_manifest(tmp_path / "manifest.json", what=what, outputs={"out": tmp_path / "out.txt"}, saw_patients=saw)
    read = read_manifest(tmp_path / "manifest.json")
    assert read["what"]["outputs"] == {"out.txt": digest_file(tmp_path / "out.txt")}
    assert saw_patients_of(tmp_path / "manifest.json") == saw
    assert read["run"]["reused"] is False
    assert input_digest(tmp_path / "out.txt") == digest_file(tmp_path / "out.txt")


def test_input_digest_trusts_the_manifest_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "big.arrow").write_text("x")
    manifest = {"what": {"outputs": {"big.arrow": "noted"}, "saw_patients": {}}}
    (tmp_path / "shard-000.manifest.json").write_text(json.dumps(manifest))
    assert input_digest(tmp_path / "big.arrow") == "noted"


def test_ancestries_unite_by_aspect_and_split() -> None:
    one = SawPatients(pixels={"train": frozenset("ab")}, masks={"annotator": frozenset("x")})
    two = SawPatients(pixels={"train": frozenset("bc"), "val": frozenset("v")}, unknown=frozenset({"published"}))
    both = one | two
    assert both.patients("pixels") == frozenset("abcv")
    assert both.patients("masks") == frozenset("x")
    assert both.unknown == {"published"}
    assert SawPatients.from_json(json.loads(json.dumps(both.to_json()))) == both


def test_a_foreign_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="not a radgen manifest"):
        read_manifest(tmp_path / "manifest.json")
    with pytest.raises(InputError, match="no such manifest; run the stage"):
        read_manifest(tmp_path / "none.json")
