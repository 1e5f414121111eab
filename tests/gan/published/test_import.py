"""Published checkpoints become the same images; everything else in a pickle is refused by name."""

from __future__ import annotations

import dataclasses
import io
import os
import pickle
import random
import resource
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from radgen.cli import main
from radgen.errors import CheckpointError, RadgenError
from radgen.gan.checkpoint import load_generator
from radgen.gan.published.generator import read_published
from radgen.gan.published.inert import read_inert
from radgen.gan.sampling import load_sampler
from radgen.provenance import read_manifest
from tests.gan.published import craft
from tests.gan.published.measured import IMAGES
from tests.gan.published.weights import even

TOLERANCE = 1e-4


def imported(folder: Path, name: str) -> Path:
    source = craft.checkpoint(folder / "network-snapshot.pkl", craft.generator(craft.SHAPES[name]))
    assert main(["import-checkpoint", str(source), "--out", str(folder / "out" / "generator.safetensors")]) == 0
    return folder / "out" / "generator.safetensors"


@pytest.mark.parametrize("name", craft.SHAPES)
def test_images_are_those_of_the_published_code(name: str, tmp_path: Path) -> None:
    generator, card = load_generator(imported(tmp_path, name), torch.device("cpu"))
    assert card.shape == craft.SHAPES[name]
    z, classes = torch.from_numpy(even("latents", (4, 64))), torch.arange(4) % card.shape.classes
    w = generator.mapping(z, classes)
    for what, strength in (("full", 1.0), ("truncated", 0.6)):
        images, _ = generator.draw(generator.mapping.truncate(w, classes, strength))
        expected = torch.tensor(IMAGES[name][what])
        found = images.flatten()[:: images.numel() // len(expected)][: len(expected)]
        torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)
        assert expected.std() > 100 * TOLERANCE


