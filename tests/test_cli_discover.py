"""`geodis discover`: each mode on a file with a planted symmetry and on one without, refusals, written numbers."""

import json
from functools import cache

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from user_files import npz, parquet, refused, run

from geodis import files
from geodis.cli.discover import plain
from geodis.errors import ContentError
from geodis.formats.unlabelled import read_unlabelled


@cache
def rotated_pairs():
    """24 batches of 40 pairs that share a rotation in space, which moves two vectors."""
    rng = np.random.default_rng(0)
    batches = np.repeat(np.arange(24), 40)
    turn = Rotation.from_rotvec(rng.uniform(-0.8, 0.8, (24, 3))).as_matrix()[batches]
    z = rng.normal(size=(960, 2, 3))
    mixing = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    gz = (np.einsum("nij,nkj->nki", turn, z)).reshape(960, 6) @ mixing
    return {"z": z.reshape(960, 6) @ mixing, "gz": gz + 0.02 * rng.normal(size=gz.shape), "batches": batches}


@cache
def quarter_turns():
    """Four actions of which only the names are known, about a point that is not the origin."""
    rng = np.random.default_rng(1)
    which = rng.integers(0, 4, 400)
    turn = Rotation.from_rotvec(np.outer(which * np.pi / 2, [0, 0, 1])).as_matrix()
    z = rng.normal(size=(400, 3))
    gz = np.einsum("nij,nj->ni", turn, z) + 0.02 * rng.normal(size=z.shape)
    return {"z": z + 1, "gz": gz + 1, "batches": np.array(["stay", "left", "half", "right"])[which]}


@cache
def turning():
    """24 sequences of 8 frames in two planes at unrelated speeds."""
    rng = np.random.default_rng(2)
    phase = rng.uniform(0, 6, (24, 1, 2)) + np.arange(8)[:, None] * rng.uniform(-2, 2, (24, 1, 2))
    z = np.concatenate([np.cos(phase), np.sin(phase)], axis=2) @ rng.normal(size=(4, 6))
    z = z + 0.01 * rng.normal(size=z.shape)
    return {"z": z.reshape(-1, 6), "sequence": np.repeat(np.arange(24), 8), "step": np.tile(np.arange(8), 24)}


@cache
def velocities():
    """Velocities of three unknown rotations of space."""
    rng = np.random.default_rng(3)
    z, who = rng.normal(size=(300, 3)), rng.integers(0, 3, 300)
    v = np.cross(z, np.eye(3)[who]) + 0.01 * rng.normal(size=z.shape)
    return {"z": z, "tangents": v, "batches": who}


@cache
def frames():
    """Tangent planes of concentric spheres."""
    z = np.random.default_rng(4).normal(size=(300, 3))
    return {"z": z, "frames": np.stack([np.cross(z, axis) for axis in np.eye(3)], axis=1)}


@cache
def curve():
    """One orbit of SO(2) with weights 1 and 2."""
    rng = np.random.default_rng(5)
    t = rng.uniform(0, 2 * np.pi, 300)
    z = np.stack([np.cos(t), np.sin(t), 0.7 * np.cos(2 * t), 0.7 * np.sin(2 * t)], axis=1)
    return {"z": z + 0.01 * rng.normal(size=z.shape)}


@cache
def circle_and_sphere():
    rng = np.random.default_rng(0)
    t, x = rng.uniform(0, 2 * np.pi, 500), rng.normal(size=(500, 3))
    return {"z": np.column_stack([np.cos(t), np.sin(t), x / np.linalg.norm(x, axis=1, keepdims=True)])}


def noise(*shape, seed=9):
    return np.random.default_rng(seed).normal(size=shape)


def discovered(folder, arrays, *options):
    """`(what was printed, the JSON)`."""
    path, out = npz(folder / "mine.npz", **arrays), folder / "found.json"
    done = run("discover", path, "--out", out, *options)
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split()), json.loads(out.read_text(encoding="utf-8"))


