"""What holds fields on grids: xarray's datasets, NetCDF, zarr and .npz, opened as plain arrays with names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from geodis.errors import ContentError, MissingExtraError, ParameterError
from geodis.formats.field_runs import Coordinate
from geodis.formats.readers import existing, member, readable

if TYPE_CHECKING:
    from xarray import Dataset

ENDINGS = (".nc", ".zarr", ".npz")
NETCDF = (".nc", ".nc4", ".netcdf", ".h5", ".cdf")
RUNS = ("run", "runs", "member", "ensemble", "realization", "simulation", "sample", "trajectory")
TIMES = ("time", "times", "t", "step", "lead_time")
AXES = (("x", "lon", "longitude", "east"), ("y", "lat", "latitude", "north"), ("z", "lev", "level", "height", "depth"))


class GridFile(NamedTuple):
    """What a file holds, whatever kind it is."""

    path: str
    parts: dict[str, Coordinate]
    coordinates: dict[str, Coordinate]
    attributes: dict[str, Any]


def opened(source: Any, names: Sequence[str]) -> GridFile:
    """The dataset or file, with the variables of these names at least where it has them."""
    if not isinstance(source, (str, Path)):
        if not isinstance(source, xarray_package().Dataset):
            raise ParameterError("source", "a path or an xarray.Dataset", type(source).__name__)
        return _of_dataset("the dataset", source)
    file = Path(source)
    kind = file.suffix.lower()
    if kind == ".npz":
        return _of_npz(existing(file), names)
    if kind not in (".zarr", *NETCDF):
        raise ContentError(file, f"a file ending in {', '.join(ENDINGS)}", f"the ending {file.suffix!r}")
    if not file.exists():
        raise FileNotFoundError(f"{file}: expected a file or zarr folder, found none.")
    xarray = xarray_package()
    if kind == ".zarr":
        needed("zarr")
    try:
        # A store may lack consolidated metadata; older NetCDF than version 4 is left to whatever engine xarray finds.
        options = {"engine": "zarr", "consolidated": False} if kind == ".zarr" else {}
        with xarray.open_dataset(file, **options) as opened:
            return _of_dataset(str(file), opened.load())
    except (OSError, ValueError, KeyError) as error:
        if "IO backends" in str(error) and not has("h5netcdf"):
            raise MissingExtraError("h5netcdf", "fields") from error
        raise ContentError(file, "fields that xarray opens", f"{type(error).__name__}: {error}") from error


def _of_dataset(path: str, dataset: Dataset) -> GridFile:
    def taken(variables: Mapping[Any, Any]) -> dict[str, Coordinate]:
        return {
            str(name): Coordinate(tuple(map(str, v.dims)), np.asarray(v.values), dict(v.attrs))
            for name, v in variables.items()
        }

    return GridFile(
        path, taken(dataset.data_vars), taken(dataset.coords), {str(k): v for k, v in dataset.attrs.items()}
    )


def _of_npz(file: Path, names: Sequence[str]) -> GridFile:
    expected = "an archive of arrays, one a variable: (runs, times, *grid)"
    with readable(file, expected), np.load(file, allow_pickle=False) as archive:
        arrays = {key: member(archive, key) for key in archive.files}
    most = max((arrays[name].ndim for name in names if name in arrays), default=0)
    dims = (RUNS[0], TIMES[0], *(axes[0] for axes in AXES[: most - 2]))
    fixed_dims = {1: dims[:1], most - 2: dims[2:], most - 1: (dims[0], *dims[2:]), most: dims}
    if most and most not in (4, 5):
        raise ContentError(file, "variables (runs, times, *grid) with a grid of 2 or 3 axes", f"at most {most} axes")
    parts = {}
    for name in names:
        if name in arrays and arrays[name].ndim not in fixed_dims:
            raise ContentError(file, f"{name!r} of {', '.join(map(str, fixed_dims))} axes", str(arrays[name].ndim))
        if name in arrays:
            parts[name] = Coordinate(fixed_dims[arrays[name].ndim], arrays[name])
    at = next((key for key in TIMES if key in arrays and arrays[key].ndim == 1), None)
    coordinates = {} if at is None else {TIMES[0]: Coordinate((TIMES[0],), arrays[at])}
    for axis in dims[2:]:
        if axis in arrays and axis not in names and arrays[axis].ndim == 1:
            coordinates[axis] = Coordinate((axis,), arrays[axis])
    others = {key: Coordinate((), array) for key, array in arrays.items() if key not in parts}
    return GridFile(str(file), others | parts, coordinates, {})


def xarray_package() -> Any:
    """The module xarray, or the error that says how to get it."""
    try:
        import xarray
    except ImportError as error:
        raise MissingExtraError("xarray", "fields") from error
    return xarray


def has(package: str) -> bool:
    """Whether a package is installed."""
    return find_spec(package) is not None


def needed(*packages: str) -> None:
    """Raise `MissingExtraError` without xarray and these."""
    xarray_package()
    for package in packages:
        if not has(package):
            raise MissingExtraError(package, "fields")