def test_imported_weights_are_sampled_and_their_patients_are_unknown(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("liver\nkidney\nspleen\n")
    source = craft.checkpoint(tmp_path / "a.pkl", craft.generator(craft.SHAPES["stem"]))
    out = tmp_path / "out" / "generator.safetensors"
    assert main(["import-checkpoint", str(source), "--out", str(out), "--classes", str(names)]) == 0
    sampler = load_sampler(out, seed=0, truncation=1.0, device="cpu")
    assert sampler.class_names == ("liver", "kidney", "spleen")
    assert sampler.images(1, [3]).shape == (1, 3, 16, 16)
    what = read_manifest(out.parent / "manifest.json")["what"]
    assert what["saw_patients"]["unknown"] == ["published checkpoint"]
    again = out.read_bytes()
    assert main(["import-checkpoint", str(source), "--out", str(out), "--classes", str(names)]) == 0
    assert out.read_bytes() == again


@pytest.mark.parametrize("names", ["liver\nkidney\n", "liver\nliver\nkidney\n"])
def test_class_names_that_do_not_fit_are_refused(
    names: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "names.txt").write_text(names)
    source = craft.checkpoint(tmp_path / "a.pkl", craft.generator(craft.SHAPES["stem"]))
    words = ["import-checkpoint", str(source), "--out", str(tmp_path / "o"), "--classes", str(tmp_path / "names.txt")]
    assert main(words) == 2
    assert "the checkpoint has 3 classes" in capsys.readouterr().err


# ---------------------------------------------------------------- what else a pickle may ask for


class Call:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch hacked",), r"posix\.system"),
        (eval, ("open('hacked', 'w')",), r"builtins\.eval"),
        (subprocess.Popen, (["touch", "hacked"],), r"subprocess\.Popen"),
        (torch.load, ("hacked",), r"torch\.serialization\.load"),
        (pickle.loads, (b"",), r"_pickle\.loads"),
    ],
)
def test_code_is_refused_by_its_name(
    function: Any, arguments: tuple[Any, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = craft.checkpoint(tmp_path / "a.pkl", craft.generator(craft.SHAPES["stem"]), D=Call(function, *arguments))
    with pytest.raises(CheckpointError, match=f"asks for {name}, .* nothing of it was run"):
        read_published(path)
    assert not (tmp_path / "hacked").exists()


def test_noted_names_are_never_called(tmp_path: Path) -> None:
    path = craft.checkpoint(tmp_path / "a.pkl", Call(getattr, "text", "upper"))
    (record,) = [value for value in read_inert(path).values() if value is not None]
    assert (record.name, record.arguments) == ("builtins.getattr", ("text", "upper"))


def test_code_inside_a_storage_is_refused_too(tmp_path: Path) -> None:
    evil = pickle.dumps(Call(os.system, "touch hacked"), protocol=2)
    network = craft.generator(craft.SHAPES["stem"])
    network.state["_modules"]["mapping"].state["_buffers"]["w_avg"] = Call(
        torch._utils._rebuild_tensor_v2, Call(torch.storage._load_from_bytes, evil * 5), 0, (3, 16), (16, 1)
    )
    path = craft.checkpoint(tmp_path / "a.pkl", network)
    with pytest.raises(CheckpointError, match=r"G_ema\.mapping\.w_avg: asks for posix\.system"):
        read_published(path)


# ---------------------------------------------------------------- damage and bombs

LONG_TUPLES = b"\x80\x04)" + b"\x85" * 200_000 + b"."
WILD_MEMORY = b"\x80\x04Nr\xff\xff\xff\x7f."
HUGE_BYTES = b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"abc."
HUGE_FRAME = b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"N."
OLD_CLASS = b"(ios\nsystem\n."


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (LONG_TUPLES, "nested more than 500 deep"),
        (WILD_MEMORY, r"damaged as a pickle at operation 2 \(LONG_BINPUT\)"),
        (HUGE_BYTES, "no whole pickle"),
        (HUGE_FRAME, r"no whole pickle \(1099511627776 bytes declared, 2 there\)"),
        (OLD_CLASS, "uses the pickle operation INST"),
        (b"PK\x03\x04 a zip file", "no whole pickle"),
        (b"", "no whole pickle"),
        (pickle.dumps({"a": 1}) + b"more", "bytes behind the end"),
        (pickle.dumps({"a": 1}), "holds no G_ema"),
        (pickle.dumps({"G_ema": 3}), "a network is expected"),
    ],
)
def test_bombs_and_other_files_are_refused_in_little_memory(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match=message):
        read_published(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize(("size", "stride"), [((1 << 40,), (0,)), ((3, 1 << 30), (16, 1)), ((-3,), (1,)), ((), ())])
def test_sizes_that_the_bytes_do_not_hold_are_refused(
    size: tuple[int, ...], stride: tuple[int, ...], tmp_path: Path
) -> None:
    network = craft.generator(craft.SHAPES["stem"])
    stored = io.BytesIO()
    torch.save(torch.zeros(4)._typed_storage(), stored, _use_new_zipfile_serialization=False)
    lazily = Call(torch.storage._load_from_bytes, stored.getvalue())
    wrong = Call(torch._utils._rebuild_tensor_v2, lazily, 0, size, stride)
    network.state["_modules"]["mapping"].state["_buffers"]["w_avg"] = wrong
    with pytest.raises(CheckpointError, match=r"w_avg(: a tensor of size| is )|shape"):
        _import(craft.checkpoint(tmp_path / "a.pkl", network), tmp_path)


def _import(path: Path, folder: Path) -> None:
    from radgen.stages.import_checkpoint import run

    try:
        run(checkpoint=path, out=folder / "out" / "g.safetensors")
    except RuntimeError as error:
        raise CheckpointError(str(error)) from error


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("out_half_width", 3.0, r"L2_36_18: out_half_width is 3.0, 4.5177\d+ is expected"),
        ("conv_kernel", 1, r"L2_36_18: conv_kernel is 1, 3 is expected"),
        ("filter_size", 8, r"L2_36_18: filter_size is 8, 6 is expected"),
        ("out_cutoff", "x", r"out_cutoff is 'x', a number is expected"),
    ],
)
def test_networks_of_another_design_are_refused(attribute: str, value: Any, message: str, tmp_path: Path) -> None:
    network = craft.generator(craft.SHAPES["stem"])
    network.state["_modules"]["synthesis"].state["_modules"]["L2_36_18"].state[attribute] = value
    with pytest.raises(CheckpointError, match=message):
        read_published(craft.checkpoint(tmp_path / "a.pkl", network))


def test_conditional_stylegan3_is_named(tmp_path: Path) -> None:
    shape = dataclasses.replace(craft.SHAPES["stem"])
    network = craft.generator(shape)
    del network.state["_modules"]["mapping"].state["_modules"]["embed_proj"]
    with pytest.raises(CheckpointError, match="as in a conditional StyleGAN3"):
        read_published(craft.checkpoint(tmp_path / "a.pkl", network))


def test_a_truncated_file_is_refused_at_every_length(tmp_path: Path) -> None:
    data = craft.checkpoint(tmp_path / "a.pkl", craft.generator(craft.SHAPES["one class"])).read_bytes()
    path = tmp_path / "b.pkl"
    for length in range(0, len(data), len(data) // 40):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError):
            read_published(path)


def test_random_damage_is_refused_or_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever bytes change, reading ends in a refusal of this house or in tensors, and starts nothing."""
    monkeypatch.setattr(os, "system", lambda _: pytest.fail("a command was run"))
    data = craft.checkpoint(tmp_path / "a.pkl", craft.generator(craft.SHAPES["one class"])).read_bytes()
    path = tmp_path / "b.pkl"
    chance = random.Random(0)  # noqa: S311 - damage, not secrets
    refused = 0
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 4))):
            changed[chance.randrange(len(changed) if chance.random() < 0.5 else 4_000)] = chance.randrange(256)
        path.write_bytes(changed)
        try:
            read_published(path)
        except RadgenError:
            refused += 1
    assert refused > 50
