"""Reading runs of typed fields: which variables are scalars, which are components of vectors, and along which axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geodis.errors import ContentError, FiniteError, ParameterError
from geodis.formats.columns import listed
from geodis.formats.field_runs import Coordinate, FieldRuns, FieldVariable, Types, check_regular
from geodis.formats.field_sources import AXES, RUNS, TIMES, GridFile, opened
from geodis.linalg import Array

if TYPE_CHECKING:
    from xarray import Dataset

FILL = (
    "Where this is a mask, such as land, fill it (Dataset.fillna(0)) and give the mask as a scalar without time. "
    "Otherwise repair or leave out these times."
)


class _Group(NamedTuple):
    """A tensor: its type and the names of its components."""

    order: int
    parity: int
    names: tuple[str, ...]


def read_field_runs(
    source: str | Path | Dataset,
    *,
    scalars: Sequence[str] = (),
    vectors: Sequence[Sequence[str]] = (),
    pseudoscalars: Sequence[str] = (),
    pseudovectors: Sequence[Sequence[str]] = (),
    tensors: Sequence[Sequence[str]] = (),
    fixed: Sequence[str] = (),
    grid: Sequence[str] | None = None,
    run: str | None = None,
    time: str | None = None,
) -> FieldRuns:
    """Runs of typed fields out of a dataset, NetCDF (``.nc``), ``.zarr`` or ``.npz``, as `FieldEmulator` takes them.

    You say which variables are scalars and which are components of a vector. Dimensions may stand in any order; they
    are found by name. Axes along which a coordinate falls, as latitudes often do, are turned round. Variables without
    time are fixed fields; they are spread over the runs and the axes that they lack.

    Parameters
    ----------
    source : path or xarray.Dataset
        An ``.npz`` holds an array `(runs, times, *grid)` a variable, fixed fields `(runs, *grid)`, `(runs,)` or
        `(*grid)`, and perhaps `time`, with axes of the grid called x, y, z.
    scalars, pseudoscalars : sequence of str
        Such as a height; such as a Coriolis parameter or, in the plane, a vorticity: they change sign in a mirror.
    vectors, pseudovectors : sequence of sequence of str
        Components in the order of the axes of the grid, such as ``[("u", "v")]``.
    tensors : sequence of sequence of str
        Of order two: d² components in row-major order.
    fixed : sequence of str
        Variables among these that have times and do not change along them.
    grid : sequence of str, optional
        The dimensions that components 0, 1, … of a vector point along; x, y, z or longitude, latitude, level by
        default, and their order in the file where there are no vectors.
    run, time : str, optional
        Names of these dimensions where they are unusual. Runs may be missing: then there is one.

    Raises
    ------
    ContentError, FileNotFoundError
        For files that cannot be read, missing variables, dimensions that do not fit.
    MissingExtraError
        Without xarray, or without the package for this kind of file.
    DesignError, FiniteError, ParameterError
        For coordinates without equal steps, NaN (a land mask), names that do not make a tensor.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> h, u, v = rng.normal(size=(3, 4, 6, 8, 8))
    >>> np.savez("flow.npz", h=h, u=u, v=v, f=rng.uniform(-1, 1, 4))
    >>> runs = read_field_runs("flow.npz", scalars=["h"], vectors=[("u", "v")], pseudoscalars=["f"])
    >>> runs, runs.types, runs.fixed.shape
    (FieldRuns(4 runs, 6 times, 8 × 8 grid; h, u, v, fixed: f), ((0, 1, 1), (1, 1, 1)), (4, 1, 8, 8))
    """
    groups = _groups(scalars, pseudoscalars, vectors, pseudovectors, tensors)
    names = [name for group in groups for name in group.names]
    file = opened(source, names)
    for name in names:
        if name not in file.parts:
            raise ContentError(file.path, f"a variable {name!r}", listed(tuple(file.parts)))
    alone = [name for name in fixed if name not in names]
    if alone:
        advice = f"Say what {listed(alone)} is, for example a scalar or a pseudoscalar."
        raise ParameterError("fixed", f"names among {listed(names)}", listed(alone), advice)
    seen = {dim for name in names for dim in file.parts[name].dims}
    when, which = _called(file, time, TIMES, seen, "time"), _called(file, run, RUNS, seen, "run")
    if when is None:
        raise ContentError(
            file.path, f"a dimension of times, called {listed(TIMES, 'or')}", listed(sorted(seen)), "Name it (time)."
        )
    still = [group for group in groups if _is_fixed(group, file, when, fixed)]
    moving = [group for group in groups if group not in still]
    if not moving:
        raise ContentError(file.path, "a variable that changes in time", f"only fixed ones: {listed(names)}")
    axes = _axes(file, moving, grid, {when, which or RUNS[0]}, any(group.order for group in groups))
    _check_components(groups, len(axes))
    dims = (which or RUNS[0], when, *axes)
    file = _ascending(file, names, axes)
    for dim in dims[1:]:
        if dim in file.coordinates:
            check_regular(file.coordinates[dim].values, dim)
    parts = [file.parts[name] for name in names]
    sizes = {dim: n for part in parts for dim, n in zip(part.dims, part.values.shape, strict=True)}
    shape = tuple(sizes.get(dim, 1) for dim in dims)
    states, variables = _stacked(file, moving, dims, shape)
    driving, fixed_variables = _stacked(file, still, dims, shape) if still else (None, ())
    if driving is not None:
        for i, variable in enumerate(fixed_variables):
            if np.ptp(driving[:, :, i], axis=1).any():
                raise ContentError(file.path, f"{variable.name!r} the same at all times, as a fixed field", "changes")
        driving = driving[:, 0]
    kept = {name: c for name, c in file.coordinates.items() if set(c.dims) <= set(dims)}
    return FieldRuns(
        states, driving, _types(moving), _types(still), variables, fixed_variables, dims, kept, file.attributes
    )


def _groups(
    scalars: Sequence[str],
    pseudoscalars: Sequence[str],
    vectors: Sequence[Sequence[str]],
    pseudovectors: Sequence[Sequence[str]],
    tensors: Sequence[Sequence[str]],
) -> list[_Group]:
    for what, given in (("scalars", scalars), ("pseudoscalars", pseudoscalars)):
        if isinstance(given, str):
            raise ParameterError(what, "a list of names", repr(given))
    for what, many in (("vectors", vectors), ("pseudovectors", pseudovectors), ("tensors", tensors)):
        if isinstance(many, str) or any(isinstance(names, str) for names in many):
            raise ParameterError(what, 'a list of tuples of names, such as [("u", "v")]', repr(many))
    groups = [_Group(0, 1, (name,)) for name in scalars] + [_Group(0, -1, (name,)) for name in pseudoscalars]
    groups += [_Group(1, 1, tuple(names)) for names in vectors] + [_Group(1, -1, tuple(n)) for n in pseudovectors]
    groups += [_Group(2, 1, tuple(names)) for names in tensors]
    every = [name for group in groups for name in group.names]
    if not every or len(set(every)) < len(every):
        raise ParameterError("scalars, vectors, …", "at least one variable, none twice", listed(every))
    return groups


def _check_components(groups: Sequence[_Group], dim: int) -> None:
    for order, _, names in groups:
        if len(names) != dim**order:
            what = {1: "a vector", 2: "a tensor of order two"}[order]
            raise ParameterError(f"{what} ({', '.join(names)})", f"{dim**order} components on {dim} axes", len(names))


def _called(file: GridFile, told: str | None, known: Sequence[str], seen: set[str], what: str) -> str | None:
    if told is not None and told not in seen:
        raise ContentError(file.path, f"a dimension {told!r} ({what})", listed(sorted(seen)))
    return told if told is not None else next((name for name in known if name in seen), None)


def _is_fixed(group: _Group, file: GridFile, when: str, told: Sequence[str]) -> bool:
    still = {when not in file.parts[name].dims or name in told for name in group.names}
    if len(still) > 1:
        raise ContentError(file.path, f"{listed(group.names)} all with times or all without", "some with, some without")
    return still.pop()


def _axes(
    file: GridFile, moving: Sequence[_Group], grid: Sequence[str] | None, others: set[str], oriented: bool
) -> tuple[str, ...]:
    """The dimensions of the grid, in the order of a vector's components."""
    first = file.parts[moving[0].names[0]].dims
    found = [dim for dim in first if dim not in others]
    for name in (name for group in moving for name in group.names):
        if set(file.parts[name].dims) - others != set(found):
            raise ContentError(
                file.path, f"{name!r} on the dimensions {listed(found)} beside runs and times",
                listed(file.parts[name].dims), "Interpolate to one grid first.",
            )  # fmt: skip
    if len(found) not in (2, 3):
        raise ContentError(
            file.path, "a grid of 2 or 3 dimensions beside runs and times", listed(found),
            "Choose one of a dimension that is none of the grid (Dataset.isel), or name the runs (run).",
        )  # fmt: skip
    if grid is not None:
        if isinstance(grid, str) or set(grid) != set(found) or len(grid) != len(found):
            raise ParameterError("grid", f"the dimensions {listed(found)} in some order", repr(grid))
        return tuple(grid)
    place = {name: i for i, names in enumerate(AXES) for name in names}
    if all(dim.lower() in place for dim in found) and len({place[dim.lower()] for dim in found}) == len(found):
        return tuple(sorted(found, key=lambda dim: place[dim.lower()]))
    if oriented:
        raise ContentError(
            file.path, "dimensions called x, y, z or lon, lat, level, so that it is known where vectors point",
            listed(found),
            'Say it with grid, such as grid=("east", "north"); name the runs (run) if they are among them.',
        )  # fmt: skip
    return tuple(found)


