"""Say which optional weight files a study could use: which are there, where they were looked for, what each enables."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from radgen.config import StudyConfig, read_config
from radgen.provenance import digest_file

INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"
ALEXNET_FILE = "alexnet-owt-7be5be79.pth"


@dataclass(frozen=True)
class Wanted:
    """One optional file: its key in the configuration, the path given there, where else it may lie, what it is for."""

    key: str
    given: str
    elsewhere: tuple[Path, ...]
    enables: str
    packages: tuple[str, ...] = ()


def main(words: list[str]) -> int:
    """Print a line for each file; end with code 2 if one that the study names is missing."""
    parser = argparse.ArgumentParser("radgen weights", description=__doc__)
    parser.add_argument("action", choices=("check",), help="nothing is ever fetched: files are looked for")
    parser.add_argument("config", type=Path, nargs="?", help="the study's YAML file; without one, the defaults")
    options = parser.parse_args(words)
    missing = 0
    for wanted in wanted_by(read_config(options.config) if options.config else StudyConfig()):
        line, is_missing = told(wanted)
        missing += is_missing
        sys.stdout.write(f"{line}\n")
    return 2 if missing else 0


def wanted_by(config: StudyConfig) -> list[Wanted]:
    """Return every optional file of weights, named by the study or not."""
    metrics, gan = config.metrics, config.gan
    files = [
        Wanted(
            "metrics.inception_weights",
            metrics.inception_weights,
            (_torch_home() / "hub" / "checkpoints" / INCEPTION_FILE,),
            "FID, and KID, precision, recall, density and coverage by pytorch-fid's Inception network",
            ("pytorch_fid",),
        )
    ]
    for name, network in metrics.networks.items():
        package = "timm" if network.network.startswith("timm:") else "torchvision"
        enables = f"all scores and the audit of copies by {network.network} too"
        files.append(Wanted(f"metrics.networks.{name}.weights", network.weights, (), enables, (package,)))
    if not metrics.networks:
        enables = "all scores and the audit by a published network, such as RadImageNet's resnet50 or timm's DINOv2"
        files.append(Wanted("metrics.networks.<name>.weights", "", (), enables))
    enables = "a perceptual distance of the pairs of semantic synthesis in AlexNet's features"
    place = _torch_home() / "hub" / "checkpoints" / ALEXNET_FILE
    files.append(Wanted("metrics.alexnet_weights", metrics.alexnet_weights, (place,), enables))
    enables = "LPIPS instead of the plain distance in AlexNet's features"
    files.append(Wanted("metrics.lpips_weights", metrics.lpips_weights, (), enables))
    enables = f"a projected discriminator on {gan.projected.network} (gan.discriminator: projected)"
    files.append(Wanted("gan.projected.weights", gan.projected.weights, (), enables))
    files.append(Wanted("gan.init_from", gan.init_from or "", (), "training that goes on from a trained generator"))
    return files


def told(wanted: Wanted) -> tuple[str, bool]:
    """Return what there is to say of a file, and whether the study names it in vain."""
    absent = [name for name in wanted.packages if importlib.util.find_spec(name) is None]
    needs = f"; needs the package {', '.join(absent)}, which is not installed" if absent else ""
    if wanted.given:
        path = Path(wanted.given)
        if path.is_file():
            line = f"present  {wanted.key}: {path} ({digest_file(path)}) enables {wanted.enables}{needs}"
            return line, bool(absent)
        return f"MISSING  {wanted.key}: looked for {path}; it would enable {wanted.enables}{needs}", True
    found = next((path for path in wanted.elsewhere if path.is_file()), None)
    if found is not None:
        return f"unused   {wanted.key}: {found} is there; name it to enable {wanted.enables}{needs}", False
    looked = f"looked for {', '.join(map(str, wanted.elsewhere))}" if wanted.elsewhere else "no path is given"
    return f"not given  {wanted.key}: {looked}; it would enable {wanted.enables}{needs}", False


def _torch_home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("TORCH_HOME") or f"{cache}/torch").expanduser()
