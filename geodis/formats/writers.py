"""Writing rows of embeddings as users keep them: .npz, .npy, parquet; or as orbits. Whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from geodis.errors import ContentError
from geodis.files import write_atomically
from geodis.formats.columns import GROUP_KEY
from geodis.formats.readers import DETOURS, Rows
from geodis.orbits import Orbits

ENDINGS = (".npz", ".npy", ".parquet", ".pq")


def write_rows(path: str | Path, rows: Rows) -> None:
    """Write what `read_rows` reads back: the kind of file is told by its ending; ``.npy`` keeps the embeddings alone.

    Raises
    ------
    ContentError
        For another ending.
    FileNotFoundError
        When the folder does not exist.

    Examples
    --------
    >>> from geodis.formats.readers import read_rows
    >>> write_rows("edited.npz", Rows(np.eye(3), items=np.array(["a", "b", "c"])))
    >>> read_rows("edited.npz").items.tolist()
    ['a', 'b', 'c']
    """
    file = writable(path)
    kinds = {".npz": _npz, ".npy": _npy, ".parquet": _parquet, ".pq": _parquet}
    write_atomically(file, lambda temporary: kinds[file.suffix.lower()](temporary, rows))


def writable(path: str | Path, endings: Sequence[str] = ENDINGS) -> Path:
    """The path of a file to write, with one of these endings; a named error otherwise, before any work is done."""
    file = Path(path)
    if file.suffix.lower() not in endings:
        raise ContentError(file, f"a name ending in {', '.join(endings)}", f"the ending {file.suffix!r}")
    if file.is_dir():
        raise IsADirectoryError(f"{file}: expected the name of a file, got a folder.")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"{file}: expected an existing folder, {file.parent} is none. Create it first.")
    return file


def write_orbits(path: str | Path, orbits: Orbits) -> None:
    """The same for orbits, to ``.safetensors`` too; parquet does not keep the floor that `sample_orbits` measured.

    Raises
    ------
    ContentError, FileNotFoundError
        As `write_rows`.
    """
    file = writable(path, (*ENDINGS, ".safetensors"))
    if file.suffix.lower() == ".safetensors":
        orbits.save(file)
        return
    parts = (orbits.z, orbits.params, orbits.items, orbits.clusters, orbits.group, orbits.detours)
    write_rows(file, Rows(*parts))


def _arrays(rows: Rows) -> dict[str, Any]:
    parts = {"z": rows.z, "params": rows.params, "items": rows.items, "clusters": rows.clusters}
    return {name: part for name, part in parts.items() if part is not None}


def _npz(path: str, rows: Rows) -> None:
    named: dict[str, Any] = {} if rows.group is None else {"group": np.array(repr(rows.group))}
    apart = rows.detours
    if apart is not None:
        named |= dict(zip(DETOURS, (apart.direct, apart.composed, apart.items), strict=True))
    with open(path, "wb") as file:  # by name, numpy would add an ending
        np.savez(file, **_arrays(rows), **named)


def _npy(path: str, rows: Rows) -> None:
    with open(path, "wb") as file:
        np.save(file, rows.z, allow_pickle=False)


def _parquet(path: str, rows: Rows) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: _column(part) for name, part in _arrays(rows).items()}
    metadata = {} if rows.group is None else {GROUP_KEY: repr(rows.group).encode()}
    pq.write_table(pa.table(columns, metadata=metadata), path)


def _column(part: Any) -> Any:
    import pyarrow as pa

    if part.ndim == 1:
        return pa.array(part)
    return pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), part.shape[1])
