"""`geodis spectrum | fit | verify` on users' own files, and what all file commands share: found, written, refused."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from html_pages import parsed
from user_files import QUICK, code, fitted_file, npz, parquet, parts, refused, run

from geodis import LatentCoordinates, Orbits, files
from geodis.coordinates.latent import fingerprints
from geodis.groups import SO2


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return fitted_file(tmp_path_factory.mktemp("mine"))


# --- fit --------------------------------------------------------------------------------------------------------------
def test_fit_finds_what_was_planted(made):
    coordinates = LatentCoordinates.load(made[0] / "mine.safetensors")
    names = [block.irrep.name for block in coordinates.blocks]
    assert (names.count("m=1"), names.count("m=2"), names.count("m=0")) == (2, 1, 3)
    assert len(coordinates.fitted) == 28


def test_fit_says_what_to_do_next(made):
    folder, done = made
    for said in ("28 items are fitted", "12 items were held out", f"geodis verify {folder / 'mine.npz'}", "m=1", "m=2"):
        assert said in done.stdout


def test_fit_holds_whole_clusters_out(tmp_path):
    owners = code().items // 4
    path = npz(tmp_path / "a.npz", **parts(clusters=owners))
    assert run("fit", path, "--group", "SO2", "--out", tmp_path / "a.safetensors", *QUICK, "--quiet").exit_code == 0
    fitted = LatentCoordinates.load(tmp_path / "a.safetensors").fitted
    seen = np.isin(fingerprints(range(40)), fitted).reshape(10, 4)
    assert (seen.all(axis=1) | ~seen.any(axis=1)).all()
    assert 0 < seen.sum() < 40


def test_fit_on_all_items(made, tmp_path):
    out = tmp_path / "all.safetensors"
    done = run("fit", made[0] / "mine.npz", "--group", "SO2", "--out", out, "--all-items", *QUICK)
    assert done.exit_code == 0
    assert "All items were fitted" in done.stdout
    assert len(LatentCoordinates.load(out).fitted) == 40
    assert refused(run("verify", made[0] / "mine.npz", out), "has not seen", "--all-items")


def test_fit_hands_its_options_on(made, tmp_path):
    def fitted(*options):
        out = tmp_path / "a.safetensors"
        done = run("fit", made[0] / "mine.npz", "--group", "SO2", "--out", out, *QUICK, "--quiet", *options)
        assert (done.exit_code, done.output) == (0, "")
        return LatentCoordinates.load(out)

    isometric = fitted("--isometric")
    eye = isometric.analysis @ isometric.analysis.T
    assert np.allclose(eye, np.eye(len(eye)), atol=1e-10)
    assert not np.allclose(fitted().analysis @ fitted().analysis.T, np.eye(len(eye)))
    assert not fitted("--min-energy", "0.99").blocks
    assert len(fitted("--test-size", "0.5").fitted) == 20
    assert set(fitted("--seed", "1").fitted) != set(fitted("--seed", "2").fitted)
    assert np.array_equal(fitted("--seed", "1").analysis, fitted("--seed", "1").analysis)
    assert not np.array_equal(fitted("--ridge", "0.5").analysis, fitted().analysis)


def test_nothing_found_is_said(tmp_path):
    noise = np.random.default_rng(0).normal(size=code().z.shape)
    path = npz(tmp_path / "a.npz", **parts(z=noise))
    done = run("fit", path, "--group", "SO2", "--out", tmp_path / "a.safetensors", *QUICK)
    assert done.exit_code == 0
    assert "No block that the group moves" in done.stdout
    done = run("verify", path, tmp_path / "a.safetensors", "--delta", "0.2", "--null", "19")
    assert done.exit_code == 4
    assert "no coordinates were found" in done.stdout


# --- verify -----------------------------------------------------------------------------------------------------------
def test_verify_reports_unseen_items(made, tmp_path):
    folder, _ = made
    out, numbers = tmp_path / "report.html", tmp_path / "report.json"
    command = ("verify", folder / "mine.npz", folder / "mine.safetensors", "--out", out, "--json", numbers)
    done = run(*command, "--null", "19", "--delta", "0.5")
    assert done.exit_code == 0, done.output
    assert "28 of 40 items were left out" in done.stdout
    assert "12 unseen items" in done.stdout
    assert "below 0.5" in done.stdout
    content = json.loads(numbers.read_text(encoding="utf-8"))
    assert (content["n_items"], content["certificate"]["granted"]) == (12, True)
    assert content["rows"][-1]["value"] < 0.2
    page = parsed(out.read_text(encoding="utf-8"))
    assert not page.bad
    assert not page.open
    assert "m=1" in out.read_text(encoding="utf-8")


def test_a_refused_certificate_has_its_own_code_and_its_files(made, tmp_path):
    folder, _ = made
    command = ("verify", folder / "mine.npz", folder / "mine.safetensors", "--json", tmp_path / "r.json")
    done = run(*command, "--null", "19", "--delta", "0.001")
    assert done.exit_code == 4
    assert "No certificate" in done.stdout
    assert done.stderr == ""
    assert json.loads((tmp_path / "r.json").read_text())["certificate"]["granted"] is False
    assert run(*command, "--null", "19").exit_code == 0, "nothing was asked"


def test_items_of_fitted_clusters_are_left_out(made, tmp_path):
    known = np.isin(fingerprints(range(40)), LatentCoordinates.load(made[0] / "mine.safetensors").fitted)
    fitted, unseen = np.flatnonzero(known), np.flatnonzero(~known)
    owners = np.where(code().items == unseen[0], fitted[0], code().items)
    path = npz(tmp_path / "a.npz", **parts(clusters=owners))
    done = run("verify", path, made[0] / "mine.safetensors", "--null", "19")
    assert f"{len(fitted) + 1} of 40 items were left out" in done.stdout
    together = npz(tmp_path / "b.npz", **parts(clusters=np.zeros(320)))
    assert refused(run("verify", together, made[0] / "mine.safetensors"), "has not seen")


def test_items_of_another_file_are_all_unseen(made, tmp_path):
    words = np.array([f"other {i}" for i in code().items])
    path = npz(tmp_path / "other.npz", **parts(items=words))
    done = run("verify", path, made[0] / "mine.safetensors", "--null", "19")
    assert "40 unseen items" in done.stdout
    assert "left out" not in done.stdout


def test_level_and_seed_reach_the_report(made, tmp_path):
    def rows(*options):
        command = ("verify", made[0] / "mine.npz", made[0] / "mine.safetensors", "--json", tmp_path / "r.json")
        assert run(*command, "--null", "19", "--quiet", *options).output == ""
        return json.loads((tmp_path / "r.json").read_text())["rows"]

    assert rows() == rows()
    wide, narrow = rows("--level", "0.99")[-1], rows("--level", "0.5")[-1]
    assert wide["ci_high"] - wide["ci_low"] > narrow["ci_high"] - narrow["ci_low"]
    assert rows("--seed", "1")[0]["null_mean"] != rows("--seed", "2")[0]["null_mean"]


# --- spectrum ---------------------------------------------------------------------------------------------------------
def test_spectrum_counts_the_copies(made, tmp_path):
    path = made[0] / "mine.npz"
    done = run("spectrum", path, "--group", "SO2", *QUICK, "--out", tmp_path / "s.json", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert "2 × m=1" in done.stdout
    assert "does as well" not in done.stdout
    assert "1 × m=2" in done.stdout
    content = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert content["multiplicities"] == {"m=0": 3, "m=1": 2, "m=2": 1}
    assert content == json.loads((tmp_path / "spectrum.json").read_text(encoding="utf-8"))
    assert {"irrep", "energy", "ci_low", "ci_high", "p", "null_mean", "kept"} <= set(content["rows"][0])
    assert (tmp_path / "spectrum.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    page = parsed((tmp_path / "spectrum.html").read_text(encoding="utf-8"))
    assert not page.bad
    assert not page.open
    assert {file.name for file in tmp_path.iterdir()} == {"s.json", "spectrum.json", "spectrum.png", "spectrum.html"}


def test_spectrum_of_noise_and_of_one_item(tmp_path):
    noise = np.random.default_rng(0).normal(size=code().z.shape)
    done = run("spectrum", npz(tmp_path / "a.npz", **parts(z=noise)), "--group", "SO2", *QUICK, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert "No irrep of SO2() that acts is found" in done.stdout
    one = npz(tmp_path / "b.npz", **parts(items=np.zeros(320)))
    assert "insufficient" in run("spectrum", one, "--group", "SO2", *QUICK, "--out", tmp_path / "b.html").stdout


def test_a_circle_that_any_points_in_general_position_make(tmp_path):
    """Seven points, the same for all items: every relabelling puts them on a circle as well, and that is said."""
    points = np.random.default_rng(1).normal(size=(1, 7, 8)) * np.ones((30, 1, 1))
    own = 2 * np.random.default_rng(2).normal(size=(30, 1, 8)) * np.ones((1, 7, 1))
    z = np.concatenate([points, own], axis=2).reshape(210, 16)
    z = z + 0.1 * np.random.default_rng(3).normal(size=z.shape)
    path = npz(tmp_path / "a.npz", z=z, params=np.tile(np.arange(7.0), 30), items=np.repeat(np.arange(30), 7))
    done = run("spectrum", path, "--group", "Cyclic(7)", *QUICK)
    assert "One random relabelling of the elements does as well for k=1, k=2" in " ".join(done.stdout.split())


@pytest.mark.parametrize("columns", [80, 120])
def test_tables_fit_the_terminal(made, columns):
    folder, _ = made
    commands = [
        ("spectrum", folder / "mine.npz", "--group", "SO2", *QUICK),
        ("verify", folder / "mine.npz", folder / "mine.safetensors", "--null", "19"),
    ]
    for command in commands:
        printed = run(*command, columns=columns).stdout
        assert max(map(len, printed.splitlines())) <= columns
        assert "m=2" in printed


# --- all of them ------------------------------------------------------------------------------------------------------
COMMANDS = {
    "spectrum": ("FILE", "--group", "SO2"),
    "fit": ("FILE", "--group", "SO2", "--out", "OUT.safetensors"),
    "verify": ("FILE", "COORDS"),
    "edit": ("FILE", "COORDS", "--by", "1", "--out", "OUT.npz"),
}


def called(name, made, tmp_path, file, *options):
    places = {"FILE": file, "COORDS": made[0] / "mine.safetensors"}
    arguments = [places.get(a, str(tmp_path / a) if a.startswith("OUT") else a) for a in COMMANDS[name]]
    return run(name, *arguments, *options)


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_files_are_refused_with_a_sentence(name, made, tmp_path):
    before = sorted(tmp_path.iterdir())
    assert refused(called(name, made, tmp_path, tmp_path / "gone.npz"), "gone.npz", "found none")
    assert refused(called(name, made, tmp_path, tmp_path), "got a folder")
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "a.csv").write_text("1,2,3")
    assert refused(called(name, made, tmp_path, tmp_path / "a.csv"), ".parquet")
    path = npz(tmp_path / "a.npz", **parts(z=np.full((320, 12), np.nan)))
    assert refused(called(name, made, tmp_path, path), "NaN")
    other = npz(tmp_path / "b.npz", **parts(group="Cyclic(3)", params=np.zeros(320)))
    assert refused(called(name, made, tmp_path, other), "Cyclic(3)")
    assert not list(tmp_path.glob("OUT*"))


@pytest.mark.parametrize("name", COMMANDS)
def test_other_names_reach_the_reader(name, made, tmp_path):
    same = {"vector": list(code().z), "turn": code().params[:, 0], "who": code().items}
    path = parquet(tmp_path / "mine.parquet", same)
    names = ("--z", "vector", "--params", "turn", "--items", "who")
    quick = {"edit": (), "verify": ("--null", "19")}.get(name, QUICK)
    assert called(name, made, tmp_path, path, *names, *quick).exit_code == 0
    assert refused(called(name, made, tmp_path, path, *quick), "'vector', 'turn' and 'who'")


@pytest.mark.parametrize("name", ["verify", "edit"])
def test_foreign_coordinates_are_refused(name, made, tmp_path):
    narrow = npz(tmp_path / "narrow.npz", **parts(z=code().z[:, :5], items=code().items + 100))
    assert refused(called(name, made, tmp_path, narrow), "5")
    orbits = Orbits.from_arrays(*parts().values(), SO2())
    orbits.save(tmp_path / "orbits.safetensors")
    file = made[0] / "mine.npz"
    end = ("--by", "1", "--out", tmp_path / "e.npz") if name == "edit" else ()
    assert refused(run(name, file, tmp_path / "orbits.safetensors", *end), "geodis.coordinates")
    assert refused(run(name, file, tmp_path / "gone.safetensors", *end), "found none")
    assert refused(run(name, file, file, *end), "safetensors")


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("fit", ("--group", "Circle"), "Circle"),
        ("fit", ("--test-size", "1.5"), "test_size"),
        ("fit", ("--level", "2"), "level"),
        ("fit", ("--ridge", "-1"), "ridge"),
        ("fit", ("--min-energy", "2"), "--min-energy"),
        ("fit", ("--max-order", "-1"), "--max-order"),
        ("fit", ("--null", "0"), "--null"),
        ("fit", ("--seed", "-1"), "--seed"),
        ("fit", ("--out", "coords.npz"), ".safetensors"),
        ("fit", ("--out", "gone/c.safetensors"), "Create it first"),
        ("verify", ("--out", "report.pdf"), ".html"),
        ("verify", ("--json", "report.html"), ".json"),
        ("verify", ("--delta", "-1"), "delta"),
        ("verify", ("--delta", "nan"), "delta"),
        ("verify", ("--level", "0"), "level"),
        ("spectrum", ("--out", "s.pdf"), ".html"),
        ("spectrum", ("--out", "gone/s.png"), "Create it first"),
        ("edit", ("--out", "e.csv"), ".parquet"),
    ],
)
def test_options_outside_their_range(name, options, says, made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused(called(name, made, tmp_path, made[0] / "mine.npz", *options), says)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (OSError("disk full"), 2)])
def test_a_stop_while_writing_leaves_the_old_file(name, error, code, made, tmp_path, monkeypatch):
    old = {"spectrum": "s.json", "fit": "OUT.safetensors", "verify": "r.json", "edit": "OUT.npz"}[name]
    (tmp_path / old).write_text("old")

    def fails(source, target):
        raise error

    monkeypatch.setattr(files.os, "replace", fails)
    quick = {"edit": (), "verify": ("--null", "19"), "spectrum": QUICK, "fit": QUICK}[name]
    extra = {"spectrum": ("--out", tmp_path / old), "verify": ("--json", tmp_path / old)}.get(name, ())
    done = called(name, made, tmp_path, made[0] / "mine.npz", *quick, *extra)
    assert done.exit_code == code
    assert done.stderr.startswith("geodis: ")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(old, "old")]


def test_orders_that_the_elements_cannot_tell_apart(tmp_path):
    few = code().params.reshape(40, 8)[:, ::2].reshape(-1, 1)
    z, items = (part.reshape(40, 8, -1)[:, ::2].reshape(160, -1) for part in (code().z, code().items))
    path = npz(tmp_path / "a.npz", z=z, params=few, items=items[:, 0])
    done = run("fit", path, "--group", "SO2", "--out", tmp_path / "a.safetensors", "--null", "19")
    assert done.exit_code == 0
    assert "up to order 1 apart" in done.stdout
    assert "m=1" in done.stdout
    assert "up to order 1 apart" in run("spectrum", path, "--group", "SO2", "--null", "19").stdout
    asked = ("--group", "SO2", "--out", tmp_path / "a.safetensors", "--max-order", "2")
    assert refused(run("fit", path, *asked), "Lower max_order to 1")


def test_the_readme_path_of_a_new_user(tmp_path):
    """`fit` and `verify` as they are typed, in processes of their own."""
    npz(tmp_path / "mine.npz", **parts())

    def typed(*arguments):
        environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
        return subprocess.run(
            [sys.executable, "-m", "geodis", *arguments], cwd=tmp_path, capture_output=True, text=True, env=environment
        )

    first = typed("fit", "mine.npz", "--group", "SO2", "--out", "mine.safetensors")
    assert (first.returncode, first.stderr) == (0, "")
    then = typed("verify", "mine.npz", "mine.safetensors", "--out", "report.html")
    assert (then.returncode, then.stderr) == (0, "")
    assert "12 unseen items × 8 elements of SO2()" in then.stdout.replace("\n", " ")
    page = parsed((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert not page.bad
    assert not page.open
    assert page.tags.count("img") >= 2
    assert {path.name for path in tmp_path.iterdir()} == {"mine.npz", "mine.safetensors", "report.html"}