def _ascending(file: GridFile, names: Sequence[str], axes: Sequence[str]) -> GridFile:
    """Axes turned round along which the coordinate falls: a component points to where its coordinate rises."""
    down = [
        axis for axis in axes
        if axis in file.coordinates and len(v := file.coordinates[axis].values) > 1 and v[1] < v[0]
    ]  # fmt: skip

    def turned(part: Coordinate) -> Coordinate:
        over = [part.dims.index(axis) for axis in down if axis in part.dims]
        return replace(part, values=np.flip(part.values, over)) if over else part

    parts = {name: turned(file.parts[name]) for name in names}
    return file._replace(parts=parts, coordinates={name: turned(c) for name, c in file.coordinates.items()})


def _stacked(
    file: GridFile, groups: Sequence[_Group], dims: tuple[str, ...], shape: tuple[int, ...]
) -> tuple[Array, tuple[FieldVariable, ...]]:
    """(runs, times, components, *grid), and what each component is called."""
    fields, variables = [], []
    for name in (name for group in groups for name in group.names):
        part = file.parts[name]
        if part.values.dtype.kind not in "fiu":
            raise ContentError(file.path, f"real numbers for {name!r}", f"dtype {part.values.dtype}")
        lost = [dim for dim in part.dims if dim not in dims]
        if lost:
            raise ContentError(file.path, f"{name!r} along {listed(dims)}", f"also along {listed(lost)}")
        bad = int(np.count_nonzero(~np.isfinite(part.values)))
        if bad:
            raise FiniteError(f"{file.path}: {name}", bad, FILL)
        order = sorted(range(len(part.dims)), key=lambda i: dims.index(part.dims[i]))
        spread = tuple(slice(None) if dim in part.dims else None for dim in dims)
        fields.append(np.broadcast_to(part.values.transpose(order)[spread], shape))
        variables.append(FieldVariable(name, part.dims, str(part.values.dtype), part.attributes))
    kinds = [field.dtype if field.dtype.kind == "f" else np.dtype(np.float64) for field in fields]
    dtype = np.result_type(np.float32, *kinds)
    return np.stack(fields, 2).astype(dtype), tuple(variables)


def _types(groups: Sequence[_Group]) -> Types:
    kinds: dict[tuple[int, int], int] = {}
    for order, parity, _ in groups:
        kinds[order, parity] = kinds.get((order, parity), 0) + 1
    return tuple((order, parity, channels) for (order, parity), channels in kinds.items())
