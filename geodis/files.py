"""Files that are written whole or not at all, and read only if geodis wrote them. A leaf of the import graph."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

from safetensors import safe_open

from geodis.errors import FileFormatError
from geodis.linalg import Array


def write_atomically(path: str | Path, write: Callable[[str], None]) -> None:
    """Call `write` with a temporary name beside `path`, then move the file there: never half a file."""
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: expected an existing folder, {target.parent} is none. Create it first.")
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
    os.close(handle)
    try:
        write(temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text whole or not at all."""

    def write(temporary: str) -> None:
        Path(temporary).write_text(text, encoding="utf-8")

    write_atomically(path, write)


def read_safetensors(
    path: str | Path, expected: str, version: int, older: Collection[int] = ()
) -> tuple[dict[str, str], dict[str, Array]]:
    """`(metadata, tensors)` of a file that geodis wrote; raises `FileFormatError` for any other.

    Files of the versions `older` are read too.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: expected a file that geodis wrote, found none.")
    try:
        with safe_open(str(path), framework="numpy") as file:
            meta = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except Exception as error:
        raise FileFormatError(path, "a safetensors file", f"{type(error).__name__}: {error}") from error
    if meta.get("format") != expected:
        raise FileFormatError(path, f"format {expected!r}", repr(meta.get("format")))
    if meta.get("version") not in {str(v) for v in (version, *older)}:
        raise FileFormatError(path, f"version {version}", repr(meta.get("version")))
    return meta, tensors
