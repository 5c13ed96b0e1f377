"""Columns of a parquet file as arrays: list columns, numbered columns (`z_0, z_1, …`), labels; no guesses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from geodis.errors import ContentError
from geodis.linalg import Array

GROUP_KEY = b"geodis.group"  # in the schema's metadata


def read_columns(
    file: Path, asked: Mapping[str, tuple[str | None, Sequence[str]]]
) -> tuple[dict[str, Array], list[str], str | None]:
    """`(arrays, column names, group)` of a parquet file.

    For every name in `asked` a pair: what the user calls it (a column, the prefix of numbered ones, or several columns
    separated by commas; then it has to be there), or None and what it may be called (then it may be missing).

    Raises
    ------
    ContentError
        For a file that is no parquet, columns that are missing, ambiguous, ragged, or have empty cells.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(file)
        names = list(opened.schema_arrow.names)
        found = {name: columns for name, wish in asked.items() if (columns := _resolved(file, names, *wish))}
        wanted = list(dict.fromkeys(column for columns in found.values() for column in columns))
        table = opened.read(columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise ContentError(file, "a parquet file", f"{type(error).__name__}: {error}") from error
    group = (opened.schema_arrow.metadata or {}).get(GROUP_KEY)
    arrays = {name: _stacked(file, table, columns) for name, columns in found.items()}
    return arrays, names, None if group is None else group.decode()


def _resolved(file: Path, names: list[str], told: str | None, aliases: Sequence[str]) -> list[str]:
    """The columns of one part; empty where an optional part is not there."""
    if told is not None and "," in told and told not in names:
        return [column for part in told.split(",") for column in _resolved(file, names, part.strip(), ())]
    choices = (told,) if told is not None else tuple(aliases)
    found = {alias: columns for alias in choices if (columns := _called(file, names, alias))}
    if len(found) > 1:
        raise ContentError(file, f"one of the columns {listed(choices, 'or')}", listed(list(found)), "Say which.")
    if told is not None and not found:
        raise ContentError(file, f"a column {told!r}, or {told}_0, {told}_1, …", listed(names))
    return next(iter(found.values()), [])


def _called(file: Path, names: list[str], alias: str) -> list[str]:
    """The column `alias`, or the numbered columns `alias_0 …` in the order of their numbers."""
    if names.count(alias) > 1:
        raise ContentError(file, f"one column {alias!r}", f"{names.count(alias)} of them")
    if alias in names:
        return [alias]
    pattern = re.compile(re.escape(alias) + r"_(\d{1,9})", re.ASCII)
    numbered = {int(match[1]): name for name in names if (match := pattern.fullmatch(name))}
    if sorted(numbered) != list(range(len(numbered))):
        missing = next(k for k in range(len(numbered)) if k not in numbered)
        raise ContentError(
            file, f"columns {alias}_0 … {alias}_{max(numbered)} without a gap", f"no {alias}_{missing}"
        )  # fmt: skip
    return [numbered[k] for k in range(len(numbered))]


def _stacked(file: Path, table: Any, columns: list[str]) -> Array:
    """One column as `(N,)` or `(N, k)`, several as `(N, k)`."""
    arrays = [_column(file, table, name) for name in columns]
    if len(arrays) == 1 and not re.fullmatch(r".*_0", columns[0]):
        return arrays[0]
    flat = [name for name, array in zip(columns, arrays, strict=True) if array.ndim != 1]
    if flat:
        raise ContentError(file, f"one number a row in each of {listed(columns)}", f"lists in {flat[0]!r}")
    return np.stack(arrays, axis=1)


def _column(file: Path, table: Any, name: str) -> Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.column(name).combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # a column without rows
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        raise ContentError(file, f"a value in every row of {name!r}", f"{column.null_count} empty cells")
    if not _is_list(column.type):
        return _plain(file, name, column)
    lengths = np.unique(pc.list_value_length(column).to_numpy(zero_copy_only=False))
    if len(lengths) > 1:
        raise ContentError(
            file, f"lists of one length in {name!r}", f"lengths from {lengths[0]} to {lengths[-1]}"
        )  # fmt: skip
    width = int(lengths[0]) if len(lengths) else 0
    inner = column.flatten()
    if inner.null_count:
        raise ContentError(file, f"numbers in every list of {name!r}", f"{inner.null_count} empty entries")
    return _plain(file, name, inner).reshape(len(column), width)


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _plain(file: Path, name: str, column: Any) -> Array:
    """Numbers, truth values or words; anything else is refused."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return np.array(column.to_pylist(), dtype=str)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    if pa.types.is_temporal(kind):
        return np.array([str(value) for value in column.to_pylist()])
    raise ContentError(file, f"numbers or words in {name!r}", str(kind))


def listed(names: Sequence[str], last: str = "and", most: int = 12) -> str:
    """``'a', 'b' and 'c'``, of many names the first ones and their number."""
    quoted = [repr(name) for name in names]
    if len(quoted) > most:
        return f"{', '.join(quoted[:most])} … ({len(quoted)} in all)"
    return " ".join([", ".join(quoted[:-1]), last, quoted[-1]]) if len(quoted) > 1 else (quoted or ["nothing"])[0]
