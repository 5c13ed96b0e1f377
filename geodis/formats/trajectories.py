"""Reading and writing trajectories of particles: .npz or zarr, positions and velocities at equal steps of time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from geodis.errors import ContentError, DesignError, MissingExtraError, ShapeError
from geodis.files import write_atomically
from geodis.formats.columns import listed
from geodis.formats.readers import existing, member, readable
from geodis.linalg import Array, check_finite
from geodis.simulators.particle_trajectories import ParticleTrajectories

CALLED = {
    "positions": ("positions", "x", "loc", "pos"),
    "velocities": ("velocities", "v", "vel"),
    "scalars": ("scalars", "charges", "masses", "charge", "mass", "q", "m"),
    "times": ("times", "time", "t"),
}
NEEDED = ("positions", "velocities", "times")
UNEQUAL = 1e-6  # steps of time that differ by less, relative, are equal
EXPECTED = "trajectories: positions and velocities (runs, times, bodies, d), times (times,), scalars (runs, bodies, k)"


def read_trajectories(path: str | Path, **told: str | None) -> ParticleTrajectories:
    """Trajectories out of a file of one's own. Nothing is ever unpickled.

    The file (``.npz``, or a ``.zarr`` folder) holds `positions` and `velocities` (runs, times, bodies, d), `times`
    (times,) at equal steps, and the numbers that bodies carry, `scalars` (runs, bodies, k) or (runs, bodies), if any,
    called by `names` (k,). One run may come without its first axis.

    Parameters
    ----------
    path : path
    **told : str, optional
        The key of a part (`positions`, `velocities`, `scalars`, `times`) that is called otherwise.

    Raises
    ------
    ContentError, FileNotFoundError
        For another kind of file, one that cannot be read, or that lacks a part.
    MissingExtraError
        For a zarr folder without the package zarr.
    ShapeError, LengthError, FiniteError, DesignError
        For arrays that do not fit together, NaN, or times that are not equally spaced.

    Examples
    --------
    >>> still = np.zeros((1, 3, 2, 3))
    >>> np.savez("runs.npz", x=still, v=still, t=[0.0, 0.1, 0.2], charges=np.ones((1, 2)))
    >>> read_trajectories("runs.npz")
    ParticleTrajectories(1 runs, 3 times, 2 bodies in R^3, scalars: charges)
    """
    file = Path(path)
    arrays = _zarr(file) if file.suffix.lower() == ".zarr" else _npz(existing(file))
    keys = {name: _key(file, name, told.get(name), tuple(arrays)) for name in CALLED}
    parts = {name: np.asarray(arrays[key]) for name, key in keys.items() if key is not None}
    x, v = (_numbers(file, name, parts[name]) for name in ("positions", "velocities"))
    if x.ndim == 3:
        x, v = x[None], v[None]
        parts = parts | ({"scalars": parts["scalars"][None]} if "scalars" in parts else {})
    if x.ndim != 4 or x.shape != v.shape or 0 in x.shape:
        raise ShapeError("positions and velocities", "(runs, times, bodies, d) both", f"{x.shape} and {v.shape}")
    n, _, bodies, _ = x.shape
    scalars = _numbers(file, "scalars", parts["scalars"]) if "scalars" in parts else np.zeros((n, bodies, 0))
    scalars = scalars[..., None] if scalars.ndim == 2 else scalars
    if scalars.ndim != 3 or scalars.shape[:2] != (n, bodies):
        raise ShapeError("scalars", f"({n}, {bodies}, k)", scalars.shape)
    times = _numbers(file, "times", parts["times"])
    names = _names(arrays, keys["scalars"], scalars.shape[2])
    return _evenly(ParticleTrajectories(x, v, scalars, times, names))


def write_trajectories(path: str | Path, runs: ParticleTrajectories) -> None:
    """Write an .npz file that `read_trajectories` reads."""
    parts: dict[str, Any] = {name: getattr(runs, name) for name in ("positions", "velocities", "times")}
    if runs.names:
        parts |= {"scalars": runs.scalars, "names": np.array(runs.names)}

    def write(temporary: str) -> None:
        with open(temporary, "wb") as file:  # np.savez adds a suffix to names, not to files
            np.savez(file, **parts)

    write_atomically(path, write)


def _npz(file: Path) -> dict[str, Array]:
    if file.suffix.lower() != ".npz":
        raise ContentError(file, "a file ending in .npz, or a folder ending in .zarr", f"the ending {file.suffix!r}")
    with readable(file, EXPECTED), np.load(file, allow_pickle=False) as archive:
        return {key: member(archive, key) for key in archive.files}


def _zarr(file: Path) -> dict[str, Array]:
    if not file.is_dir():
        raise FileNotFoundError(f"{file}: expected a zarr folder, found none.")
    try:
        import zarr
    except ImportError as error:
        raise MissingExtraError("zarr", "scale") from error
    try:
        group = zarr.open_group(str(file), mode="r")
        return {str(key): np.asarray(array[...]) for key, array in group.arrays()}
    except (ValueError, KeyError, OSError, FileNotFoundError) as error:
        raise ContentError(file, EXPECTED, f"{type(error).__name__}: {error}") from error


def _key(file: Path, name: str, told: str | None, keys: tuple[str, ...]) -> str | None:
    if told is not None:
        if told not in keys:
            raise ContentError(file, f"{name} called {told!r}", listed(keys))
        return told
    found = next((key for key in CALLED[name] if key in keys), None)
    if found is None and name in NEEDED:
        raise ContentError(
            file, f"{name}, called {listed(CALLED[name], 'or')}", listed(keys), f"Say what they are called (--{name})."
        )
    return found


def _numbers(file: Path, name: str, array: Array) -> Array:
    if array.dtype.kind not in "fiub":
        raise ContentError(file, f"real numbers for {name}", f"dtype {array.dtype}")
    numbers = array.astype(np.float64)
    check_finite(numbers, name)
    return numbers


def _names(arrays: Mapping[str, Array], key: str | None, k: int) -> tuple[str, ...]:
    given = arrays.get("names")
    if given is not None and given.shape == (k,):
        return tuple(str(name) for name in given)
    if k == 1 and key is not None and key != "scalars":
        return (key,)
    return tuple(f"s{i}" for i in range(k))


def _evenly(runs: ParticleTrajectories) -> ParticleTrajectories:
    steps = np.diff(runs.times)
    if len(steps) < 1 or not (steps > 0).all() or np.ptp(steps) > UNEQUAL * steps.max():
        raise DesignError(
            f"times: expected two or more, increasing by equal steps; got {len(runs.times)} with steps "
            f"{steps.min(initial=np.inf):g} to {steps.max(initial=-np.inf):g}. Interpolate to equal steps first."
        )
    return runs
