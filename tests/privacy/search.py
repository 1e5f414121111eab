"""Search every byte of files, and what compressed tables hold, for planted text in several encodings."""

from __future__ import annotations

import contextlib
import gzip
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def leaks(texts: Iterable[str], folder: Path, private: Path | None = None) -> dict[str, list[str]]:
    """Return the files below a folder, by name, in which planted texts are seen, and which of them.

    Parameters
    ----------
    texts
        What was planted; case does not matter.
    folder
        Outputs.
    private
        A folder that is left out.
    """
    needles = [(text, _forms(text)) for text in texts]
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if private is not None and (path == private or private in path.parents):
            continue
        contents = [str(path.relative_to(folder)).encode()]
        if path.is_file() and not path.is_symlink():
            contents += list(_contents(path))
        seen = [text for text, forms in needles if any(form in one.lower() for one in contents for form in forms)]
        if seen:
            found[str(path.relative_to(folder))] = seen
    return found


def _forms(text: str) -> set[bytes]:
    """Return a text's lower-case bytes in the encodings that files use, and as hexadecimal digits."""
    forms = set()
    for word in (text.lower(), text.upper()):
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "latin-1", "cp1252", "unicode_escape"):
            forms.add(word.encode(encoding, "replace").lower())
        forms.add(word.encode().hex().encode())
    return forms


def _contents(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, and what they hold when they are a table or compressed."""
    data = path.read_bytes()
    yield data
    if data.startswith(b"PAR1"):
        table = pq.read_table(path)
        yield from (str(column.to_pylist()).encode(errors="replace") for column in table.columns)
        yield from (column.encode() for column in table.column_names)
        for column in table.columns:
            if pa.types.is_binary(column.type):
                yield from (value for value in column.to_pylist() if value)
    elif data.startswith(b"ARROW1"):
        with pa.ipc.open_file(path) as file:
            yield from (str(file.get_batch(n).to_pydict()).encode() for n in range(file.num_record_batches))
    elif data.startswith(b"\x1f\x8b"):
        with contextlib.suppress(EOFError, OSError, zlib.error):  # a damaged one shows its own bytes only
            yield gzip.decompress(data)
    elif data.startswith(b"PK\x03\x04"):
        with contextlib.suppress(zipfile.BadZipFile, zlib.error, EOFError), zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                yield member.filename.encode()
                yield archive.read(member)
    elif data.startswith(b"\x89PNG"):
        yield from _png_chunks(data)


def _png_chunks(data: bytes) -> Iterator[bytes]:
    place = 8
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        body = data[place + 8 : place + 8 + length]
        if data[place + 4 : place + 8] in {b"zTXt", b"iTXt"}:
            start = body.find(b"\0") + 2
            try:
                yield zlib.decompress(body[start:])
            except zlib.error:
                yield body
        place += 12 + length
