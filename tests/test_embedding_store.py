"""The store: what was kept is read bit by bit, what is damaged, stale or half written is computed again."""

import errno
import json
import multiprocessing
import os
import resource
import time

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import nn

import geodis
from geodis.actions import QuarterTurns
from geodis.encoders import EmbeddingStore, StoreWarning, encode
from geodis.encoders import store as store_module
from geodis.errors import GeodisError, LengthError, ParameterError, ShapeError

KEY = {"encoder": "a", "items": "b"}
BATCHES = [np.random.default_rng(i).normal(size=(4 - (i == 4), 3)).astype(np.float32) for i in range(5)]
WHOLE = np.concatenate(BATCHES)


class Computed:
    """Batches, and which of them were asked for."""

    def __init__(self, batches=BATCHES):
        self.batches, self.asked = batches, []

    def __call__(self, i):
        self.asked.append(i)
        return self.batches[i]


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(tmp_path / "new" / "store")


@pytest.fixture
def filled(store):
    store.embed(KEY, 5, Computed())
    return store


def files(store):
    return sorted(store.folder.rglob("*.safetensors"))


def embed(store, batches=BATCHES, key=KEY, n=None):
    """`(embeddings, batches computed)`."""
    computed = Computed(batches)
    return store.embed(key, len(batches) if n is None else n, computed), computed.asked


def test_what_is_stored_is_not_computed_again(store):
    first, asked = embed(store)
    assert asked == [0, 1, 2, 3, 4]
    again, asked = embed(store)
    assert asked == []
    for z in (first, again):
        np.testing.assert_array_equal(z, WHOLE)
        assert z.dtype == np.float32
    assert len(files(store)) == 5


def test_a_run_that_failed_goes_on(store):
    def failing(i):
        if i == 3:
            raise KeyboardInterrupt
        return BATCHES[i]

    with pytest.raises(KeyboardInterrupt):
        store.embed(KEY, 5, failing)
    z, asked = embed(store)
    assert asked == [3, 4]
    np.testing.assert_array_equal(z, WHOLE)


@pytest.mark.parametrize(
    "key",
    [{"encoder": "a"}, {"encoder": "b", "items": "a"}, {"encoder": "a", "items": "c"}, KEY | {"batch_size": "4"}],
)
def test_another_key_is_another_entry(filled, key):
    z, asked = embed(filled, [-batch for batch in BATCHES], key)
    assert asked == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(z, -WHOLE)
    np.testing.assert_array_equal(embed(filled)[0], WHOLE)
    assert len(filled.entries()) == 2


def test_another_number_of_batches_is_another_entry(filled):
    z, asked = embed(filled, [-batch for batch in BATCHES[:4]])
    assert asked == [0, 1, 2, 3]
    np.testing.assert_array_equal(z, -WHOLE[:16])


def test_the_order_of_the_key_does_not_count(filled):
    assert embed(filled, key=dict(reversed(KEY.items())))[1] == []


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "int8", "uint8", "bool"])
def test_every_dtype_comes_back(store, dtype):
    batches = [np.arange(6).reshape(3, 2).astype(dtype), np.ones((1, 2), dtype)]
    for _ in range(2):
        z, _ = embed(store, batches)
        assert z.dtype == dtype
        np.testing.assert_array_equal(z, np.concatenate(batches))


def test_bits_come_back(store):
    values = np.array([[0.0, -0.0, np.nan, -np.nan, np.inf, 5e-324]])
    for _ in range(2):
        assert (
            embed(store, [values, values[:, ::-1]])[0].tobytes() == np.concatenate([values, values[:, ::-1]]).tobytes()
        )


def test_arrays_that_are_not_contiguous_and_other_shapes(store):
    batches = [np.arange(24.0).reshape(2, 3, 4).transpose(0, 2, 1), np.zeros((0, 4, 3))]
    np.testing.assert_array_equal(embed(store, batches)[0], np.concatenate(batches))
    np.testing.assert_array_equal(embed(store, batches)[0], np.concatenate(batches))


# --- damage -----------------------------------------------------------------------------------------------------------
def flip(path, where):
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)


def rewritten(path, **changes):
    """The batch with other metadata, its numbers changed: nobody must read them."""
    with safe_open(path, framework="numpy") as file:
        meta, z = file.metadata(), file.get_tensor("z")
    save_file({"z": -z}, path, metadata=meta | changes)


