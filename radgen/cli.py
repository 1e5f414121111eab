"""The `radgen` command: every stage by its name, and a few commands around the workflow.

Nothing heavy is imported until a command is known: `radgen --help` only reads the first docstring line of each module.
A stage's options are its `run` function's keyword parameters: paths become `--name PATH`, sections of settings come
together as `--settings JSON` (section name to values).
"""

from __future__ import annotations

import argparse
import ast
import functools
import importlib
import inspect
import json
import os
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from radgen import __version__
from radgen.errors import ConfigError, RadgenError
from radgen.settings import build, is_section

# In the order in which data walk through them.
STAGES = (
    "phantom",
    "radiogenomic_phantom",
    "inventory",
    "cohort",
    "slices",
    "slices_gather",
    "gather",
    "nodules",
    "nodules_pictures",
    "nodules_gather",
    "clinical",
    "rna",
    "radiogenomic",
    "radiogenomic_sample",
    "radiogenomic_scores",
    "radiogenomic_survival",
    "encoder",
    "judge",
    "gan",
    "sample_draft",
    "sample",
    "semantic",
    "semantic_sample",
    "semantic_scores",
    "source_images",
    "interpolation",
    "regenerate",
    "annotator",
    "annotate_pack",
    "annotate_import",
    "annotate_simulated",
    "annotate_gather",
    "labels",
    "pairs_draft",
    "pairs",
    "labels_calibration",
    "annotation_curve_point",
    "annotation_curve",
    "benchmark",
    "benchmark_join",
    "benchmark_summary",
    "metrics",
    "audit",
    "qc",
    "figures",
    "gallery",
    "report",
    "import_checkpoint",
    "import_images",
    "import_maps",
    "semantic_maps",
)
# Read as `radgen regenerate IMAGE_ID`; every other parameter is an option.
POSITIONAL = frozenset({"image_id", "checkpoint", "pictures"})
COMMANDS = (
    "init",
    "check",
    "plan",
    "workflow",
    "config",
    "clean",
    "compare",
    "failed_logs",
    "latent",
    "leaks",
    "methods",
    "restore",
    "semantic_volume",
    "radiogenomic_paste",
    "unseal",
    "annotate_check",
    "export",
    "publish",
    "forget",
    "weights",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0 done, 2 a clear refusal, 75 stopped by a signal with its state saved."""
    # Threads that wait actively starve each other where cores are shared; read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help"}:
        _print_help()
        return 0
    if words[0] == "--version":
        print(f"radgen {__version__}")
        return 0
    name = words[0].replace("-", "_")
    if name not in STAGES + COMMANDS:
        print(f"radgen: no command {words[0]!r}; `radgen --help` lists them", file=sys.stderr)
        return 2
    try:
        return _run_command(name, words[1:]) if name in COMMANDS else _run_stage(name, words[1:])
    except RadgenError as error:
        print(f"radgen {words[0]}: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        reason = f"{error.strerror or error}{place}"
        print(f"radgen {words[0]}: {reason}; free space or rights there, then run again", file=sys.stderr)
        return 2


# ---------------------------------------------------------------- help


def _print_help() -> None:
    print("radgen: from an archive of medical images to a labelled synthetic data set, and proof whether it helps.\n")
    print(
        "Most users run the whole workflow: `make demo`, or `snakemake --cores 2 all`. Every stage is a command too.\n"
    )
    for title, names, package in (("stages", STAGES, "stages"), ("commands", COMMANDS, "commands")):
        print(f"{title}:")
        for name in names:
            path = Path(__file__).parent / package / f"{name}.py"
            if path.is_file():
                print(f"  {name.replace('_', '-'):<20}{_summary(path)}")
        print()
    print("`radgen COMMAND --help` shows the options of one.")


def _summary(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


# ---------------------------------------------------------------- commands and stages


def _run_command(name: str, words: list[str]) -> int:
    command = importlib.import_module(f"radgen.commands.{name}")
    return int(command.main(words) or 0)


def _run_stage(name: str, words: list[str]) -> int:
    module = importlib.import_module(f"radgen.stages.{name}")
    hints = typing.get_type_hints(module.run)
    hints.pop("return", None)
    options = parse_options(name.replace("_", "-"), module.run, hints, module.__doc__ or "", words)
    module.run(**options)
    return 0


def parse_options(
    name: str, run: Callable[..., None], hints: Mapping[str, Any], description: str, words: list[str]
) -> dict[str, Any]:
    """Parse a stage's command line into the keyword arguments of its `run`.

    Raises
    ------
    ConfigError
        `--settings` is not JSON, or a section has an unknown key.
    """
    parser = argparse.ArgumentParser(f"radgen {name}", description=description.partition("\n")[0])
    sections = {key: hint for key, hint in hints.items() if is_section(hint) or _is_section_table(hint)}
    defaults = {key: parameter.default for key, parameter in inspect.signature(run).parameters.items()}
    for key, hint in hints.items():
        if key not in sections:
            _add_option(parser, key, hint, defaults[key])
    if sections:
        keys = ", ".join(sections)
        parser.add_argument(
            "--settings", default="{}", help=f"JSON object of the sections {keys}; missing ones take defaults"
        )
    options = vars(parser.parse_args(words))
    given = _read_json(options.pop("settings", "{}"))
    unknown = sorted(set(given) - set(sections))
    if unknown:
        msg = f"--settings: unknown section {unknown[0]!r}; this stage takes {', '.join(sections) or 'none'}"
        raise ConfigError(msg)
    for key, kind in sections.items():
        options[key] = _build_section(kind, given.get(key, {}), key)
    return options


def _is_section_table(hint: object) -> bool:
    return typing.get_origin(hint) is dict and is_section(typing.get_args(hint)[1])


def _build_section(kind: Any, data: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401 - any section
    if _is_section_table(kind):
        inner = typing.get_args(kind)[1]
        return {key: build(inner, value, f"{where}.{key}") for key, value in data.items()}
    return build(kind, data, where)


def _add_option(parser: argparse.ArgumentParser, key: str, hint: Any, default: Any) -> None:  # noqa: ANN401
    required = default is inspect.Parameter.empty
    convert, optional, many = _kind_of(hint)
    if key in POSITIONAL:
        parser.add_argument(key, type=convert)
        return
    flag = "--" + key.replace("_", "-")
    keywords: dict[str, Any] = {"dest": key, "type": convert}
    if hint is bool:
        keywords = {"dest": key, "action": "store_true"}
    elif many:
        keywords |= {"nargs": "*", "action": _Tuple, "default": () if required else default}
    elif optional:
        # A workflow passes an absent optional input as a bare flag.
        keywords |= {"nargs": "?", "const": None, "default": None if required else default}
    else:
        keywords |= {"required": required, "default": None if required else default}
    parser.add_argument(flag, **keywords)


def _kind_of(hint: Any) -> tuple[Callable[[str], Any], bool, bool]:  # noqa: ANN401
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        inner = next(option for option in typing.get_args(hint) if option is not type(None))
        return _kind_of(inner)[0], True, False
    if origin in (tuple, list):
        return typing.get_args(hint)[0], False, True
    return hint, False, False


class _Tuple(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, tuple(values or ()))


def _read_json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        msg = f"--settings: not JSON ({error}); give an object of sections"
        raise ConfigError(msg) from error
    if not isinstance(value, dict):
        msg = f"--settings: {type(value).__name__} given, an object of sections expected"
        raise ConfigError(msg)
    return value


print = functools.partial(print, flush=True)  # noqa: A001 - logs are read while a job runs

if __name__ == "__main__":
    sys.exit(main())