# --- what was planted is found ----------------------------------------------------------------------------------------
def test_pairs_show_the_algebra(tmp_path):
    said, found = discovered(tmp_path, rotated_pairs())
    assert "mode pairs" in said
    assert "3 generators, so(3); noise alone would show a generator in at most 5 % of all cases." in said
    algebra = found["result"]["algebra"]
    assert (found["mode"], found["status"], algebra["name"], algebra["n_generators"]) == ("pairs", "ok", "so(3)", 3)
    L = np.array(algebra["generators"])
    assert L.shape == (3, 6, 6)
    assert np.allclose(L, -L.swapaxes(1, 2), atol=0.02)
    assert 0 < algebra["angle_interval"][0] < algebra["angle"] < algebra["angle_interval"][1] < 0.05
    assert np.array(algebra["elements"]).shape == (24, 3)


def test_few_batches_show_the_finite_group(tmp_path):
    said, found = discovered(tmp_path, quarter_turns())
    assert "the 4 elements of one abelian finite group" in said
    finite = found["result"]["finite"]
    known = {row["batch"]: row["order"] for row in finite["orders"] if row["order"] is not None}
    assert known.items() <= {"stay": 1, "left": 4, "half": 2, "right": 4}.items()  # an unsure one is left out
    assert len(known) >= 3
    assert (found["status"], finite["table"]["is_group"]) == ("ok", True)
    inverse = zip(finite["inverse"]["words"], finite["inverse"]["verdicts"], strict=True)
    held = [words for words, verdict in inverse if verdict == "yes"]
    assert [["left", "right"], []] in held
    assert [["left", "half"], []] not in held


def test_sequences_show_the_torus(tmp_path):
    said, found = discovered(tmp_path, turning())
    assert "2 planes turn, and all sequences together run on T^2" in said
    result = found["result"]
    assert (found["mode"], result["rank"], len(result["frame"])) == ("sequences", 2, 4)
    assert result["errors"]["model"] < 0.05 < 1 < result["errors"]["identity"]
    assert result["p_values"][0] < 0.05


def test_stacked_sequences_need_no_labels(tmp_path):
    z = turning()["z"].reshape(24, 8, 6)
    said, found = discovered(tmp_path, {"z": z})
    assert "24 × 8 × 6 numbers; mode sequences" in said
    assert found["result"]["rank"] == 2


@pytest.mark.parametrize("planted", [velocities, frames], ids=lambda planted: planted.__name__)
def test_tangents_show_the_rotations(planted, tmp_path):
    said, found = discovered(tmp_path, planted())
    assert "3 generators, so(3), among affine fields; a wrong count has at most 5 %." in said
    assert (found["mode"], found["status"], found["result"]["algebra"]["name"]) == ("tangents", "ok", "so(3)")
    assert np.array(found["result"]["matrices"]).shape == (3, 4, 4)
    assert (found["result"]["unexplained"] is None) == (planted is frames)


def test_points_show_their_orbit(tmp_path):
    said, found = discovered(tmp_path, curve(), "--mode", "orbit")
    assert "The points lie on an orbit of SO(2) (1, 2); the runner-up" in said
    assert found["result"]["weights"] == [1, 2]
    assert found["result"]["distance"]["rms"] < 0.03


def test_points_show_their_factors(tmp_path):
    said, found = discovered(tmp_path, circle_and_sphere(), "--mode", "factors")
    assert "2 factors of dimension 2 + 1 (status ok)" in said
    assert found["result"]["dimensions"] == [2, 1]
    assert [np.array(basis).shape for basis in found["result"]["subspaces"]] == [(500, 5, 2), (500, 5, 1)]
    assert found["result"]["agreement"] < 0.3 < found["result"]["chance"]


# --- what is not there is not -----------------------------------------------------------------------------------------
WITHOUT = {
    "pairs": {"z": noise(960, 6), "gz": noise(960, 6, seed=8), "batches": np.repeat(np.arange(24), 40)},
    "sequences": {"z": noise(192, 6), "sequence": np.repeat(np.arange(24), 8)},
    "tangents": {"z": noise(300, 3), "tangents": noise(300, 3, seed=8)},
    "orbit": {"z": noise(400, 3)},
    "factors": {"z": noise(400, 3)},
}


NOTHING = {
    "pairs": "No generator of a continuous group is claimed",
    "sequences": "No plane in which the sequences turn is found",
    "tangents": "No affine field is claimed as a generator",
    "orbit": "The points are on no orbit that was tried",
    "factors": "No number of factors is claimed",
}


