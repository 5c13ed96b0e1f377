"""Fields through xarray, NetCDF, zarr and npz: what goes in comes out, axes go by name, bad files are a sentence."""

import builtins

import numpy as np
import pytest

from geodis.emulators import FieldScale
from geodis.errors import (
    ContentError,
    DesignError,
    FiniteError,
    GeodisError,
    LengthError,
    MissingExtraError,
    ParameterError,
    ShapeError,
)
from geodis.formats import read_field_runs, to_dataset, write_field_runs

xarray = pytest.importorskip("xarray")
RUNS, TIMES, X, Y = 3, 5, 6, 4
NAMES = {"scalars": ["h"], "vectors": [("u", "v")], "pseudoscalars": ["f"]}


def dataset(time=None):
    """Water as a climate model writes it: (time, lat, lon), units, single precision, f along latitude only."""
    rng = np.random.default_rng(0)
    dims, shape = ("run", "time", "lat", "lon"), (RUNS, TIMES, Y, X)
    fields = {
        "h": (dims, rng.normal(size=shape).astype("f4"), {"units": "m", "long_name": "height"}),
        "u": (dims, rng.normal(size=shape).astype("f4"), {"units": "m s-1"}),
        "v": (dims, rng.normal(size=shape), {"units": "m s-1"}),
        "f": (("lat",), np.sin(np.arange(Y)), {"units": "s-1"}),
        "other": (("run",), np.arange(RUNS)),
    }
    time = np.datetime64("2001-01-01", "ns") + np.arange(TIMES) * np.timedelta64(6, "h") if time is None else time
    coordinates = {
        "time": ("time", time), "lat": ("lat", np.linspace(-45, 45, Y), {"units": "degrees_north"}),
        "lon": ("lon", np.arange(X) * 20.0), "run": ("run", ["a", "b", "c"]), "area": (("lat", "lon"), np.ones((Y, X))),
        "level": ((), 500.0, {"units": "hPa"}),
    }  # fmt: skip
    return xarray.Dataset(fields, coordinates, {"title": "a test"})


def test_axes_go_by_name_and_vectors_point_along_them():
    ds = dataset()
    runs = read_field_runs(ds, **NAMES)
    assert runs.dims == ("run", "time", "lon", "lat")  # u points along the first
    assert runs.states.shape == (RUNS, TIMES, 3, X, Y)
    assert runs.types == ((0, 1, 1), (1, 1, 1))
    assert runs.fixed_types == ((0, -1, 1),)
    assert np.array_equal(runs.states[:, :, 1], ds.u.transpose("run", "time", "lon", "lat").values)
    assert np.array_equal(runs.fixed[1, 0, 3], ds.f.values)
    assert runs.units == {"h": "m", "u": "m s-1", "v": "m s-1", "f": "s-1"}
    assert FieldScale.of(runs.states, runs.types).size.shape == (3,)
    shuffled = ds.transpose("lat", "run", "lon", "time")
    assert np.array_equal(read_field_runs(shuffled, **NAMES).states, runs.states)
    swapped = read_field_runs(ds, **NAMES, grid=("lat", "lon"))
    assert np.array_equal(swapped.states, runs.states.swapaxes(3, 4))


@pytest.mark.parametrize("how", ["dataset", "nc", "zarr"])
def test_what_goes_in_comes_out(how, tmp_path):
    if how == "zarr":
        pytest.importorskip("zarr")
    ds = dataset()
    runs = read_field_runs(ds, **NAMES)
    if how == "dataset":
        back = to_dataset(runs)
    else:
        path = tmp_path / f"flow.{how}"
        for _ in range(2):  # the second replaces the first
            write_field_runs(path, runs)
        again = read_field_runs(path, **NAMES)
        assert np.array_equal(again.states, runs.states)
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
        back = to_dataset(again)
    expected = ds.drop_vars("other")
    xarray.testing.assert_identical(back.transpose(*expected.sizes), expected)
    assert [v.dtype for v in back.data_vars.values()] == [v.dtype for v in expected.data_vars.values()]
    assert [back[name].dims for name in "huvf"] == [expected[name].dims for name in "huvf"]


def test_falling_coordinates_are_turned_round():
    ds = dataset()
    down = ds.isel(lat=slice(None, None, -1))
    assert np.array_equal(read_field_runs(down, **NAMES).states, read_field_runs(ds, **NAMES).states)
    xarray.testing.assert_identical(to_dataset(read_field_runs(down, **NAMES)).f, ds.f)
    assert float(abs(to_dataset(read_field_runs(down, **NAMES)) - down).h.max()) == 0  # xarray aligns by label


