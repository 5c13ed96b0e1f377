"""`geodis edit` on users' own files: the edits of the library, rows as they were, wrong elements refused."""

import numpy as np
import pytest
from user_files import code, fitted_file, npz, parts, refused, run

from geodis import LatentCoordinates
from geodis.formats.readers import read_rows
from geodis.groups import SO2, Cyclic


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return fitted_file(tmp_path_factory.mktemp("mine"))


def test_edits_are_those_of_the_library(made, tmp_path):
    folder, _ = made
    coordinates = LatentCoordinates.load(folder / "mine.safetensors")
    command = ("edit", folder / "mine.npz", folder / "mine.safetensors")
    for name in ("e.npz", "e.parquet"):
        done = run(*command, "--by", "-1.57", "--out", tmp_path / name)
        assert done.exit_code == 0, done.output
        rows = read_rows(tmp_path / name)
        assert np.array_equal(rows.z, coordinates.edit(code().z, [[-1.57]]))
        moved = SO2().compose(np.full((320, 1), -1.57), code().params)
        assert np.allclose(np.ravel(rows.params), moved[:, 0])
        assert np.array_equal(rows.items, code().items)
        assert rows.group == SO2()
    assert run(*command, "--by", "-1.57", "--out", tmp_path / "e.npy").exit_code == 0
    assert np.array_equal(np.load(tmp_path / "e.npy"), rows.z)
    assert not np.allclose(rows.z, code().z)


def test_edits_meet_the_moved_embeddings(made, tmp_path):
    """One step along each orbit's grid, by a column: the edited rows are near the rows that are there."""
    z, m = code().z, 8
    ahead = np.roll(z.reshape(-1, m, z.shape[1]), -1, axis=1).reshape(z.shape)
    steps = np.full(len(z), 2 * np.pi / m)
    path = npz(tmp_path / "a.npz", **parts(step=steps))
    coords = made[0] / "mine.safetensors"
    assert run("edit", path, coords, "--by-column", "step", "--out", tmp_path / "e.npz", "--quiet").output == ""
    edited = read_rows(tmp_path / "e.npz").z
    assert np.mean((edited - ahead) ** 2) < 0.3 * np.mean((z - ahead) ** 2)
    np.save(tmp_path / "step.npy", steps)
    beside = ("--by-column", tmp_path / "step.npy", "--out", tmp_path / "f.npz")
    assert run("edit", path, coords, *beside).exit_code == 0
    assert np.array_equal(read_rows(tmp_path / "f.npz").z, edited)


def test_embeddings_alone_can_be_edited(made, tmp_path):
    np.save(tmp_path / "z.npy", code().z.astype(np.float32))
    command = ("edit", tmp_path / "z.npy", made[0] / "mine.safetensors", "--by", "0.5", "--out", tmp_path / "e.npz")
    assert run(*command).exit_code == 0
    rows = read_rows(tmp_path / "e.npz")
    assert (rows.z.dtype, rows.params, rows.items) == (np.float32, None, None)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "either --by or --by-column"),
        (("--by", "1", "--by-column", "params"), "both"),
        (("--by", "1,2"), "1 numbers separated by commas"),
        (("--by", "far"), "'far'"),
        (("--by", "nan"), "NaN"),
        (("--by-column", "gone"), "a key 'gone'"),
        (("--by-column", "gone.npy"), "found none"),
        (("--by-column", "items"), ""),
    ],
)
def test_wrong_elements_are_refused(made, tmp_path, options, says):
    words = parts(items=np.array([f"word {i}" for i in code().items]))
    path = npz(tmp_path / "a.npz", **words)
    done = run("edit", path, made[0] / "mine.safetensors", *options, "--out", tmp_path / "e.npz")
    assert refused(done, says)
    assert not (tmp_path / "e.npz").exists()


def test_groups_of_several_parameters(tmp_path):
    group = SO2() * Cyclic(3)
    params = group.orbit(12, 6, seed=0)
    z = np.random.default_rng(0).normal(size=(72, 5))
    path = npz(tmp_path / "a.npz", z=z, params=params.reshape(72, -1), items=np.repeat(np.arange(12), 6))
    coords = tmp_path / "a.safetensors"
    assert run("fit", path, "--group", "SO2 * Cyclic(3)", "--out", coords, "--max-order", "1").exit_code == 0
    assert run("edit", path, coords, "--by", "0.5,2", "--out", tmp_path / "e.npz").exit_code == 0
    assert np.allclose(read_rows(tmp_path / "e.npz").params, group.compose([[0.5, 2.0]], params.reshape(72, -1)))
    assert refused(run("edit", path, coords, "--by", "0.5,2.5", "--out", tmp_path / "f.npz"), "--by")
