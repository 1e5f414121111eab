"""Who may import whom: read from the sources, function-level imports included, and tried in a blocked process."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from radgen.code import code_closure
from radgen.provenance import PACKAGE_ROOT

TORCH_ROOMS = ("gan", "semantic", "radiogenomic/synthesis", "labels", "features", "training")
MEDICAL_ROOMS = ("inventory", "cohort", "imaging", "annotation", "export", "imports")
BARE = {"torch", "numpy", "pyarrow", "safetensors", "tensorboard", "rich"}


def modules(*rooms: str) -> list[str]:
    paths = [path for room in rooms for path in sorted((PACKAGE_ROOT / room).rglob("*.py"))]
    return [".".join(("radgen", *path.relative_to(PACKAGE_ROOT).with_suffix("").parts)) for path in paths]


def direct_imports(module: str) -> set[str]:
    path = PACKAGE_ROOT.joinpath(*module.split(".")[1:]).with_suffix(".py")
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def outside(names: set[str]) -> set[str]:
    tops = {name.split(".")[0] for name in names}
    return {name for name in tops if name not in sys.stdlib_module_names and name not in {"radgen", "__future__"}}


@pytest.mark.parametrize("module", [*modules(*TORCH_ROOMS), "radgen.imageset.torch"])
def test_training_rooms_run_on_a_bare_gpu_image(module: str) -> None:
    everything = {name for part in code_closure(module) for name in direct_imports_of(part)}
    assert outside(everything) <= BARE


def direct_imports_of(module: str) -> set[str]:
    path = PACKAGE_ROOT.joinpath(*module.split(".")[1:])
    return direct_imports(module) if path.with_suffix(".py").is_file() else set()


@pytest.mark.parametrize("module", modules(*MEDICAL_ROOMS))
def test_ingest_rooms_never_import_torch(module: str) -> None:
    everything = {name for part in code_closure(module) for name in direct_imports_of(part)}
    assert not outside(everything) & {"torch", "torchvision", "monai"}


@pytest.mark.parametrize("module", modules("report"))
def test_report_never_imports_a_model(module: str) -> None:
    assert not outside(direct_imports(module)) & {"torch", "torchvision", "monai"}


@pytest.mark.parametrize("module", modules("gan", "semantic", "radiogenomic", "labels", "features", "training"))
def test_generators_never_import_their_judges(module: str) -> None:
    assert not {name for name in direct_imports(module) if name.startswith(("radgen.metrics", "radgen.benchmark"))}


@pytest.mark.parametrize("module", modules("training"))
def test_training_knows_no_network_by_name(module: str) -> None:
    assert not {
        name for name in direct_imports(module) if name.startswith(("radgen.gan", "radgen.labels", "radgen.features"))
    }


@pytest.mark.parametrize(
    "module",
    [name for name in modules(".") if not name.startswith(("radgen.commands", "radgen.cli", "radgen.planning"))],
)
def test_nobody_but_the_workflow_imports_snakemake_or_the_configuration(module: str) -> None:
    light = {"radgen.config", "radgen.config_files", "radgen.demo", "radgen.study", "radgen.trial", "radgen.workflow"}
    light |= {
        "radgen.checks",
        "radgen.merged_structures",
        "radgen.plan_rounds",
        "radgen.plan_semantic",
        "radgen.report_files",
    }
    light |= {"radgen.study_genes"}
    names = direct_imports(module)
    assert "snakemake" not in outside(names)
    if module.removeprefix("radgen.").removeprefix(".") and module not in light:
        assert not names & light


def test_the_dag_is_parsed_without_heavy_packages() -> None:
    program = "import sys, radgen.workflow; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(done.stdout))
    assert "pydantic" in loaded
    assert not loaded & {"torch", "numpy", "pyarrow", "pandas", "scipy", "monai", "matplotlib", "pydicom", "nibabel"}


def test_training_code_imports_in_a_process_where_other_packages_are_blocked() -> None:
    blocked = (
        "pandas",
        "pydantic",
        "monai",
        "scipy",
        "matplotlib",
        "pydicom",
        "nibabel",
        "SimpleITK",
        "skimage",
        "PIL",
        "yaml",
    )
    names = [*modules(*TORCH_ROOMS), "radgen.imageset.torch"]
    names = [name.removesuffix(".__init__") for name in names]
    program = (
        "import sys, importlib\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        f"[importlib.import_module(name) for name in {names!r}]\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_imports_nothing_heavy() -> None:
    program = "import sys; from radgen.cli import main; main(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(done.stdout.splitlines()[-1]))
    assert not loaded & {"torch", "numpy", "pyarrow", "pandas", "pydantic", "yaml"}


def test_no_file_is_a_maze() -> None:
    long = {
        path.name: n for path in PACKAGE_ROOT.rglob("*.py") if (n := len(Path(path).read_text().splitlines())) > 420
    }
    assert not long