DAMAGE = {
    "last byte": lambda path: flip(path, -1),
    "first number": lambda path: flip(path, len(path.read_bytes()) - 48),
    "header": lambda path: flip(path, 12),
    "length of the header": lambda path: flip(path, 0),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "cut in the header": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_bytes(b"something else"),
    "zeros": lambda path: path.write_bytes(bytes(len(path.read_bytes()))),
    "other numbers": lambda path: rewritten(path),
    "another key": lambda path: rewritten(path, key="0" * 64),
    "another version": lambda path: rewritten(path, version="0"),
    "another format": lambda path: rewritten(path, format="geodis.orbits"),
    "another batch": lambda path: rewritten(path, batch="2"),
    "no metadata": lambda path: save_file({"z": BATCHES[0]}, path),
    "another name": lambda path: save_file({"y": BATCHES[0]}, path, metadata={}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_batch_is_computed_again_with_a_warning(filled, damage):
    DAMAGE[damage](files(filled)[1])
    with pytest.warns(StoreWarning, match=r"000001\.safetensors.*computed again"):
        z, asked = embed(filled)
    assert asked == [1]
    np.testing.assert_array_equal(z, WHOLE)
    assert embed(filled)[1] == []


def test_every_flipped_bit_is_found(filled):
    path = files(filled)[2]
    size = len(path.read_bytes())
    for where in np.random.default_rng(0).integers(0, size, 60):
        flip(path, int(where))
        with pytest.warns(StoreWarning):
            z, asked = embed(filled)
        assert asked == [2]
        np.testing.assert_array_equal(z, WHOLE)


def test_exchanged_batches_are_computed_again(filled):
    first, second = files(filled)[:2]
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    with pytest.warns(StoreWarning, match="another batch"):
        z, asked = embed(filled)
    assert asked == [0, 1]
    np.testing.assert_array_equal(z, WHOLE)


def test_batches_of_another_entry_are_not_served(filled):
    embed(filled, [-batch for batch in BATCHES], KEY | {"encoder": "z"})
    mine, other = (entry.folder for entry in filled.entries())
    for file in other.glob("*.safetensors"):
        (mine / file.name).write_bytes(file.read_bytes())
    with pytest.warns(StoreWarning, match="another key"):
        np.testing.assert_array_equal(embed(filled, key=filled.entries()[0].key, n=5)[0], WHOLE)


def test_a_batch_that_is_missing_is_computed_without_a_word(filled, recwarn):
    files(filled)[3].unlink()
    assert embed(filled)[1] == [3]
    assert not recwarn.list


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "geodis.embeddings", "key": {"encoder": "z"}}'])
def test_a_stale_manifest_is_written_anew(filled, content):
    manifest = next(filled.folder.rglob("manifest.json"))
    before = manifest.read_text()
    manifest.write_text(content)
    with pytest.warns(StoreWarning, match="manifest"):
        z, asked = embed(filled)
    assert asked == []
    np.testing.assert_array_equal(z, WHOLE)
    assert manifest.read_text() == before


def test_another_version_of_geodis_finds_nothing(filled, monkeypatch):
    monkeypatch.setattr(store_module, "VERSION", 99)
    z, asked = embed(filled, [-batch for batch in BATCHES])
    assert asked == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(z, -WHOLE)


def test_half_written_files_of_killed_runs_are_swept(filled):
    folder = files(filled)[0].parent
    old, new = folder / "000001.safetensorsabc.part", folder / "000002.safetensorsxyz.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    assert embed(filled)[1] == []
    assert not old.exists()
    assert new.exists()


# --- the store as a folder --------------------------------------------------------------------------------------------
def test_entries_size_and_clear(filled, tmp_path):
    embed(filled, BATCHES[:2], {"encoder": "second"})
    entries = {entry.n_batches: entry for entry in filled.entries()}
    assert entries[5].key == KEY
    assert (entries[5].n_stored, entries[2].n_stored) == (5, 2)
    on_disk = sum(path.stat().st_size for path in filled.folder.rglob("*") if path.is_file())
    assert filled.size == on_disk == sum(entry.size for entry in filled.entries())
    strange = filled.folder / "letters.txt", entries[5].folder / "own.npy", filled.folder / "photos" / "manifest.json"
    strange[2].parent.mkdir()
    for path in strange:
        path.write_text("mine")
    filled.clear()
    assert filled.entries() == ()
    assert filled.size == 0
    assert all(path.exists() for path in strange)
    assert not entries[2].folder.exists()
    np.testing.assert_array_equal(embed(filled)[0], WHOLE)


def test_an_empty_store_makes_no_folder(store):
    assert (store.entries(), store.size) == ((), 0)
    store.clear()
    assert not store.folder.exists()
    assert repr(store) == f"EmbeddingStore({str(store.folder)!r})"


def test_the_manifest_holds_the_whole_key(filled):
    manifest = json.loads(next(filled.folder.rglob("manifest.json")).read_text())
    assert manifest["key"] == KEY
    assert manifest["n_batches"] == 5


@pytest.mark.parametrize("folder", [None, 3, "", b"bytes"])
def test_a_folder_is_a_path(folder):
    with pytest.raises(ParameterError, match="folder"):
        EmbeddingStore(folder)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="found a file"):
        EmbeddingStore(tmp_path / "file")
    with pytest.raises(OSError, match="could not keep embeddings"):
        EmbeddingStore(tmp_path / "file" / "below").embed(KEY, 5, Computed())


