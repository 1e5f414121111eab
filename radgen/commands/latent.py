"""Latent tools of a trained generator: sheet, mix, interpolate, centroids, invert.

`radgen latent TOOL WEIGHTS --out ...`; styles are named class:seed, such as normal:7.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import typing
from pathlib import Path

from radgen.errors import ConfigError
from radgen.gan.latent.settings import InversionSettings

TOOLS = ("sheet", "mix", "interpolate", "centroids", "invert")


def main(words: list[str]) -> int:
    """Run one tool."""
    options = vars(_parser().parse_args(words))
    tool = options.pop("tool")
    for name, value in options.items():
        if isinstance(value, list):
            options[name] = tuple(value)
    if tool == "invert":
        options["settings"] = _settings(options)
    importlib.import_module(f"radgen.stages.latent.{tool}").run(**options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "radgen latent", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tools = parser.add_subparsers(dest="tool", required=True, metavar="TOOL")
    sheet = _tool(tools, "sheet", "samples: rows are classes and truncations, columns are seeds", "PNG to write")
    sheet.add_argument("--classes", nargs="+", default=(), metavar="CLASS", help="all by default")
    sheet.add_argument("--seeds", nargs="+", type=int, default=list(range(8)), help="one column each (0 to 7)")
    sheet.add_argument("--truncations", nargs="+", type=float, default=[1.0], metavar="PSI", help="one row each (1)")
    mix = _tool(tools, "mix", "coarse layers of one image, fine layers of another", "PNG to write")
    mix.add_argument("--coarse", nargs="+", required=True, metavar="CLASS:SEED", help="one row each")
    mix.add_argument("--fine", nargs="+", required=True, metavar="CLASS:SEED", help="one column each")
    mix.add_argument("--first-fine", type=int, required=True, help="first layer that follows the column")
    film = _tool(tools, "interpolate", "a way between seeds or classes, as a film or strip", ".gif, .mp4 or .png")
    film.add_argument("--keys", nargs="+", required=True, metavar="CLASS:SEED", help="what the way leads through")
    film.add_argument("--frames", type=_positive, default=24, help="frames from one key to the next (24)")
    film.add_argument("--frames-per-second", type=_positive, default=12, help="of a film (12)")
    film.add_argument("--head", type=Path, help="labels/<source>/head.safetensors: each frame with its mask beside it")
    film.add_argument("--loop", action="store_true", help="go back to the first key")
    for tool in (mix, film):
        tool.add_argument("--truncation", type=float, default=1.0, metavar="PSI", help="1 full variety, 0 centre (1)")
    for tool in (sheet, mix, film):
        tool.add_argument("--centroids", type=Path, help="truncate to the nearest of these, not to the class's average")
    centroids = _tool(tools, "centroids", "cluster the styles; others truncate to them", "safetensors to write")
    centroids.add_argument("--count", type=_positive, required=True, help="centroids per class")
    centroids.add_argument("--styles", type=_positive, default=10_000, help="styles mapped per class (10,000)")
    centroids.add_argument("--pooled", action="store_true", help="cluster all classes together")
    centroids.add_argument("--iterations", type=_positive, default=30, help="most steps of k-means (30)")
    centroids.add_argument("--seed", type=int, default=1, help="of latents and start (1)")
    _add_inversion(_tool(tools, "invert", "the style of a real image; patient data", "folder to write; keep it safe"))
    for tool in (sheet, mix, film):
        tool.add_argument("--scale", type=_positive, default=1, help="each pixel becomes a square of so many (1)")
    for tool in (sheet, mix, film, centroids):
        tool.add_argument("--threads", type=_positive, default=1, help="CPU threads (1)")
    for tool in (sheet, mix, film):
        tool.add_argument("--device", default="auto", help="auto, cpu or cuda")
    return parser


def _tool(
    tools: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, out: str
) -> argparse.ArgumentParser:
    tool = tools.add_parser(name, help=text, description=text)
    tool.add_argument("weights", type=Path, help="gan/<source>/generator.safetensors")
    tool.add_argument("--out", type=Path, required=True, help=out)
    tool.add_argument("--gan-manifest", type=Path, help="manifest of the weights; by default manifest.json beside them")
    return tool


def _add_inversion(tool: argparse.ArgumentParser) -> None:
    tool.add_argument("--image", type=Path, help="8-bit PNG of the generator's size")
    tool.add_argument("--index", type=Path, help="index.parquet of an image set, with --image-id instead of --image")
    tool.add_argument("--image-id", help="id in that index")
    tool.add_argument("--class-name", help="class of the image; by default that of the index, else all are tried")
    tool.add_argument("--encoder", type=Path, help="encoder/<source>/encoder.safetensors: compare its features too")
    tool.add_argument("--scale", type=_positive, default=1, help="each pixel becomes a square of so many (1)")
    tool.add_argument("--device", default="auto", help="auto, cpu or cuda")
    hints = typing.get_type_hints(InversionSettings)
    for field in dataclasses.fields(InversionSettings):
        tool.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=hints[field.name],
            default=field.default,
            help=f"{field.metadata['help']} ({field.default})",
        )


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        msg = f"{word}: give a whole number of at least 1"
        raise argparse.ArgumentTypeError(msg)
    return number


def _settings(options: dict[str, typing.Any]) -> InversionSettings:
    values = {field.name: options.pop(field.name) for field in dataclasses.fields(InversionSettings)}
    try:
        return InversionSettings(**values)
    except ValueError as error:
        msg = f"--{str(error).replace('_', '-')}"
        raise ConfigError(msg) from error