def test_rollouts_go_on_in_time():
    runs = read_field_runs(dataset(), **NAMES)
    ahead = to_dataset(runs.with_states(np.zeros((RUNS, 7, 3, X, Y)), first=3))
    assert ahead.time.values[0] == dataset().time.values[3]
    assert (np.diff(ahead.time.values) == np.timedelta64(6, "h")).all()
    assert ahead.h.dims == ("run", "time", "lat", "lon")
    assert "area" in ahead.coords
    with pytest.raises(LengthError):
        runs.with_states(np.zeros((2, 7, 3, X, Y)))
    with pytest.raises(ShapeError):
        runs.with_states(np.zeros((RUNS, 7, 3, Y, X)))


def test_single_runs_are_cut_and_come_back():
    single = dataset().isel(run=0, drop=True)
    runs = read_field_runs(single, **NAMES)
    assert len(runs) == 1
    xarray.testing.assert_identical(to_dataset(runs).h, single.h)
    pieces = runs.cut(2)
    assert pieces.states.shape == (2, 2, 3, X, Y)
    assert np.array_equal(pieces.states[1], runs.states[0, 2:4])
    assert to_dataset(pieces).h.dims == ("run", "time", "lat", "lon")
    assert to_dataset(pieces).time.values.tolist() == [0, 6 * 3600 * 10**9]
    assert np.array_equal(pieces.some([1]).states, pieces.states[1:])
    with pytest.raises(DesignError):
        runs.cut(TIMES + 1)


def test_runs_are_chosen_with_their_coordinates():
    some = read_field_runs(dataset(), **NAMES).some([2, 0])
    assert to_dataset(some).run.values.tolist() == ["c", "a"]
    xarray.testing.assert_identical(to_dataset(some).h.transpose(*dataset().h.dims), dataset().h.isel(run=[2, 0]))


def test_archives_need_no_xarray(tmp_path, monkeypatch):
    fields = dict(zip("huv", np.random.default_rng(0).normal(size=(3, RUNS, TIMES, 6, 6)), strict=True))
    np.savez(tmp_path / "flow.npz", **fields, f=np.arange(RUNS), time=0.25 * np.arange(TIMES), extra=np.zeros(2))
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] == "xarray":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    runs = read_field_runs(tmp_path / "flow.npz", **NAMES)
    assert np.array_equal(runs.states[:, :, 2], fields["v"])
    assert (runs.fixed[2] == 2).all()
    assert runs.square
    write_field_runs(tmp_path / "again.npz", runs)
    again = read_field_runs(tmp_path / "again.npz", **NAMES)
    assert np.array_equal(again.states, runs.states)
    assert np.array_equal(again.coordinates["time"].values, 0.25 * np.arange(TIMES))
    with pytest.raises(MissingExtraError, match=r"geodis\[fields\]"):
        to_dataset(runs)
    (tmp_path / "flow.nc").write_bytes(b"x")
    with pytest.raises(MissingExtraError):
        read_field_runs(tmp_path / "flow.nc", **NAMES)


def test_boxes_have_vectors_and_tensors_of_three_axes(tmp_path):
    rng = np.random.default_rng(0)
    fields = {name: rng.normal(size=(2, 3, 4, 4, 4)) for name in ("p", "u", "v", "w", *(f"s{i}" for i in range(9)))}
    np.savez(tmp_path / "box.npz", **fields, a=rng.normal(size=(4, 4, 4)), b=rng.normal(size=2), c=rng.normal(size=2))
    runs = read_field_runs(
        tmp_path / "box.npz", scalars=["p", "a"], pseudovectors=[("u", "v", "w")],
        tensors=[[f"s{i}" for i in range(9)]], pseudoscalars=["b", "c"],
    )  # fmt: skip
    assert runs.types == ((0, 1, 1), (1, -1, 1), (2, 1, 1))
    assert runs.fixed_types == ((0, 1, 1), (0, -1, 2))
    assert runs.dims[2:] == ("x", "y", "z")
    assert np.array_equal(runs.states[:, :, 4 + 5], fields["s5"])
    assert FieldScale.of(runs.states, runs.types, 3).size.shape == (13,)
    assert runs.fixed.shape == (2, 3, 4, 4, 4)