def test_a_full_disk_is_an_error_with_a_sentence(store, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store_module.os, "fsync", full)
        with pytest.raises(OSError, match=r"No space left.*Free some space") as caught:
            embed(store)
    assert caught.value.errno == errno.ENOSPC
    assert not list(store.folder.rglob("*.part"))
    np.testing.assert_array_equal(embed(store)[0], WHOLE)


@pytest.fixture(scope="module")
def processes():
    """Processes of their own, from a server without threads that has imported geodis once.

    Not forked from here: another thread of a test process may hold a lock, which the child would wait for forever.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["geodis"])
    return context


def started(context, function, *arguments):
    process = context.Process(target=function, args=arguments)
    process.start()
    return process


def ended(process):
    process.join(60)
    assert process.exitcode == 0, "still running" if process.exitcode is None else process.exitcode


SIZES = [100, 100, 1000]


def limited(folder, out):
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    try:
        EmbeddingStore(folder).embed({"encoder": "a"}, 3, lambda i: np.full((SIZES[i], 1), float(i)))
    except OSError as error:
        out.write_text(str(error))


def test_a_limit_of_the_system_is_an_error_with_a_sentence_and_keeps_the_rest(store, processes, tmp_path):
    ended(started(processes, limited, store.folder, tmp_path / "out"))
    assert "could not keep embeddings in" in (tmp_path / "out").read_text()
    computed = []
    assert len(files(store)) == 2
    z = store.embed({"encoder": "a"}, 3, lambda i: computed.append(i) or np.full((SIZES[i], 1), float(i)))
    assert computed == [2]
    np.testing.assert_array_equal(z[:, 0], np.repeat([0.0, 1.0, 2.0], SIZES))


def test_a_store_that_is_complete_is_read_without_writing(filled, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(store_module, "write_atomically", refused)
    np.testing.assert_array_equal(embed(filled)[0], WHOLE)
    with pytest.raises(PermissionError, match="could not keep embeddings"):
        embed(filled, key={"encoder": "new"})


@pytest.mark.parametrize("key", [None, {}, {"a": 1}, {1: "a"}, "text", [("a", "b")]])
def test_a_key_is_a_mapping_of_texts(store, key):
    with pytest.raises(ParameterError, match="key"):
        store.embed(key, 1, Computed())


@pytest.mark.parametrize("n_batches", [0, -1, 1.0, True, None])
def test_the_number_of_batches_is_a_positive_integer(store, n_batches):
    with pytest.raises(ParameterError, match="n_batches"):
        store.embed(KEY, n_batches, Computed())


@pytest.mark.parametrize(
    "batch", [None, "text", np.array(1.0), np.array(["a"]), np.ones((2, 2), dtype=complex), [[object()]]]
)
def test_what_is_no_batch_is_a_named_error(store, batch):
    with pytest.raises(GeodisError, match="batch 1"):
        embed(store, [np.ones((2, 2)), batch])
    assert len(files(store)) == 1


def test_batches_that_do_not_fit_together_are_a_named_error(store):
    with pytest.raises(ShapeError, match="every batch"):
        embed(store, [np.ones((2, 2)), np.ones((2, 3))])
    with pytest.raises(ShapeError, match="every batch"):
        embed(store, [np.ones((2, 2)), np.ones((2, 2), np.float32)], {"encoder": "c"})


def test_a_batch_of_another_length_than_before_is_a_named_error(filled):
    flip(files(filled)[1], -1)
    with pytest.warns(StoreWarning), pytest.raises(LengthError):
        embed(filled, [batch[:1] for batch in BATCHES])


def test_progress_is_shown_when_asked(store, capsys):
    store.embed(KEY, 5, Computed(), verbose=True)
    assert "embedding" in capsys.readouterr().err
    store.embed(KEY, 5, Computed())
    assert capsys.readouterr().err == ""


# --- orbits -----------------------------------------------------------------------------------------------------------
class Counted(nn.Module):
    """Counts how many images it sees; the counter is a global of the test, as the module's content must not change."""

    def forward(self, x):
        SEEN.append(len(x))
        return x.flatten(1)[:, :5]


