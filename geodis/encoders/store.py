"""Embeddings on disk, batch by batch: a run that was killed goes on where it was, and nothing stale is ever read.

    folder/<sha256 of the key>/manifest.json        the whole key
    folder/<sha256 of the key>/000007.safetensors   batch 7, with the key's hash, its number and a checksum

A batch is written to a temporary name, synchronized and moved, so that a file is whole or absent; what was damaged
afterwards is found by its checksum. Processes may share a store: they write the same content.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save
from tqdm import tqdm

from geodis.encoders.fingerprints import VERSION
from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.files import write_atomically
from geodis.linalg import Array, to_numpy

FORMAT = "geodis.embeddings"
MANIFEST = "manifest.json"
ENTRY = re.compile(r"[0-9a-f]{64}")
OURS = re.compile(r"(\d{6,}\.safetensors|manifest\.json)(.*\.part)?")
LEFT_OVER = 3600.0  # seconds after which a temporary file belongs to a process that was killed


class StoreWarning(UserWarning):
    """A stored batch was damaged or is not what its name says: it is computed again."""


@dataclass(frozen=True)
class StoredEntry:
    """What one run left in a store.

    Attributes
    ----------
    key : dict
        What the embeddings are of.
    n_batches, n_stored : int
        Batches of the whole, and files that are there.
    size : int
        Bytes on disk.
    folder : Path
        Where they lie.
    """

    key: Mapping[str, str]
    n_batches: int
    n_stored: int
    size: int
    folder: Path


@final
class EmbeddingStore:
    """A folder of embeddings that are found by all that determines them.

    Parameters
    ----------
    folder : path
        Made when the first batch is written.

    Raises
    ------
    ParameterError
        When `folder` is no path.
    NotADirectoryError
        When it is a file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = EmbeddingStore(folder)
    ...     first = store.embed({"encoder": "double"}, 2, lambda i: np.full((3, 1), 2.0 * i))
    ...     again = store.embed({"encoder": "double"}, 2, lambda i: print("computed again"))
    >>> (first == again).all(), again.shape
    (np.True_, (6, 1))
    """

    def __init__(self, folder: str | Path) -> None:
        if not isinstance(folder, (str, Path)) or not str(folder):
            raise ParameterError("folder", "a path", repr(folder))
        if Path(folder).exists() and not Path(folder).is_dir():
            raise NotADirectoryError(f"{folder}: expected a folder for embeddings, found a file. Name another one.")
        self.folder = Path(folder)

    def embed(
        self,
        key: Mapping[str, str],
        n_batches: int,
        compute: Callable[[int], Any],
        verbose: bool = False,
    ) -> Array:
        """The batches 0 … n − 1 one below the other: read where they are on disk, else computed and written.

        A batch that is damaged, of another key or of another version of geodis is computed again, with a
        `StoreWarning`. What is returned has always been read from disk and passed its checksum.

        Parameters
        ----------
        key : mapping of str to str
            All that determines the embeddings, such as fingerprints of encoder, items and action, and the batch size.
        n_batches : int
            Number of batches; another number is another key.
        compute : callable
            Number of a batch → its embeddings `(rows, ...)`.
        verbose : bool
            Whether to show a progress bar.

        Returns
        -------
        array (N, ...)

        Raises
        ------
        ParameterError, ShapeError
            For a key that is no mapping of texts, less than one batch, or batches that do not fit together.
        OSError
            When the folder cannot be written to, or the disk is full.
        """
        entry = _Entry.of(self.folder, key, n_batches)
        entry.prepare()
        shapes = [entry.ensured(i, compute) for i in tqdm(range(n_batches), desc="embedding", disable=not verbose)]
        if len({(shape[1:], dtype) for shape, dtype in shapes}) > 1:
            raise ShapeError("embeddings", "the same features and dtype for every batch", _told(shapes))
        rows = [shape[0] for shape, _ in shapes]
        z = np.empty((sum(rows), *shapes[0][0][1:]), shapes[0][1])
        for i, end in enumerate(np.cumsum(rows)):
            part = entry.read_or_computed(i, compute)
            if len(part) != rows[i] or part.shape[1:] != z.shape[1:]:
                raise LengthError(**{"embeddings": rows[i], "embeddings computed again": len(part)})
            z[end - rows[i] : end] = part
        return z

    def entries(self) -> tuple[StoredEntry, ...]:
        """What is in the store: one entry for each key whose manifest can be read."""
        return tuple(entry for folder in self._folders() if (entry := _stored(folder)) is not None)

    @property
    def size(self) -> int:
        """Bytes of all files that the store wrote."""
        return sum(_bytes(folder) for folder in self._folders())

    def clear(self) -> None:
        """Remove all that the store wrote, and nothing else.

        Raises
        ------
        OSError
            When something cannot be removed.
        """
        with _sentence(self.folder, "remove embeddings from"):
            for folder in self._folders():
                for file in _files(folder):
                    file.unlink(missing_ok=True)
                if not any(folder.iterdir()):
                    folder.rmdir()

    def __repr__(self) -> str:
        return f"EmbeddingStore({str(self.folder)!r})"

    def _folders(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if path.is_dir() and ENTRY.fullmatch(path.name))


@dataclass(frozen=True)
class _Entry:
    """The folder of one key."""

    folder: Path
    key: dict[str, str]
    n_batches: int
    mark: str  # the hash of all this

    @classmethod
    def of(cls, folder: Path, key: Mapping[str, str], n_batches: int) -> _Entry:
        if not isinstance(key, Mapping) or not key or not all(isinstance(x, str) for x in (*key, *key.values())):
            raise ParameterError("key", "a mapping of texts to texts with at least one entry", repr(key))
        if isinstance(n_batches, bool) or not isinstance(n_batches, (int, np.integer)) or n_batches < 1:
            raise ParameterError("n_batches", "an integer ≥ 1", repr(n_batches))
        told = json.dumps([VERSION, dict(key), int(n_batches)], sort_keys=True)
        mark = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(folder / mark, dict(key), int(n_batches), mark)

    def prepare(self) -> None:
        """The folder with its manifest, without what a killed process left half written."""
        manifest = {"format": FORMAT, "version": VERSION, "key": self.key, "n_batches": self.n_batches}
        path = self.folder / MANIFEST
        found = _manifest(self.folder)
        if found == manifest:
            return self._sweep()
        if path.exists():
            _warn(path, "is damaged or belongs to other embeddings")
        with _sentence(self.folder, "keep embeddings in"):
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(path, json.dumps(manifest, indent=1).encode())
        return self._sweep()

    def ensured(self, i: int, compute: Callable[[int], Any]) -> tuple[tuple[int, ...], str]:
        """Shape and dtype of batch i, which is on disk afterwards."""
        if self._path(i).exists():
            try:
                return self._shape(i)
            except _DamagedError as damage:
                _warn(self._path(i), str(damage))
        z = self._computed(i, compute)
        return z.shape, z.dtype.name

    def read_or_computed(self, i: int, compute: Callable[[int], Any]) -> Array:
        try:
            return self._read(i)
        except _DamagedError as damage:
            _warn(self._path(i), str(damage))
        self._computed(i, compute)
        try:
            return self._read(i)
        except _DamagedError as damage:
            raise OSError(f"{self._path(i)}: what was just written there {damage}. Is the disk sound?") from None

    def _path(self, i: int) -> Path:
        return self.folder / f"{i:06d}.safetensors"

    def _computed(self, i: int, compute: Callable[[int], Any]) -> Array:
        z = to_numpy(compute(i))
        if z.ndim == 0 or z.dtype.kind not in "fiub" or z.dtype.name not in _DTYPES.values():
            raise ShapeError(f"embeddings of batch {i}", "(rows, ...) of numbers", f"{z.shape} of {z.dtype}")
        z = np.ascontiguousarray(z, dtype=z.dtype.newbyteorder("="))
        meta = {"format": FORMAT, "version": str(VERSION), "key": self.mark, "batch": str(i), "sha256": _checksum(z)}
        with _sentence(self.folder, "keep embeddings in"):
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(self._path(i), save({"z": z}, meta))
        return z

    def _shape(self, i: int) -> tuple[tuple[int, ...], str]:
        with self._opened(i) as (file, _):
            return tuple(file.get_slice("z").get_shape()), _dtype(file.get_slice("z").get_dtype())

    def _read(self, i: int) -> Array:
        with self._opened(i) as (file, meta):
            z = file.get_tensor("z")
            if _checksum(z) != meta["sha256"]:
                raise _DamagedError("has another content than was written")
            return z

    @contextmanager
    def _opened(self, i: int) -> Iterator[tuple[Any, dict[str, str]]]:
        """The file of batch i and its metadata; raises `_DamagedError` unless it is that of this key and number."""
        try:
            with safe_open(str(self._path(i)), framework="numpy") as file:
                meta = dict(file.metadata() or {})
                expected = {"format": FORMAT, "version": str(VERSION), "key": self.mark, "batch": str(i)}
                wrong = [name for name, value in expected.items() if meta.get(name) != value]
                if wrong or "sha256" not in meta:
                    raise _DamagedError(f"has another {', '.join(wrong) or 'form'}")
                yield file, meta
        except (_DamagedError, PermissionError, MemoryError):
            raise
        except Exception as error:
            raise _DamagedError(f"cannot be read ({type(error).__name__}: {error})") from error

    def _sweep(self) -> None:
        for file in _files(self.folder):
            try:
                if file.name.endswith(".part") and time.time() - file.stat().st_mtime > LEFT_OVER:
                    file.unlink()
            except OSError:  # another process was faster, or may write where this one may only read
                continue


class _DamagedError(Exception):
    """A batch on disk is not the one that was written."""


_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BOOL": "bool", "I8": "int8", "I16": "int16",
    "I32": "int32", "I64": "int64", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
}  # fmt: skip


def _dtype(code: str) -> str:
    if code not in _DTYPES:
        raise _DamagedError(f"holds {code}")
    return _DTYPES[code]


def _checksum(z: Array) -> str:
    told = hashlib.sha256(f"{z.dtype.str} {z.shape} ".encode())
    told.update(np.ascontiguousarray(z).reshape(-1).view(np.uint8).data)
    return told.hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, also when the power fails."""

    def written(temporary: str) -> None:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    write_atomically(path, written)
    if os.name == "posix":  # the new name lies in the folder, which is synchronized apart
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None


def _stored(folder: Path) -> StoredEntry | None:
    found = _manifest(folder)
    if found is None:
        return None
    n_stored = sum(file.suffix == ".safetensors" for file in _files(folder))
    return StoredEntry(found.get("key", {}), found.get("n_batches", 0), n_stored, _bytes(folder), folder)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if OURS.fullmatch(path.name)] if folder.is_dir() else []


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in _files(folder))


def _warn(path: Path, what: str) -> None:
    warnings.warn(f"{path} {what}: computed again.", StoreWarning, stacklevel=4)


def _told(shapes: list[tuple[tuple[int, ...], str]]) -> str:
    return ", ".join(sorted({f"(rows, {', '.join(map(str, shape[1:]))}) of {dtype}" for shape, dtype in shapes}))


@contextmanager
def _sentence(folder: Path, what: str) -> Iterator[None]:
    """An OSError that says which folder it is about and what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        advice = "Free some space or name a folder that can be written to; what is stored already is kept."
        raise type(error)(error.errno or errno.EIO, f"could not {what} {folder}: {reason}. {advice}") from error
