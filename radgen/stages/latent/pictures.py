"""Images as pictures to look at: grey or colour, enlarged, in rows; and as films."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.errors import ConfigError, InputError, StorageError
from radgen.provenance import atomic_path

Picture = NDArray[np.uint8]  # grey [H, W] or red, green, blue [H, W, 3]
FILMS = (".gif", ".mp4")


def shown(image: NDArray[np.uint8], scale: int = 1) -> Picture:
    """Turn an image [C, H, W] into a picture, each pixel a square of `scale`: colour of three channels, else the first.

    >>> shown(np.zeros((1, 4, 5), dtype=np.uint8), 2).shape
    (8, 10)
    """
    picture = image.transpose(1, 2, 0) if len(image) == 3 else image[0]
    return np.ascontiguousarray(picture.repeat(scale, axis=0).repeat(scale, axis=1))


def table(rows: Sequence[Sequence[Picture]]) -> Picture:
    """Lay pictures of one size out in rows of equal length."""
    return np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)


def read_png(path: Path, channels: int) -> NDArray[np.uint8]:
    """Read an 8-bit PNG as an image [C, H, W].

    Raises
    ------
    InputError
        The file is missing, no PNG, or has other channels than the generator.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG",)) as picture:
            mode, pixels = picture.mode, np.array(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        msg = f"{path}: cannot be read ({type(error).__name__}); give a PNG of 8 bits per channel"
        raise InputError(msg) from error
    expected = {1: "L", 3: "RGB"}.get(channels)
    if mode != expected:
        msg = f"{path}: a PNG of mode {mode}, but the generator makes {channels} channel(s) ({expected}); convert it"
        raise InputError(msg)
    return np.ascontiguousarray(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1))


def write_film(path: Path, frames: Sequence[Picture], frames_per_second: int) -> None:
    """Write a film by its suffix; the same frames give the same bytes.

    Raises
    ------
    ConfigError
        Another suffix than .gif or .mp4, or no encoder for MP4.
    StorageError
        The encoder failed.
    """
    from radgen.report.film import write_gif

    if path.suffix == ".gif":
        write_gif(path, frames, frames_per_second)
    elif path.suffix == ".mp4":
        _write_mp4(path, frames, frames_per_second)
    else:
        msg = f"{path}: a film is {' or '.join(FILMS)}, not {path.suffix!r}"
        raise ConfigError(msg)


def _write_mp4(path: Path, frames: Sequence[Picture], frames_per_second: int) -> None:
    try:
        import imageio_ffmpeg  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        msg = f"{path}: MP4 needs the package imageio-ffmpeg; run `pip install 'radgen[video]'`, or write a .gif"
        raise ConfigError(msg) from error
    even = [_even(frame) for frame in frames]
    height, width = even[0].shape[:2]
    # One thread, no encoder's name and no date: the same frames give the same bytes.
    before = ["-f", "rawvideo", "-pix_fmt", "gray" if even[0].ndim == 2 else "rgb24", "-s", f"{width}x{height}"]
    after = ["-c:v", "libx264", "-crf", "16", "-pix_fmt", "yuv420p", "-threads", "1"]
    plain = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1", "-movflags", "+faststart"]
    with atomic_path(path) as temporary:
        program = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y"]
        words = [*program, *before, "-r", str(frames_per_second), "-i", "-", *after, *plain, str(temporary)]
        data = b"".join(frame.tobytes() for frame in even)
        done = subprocess.run(words, input=data, capture_output=True, check=False)  # noqa: S603 - a fixed program
    if done.returncode:
        msg = f"{path}: ffmpeg failed ({done.stderr.decode(errors='replace').strip()}); write a .gif instead"
        path.unlink(missing_ok=True)
        raise StorageError(msg)


def _even(frame: Picture) -> Picture:
    """Repeat the last row or column of an odd picture: the codec takes even sides."""
    height, width = frame.shape[:2]
    rest = [(0, height % 2), (0, width % 2)] + [(0, 0)] * (frame.ndim - 2)
    return np.pad(frame, rest, mode="edge")