SEEN = []
IMAGES = np.random.default_rng(0).normal(size=(6, 4, 4))


def test_orbits_are_sampled_once(tmp_path):
    SEEN.clear()
    f = encode(Counted(), name="counted")
    plain = geodis.sample_orbits(f, IMAGES, QuarterTurns(), seed=0, batch_size=5)
    seen = len(SEEN)
    for _ in range(2):
        kept = geodis.sample_orbits(f, IMAGES, QuarterTurns(), seed=0, batch_size=5, store=tmp_path / "kept")
        np.testing.assert_array_equal(kept.arrays()[0], plain.arrays()[0])
    assert len(SEEN) == 2 * seen
    for changed in ({"batch_size": 6}, {"items": IMAGES + 1}, {"encoder": encode(Counted(), name="other")}):
        options = {"encoder": f, "items": IMAGES, "batch_size": 5} | changed
        before = len(SEEN)
        geodis.sample_orbits(action=QuarterTurns(), seed=0, store=tmp_path / "kept", **options)
        assert len(SEEN) > before, changed


def test_a_function_without_a_name_is_not_stored(tmp_path):
    with pytest.raises(ParameterError, match="name"):
        geodis.sample_orbits(lambda batch: batch.reshape(len(batch), -1), IMAGES, QuarterTurns(), store=tmp_path)


# --- kills ------------------------------------------------------------------------------------------------------------
N_BATCHES = 60


def run(folder, out, begun=None):
    if begun is not None:
        begun.set()

    def compute(i):
        time.sleep(0.001)
        return np.random.default_rng(i).normal(size=(50, 40))

    np.save(out, EmbeddingStore(folder).embed({"encoder": "a"}, N_BATCHES, compute))


def survives(context, tmp_path, n_kills, seed):
    """Kill a run at random moments: how many were killed half way. The last one ends as a run in peace does."""
    rng, folder, out = np.random.default_rng(seed), tmp_path / "killed", tmp_path / "out.npy"
    partial = 0
    for _ in range(n_kills):
        begun = context.Event()
        process = started(context, run, folder, out, begun)
        assert begun.wait(60)
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        process.join()
        partial += 0 < len(list(folder.rglob("*.safetensors"))) < N_BATCHES
    ended(started(context, run, folder, out))
    expected = np.concatenate([np.random.default_rng(i).normal(size=(50, 40)) for i in range(N_BATCHES)])
    np.testing.assert_array_equal(np.load(out), expected)
    return partial


def test_a_killed_run_goes_on(processes, tmp_path):
    assert survives(processes, tmp_path, 20, seed=0) >= 1


def test_two_processes_may_write_at_once(processes, tmp_path):
    pair = [started(processes, run, tmp_path / "shared", tmp_path / f"{i}.npy") for i in range(2)]
    for process in pair:
        ended(process)
    first, second = (np.load(tmp_path / f"{i}.npy") for i in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(EmbeddingStore(tmp_path / "shared").entries()) == 1
    assert not list((tmp_path / "shared").rglob("*.part"))
