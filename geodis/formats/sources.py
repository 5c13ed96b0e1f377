"""Items out of a user's folder: images, lines of text, physical fields, each with a label and what it belongs to."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geodis.errors import ContentError, ParameterError
from geodis.formats.readers import existing, read_array
from geodis.linalg import Array, check_finite

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
TEXTS = (".txt",)
FIELDS = (".npy",)


@dataclass(frozen=True, eq=False)
class Source:
    """Items with their labels.

    Attributes
    ----------
    items : ndarray (n, ...) or tuple of str
        Images (n, C, H, W), fields (n, channels, *grid), or texts.
    labels : ndarray (n,)
        What each item is called: its file, with a number where a file holds several.
    clusters : ndarray (n,) or None
        The file of each item, where several files hold several items each.
    ignored : int
        Files of other kinds that lie in the folder.
    """

    items: Any
    labels: Array
    clusters: Array | None = None
    ignored: int = 0

    def some(self, limit: int | None, seed: int = 0) -> Source:
        """A random `limit` of the items, in their order; all where there are no more."""
        n = len(self.labels)
        if limit is None or limit >= n:
            return self
        rows = np.sort(np.random.default_rng(seed).choice(n, limit, replace=False))
        items = self.items[rows] if isinstance(self.items, np.ndarray) else tuple(self.items[i] for i in rows)
        clusters = None if self.clusters is None else self.clusters[rows]
        return replace(self, items=items, labels=self.labels[rows], clusters=clusters)


def files_of(path: str | Path, endings: Sequence[str]) -> tuple[list[Path], int]:
    """The files below a folder (or the one file) with these endings, sorted by name, and how many others lie there.

    Raises
    ------
    ContentError
        When there is none.
    FileNotFoundError
        When there is no such path.
    """
    root = Path(path)
    if not root.is_dir():
        return [existing(root)], 0
    everything = sorted(file for file in root.rglob("*") if file.is_file() and not file.name.startswith("."))
    found = [file for file in everything if file.suffix.lower() in endings]
    if not found:
        raise ContentError(root, f"files ending in {', '.join(endings)}", f"{len(everything)} other files")
    return found, len(everything) - len(found)


def read_images(path: str | Path, size: int | None = None, grey: bool = False) -> Source:
    """The images below a folder as float32 in [0, 1]: `(n, 3, H, W)`, or `(n, 1, H, W)` if grey.

    Parameters
    ----------
    path : path
        The folder, or one file.
    size : int, optional
        Scale the shorter side to so many pixels and crop the middle square; by default all have to have one size.
    grey : bool
        Whether to read one channel (luma) in place of red, green and blue.

    Raises
    ------
    ContentError
        For no images, images of several sizes without `size`, files that are no images.
    """
    if size is not None and size < 1:
        raise ParameterError("size", "an integer ≥ 1", size)
    files, ignored = files_of(path, IMAGES)
    arrays = [_image(file, size, grey) for file in files]
    odd = next((i for i, array in enumerate(arrays) if array.shape != arrays[0].shape), None)
    if odd is not None:
        first, other = (f"{a.shape[2]} × {a.shape[1]}" for a in (arrays[0], arrays[odd]))
        raise ContentError(
            files[odd], f"{first} pixels like {files[0].name}", other, "Let them be scaled and cropped with --size."
        )
    return Source(np.stack(arrays), _names(path, files), ignored=ignored)


def read_texts(path: str | Path) -> Source:
    """The lines of a text file, or of all .txt files below a folder; empty lines are no texts.

    Raises
    ------
    ContentError
        For no lines, or a file that is not UTF-8.
    """
    files, ignored = files_of(path, TEXTS)
    names = _names(path, files)
    lines: list[str] = []
    labels: list[str] = []
    owners: list[str] = []
    for file, name in zip(files, names, strict=True):
        for number, line in enumerate(_text(file).splitlines(), start=1):
            if line.strip():
                lines.append(line.strip())
                labels.append(f"{name}:{number}")
                owners.append(name)
    if not lines:
        raise ContentError(path, "at least one line of text", "none")
    return Source(tuple(lines), np.array(labels), np.array(owners) if len(files) > 1 else None, ignored)


def read_fields(path: str | Path) -> Source:
    """Fields in .npy files `(n, channels, *grid)` each, of one shape, below a folder or in one file.

    Raises
    ------
    ContentError
        For no fields, other shapes, files that hold no numbers.
    FiniteError
        For NaN.
    """
    files, ignored = files_of(path, FIELDS)
    names = _names(path, files)
    arrays = [_field(file) for file in files]
    odd = next((i for i, array in enumerate(arrays) if array.shape[1:] != arrays[0].shape[1:]), None)
    if odd is not None:
        expected = f"fields of shape {arrays[0].shape[1:]} like {files[0].name}"
        raise ContentError(files[odd], expected, str(arrays[odd].shape[1:]))
    labels = [f"{name}:{i}" for name, array in zip(names, arrays, strict=True) for i in range(len(array))]
    owners = np.repeat(names, [len(array) for array in arrays])
    return Source(np.concatenate(arrays), np.array(labels), owners if len(files) > 1 else None, ignored)


def reader_of(path: str | Path) -> Callable[..., Source]:
    """`read_images`, `read_texts` or `read_fields`: whichever kind of file is there.

    Raises
    ------
    ContentError
        When none is there, or several kinds are.
    """
    root = Path(path)
    files = [file for file in root.rglob("*") if file.is_file()] if root.is_dir() else [existing(root)]
    kinds = {read_images: IMAGES, read_texts: TEXTS, read_fields: FIELDS}
    found = [reader for reader, endings in kinds.items() if any(file.suffix.lower() in endings for file in files)]
    if len(found) != 1:
        raise ContentError(
            root, "images, .txt files or .npy fields, one kind of them", "several kinds" if found else "none of them"
        )
    return found[0]


def _names(path: str | Path, files: Sequence[Path]) -> Array:
    root = Path(path)
    return np.array([file.relative_to(root).as_posix() if root.is_dir() else file.name for file in files])


def _image(file: Path, size: int | None, grey: bool) -> Array:
    """One image `(C, H, W)`, float32 in [0, 1]."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as opened:
                upright = ImageOps.exif_transpose(opened)
                square = upright if size is None else _cropped(upright, size)
                return _levels(file, square, grey)
    except ContentError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ContentError(file, "an image", f"{type(error).__name__}: {error}") from error


