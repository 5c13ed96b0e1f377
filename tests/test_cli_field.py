"""`geodis emulate field`: an emulator from a file, tested on unseen runs, with pictures and predictions; bad input."""

import json

import numpy as np
import pytest
from html_pages import parsed
from user_files import npz, refused, run

from geodis.cli import emulated_field
from geodis.emulators import FieldLaw, field_notes, load_field_dynamics
from geodis.formats import read_field_runs, to_dataset, write_field_runs
from geodis.simulators import random_shallow_water, simulate_shallow_water

NAMED = ("--scalars", "h", "--vectors", "u,v", "--pseudoscalars", "f")
KNOWN = {"scalars": ["h"], "vectors": [("u", "v")], "pseudoscalars": ["f"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("xarray")
    made = tmp_path_factory.mktemp("fields")
    f = np.random.default_rng(0).uniform(-1, 1, 8)
    runs = simulate_shallow_water(random_shallow_water(8, 8, peak=1.0, seed=0), f, 5, interval=0.2)
    parts = {"h": runs[:, :, 0], "u": runs[:, :, 1], "v": runs[:, :, 2], "f": f, "time": 0.2 * np.arange(5)}
    npz(made / "water.npz", **parts)
    npz(made / "few.npz", **{name: part if name == "time" else part[:2] for name, part in parts.items()})
    dataset = to_dataset(read_field_runs(made / "water.npz", **KNOWN)).assign_coords(x=np.arange(8), y=np.arange(8))
    dataset.h.attrs["units"] = "m"
    write_field_runs(made / "water.nc", read_field_runs(dataset.transpose("y", "x", "time", "run"), **KNOWN))
    (made / "broken.nc").write_text("none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulated_field, "DRAWN", 1)
        patch.setattr(emulated_field, "MOST_STEPS", 60)  # in place of seconds, which no machine counts twice alike
        done = run(
            "emulate", "field", made / "water.nc", *NAMED, "--out", made / "a.safetensors", "--json", made / "a.json",
            "--plot", made / "a.png", "--page", made / "a.html", "--ahead", made / "ahead.nc", "--seconds", 60,
            "--channels", 2, "--blocks", 1, "--conserve",
        )  # fmt: skip
    assert done.exit_code == 0, done.output
    return made, done.output


def test_it_is_better_than_saying_that_nothing_moves(folder):
    made, output = folder
    found = json.loads((made / "a.json").read_text())
    first, last = found["rows"][0], found["rows"][-1]
    assert (first["step"], last["step"]) == (1, 4)
    assert first["relative_mse"] < 0.4 * first["persistence"]
    assert last["relative_mse"] < 0.7 * last["persistence"]
    assert first["relative_mse_low"] < first["relative_mse"] < first["relative_mse_high"]
    assert "2 runs that the fit has not seen" in output
    assert f"{first['relative_mse']:.2g}" in output


def test_it_commutes_with_the_square(folder):
    found = json.loads((folder[0] / "a.json").read_text())["equivariance_error"]
    assert found["value"] < 1e-12
    assert found["n_group"] == 8
    assert found["baselines"]["identity"] > 0.1


def test_the_emulator_and_its_predictions_are_in_files(folder):
    import xarray

    made, _ = folder
    dynamics = load_field_dynamics(made / "a.safetensors")
    notes = field_notes(made / "a.safetensors")
    assert (notes["names"], notes["units"], notes["axes"]) == (["h", "u", "v"], {"h": "m"}, ["x", "y"])
    ahead = xarray.load_dataset(made / "ahead.nc")
    assert ahead.h.attrs["units"] == "m"
    assert ahead.time.values.tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    runs = read_field_runs(made / "ahead.nc", **KNOWN)
    again = dynamics.rollout(runs.states[:, :1], 4, runs.fixed)
    assert np.allclose(again, runs.states, atol=1e-5)
    mass = runs.states[:, :, 0].mean((2, 3))
    assert np.abs(mass - mass[:, :1]).max() < 1e-6


def test_pictures_are_pictures_and_the_page_holds_all(folder):
    assert (folder[0] / "a.png").read_bytes().startswith(b"\x89PNG")
    text = (folder[0] / "a.html").read_text()
    page = parsed(text)
    assert not page.bad
    assert page.contained
    assert page.tags.count("img") == 2  # h and errors
    assert "VRMSE" in text


def test_long_runs_are_cut_and_scalars_may_be_alone(folder):
    made, _ = folder
    long = np.random.default_rng(0).normal(size=(1, 12, 8, 8)).cumsum(1)
    npz(made / "long.npz", T=long)
    done = run(
        "emulate", "field", made / "long.npz", "--scalars", "T", "--cut", 3, "--seconds", 0.1, "--channels", 2,
        "--blocks", 1, "--out", made / "T.safetensors", "--ahead", made / "T.zarr",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "FieldRuns(4 runs, 3 times" in done.output
    assert read_field_runs(made / "T.zarr", scalars=["T"]).states.shape == (1, 3, 1, 8, 8)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["few.npz", *NAMED, "--out", "b.safetensors"], ["4 runs", "got 2", "--cut"]),
        (["water.npz", "--scalars", "q", "--out", "b.safetensors"], ["'q'", "'h'"]),
        (["water.npz", "--out", "b.safetensors"], ["at least one"]),
        (["water.npz", "--scalars", "h", "--fixed", "f", "--out", "b.safetensors"], ["pseudoscalar"]),
        (["water.npz", "--vectors", "u", "--out", "b.safetensors"], ["2 components"]),
        (["water.npz", *NAMED, "--out", "b.txt"], [".safetensors"]),
        (["water.npz", *NAMED, "--out", "b.safetensors", "--ahead", "b.csv"], [".nc"]),
        (["water.npz", *NAMED, "--out", "b.safetensors", "--cut", "9"], ["9 times", "got 5"]),
        (["water.npz", *NAMED, "--out", "b.safetensors", "--history", "5"], ["6 times"]),
        (["water.npz", *NAMED, "--out", "b.safetensors", "--grid", "a,b"], ["'x' and 'y'"]),
        (["broken.nc", *NAMED, "--out", "b.safetensors"], ["broken.nc"]),
        (["none.nc", *NAMED, "--out", "b.safetensors"], ["none.nc"]),
    ],
)
def test_bad_input_is_one_sentence(folder, arguments, words, monkeypatch):
    monkeypatch.chdir(folder[0])
    assert refused(run("emulate", "field", *arguments), *words)
    assert not (folder[0] / "b.safetensors").exists()


def test_an_equation_is_found_and_written(tmp_path):
    f = np.array([1.0, -0.6, 0.3, 0.8])
    runs = simulate_shallow_water(random_shallow_water(4, 12, peak=1.5, seed=0), f, 7, interval=0.2, viscosity=0.01)
    x = np.arange(12) * 2 * np.pi / 12
    parts = {"h": runs[:, :, 0], "u": runs[:, :, 1], "v": runs[:, :, 2], "f": f, "time": 0.2 * np.arange(7)}
    npz(tmp_path / "water.npz", **parts, x=x, y=x)
    done = run(
        "emulate", "equation", tmp_path / "water.npz", *NAMED, "--out", tmp_path / "law.json", "--json",
        tmp_path / "n.json", "--plot", tmp_path / "law.png",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    law = FieldLaw.load(tmp_path / "law.json")
    found = dict(zip(map(str, law.terms["u"]), law.coefficients["u"], strict=True))
    assert abs(found["∂_i h"] + 1) < 0.02
    assert abs(found["ε_ij u_j f"] - 1) < 0.02
    assert "∂h/∂t = " in done.output
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert numbers["rows"][-1]["relative_mse"] < 1e-4 * numbers["rows"][-1]["persistence"]
    assert (tmp_path / "law.png").stat().st_size > 2000


@pytest.mark.parametrize(
    "options", [("--derivatives", "two"), ("--derivatives", ""), ("--test-size", "2"), ("--scalars", "nothing")]
)
def test_what_no_equation_comes_of_is_refused(folder, tmp_path, options):
    done = run("emulate", "equation", folder[0] / "water.nc", *NAMED, *options, "--out", tmp_path / "law.json")
    assert done.exit_code == 2
    assert not (tmp_path / "law.json").exists()
