"""Reading users' own files: embeddings with parameters and items out of .npz, .npy, parquet and safetensors."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from geodis.errors import ContentError, LengthError, ParameterError
from geodis.formats.columns import listed, read_columns
from geodis.groups import AbstractGroup, parse
from geodis.linalg import Array
from geodis.orbits import Detours, Orbits, as_embeddings, as_items

# What a part may be called in a file that nobody wrote for geodis, most usual first.
ALIASES = {
    "z": ("z", "Z", "embeddings", "embedding"),
    "params": ("params", "param"),
    "items": ("items", "item"),
    "clusters": ("clusters", "cluster"),
}
ROWS = {
    "z": "the embeddings, one row each",
    "params": "the group elements, one row for each embedding",
    "items": "the items, one label for each embedding, the same label for all rows of one item",
    "clusters": "the clusters, one label for each embedding",
}
DETOURS = ("detours_direct", "detours_composed", "detours_items")
# What numpy and zipfile raise about a broken file (RuntimeError: encrypted, or an unknown compression).
UNREADABLE = (ValueError, KeyError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class Rows:
    """What a file holds, in the file's order; what it does not hold is None.

    Attributes
    ----------
    z : ndarray (N, D)
        The embeddings.
    params : ndarray (N, p) or (N,), or None
        The group elements.
    items, clusters : ndarray (N,) or None
        Labels.
    group : AbstractGroup or None
        The group that the file names.
    detours : Detours or None
        What `sample_orbits` measured of the action's inexactness.
    """

    z: Array
    params: Array | None = None
    items: Array | None = None
    clusters: Array | None = None
    group: AbstractGroup | None = None
    detours: Detours | None = None


def read_orbits(
    path: str | Path,
    group: AbstractGroup | str | None = None,
    *,
    z: str | None = None,
    params: str | None = None,
    items: str | None = None,
    clusters: str | None = None,
) -> Orbits:
    """Orbits out of a file of one's own. Nothing is ever unpickled.

    - ``.npz``: arrays `z` (N, D), `params` (N, p), `items` (N,), and optional `clusters` (N,) and `group` (its name).
    - ``.parquet``: a list column `z` or columns `z_0 … z_{D−1}`; `params` or `param_0 …`; `item`; optional `cluster`.
    - ``.npy``: an array (N, D); `params`, `items` and `clusters` are paths of further ``.npy`` files.
    - ``.safetensors``: what `Orbits.save` wrote.

    Parameters
    ----------
    path : path
        The file.
    group : AbstractGroup or str, optional
        The group that acts, an object or its name; only needed where the file does not name it.
    z, params, items, clusters : str, optional
        The key or column where it is called otherwise; several columns are separated by commas; a name that ends in
        ``.npy`` is another file.

    Returns
    -------
    Orbits

    Raises
    ------
    ContentError
        For an unknown kind of file, one that cannot be read, or one that lacks a part.
    FileNotFoundError, IsADirectoryError
        When there is no such file.
    ShapeError, LengthError, FiniteError, ParameterError, UnknownNameError
        For arrays that do not fit together, NaN, an unknown group or parameters outside it.

    Examples
    --------
    >>> np.savez("mine.npz", z=np.eye(6), params=np.tile([0.0, 1.0, 2.0], 2), items=np.repeat(["a", "b"], 3))
    >>> read_orbits("mine.npz", "Cyclic(3)")
    Orbits(2 items × 3 elements, D = 6, group = Cyclic(3), crossed)
    """
    rows = read_rows(path, z=z, params=params, items=items, clusters=clusters)
    elements, labels = _needed(path, "params", rows.params), _needed(path, "items", rows.items)
    orbits = Orbits.from_arrays(rows.z, elements, labels, settled(path, group, rows.group), rows.clusters)
    return replace(orbits, detours=rows.detours)


def read_rows(
    path: str | Path,
    *,
    z: str | None = None,
    params: str | None = None,
    items: str | None = None,
    clusters: str | None = None,
) -> Rows:
    """What `read_orbits` reads, in the file's order; only the embeddings have to be there.

    Raises
    ------
    ContentError, FileNotFoundError, IsADirectoryError, ShapeError, LengthError, FiniteError, ParameterError
        As `read_orbits`.
    """
    file = existing(path)
    wanted = {"z": z, "params": params, "items": items, "clusters": clusters}
    rows = _reader(file)(file, wanted)
    lengths = {name: len(part) for name in ALIASES if (part := getattr(rows, name)) is not None}
    if len(set(lengths.values())) > 1:
        raise LengthError(**lengths)
    return rows


def read_array(path: str | Path) -> Array:
    """The array in an ``.npy`` file; never a pickle.

    Raises
    ------
    ContentError, FileNotFoundError, IsADirectoryError
        For a file that holds no array of numbers or words, or none at all.
    """
    file = existing(path)
    with readable(file, "an array (.npy)"), file.open("rb") as stream:
        array = np.load(stream, allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ContentError(file, "one array (.npy)", "an archive of arrays", "Call it .npz.")
    return array


def existing(path: str | Path) -> Path:
    """The path of a file that is there and not empty; a named error otherwise."""
    file = Path(path)
    if file.is_dir():
        raise IsADirectoryError(f"{file}: expected a file, got a folder.")
    if not file.is_file():
        raise FileNotFoundError(f"{file}: expected a file, found none.")
    if file.stat().st_size == 0:
        raise ContentError(file, "a file that holds something", "an empty one")
    return file


# --- kinds of files ---------------------------------------------------------------------------------------------------
Wanted = Mapping[str, str | None]


def _reader(file: Path) -> Callable[[Path, Wanted], Rows]:
    known = {".npz": _npz, ".npy": _npy, ".parquet": _parquet, ".pq": _parquet, ".safetensors": _safetensors}
    if file.suffix.lower() not in known:
        raise ContentError(
            file, f"a file ending in {', '.join(known)}", f"the ending {file.suffix!r}", "Save z, params and items "
            "with numpy.savez or as parquet.",
        )  # fmt: skip
    return known[file.suffix.lower()]


def _npz(file: Path, wanted: Wanted) -> Rows:
    with readable(file, "an archive of arrays (.npz)"), file.open("rb") as stream:
        archive = np.load(stream, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ContentError(file, "an archive of arrays (.npz)", "one array", "Call it .npy.")
        keys = list(archive.files)
        parts = {name: key for name in ALIASES if (key := _key(file, name, wanted[name], keys)) is not None}
        arrays = {name: member(archive, key) for name, key in parts.items() if key in keys}
        group = str(member(archive, "group")) if "group" in keys else None
        apart = [member(archive, key) for key in DETOURS] if set(DETOURS) <= set(keys) else []
    rows = _rows(file, arrays | {name: read_array(key) for name, key in parts.items() if key not in keys}, group)
    return replace(rows, detours=Detours(*apart)) if apart else rows


def member(archive: Any, key: str) -> Array:
    """One array of an archive."""
    array = archive[key]
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{key!r} is no array")
    return array


def _npy(file: Path, wanted: Wanted) -> Rows:
    if wanted["z"] is not None:
        raise ParameterError("z", "None for an .npy file, which holds one array", repr(wanted["z"]))
    beside = {name: path for name in ("params", "items", "clusters") if (path := wanted[name]) is not None}
    for name, path in beside.items():
        if not path.endswith(".npy"):
            raise ParameterError(name, "the path of an .npy file, as the embeddings are one", repr(path))
    return _rows(file, {"z": read_array(file)} | {name: read_array(path) for name, path in beside.items()}, None)


def _parquet(file: Path, wanted: Wanted) -> Rows:
    elsewhere = {name: path for name, path in wanted.items() if path is not None and path.endswith(".npy")}
    asked = {name: (wanted[name], ALIASES[name]) for name in ALIASES if name not in elsewhere}
    arrays, names, group = read_columns(file, asked)
    if "z" not in arrays and "z" not in elsewhere:
        raise _missing(file, "z", f"the columns {listed(names)}")
    return _rows(file, arrays | {name: read_array(path) for name, path in elsewhere.items()}, group)


def _safetensors(file: Path, wanted: Wanted) -> Rows:
    told = {name: key for name, key in wanted.items() if key is not None}
    if told:
        raise ParameterError("names", "none for orbits that geodis saved, which have their own", told)
    orbits = Orbits.load(file)
    return Rows(orbits.z, orbits.params, orbits.items, orbits.clusters, orbits.group, orbits.detours)


# --- what stands where ------------------------------------------------------------------------------------------------
def _key(file: Path, name: str, told: str | None, keys: Sequence[str]) -> str | None:
    """The key of one part; None where an optional part is not there."""
    if told is not None:
        if told not in keys and not told.endswith(".npy"):
            raise ContentError(file, f"a key {told!r} for {ROWS[name]}", listed(keys))
        return told
    found = [alias for alias in ALIASES[name] if alias in keys]
    if len(found) > 1:
        raise ContentError(file, f"one key for {ROWS[name]}", listed(found), f"Say which with {name} (--{name}).")
    if not found and name == "z":
        raise _missing(file, name, listed(keys))
    return found[0] if found else None


def _missing(file: Path | str, name: str, got: str) -> ContentError:
    return ContentError(
        file, f"{ROWS[name]}, called {listed(ALIASES[name], 'or')}", got,
        f"Say what it is called with {name} (--{name}), or add it to the file.",
    )  # fmt: skip


def _needed(path: str | Path, name: str, part: Array | None) -> Array:
    if part is None:
        raise _missing(Path(path), name, "a file without")
    return part


def _rows(file: Path, arrays: Mapping[str, Array], group: str | None) -> Rows:
    labels = {name: as_items(_unpacked(arrays[name])) for name in ("items", "clusters") if name in arrays}
    named = None if group is None else parse(group)
    params = arrays.get("params")
    if params is not None and params.ndim not in (1, 2):
        raise ContentError(file, f"{ROWS['params']}, shape (N, p)", f"shape {params.shape}")
    return Rows(as_embeddings(arrays["z"]), params, labels.get("items"), labels.get("clusters"), named)


def _unpacked(labels: Array) -> Array:
    """A column (N, 1) as (N,): labels often come that way from frames."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def settled(path: str | Path, given: AbstractGroup | str | None, named: AbstractGroup | None) -> AbstractGroup:
    """The group that was given or that the file names; a named error without, or where they differ."""
    group = parse(given) if isinstance(given, str) else given
    if group is None:
        if named is None:
            raise ContentError(path, "a group", "a file that names none", 'Name it, for example --group "SO2".')
        return named
    if named is not None and group != named:
        raise ContentError(path, f"the group {named!r}, which the file names", repr(group))
    return group


@contextmanager
def readable(file: Path, expected: str) -> Iterator[None]:
    """Errors of numpy and zip about a broken file, as a sentence."""
    try:
        yield
    except ContentError:
        raise
    except UNREADABLE as error:
        if "Object arrays" not in str(error) and "pickle" in str(error):  # what numpy makes of any other content
            raise ContentError(
                file, expected, "other content, or a pickle", "Nothing is ever unpickled here."
            ) from None
        if "Object arrays" in str(error):
            raise ContentError(
                file, expected, "Python objects (ragged lists?), which only pickle can hold", "Nothing is ever "
                "unpickled here: save arrays of numbers or words.",
            ) from None  # fmt: skip
        raise ContentError(file, expected, f"{type(error).__name__}: {error}") from error