@pytest.mark.parametrize("mode", WITHOUT)
def test_noise_shows_nothing(mode, tmp_path):
    said, found = discovered(tmp_path, WITHOUT[mode], "--mode", mode)
    assert found["status"] != "ok"
    assert NOTHING[mode] in said
    assert not found["result"].get("n_generators")
    assert not found["result"].get("n_planes")


# --- which mode -------------------------------------------------------------------------------------------------------
def test_points_alone_ask_for_a_mode(tmp_path):
    done = run("discover", npz(tmp_path / "a.npz", **curve()))
    assert refused(done, "--mode orbit", "--mode factors", "one object", "vary independently")


def test_parts_of_two_modes_ask_for_one(tmp_path):
    both = velocities() | {"gz": velocities()["z"]}
    path = npz(tmp_path / "a.npz", **both)
    assert refused(run("discover", path), "pairs and tangents", "--mode")
    assert "mode tangents" in run("discover", path, "--mode", "tangents").stdout


def test_an_unknown_mode(tmp_path):
    done = run("discover", npz(tmp_path / "a.npz", **curve()), "--mode", "paint")
    assert refused(done, "Unknown mode 'paint'", "pairs, sequences, tangents, orbit, factors")


LACKING = {"pairs": "--gz", "sequences": "--sequence", "tangents": "--tangents"}


@pytest.mark.parametrize("mode", LACKING)
def test_a_mode_names_what_it_lacks(mode, tmp_path):
    assert refused(run("discover", npz(tmp_path / "a.npz", **curve()), "--mode", mode), LACKING[mode])


def test_pairs_without_batches(tmp_path):
    path = npz(tmp_path / "a.npz", z=noise(20, 2), gz=noise(20, 2))
    assert refused(run("discover", path), "batches", "one label a pair", "--batches")


# --- files ------------------------------------------------------------------------------------------------------------
def spoiled(name, change):
    arrays = dict(rotated_pairs())
    arrays[name] = change(arrays[name])
    return arrays


def with_nan(x):
    out = x.copy()
    out[3, 1] = np.nan
    return out