def test_grids_with_unequal_steps_are_not_square():
    ds = dataset().isel(lon=slice(Y))
    assert not read_field_runs(ds, **NAMES).square  # 20° in longitude, 30° in latitude
    assert read_field_runs(ds.assign_coords(lat=np.arange(Y) * 20.0), **NAMES).square


def test_fixed_fields_may_have_times():
    ds = dataset()
    ds["f"] = ds.f.expand_dims(time=ds.time)
    runs = read_field_runs(ds, **NAMES, fixed=["f"])
    assert runs.fixed_types == ((0, -1, 1),)
    xarray.testing.assert_identical(to_dataset(runs).f, ds.f)
    ds["f"] = ds.f * xarray.DataArray(np.arange(TIMES), dims="time")
    with pytest.raises(ContentError, match="same at all times"):
        read_field_runs(ds, **NAMES, fixed=["f"])


def masked():
    ds = dataset()
    return ds.assign(h=ds.h.where(ds.lat > 0))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: read_field_runs(dataset(), scalars=["q"]), ContentError, "'q'"),
        (lambda: read_field_runs(dataset(), scalars="h"), ParameterError, "list"),
        (lambda: read_field_runs(dataset(), scalars=[]), ParameterError, "at least one"),
        (lambda: read_field_runs(dataset(), scalars=["h", "h"]), ParameterError, "twice"),
        (lambda: read_field_runs(dataset(), vectors=[("u",)]), ParameterError, "2 components"),
        (lambda: read_field_runs(dataset(), vectors=["uv"]), ParameterError, "tuples"),
        (lambda: read_field_runs(dataset(), scalars=["f"]), ContentError, "times"),
        (lambda: read_field_runs(dataset(), scalars=["h"], fixed=["f"]), ParameterError, "pseudoscalar"),
        (lambda: read_field_runs(dataset(), **NAMES, run="member"), ContentError, "member"),
        (lambda: read_field_runs(dataset().rename(run="year"), **NAMES), ContentError, "the runs"),
        (lambda: read_field_runs(dataset().rename(lat="here"), **NAMES), ContentError, "grid="),
        (lambda: read_field_runs(dataset(), **NAMES, grid=("lat", "level")), ParameterError, "lat"),
        (lambda: read_field_runs(dataset().isel(lat=0), scalars=["h"]), ContentError, "2 or 3"),
        (lambda: read_field_runs(dataset().assign_coords(lat=[0, 1, 2, 9]), **NAMES), DesignError, "interp"),
        (lambda: read_field_runs(dataset(np.array([0.0, 1, 2, 3, 9])), **NAMES), DesignError, "'time'"),
        (lambda: read_field_runs(masked(), **NAMES), FiniteError, "mask"),
        (lambda: read_field_runs(dataset().assign(h=dataset().h.astype(str)), **NAMES), ContentError, "real numbers"),
        (lambda: read_field_runs(dataset().h, scalars=["h"]), ParameterError, "Dataset"),
        (lambda: read_field_runs("none.nc", **NAMES), FileNotFoundError, "none.nc"),
        (lambda: read_field_runs("flow.txt", **NAMES), ContentError, ".nc"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(call, error, words):
    with pytest.raises(error, match=words.replace("[", r"\[")) as caught:
        call()
    assert isinstance(caught.value, (GeodisError, FileNotFoundError))


def test_broken_files_are_named(tmp_path):
    (tmp_path / "flow.nc").write_bytes(b"no file of fields")
    with pytest.raises(ContentError, match=r"flow\.nc"):
        read_field_runs(tmp_path / "flow.nc", **NAMES)
    np.savez(tmp_path / "flat.npz", h=np.zeros((3, 4)))
    with pytest.raises(ContentError, match="grid"):
        read_field_runs(tmp_path / "flat.npz", scalars=["h"])
    runs = read_field_runs(dataset(), **NAMES)
    with pytest.raises(ContentError, match="ending"):
        write_field_runs(tmp_path / "flow.csv", runs)
    (tmp_path / "mine.zarr").mkdir()
    with pytest.raises(ContentError, match="zarr store"):
        write_field_runs(tmp_path / "mine.zarr", runs)
    with pytest.raises(FileNotFoundError):
        write_field_runs(tmp_path / "nowhere" / "a.zarr", runs)
