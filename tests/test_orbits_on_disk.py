"""Orbit files are whole or not there, and foreign ones are refused."""

import json

import numpy as np
import pytest
from random_orbits import orbits_of, rows, same
from safetensors.numpy import save_file

import geodis.orbits
from geodis import Orbits
from geodis.errors import FileFormatError
from geodis.groups import SE, SO2, SO3, Cyclic, Translation

GROUPS = [SO2(), SO3(), Cyclic(5), SO2() * Cyclic(3), SE(2), Translation(2, period=(1.0, 2.0))]


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_files_hold_what_was_saved(tmp_path, group):
    z, params, items, _ = rows((2, 3, 1), group)
    for labels, dtype in ((np.arange(3), np.float64), (np.array(["é", "b", "c"]), np.float32), ([0.5, 1.5, 2], float)):
        orbits = Orbits.from_arrays(z.astype(dtype), params, np.asarray(labels)[items], group, np.zeros(6, dtype=int))
        orbits.save(tmp_path / "orbits.safetensors")
        assert same(orbits, Orbits.load(tmp_path / "orbits.safetensors"))
        assert not same(orbits_of((2, 3, 1), group, seed=9), orbits), "the comparison sees a difference"


def test_a_failing_write_leaves_no_file_and_keeps_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "orbits.safetensors"

    def fail(tensors, filename, metadata):
        with open(filename, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(geodis.orbits, "save_file", fail)
        with pytest.raises(OSError, match="disk full"):
            orbits_of().save(path)
        assert list(tmp_path.iterdir()) == []
    orbits_of().save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["orbits.safetensors"]
    with monkeypatch.context() as patch:
        patch.setattr(geodis.orbits, "save_file", fail)
        with pytest.raises(OSError, match="disk full"):
            orbits_of((9, 9)).save(path)
    assert same(Orbits.load(path), orbits_of())


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "file"
    orbits = orbits_of()
    tensors = {"z": orbits.z, "params": orbits.params, "items": orbits.items, "clusters": orbits.clusters}
    meta = {"format": "geodis.orbits", "version": "1", "group": "SO2()"}
    save_file(tensors, path, metadata=meta)
    assert same(Orbits.load(path), orbits)
    for changed in ({"version": "999"}, {"format": "other"}):
        save_file(tensors, path, metadata=meta | changed)
        with pytest.raises(FileFormatError):
            Orbits.load(path)
    save_file(tensors, path)
    with pytest.raises(FileFormatError):
        Orbits.load(path)
    save_file({"z": orbits.z}, path, metadata=meta)
    with pytest.raises(FileFormatError):
        Orbits.load(path)
    for junk in (b"", b"\x80\x04pickle", json.dumps(meta).encode()):
        path.write_bytes(junk)
        with pytest.raises(FileFormatError):
            Orbits.load(path)
    with pytest.raises(FileNotFoundError):
        Orbits.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        orbits.save(tmp_path / "no" / "such" / "folder")