MALFORMED = {
    "NaN": (spoiled("gz", with_nan), "gz"),
    "too few batches' labels": (spoiled("batches", lambda x: x[:-1]), "batches has 959"),
    "too few rows": (spoiled("gz", lambda x: x[:-2]), "gz has 958"),
    "another dimension": (spoiled("gz", lambda x: x[:, :5]), "(N, 6)"),
    "flat embeddings": (spoiled("z", lambda x: x[:, 0]), "(N, D)"),
    "words": (spoiled("z", lambda x: x.astype(str)), "real numbers"),
    "complex numbers": (spoiled("z", lambda x: x + 1j), "real numbers"),
    "labels in two columns": (spoiled("batches", lambda x: np.stack([x, x], axis=1)), "(N,)"),
    "labels that are missing": (spoiled("batches", lambda x: np.where(x == 3, np.nan, x)), "NaN"),
    "no rows": ({name: part[:0] for name, part in rotated_pairs().items()}, "(N, D)"),
    "two names": (rotated_pairs() | {"after": rotated_pairs()["gz"]}, "'after'"),
    "no embeddings": ({"gz": rotated_pairs()["gz"]}, "'embeddings'"),
    "many dimensions": ({"z": noise(50, 30), "tangents": noise(50, 30)}, "at most 24 dimensions"),
    "a cloud in one place": ({"z": np.ones((40, 3)), "tangents": noise(40, 2)}, "(40, 3)"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_refused(case, tmp_path):
    arrays, word = MALFORMED[case]
    done = run("discover", npz(tmp_path / "a.npz", **arrays))
    assert refused(done, word), done.output


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no archive")
    assert refused(run("discover", tmp_path / "a.npz"), "archive of arrays")
    np.save(tmp_path / "a.npy", noise(9, 2))
    assert refused(run("discover", tmp_path / "a.npy"), ".npz", ".parquet")
    assert refused(run("discover", tmp_path / "none.npz"), "found none")
    np.savez(tmp_path / "b.npz", z=np.array([{"a": 1}], dtype=object))
    assert refused(run("discover", tmp_path / "b.npz"), "unpickled")


@pytest.mark.parametrize("option", ["--level", "--out", "--plot"])
def test_options_that_cannot_be(option, tmp_path):
    path = npz(tmp_path / "a.npz", **rotated_pairs())
    value = {"--level": "1.5", "--out": tmp_path / "a.txt", "--plot": tmp_path / "none" / "a.png"}[option]
    words = {"--level": "level", "--out": ".json", "--plot": "existing folder"}[option]
    assert refused(run("discover", path, option, value), words)


def test_names_can_be_told(tmp_path):
    made = rotated_pairs()
    path = npz(tmp_path / "a.npz", before=made["z"], behind=made["gz"], who=made["batches"])
    told = ("--z", "before", "--gz", "behind", "--batches", "who")
    assert "3 generators, so(3)" in run("discover", path, *told).stdout
    assert refused(run("discover", path, "--z", "nothing"), "'nothing'", "'before'")


def test_parquet_holds_the_same(tmp_path):
    made = rotated_pairs()
    columns = {f"z_{i}": made["z"][:, i] for i in range(6)}
    columns |= {"gz": list(made["gz"]), "batch": [f"batch {b}" for b in made["batches"]]}
    read = read_unlabelled(parquet(tmp_path / "a.parquet", columns))
    assert read.held == ("z", "gz", "batches")
    assert np.array_equal(read.z, made["z"])
    assert np.array_equal(read.gz, made["gz"])
    assert "3 generators, so(3)" in run("discover", tmp_path / "a.parquet").stdout
    with pytest.raises(ContentError, match="embeddings"):
        read_unlabelled(parquet(tmp_path / "b.parquet", {"batch": [1, 2]}))


# --- written ----------------------------------------------------------------------------------------------------------
def test_quiet_writes_and_prints_nothing(tmp_path):
    path = npz(tmp_path / "a.npz", **quarter_turns())
    done = run("discover", path, "--out", tmp_path / "a.json", "--plot", tmp_path / "a.png", "--quiet")
    assert (done.exit_code, done.output) == (0, "")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert {file.name for file in tmp_path.iterdir()} == {"a.npz", "a.json", "a.png"}


@pytest.mark.parametrize(
    "planted", [rotated_pairs, turning, velocities, curve, circle_and_sphere], ids=lambda p: p.__name__
)
def test_every_mode_has_a_picture(planted, tmp_path):
    mode = {curve: ("--mode", "orbit"), circle_and_sphere: ("--mode", "factors")}.get(planted, ())
    done = run("discover", npz(tmp_path / "a.npz", **planted()), *mode, "--plot", tmp_path / "a.svg")
    assert done.exit_code == 0, done.output
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_the_json_says_where_it_is_from(tmp_path):
    _, found = discovered(tmp_path, quarter_turns(), "--level", "0.9", "--seed", "3")
    assert (found["format"], found["version"], found["file"]) == ("geodis.discovery", 1, "mine.npz")
    assert (found["level"], found["seed"]) == (0.9, 3)
    assert set(found["versions"]) == {"python", "geodis", "numpy", "scipy", "scikit-learn"}
    assert {"what", "found", "low", "high", "beside", "meaning", "status"} == set(found["rows"][0])


def test_the_same_seed_writes_the_same(tmp_path):
    one, two, other = (discovered(tmp_path, rotated_pairs(), "--seed", s)[1] for s in ("1", "1", "2"))
    assert one == two
    assert one["result"]["algebra"]["angle"] != other["result"]["algebra"]["angle"]


def test_nothing_is_left_half_written(tmp_path, monkeypatch):
    path = npz(tmp_path / "a.npz", **quarter_turns())
    (tmp_path / "old.json").write_text("old")

    def fails(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fails)
    assert refused(run("discover", path, "--out", tmp_path / "old.json"), "disk full")
    assert {file.name for file in tmp_path.iterdir()} == {"a.npz", "old.json"}
    assert (tmp_path / "old.json").read_text() == "old"


def test_plain_refuses_what_json_cannot_hold():
    assert plain({"a": np.array([1.0, np.nan]), 2: (np.int64(3), None)}) == {"a": [1.0, None], "2": [3, None]}
    with pytest.raises(TypeError, match="object"):
        plain(object())
