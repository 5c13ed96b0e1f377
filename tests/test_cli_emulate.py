"""`geodis emulate`: a law from a file, tested on unseen runs, saved, rolled out; bad input is one sentence."""

import json

import numpy as np
import pytest
from user_files import npz, refused, run

from geodis.emulators import NBodyDynamics
from geodis.formats.trajectories import read_trajectories
from geodis.simulators import star_planets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("emulate")
    runs = star_planets(24, seed=0)
    parts = {"positions": runs.positions, "velocities": runs.velocities, "times": runs.times, "mass": runs.scalars}
    npz(made / "runs.npz", **parts)
    npz(made / "few.npz", **{name: part if name == "times" else part[:5] for name, part in parts.items()})
    done = run(
        "emulate", "points", made / "runs.npz", "--out", made / "law.safetensors", "--json", made / "law.json",
        "--plot", made / "orbits.png",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return made, done.output


def test_the_law_is_found_and_printed(folder):
    made, output = folder
    assert "mass_j" in output
    law = NBodyDynamics.load(made / "law.safetensors").law
    assert law.value("e") == pytest.approx(-1.5, abs=0.05)
    assert law.value("mass_j") == pytest.approx(1.0, abs=0.05)


def test_the_numbers_are_those_of_unseen_runs(folder):
    made, _ = folder
    found = json.loads((made / "law.json").read_text())
    rows = {row["what"]: row for row in found["rows"]}
    first = rows["squared error of a coordinate, one step"]
    assert first["found"] < 0.01 * first["beside"]
    for name in ("rotations and reflections", "translations", "boosts", "permutations"):
        assert rows[f"error under {name}"]["found"] < 1e-10
    assert rows["drift of momentum, 1 steps"]["found"] < 1e-10


def test_the_picture_is_a_picture(folder):
    assert (folder[0] / "orbits.png").read_bytes().startswith(b"\x89PNG")


def test_rollouts_are_trajectories_again(folder):
    made, _ = folder
    done = run("emulate", "rollout", made / "law.safetensors", made / "runs.npz", "--steps", 3, "--out", made / "r.npz")
    assert done.exit_code == 0, done.output
    assert "momentum" in done.output
    start, found = read_trajectories(made / "runs.npz"), read_trajectories(made / "r.npz")
    assert found.positions.shape[1] == 4
    assert np.array_equal(found.positions[:, 0], start.positions[:, 0])
    error = ((found.positions[:, 1] - start.positions[:, 1]) ** 2).mean((1, 2))
    assert np.median(error) < 1e-4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["points", "few.npz", "--out", "a.safetensors"], ["12 runs", "got 5"]),
        (["points", "none.npz", "--out", "a.safetensors"], ["none.npz"]),
        (["points", "runs.npz", "--out", "a.txt"], [".safetensors"]),
        (["points", "runs.npz", "--out", "a.safetensors", "--positions", "where"], ["where"]),
        (["rollout", "runs.npz", "runs.npz", "--out", "a.npz"], ["runs.npz"]),
        (["rollout", "law.safetensors", "runs.npz", "--out", "a.csv"], [".npz"]),
    ],
)
def test_bad_input_is_one_sentence(folder, arguments, words, monkeypatch):
    monkeypatch.chdir(folder[0])
    assert refused(run("emulate", *arguments), *words)
    assert not (folder[0] / "a.safetensors").exists()
