"""Coordinate files are whole or not there, hold every bit, and foreign ones are refused."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from fitted_codes import CASES, coordinates_of, same, some, stretched
from safetensors.numpy import load_file, save_file

import geodis.coordinates.latent
from geodis import LatentCoordinates
from geodis.errors import FileFormatError


@pytest.mark.parametrize("name", CASES)
def test_files_hold_the_coordinates(tmp_path, name):
    coords, path = coordinates_of(name), tmp_path / "c.safetensors"
    coords.save(path)
    loaded = LatentCoordinates.load(path)
    assert same(coords, loaded)
    assert not same(coords, replace(loaded, centre=loaded.centre + 1e-15 + 1)), "the comparison sees a difference"
    z, g = some(name)
    assert np.array_equal(loaded.edit(z, g), coords.edit(z, g))
    assert np.array_equal(loaded.operator(g), coords.operator(g))
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_files_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    coords, path = coordinates_of("SO2"), tmp_path / "c.safetensors"

    def fail(tensors, filename, metadata):
        with open(filename, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(geodis.coordinates.latent, "save_file", fail)
        with pytest.raises(OSError, match="disk full"):
            coords.save(path)
    assert list(tmp_path.iterdir()) == []
    coords.save(path)
    assert same(LatentCoordinates.load(path), coords)


def test_foreign_files_are_refused_and_nothing_is_unpickled(tmp_path):
    path = tmp_path / "c.safetensors"
    coords = coordinates_of("SO2")
    coords.save(path)
    tensors = load_file(path)
    meta = {"format": "geodis.coordinates", "version": "1", "group": "SO2()", "blocks": "[]", "status": "ok"}
    meta["limited"] = "false"
    for changes in (
        {"version": "3"},
        {"format": "geodis.orbits"},
        {"blocks": "not json"},
        {"group": "__import__('os')"},
        {"blocks": '[{"irrep": "nothing", "energy": 1, "interval": [0, 1], "isotropy": 1}]'},
        {"blocks": "[{}]"},
    ):
        save_file(tensors, path, metadata=meta | changes)
        with pytest.raises(FileFormatError):
            LatentCoordinates.load(path)
    save_file({"analysis": tensors["analysis"]}, path, metadata=meta)
    with pytest.raises(FileFormatError):
        LatentCoordinates.load(path)

    class Trap:
        def __reduce__(self):
            return (exec, ("raise RuntimeError('unpickled')",))

    for junk in (pickle.dumps(Trap()), b"", b"x" * 100):
        path.write_bytes(junk)
        with pytest.raises(FileFormatError):
            LatentCoordinates.load(path)
    with pytest.raises(FileNotFoundError):
        LatentCoordinates.load(tmp_path / "none")
    orbits, _ = stretched()
    orbits.save(path)
    with pytest.raises(FileFormatError):
        LatentCoordinates.load(path)