def _cropped(image: Image, size: int) -> Image:
    """The middle square of the image scaled to `size` × `size`."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    # Palettes cannot be interpolated.
    full = image.convert("RGBA" if "transparency" in image.info else "RGB") if image.mode in ("P", "1") else image
    return ImageOps.fit(full, (size, size), method=Resampling.LANCZOS)


def _levels(file: Path, image: Image, grey: bool) -> Array:
    if image.mode.startswith("I"):  # sixteen bits, which Pillow would clip to eight
        luma = np.asarray(image, dtype=np.float32)[None] / np.float32(65535)
        return luma if grey else np.repeat(luma, 3, axis=0)
    if image.mode == "F":
        raise ContentError(file, "an image with 8 or 16 bits a channel", "floating-point pixels", "Save it as .npy.")
    pixels = np.asarray(image.convert("L" if grey else "RGB"), dtype=np.float32) / np.float32(255)
    return pixels[None] if grey else np.moveaxis(pixels, -1, 0)


def _text(file: Path) -> str:
    try:
        return existing(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ContentError(file, "text in UTF-8", str(error)) from error


def _field(file: Path) -> Array:
    array = read_array(file)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise ContentError(file, "fields of real numbers", f"dtype {array.dtype}")
    if array.ndim < 3 or 0 in array.shape:
        raise ContentError(file, "fields of shape (n, channels, *grid)", f"shape {array.shape}")
    check_finite(array, str(file))
    return array
