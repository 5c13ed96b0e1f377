"""Files of trajectories: what is written comes back, usual names are found, and what is wrong is named."""

import numpy as np
import pytest

from geodis.errors import ContentError, DesignError, FiniteError, LengthError, ShapeError
from geodis.formats.trajectories import read_trajectories, write_trajectories
from geodis.simulators import star_planets

RNG = np.random.default_rng(0)
X, V = RNG.normal(size=(2, 4, 3, 5, 2))
T = np.array([0.0, 0.5, 1.0])
GOOD = {"positions": X, "velocities": V, "times": T, "scalars": np.ones((4, 5, 2))}


def written(folder, name="runs.npz", **changed):
    arrays = {key: array for key, array in (GOOD | changed).items() if array is not None}
    np.savez(folder / name, **arrays)
    return folder / name


def test_what_is_written_comes_back(tmp_path):
    runs = star_planets(3, seed=0)
    write_trajectories(tmp_path / "a.npz", runs)
    back = read_trajectories(tmp_path / "a.npz")
    assert back.names == runs.names
    for name in ("positions", "velocities", "scalars", "times"):
        assert np.array_equal(getattr(back, name), getattr(runs, name))


def test_usual_names_are_found_and_others_told(tmp_path):
    np.savez(tmp_path / "b.npz", loc=X, vel=V, t=T, charges=np.ones((4, 5)))
    assert read_trajectories(tmp_path / "b.npz").names == ("charges",)
    np.savez(tmp_path / "c.npz", where=X, v=V, t=T)
    read = read_trajectories(tmp_path / "c.npz", positions="where")
    assert read.scalars.shape == (4, 5, 0)
    assert np.array_equal(read.positions, X)


def test_one_run_needs_no_first_axis(tmp_path):
    np.savez(tmp_path / "d.npz", x=X[0], v=V[0], t=T, scalars=np.ones((5, 1)))
    read = read_trajectories(tmp_path / "d.npz")
    assert read.positions.shape == (1, 3, 5, 2)
    assert read.scalars.shape == (1, 5, 1)


def test_a_zarr_folder_reads_the_same(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "runs.zarr"), mode="w")
    for name, array in GOOD.items():
        group[name] = array
    read = read_trajectories(tmp_path / "runs.zarr")
    assert np.array_equal(read.positions, X)
    assert read.scalars.shape == (4, 5, 2)


BAD = {
    "no velocities": ({"velocities": None}, ContentError),
    "no times": ({"times": None}, ContentError),
    "words": ({"positions": np.full(X.shape, "a")}, ContentError),
    "NaN": ({"velocities": np.full(X.shape, np.nan)}, FiniteError),
    "another shape": ({"velocities": V[:, :2]}, ShapeError),
    "flat": ({"positions": X.reshape(4, -1), "velocities": V.reshape(4, -1)}, ShapeError),
    "scalars of other bodies": ({"scalars": np.ones((4, 3, 1))}, ShapeError),
    "times of another length": ({"times": T[:2]}, LengthError),
    "unequal steps": ({"times": np.array([0.0, 0.5, 2.0])}, DesignError),
    "backwards": ({"times": T[::-1].copy()}, DesignError),
    "objects": ({"positions": np.array([[1], [1, 2]], dtype=object)}, ContentError),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_named(case, tmp_path):
    changed, error = BAD[case]
    with pytest.raises(error):
        read_trajectories(written(tmp_path, **changed))


def test_one_time_is_no_trajectory(tmp_path):
    with pytest.raises(DesignError, match="two or more"):
        read_trajectories(written(tmp_path, positions=X[:, :1], velocities=V[:, :1], times=T[:1]))


def test_files_that_are_not_there_or_of_another_kind(tmp_path):
    for name in ("none.npz", "none.zarr"):
        with pytest.raises(FileNotFoundError):
            read_trajectories(tmp_path / name)
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(ContentError, match=r"\.npz"):
        read_trajectories(tmp_path / "a.csv")
    (tmp_path / "b.npz").write_bytes(b"no archive")
    with pytest.raises(ContentError):
        read_trajectories(tmp_path / "b.npz")
    with pytest.raises(ContentError, match="where"):
        read_trajectories(written(tmp_path), positions="where")
