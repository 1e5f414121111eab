"""What code a result rests on: the digest of a module's import closure inside radgen, without words that say nothing.

Light on purpose (standard library only): it is imported while the DAG is parsed.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from radgen.errors import ConfigError, InputError, StorageError
from radgen.provenance import PACKAGE_ROOT, digest_bytes, digest_json, write_json

# Modules that never change the bytes of a result: editing them must not rerun anything.
NOT_IN_CODE_DIGEST = frozenset(
    f"radgen.{name}"
    for name in (
        "cli",
        "config",
        "paths",
        "provenance",
        "errors",
        "progress",
        "logs",
        "keyed",
        "processes",
        "settings",
        "code",
    )
)
# Parsing the whole package takes seconds, and every dry run and every job would do it. So what is known of a source is
# kept beside its bytecode, under the digest of its bytes; where that cannot be written, it is worked out anew.
KNOWN_SOURCES = f"code-digests.{sys.implementation.cache_tag}.json"
MOST_KNOWN_SOURCES = 4096


def code_digest(module: str) -> str:
    """Digest the code a module rests on: its import closure inside radgen, without docstrings, comments, error texts.

    Function-level imports count. Modules that cannot change a result's bytes (`NOT_IN_CODE_DIGEST`) are left out.
    """
    digest = digest_json({name: _facts(name).digest for name in sorted(code_closure(module))})
    _write_known()
    return digest


def stage_code(stage: str, adapters: Sequence[str] = ()) -> str:
    """Return the digests of the code of a stage and of the adapters of a registry that it will use.

    Raises
    ------
    ConfigError
        There is no such stage: a rule is misspelt.
    """
    module = f"radgen.stages.{stage}"
    if _source_path(module) is None:
        msg = f"code({stage!r}): radgen/stages has no such stage; correct the name in workflow/rules"
        raise ConfigError(msg)
    return "-".join(code_digest(name) for name in (module, *adapters))


def code_closure(module: str) -> frozenset[str]:
    """Return the radgen modules that a module imports, directly or not, itself included."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name in NOT_IN_CODE_DIGEST or _source_path(name) is None:
            continue
        seen.add(name)
        waiting.extend(_facts(name).imports)
    return frozenset(seen)


@dataclass(frozen=True)
class _Facts:
    """What the digest of code needs of a module: the radgen modules it names, and the digest of its code alone."""

    imports: tuple[str, ...]
    digest: str


@functools.lru_cache(maxsize=1024)
def _source_path(module: str) -> Path | None:
    parts = module.split(".")
    if parts[0] != "radgen":
        return None
    base = PACKAGE_ROOT.joinpath(*parts[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@functools.lru_cache(maxsize=1024)
def _source(module: str) -> bytes:
    path = _source_path(module)
    if path is None:
        msg = f"{module}: no such module in radgen"
        raise InputError(msg)
    return path.read_bytes()


@functools.lru_cache(maxsize=1024)
def _facts(module: str) -> _Facts:
    source = _source(module)
    known, key = _known().facts, digest_bytes(source)
    if key not in known:
        # From normal form to normal form: quotes and line breaks of the source do not count.
        tree = ast.parse(source)
        imports = tuple(sorted(_imports(tree)))
        known[key] = _Facts(imports, digest_bytes(ast.dump(_normalised(ast.parse(ast.unparse(tree)))).encode()))
    return known[key]


def _imports(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name == "radgen" or name.startswith("radgen.")}


def _normalised(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
        for block in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            if isinstance(block, list):
                _blank_error_texts(block)
    return tree


def _blank_error_texts(block: list[ast.stmt]) -> None:
    """Blank the text in each `msg = "..."` that `raise SomeError(msg)` follows.

    A text that reaches an output keeps counting: a refusal is raised with its reason too, and other such texts are not
    named `msg`.
    """
    for said, raised in itertools.pairwise(block):
        match said, raised:
            case (
                ast.Assign(targets=[ast.Name(id="msg")], value=ast.Constant(value=str()) | ast.JoinedStr()),
                ast.Raise(exc=ast.Call(func=ast.Name(), args=[ast.Name(id="msg")], keywords=[])),
            ):
                said.value = ast.Constant("")


@dataclass
class _Known:
    """Facts by the digest of a source, and how many of them are stored."""

    facts: dict[str, _Facts]
    stored: int


@functools.lru_cache(maxsize=1)
def _known() -> _Known:
    try:
        stored = json.loads(_known_path().read_text())
        facts = {str(key): _Facts(tuple(map(str, imports)), str(digest)) for key, (imports, digest) in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        facts = {}
    return _Known(facts, len(facts))


def _write_known() -> None:
    known = _known()
    if sys.dont_write_bytecode or len(known.facts) == known.stored:
        return
    known.stored = len(known.facts)
    newest = list(known.facts.items())[-MOST_KNOWN_SOURCES:]
    with contextlib.suppress(StorageError, OSError):
        write_json(_known_path(), {key: [facts.imports, facts.digest] for key, facts in newest})


def _known_path() -> Path:
    return PACKAGE_ROOT / "__pycache__" / KNOWN_SOURCES
