"""Reading users' files without group elements: pairs in batches, sequences, tangents, or points alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from geodis.errors import ContentError, LengthError, ShapeError
from geodis.formats.columns import listed, read_columns
from geodis.formats.readers import ALIASES, existing, member, readable
from geodis.linalg import Array, check_finite
from geodis.orbits import as_items

# What a part may be called, most usual first.
CALLED = {
    "z": ALIASES["z"],
    "gz": ("gz", "gZ", "after"),
    "batches": ("batches", "batch", "actions", "action"),
    "sequence": ("sequence", "sequences"),
    "step": ("step", "steps"),
    "tangents": ("tangents", "tangent", "frames"),
}
MEANING = {
    "z": "the embeddings, one row each",
    "gz": "the embeddings after the unknown transformation, row by row those of z",
    "batches": "the batches, one label a pair, the same label for pairs that share their transformation",
    "sequence": "the sequences, one label a row",
    "step": "the time of each row in its sequence, whole numbers",
    "tangents": "tangent vectors (N, D), or frames of tangent spaces (N, k, D), row by row those of z",
}
NUMBERS = {"z": (2, 3), "gz": (2,), "tangents": (2, 3)}  # how many axes; the other parts are labels
SHAPES = {"z": "(N, D), or (sequences, frames, D)", "gz": "(N, D)", "tangents": "(N, D) or (N, k, D)"}
KNOWN = (".npz", ".parquet", ".pq")


@final
@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Rows of embeddings of which nobody knows the group elements; what the file does not hold is None.

    Attributes
    ----------
    z : ndarray (N, D)
        The embeddings; (n_sequences, n_frames, D) for sequences of one length.
    gz : ndarray (N, D) or None
        The same rows after transformations.
    batches : ndarray (N,) or None
        Labels of pairs that share their transformation.
    sequence, step : ndarray (N,) or None
        The sequence of each row, and its time.
    tangents : ndarray (N, D) or (N, k, D), or None
        Tangent vectors, or frames of tangent spaces.
    """

    z: Array
    gz: Array | None = None
    batches: Array | None = None
    sequence: Array | None = None
    step: Array | None = None
    tangents: Array | None = None

    @property
    def held(self) -> tuple[str, ...]:
        """The names of the parts that are there."""
        return tuple(name for name in CALLED if getattr(self, name) is not None)


def read_unlabelled(
    path: str | Path,
    *,
    z: str | None = None,
    gz: str | None = None,
    batches: str | None = None,
    sequence: str | None = None,
    step: str | None = None,
    tangents: str | None = None,
) -> Unlabelled:
    """Embeddings without group elements out of a file of one's own. Nothing is ever unpickled.

    - ``.npz``: the array `z` (N, D), and what there is of `gz` (N, D), `batches` (N,), `sequence` (N,), `step` (N,),
      `tangents` (N, D) or (N, k, D).
    - ``.parquet``: list columns, or numbered ones `z_0 … z_{D−1}`; tangent vectors, but no frames.

    Parameters
    ----------
    path : path
        The file.
    z, gz, batches, sequence, step, tangents : str, optional
        The key or column where it is called otherwise.

    Raises
    ------
    ContentError
        For an unknown kind of file, one that cannot be read, or one that lacks a part.
    FileNotFoundError, IsADirectoryError
        When there is no such file.
    ShapeError, LengthError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, labels that are missing.

    Examples
    --------
    >>> np.savez("pairs.npz", z=np.eye(4), gz=-np.eye(4), batches=["a", "a", "b", "b"])
    >>> read_unlabelled("pairs.npz").held
    ('z', 'gz', 'batches')
    """
    file = existing(path)
    told = {"z": z, "gz": gz, "batches": batches, "sequence": sequence, "step": step, "tangents": tangents}
    kinds = {".npz": _npz, ".parquet": _parquet, ".pq": _parquet}
    if file.suffix.lower() not in kinds:
        raise ContentError(
            file, f"a file ending in {', '.join(KNOWN)}", f"the ending {file.suffix!r}", "Save z and what belongs to "
            "it with numpy.savez or as parquet.",
        )  # fmt: skip
    arrays = kinds[file.suffix.lower()](file, told)
    parts = {name: _part(file, name, array) for name, array in arrays.items()}
    lengths = {name: len(part) for name, part in parts.items()}
    if len(set(lengths.values())) > 1:
        raise LengthError(**lengths)
    return Unlabelled(**parts)


def missing_part(file: Path, name: str, held: Sequence[str]) -> ContentError:
    """The error of a file that lacks what a mode needs."""
    return ContentError(
        file, f"{MEANING[name]}, called {listed(CALLED[name], 'or')}", listed(held),
        f"Say what it is called with {name} (--{name}), or add it to the file.",
    )  # fmt: skip


def _npz(file: Path, told: Mapping[str, str | None]) -> dict[str, Array]:
    with readable(file, "an archive of arrays (.npz)"), file.open("rb") as stream:
        archive = np.load(stream, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ContentError(file, "an archive of arrays (.npz)", "one array", "Save it with numpy.savez(…, z=z).")
        keys = list(archive.files)
        named = {name: key for name in CALLED if (key := _key(file, name, told[name], keys)) is not None}
        return {name: member(archive, key) for name, key in named.items()}


def _key(file: Path, name: str, told: str | None, keys: Sequence[str]) -> str | None:
    """The key of one part; None where it is not there."""
    if told is not None:
        if told not in keys:
            raise ContentError(file, f"a key {told!r} for {MEANING[name]}", listed(keys))
        return told
    found = [alias for alias in CALLED[name] if alias in keys]
    if len(found) > 1:
        raise ContentError(file, f"one key for {MEANING[name]}", listed(found), f"Say which with {name} (--{name}).")
    if not found and name == "z":
        raise missing_part(file, name, keys)
    return found[0] if found else None


def _parquet(file: Path, told: Mapping[str, str | None]) -> dict[str, Array]:
    arrays, names, _ = read_columns(file, {name: (told[name], CALLED[name]) for name in CALLED})
    if "z" not in arrays:
        raise missing_part(file, "z", names)
    return arrays


def _part(file: Path, name: str, array: Array) -> Array:
    if name not in NUMBERS:
        return as_items(array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array)
    if array.dtype.kind not in "fiub":
        raise ContentError(file, f"real numbers for {MEANING[name]}", f"dtype {array.dtype}")
    if array.ndim not in NUMBERS[name] or 0 in array.shape:
        raise ShapeError(name, SHAPES[name], array.shape)
    numbers = array.astype(np.float64)
    check_finite(numbers, name)
    return numbers
