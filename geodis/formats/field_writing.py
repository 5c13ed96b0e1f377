"""Writing runs of typed fields as they came: datasets, NetCDF, zarr, .npz; whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geodis.errors import ContentError
from geodis.files import write_atomically
from geodis.formats.field_runs import FieldRuns, FieldVariable
from geodis.formats.field_sources import ENDINGS, NETCDF, TIMES, needed, xarray_package
from geodis.linalg import Array

if TYPE_CHECKING:
    from xarray import Dataset


def to_dataset(runs: FieldRuns) -> Dataset:
    """The xarray.Dataset of runs, with the names, dimensions, coordinates, units and attributes that they came with.

    Raises
    ------
    MissingExtraError
        Without xarray.
    """
    xarray = xarray_package()
    variables = {}
    for i, variable in enumerate(runs.variables):
        variables[variable.name] = _variable(runs, variable, runs.states[:, :, i], runs.dims)
    for i, variable in enumerate(runs.fixed_variables):
        field = np.zeros(0) if runs.fixed is None else runs.fixed[:, i]
        variables[variable.name] = _variable(runs, variable, field[:, None], runs.dims)
    coordinates = {name: (c.dims, c.values, dict(c.attributes)) for name, c in runs.coordinates.items()}
    made: Dataset = xarray.Dataset(variables, coordinates, dict(runs.attributes))
    return made


def write_field_runs(path: str | Path, runs: FieldRuns) -> None:
    """Write what `read_field_runs` reads: NetCDF (``.nc``), ``.zarr`` or ``.npz`` by the ending; whole or not at all.

    An ``.npz`` keeps the variables and numbers for times, no other coordinates and no units.

    Raises
    ------
    ContentError, FileNotFoundError, MissingExtraError
        For other endings, a folder that is no zarr store, no such folder, missing packages.
    """
    file = Path(path)
    kind = file.suffix.lower()
    if kind == ".npz":
        write_atomically(file, lambda temporary: _save_npz(temporary, runs))
    elif kind in NETCDF:
        needed("h5netcdf", "h5py")
        dataset = to_dataset(runs)
        write_atomically(file, lambda temporary: dataset.to_netcdf(temporary, engine="h5netcdf"))
    elif kind == ".zarr":
        needed("zarr")
        _save_zarr(file, to_dataset(runs))
    else:
        raise ContentError(file, f"a name ending in {', '.join(ENDINGS)}", f"the ending {file.suffix!r}")


def _variable(runs: FieldRuns, variable: FieldVariable, field: Array, dims: tuple[str, ...]) -> Any:
    """(dims, values, attributes) as the file had them: what was spread is one again."""
    for axis in reversed(range(len(dims))):
        if dims[axis] not in variable.dims:
            field = field.take(0, axis)
        elif dims[axis] == runs.dims[1] and field.shape[axis] != runs.states.shape[1]:
            field = np.repeat(field, runs.states.shape[1], axis)  # a fixed field that had times
    kept = [dim for dim in dims if dim in variable.dims]
    values = field.transpose([kept.index(dim) for dim in variable.dims])
    return variable.dims, values.astype(variable.dtype), dict(variable.attributes)


def _save_npz(path: str, runs: FieldRuns) -> None:
    arrays: dict[str, Any] = {name: runs.states[:, :, i] for i, name in enumerate(runs.names)}
    if runs.fixed is not None:
        arrays |= {v.name: runs.fixed[:, i] for i, v in enumerate(runs.fixed_variables)}
    time = runs.coordinates.get(runs.dims[1])
    if time is not None and time.values.dtype.kind in "fiu":
        arrays[TIMES[0]] = time.values
    with open(path, "wb") as file:  # by name, numpy would add an ending
        np.savez(file, **arrays)


def _save_zarr(target: Path, dataset: Dataset) -> None:
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: expected an existing folder, {target.parent} is none. Create it first.")
    store = any((target / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata"))
    if target.exists() and not store:
        raise ContentError(target, "a new name, or a zarr store to replace", "something else")
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=target.name, suffix=".part"))
    try:
        dataset.to_zarr(aside / "new", mode="w", consolidated=False)
        if store:
            os.rename(target, aside / "old")
        os.rename(aside / "new", target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
