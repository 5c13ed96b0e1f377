"""Users' files come in as they are, or are refused with a sentence that says what to do."""

import io
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from random_orbits import orbits_of, same
from user_files import npz, parquet, parts

from geodis import Orbits
from geodis.errors import ContentError, FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.formats.readers import Rows, read_array, read_orbits, read_rows
from geodis.formats.writers import write_orbits, write_rows
from geodis.groups import SE, SO2, SO3, Cyclic
from geodis.orbits import Detours

WORDS = np.array(["é", "b c", "a"])


def labelled(group=None, labels=WORDS, d=4, dtype=np.float64):
    """Orbits with words as items, in clusters."""
    made = orbits_of((3, 3, 3), group, d=d)
    owners = np.array(["x", "y", "x"])[made.items]
    return Orbits.from_arrays(made.z.astype(dtype), made.params, labels[made.items], made.group, owners)


# --- what goes in comes out -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ending", [".npz", ".parquet", ".pq", ".safetensors"])
@pytest.mark.parametrize("group", [SO2(), SO3(), Cyclic(5), SE(2), SO2() * Cyclic(3)], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_orbits_survive_every_kind_of_file(tmp_path, ending, group, dtype):
    made = labelled(group, dtype=dtype)
    path = tmp_path / f"orbits{ending}"
    write_orbits(path, made)
    assert same(read_orbits(path), made)
    assert same(read_orbits(path, repr(group)), made)
    assert same(read_orbits(path, group), made)
    assert not same(read_orbits(path), labelled(group, labels=WORDS[::-1].copy(), dtype=dtype))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_the_measured_floor_stays(tmp_path, ending):
    made = labelled()
    rng = np.random.default_rng(0)
    apart = Detours(rng.normal(size=(2, 4)), rng.normal(size=(2, 4)), made.items[[0, 4]])
    write_orbits(tmp_path / f"a{ending}", Orbits(*made.arrays(), made.group, made.clusters, apart))
    back = read_orbits(tmp_path / f"a{ending}").detours
    assert np.array_equal(back.direct, apart.direct)
    assert np.array_equal(back.composed, apart.composed)
    assert back.items.tolist() == apart.items.tolist()


def test_rows_keep_the_order_of_the_file(tmp_path):
    order = np.array([4, 0, 3, 1])
    rows = Rows(np.eye(5)[order], items=np.array(list("abcde"))[order])
    for name in ("a.npz", "a.parquet"):
        write_rows(tmp_path / name, rows)
        back = read_rows(tmp_path / name)
        assert np.array_equal(back.z, rows.z)
        assert back.items.tolist() == rows.items.tolist()
        assert (back.params, back.clusters, back.group) == (None, None, None)
    write_rows(tmp_path / "a.npy", rows)
    assert np.array_equal(read_array(tmp_path / "a.npy"), rows.z)


@pytest.mark.parametrize("alias", ["z", "Z", "embeddings", "embedding"])
def test_usual_names_are_known(tmp_path, alias):
    made = parts()
    path = npz(tmp_path / "a.npz", **{alias: made["z"], "param": made["params"], "item": made["items"]})
    assert len(read_orbits(path, "SO2")) == len(made["z"])


def test_other_names_can_be_told(tmp_path):
    made = parts()
    path = npz(tmp_path / "a.npz", vectors=made["z"], angle=made["params"][:, 0], who=made["items"])
    with pytest.raises(ContentError, match="'vectors', 'angle' and 'who'"):
        read_orbits(path, "SO2")
    named = read_orbits(path, "SO2", z="vectors", params="angle", items="who")
    assert same(named, Orbits.from_arrays(*made.values(), SO2()))
    with pytest.raises(ContentError, match="a key 'angel'"):
        read_orbits(path, "SO2", z="vectors", params="angel", items="who")


def test_arrays_beside_an_npy_file(tmp_path):
    made = parts()
    for name, array in made.items():
        np.save(tmp_path / f"{name}.npy", array)
    beside = {name: str(tmp_path / f"{name}.npy") for name in ("params", "items", "clusters")}
    np.save(beside["clusters"], made["items"] // 2)
    read = read_orbits(tmp_path / "z.npy", "SO2", **beside)
    assert same(read, Orbits.from_arrays(*made.values(), SO2(), made["items"] // 2))
    assert read_rows(tmp_path / "z.npy").params is None
    with pytest.raises(ContentError, match="--items"):
        read_orbits(tmp_path / "z.npy", "SO2", params=beside["params"])
    with pytest.raises(ParameterError, match=r"path of an \.npy file"):
        read_orbits(tmp_path / "z.npy", "SO2", params="angle", items=beside["items"])
    with pytest.raises(ParameterError, match="holds one array"):
        read_orbits(tmp_path / "z.npy", "SO2", z="z", params=beside["params"], items=beside["items"])
    # Beside the other kinds of files as well.
    assert same(read_orbits(npz(tmp_path / "a.npz", z=made["z"]), "SO2", **beside), read)
    assert same(read_orbits(parquet(tmp_path / "a.parquet", {"z": list(made["z"])}), "SO2", **beside), read)
    with pytest.raises(FileNotFoundError, match=r"gone\.npy"):
        read_orbits(tmp_path / "a.npz", "SO2", params=beside["params"], items=str(tmp_path / "gone.npy"))


# --- parquet ----------------------------------------------------------------------------------------------------------
LAYOUTS = {
    "lists": lambda z, p, i: {"z": list(z), "params": list(p), "items": i},
    "fixed lists": lambda z, p, i: {
        "z": pa.FixedSizeListArray.from_arrays(pa.array(z.ravel()), z.shape[1]), "params": p[:, 0], "item": i,
    },
    "numbered": lambda z, p, i: {f"z_{k}": z[:, k] for k in range(z.shape[1])} | {"param_0": p[:, 0], "item": i},
    "numbered, shuffled": lambda z, p, i: {"item": i, "params_0": p[:, 0]}
    | {f"embedding_{k}": z[:, k] for k in reversed(range(z.shape[1]))},
    "categories": lambda z, p, i: {"z": list(z), "params": p[:, 0], "item": pa.array(i).dictionary_encode()},
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_columns(tmp_path, layout):
    made = parts()
    read = read_orbits(parquet(tmp_path / "a.parquet", LAYOUTS[layout](*made.values())), SO2())
    assert same(read, Orbits.from_arrays(*made.values(), SO2()))


def test_what_pandas_writes(tmp_path):
    made = parts()
    words = np.array([f"subject {i}" for i in made["items"]])
    frame = pd.DataFrame({f"z_{k}": column for k, column in enumerate(made["z"].T)})
    frame.assign(angle=made["params"][:, 0], who=words, month=pd.Timestamp("2026-01-01")).to_parquet(tmp_path / "a.pq")
    read = read_orbits(tmp_path / "a.pq", "SO2", params="angle", items="who", clusters="month")
    assert same(read, Orbits.from_arrays(made["z"], made["params"], words, SO2(), ["2026-01-01 00:00:00"] * len(words)))


def test_many_columns_and_row_groups(tmp_path):
    made = labelled(SO3(), d=13)
    columns = {f"f_{k}": made.z[:, k] for k in range(13)} | dict(zip("xyz", made.params.T, strict=True))
    frame = pd.DataFrame(columns | {"who": made.items, "club": made.clusters})
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=2)
    told = {"z": "f", "params": "x,y,z", "items": "who", "clusters": "club"}
    assert same(read_orbits(tmp_path / "a.parquet", "SO3", **told), made)
    with pytest.raises(ContentError, match="a column 'w'"):
        read_orbits(tmp_path / "a.parquet", "SO3", **told | {"params": "x,y,w"})


BAD_COLUMNS = {
    "no embeddings": ({"params": [0.0], "item": [1]}, "'params' and 'item'"),
    "a gap": ({"z_0": [1.0], "z_2": [1.0], "params": [0.0], "item": [1]}, "no z_1"),
    "ragged lists": ({"z": [[1.0, 2.0], [3.0]], "params": [0.0, 1.0], "item": [1, 1]}, "lengths from 1 to 2"),
    "an empty cell": ({"z": [[1.0], None], "params": [0.0, 1.0], "item": [1, 1]}, "1 empty cells"),
    "an empty entry": ({"z": [[1.0], [None]], "params": [0.0, 1.0], "item": [1, 1]}, "1 empty entries"),
    "no label": ({"z": [[1.0], [2.0]], "params": [0.0, 1.0], "item": ["a", None]}, "1 empty cells"),
    "two names": ({"z": [[1.0]], "embeddings": [[1.0]], "params": [0.0], "item": [1]}, "Say which"),
    "lists among columns": ({"z_0": [[1.0]], "z_1": [[2.0]], "params": [0.0], "item": [1]}, "lists in 'z_0'"),
    "structures": ({"z": [[1.0]], "params": [0.0], "item": [{"a": 1}]}, "struct"),
    "words as embeddings": ({"z": ["one"], "params": [0.0], "item": [1]}, "(N, D)"),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_bad_columns_are_refused(tmp_path, case):
    columns, says = BAD_COLUMNS[case]
    path = parquet(tmp_path / "bad.parquet", {name: pa.array(column) for name, column in columns.items()})
    with pytest.raises(GeodisError) as caught:
        read_orbits(path, "SO2")
    assert says in str(caught.value)


def test_no_file_without_rows(tmp_path):
    empty = pa.array([], pa.float64())
    path = parquet(tmp_path / "a.parquet", {"z_0": empty, "params": empty, "item": empty})
    with pytest.raises(ShapeError):
        read_orbits(path, "SO2")


# --- refused ----------------------------------------------------------------------------------------------------------
def test_a_part_that_is_missing_is_named(tmp_path):
    for name in ("z", "params", "items"):
        with pytest.raises(ContentError, match=f"--{name}") as caught:
            read_orbits(npz(tmp_path / "a.npz", **parts(**{name: None})), "SO2")
        assert "a.npz" in str(caught.value)
    with pytest.raises(ContentError, match="--group"):
        read_orbits(npz(tmp_path / "a.npz", **parts()))
    with pytest.raises(ContentError, match="Say which"):
        read_orbits(npz(tmp_path / "a.npz", **parts(Z=np.eye(3))), "SO2")


MALFORMED = {
    "NaN": ({"z": np.full((320, 12), np.nan)}, FiniteError),
    "NaN in params": ({"params": np.full(320, np.nan)}, FiniteError),
    "short params": ({"params": np.zeros(7)}, LengthError),
    "short items": ({"items": np.zeros(7)}, LengthError),
    "short clusters": ({"clusters": np.zeros(7)}, LengthError),
    "flat": ({"z": np.zeros(320)}, ShapeError),
    "three axes": ({"z": np.zeros((40, 8, 12))}, ShapeError),
    "no rows": ({"z": np.zeros((0, 12)), "params": np.zeros(0), "items": np.zeros(0)}, ShapeError),
    "complex": ({"z": np.zeros((320, 12), dtype=complex)}, ParameterError),
    "words as params": ({"params": np.full(320, "turn")}, ParameterError),
    "deep params": ({"params": np.zeros((320, 1, 1))}, ContentError),
    "two params": ({"params": np.zeros((320, 2))}, ShapeError),
    "deep items": ({"items": np.zeros((320, 2))}, ShapeError),
    "item in two clusters": ({"clusters": np.arange(320)}, ParameterError),
    "another group": ({"group": "Cyclic(3)"}, ContentError),
    "no group": ({"group": "Circle"}, GeodisError),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_arrays_are_refused(tmp_path, case):
    changed, error = MALFORMED[case]
    with pytest.raises(error) as caught:
        read_orbits(npz(tmp_path / "a.npz", **parts(**changed)), "SO2")
    assert isinstance(caught.value, GeodisError)
    assert len(read_orbits(npz(tmp_path / "a.npz", **parts()), "SO2")) == 320, "the file is good without the change"


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def saved(array, allow_pickle=False):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


JUNK = {
    "empty": b"",
    "words": b"z,params,items\n1,2,3\n",
    "pickle": b"\x80\x04}q\x00.",
    "half an array": saved(np.eye(4))[:-20],
    "half an archive": zipped(**{"z.npy": saved(np.eye(4))})[:-30],
    "an archive of words": zipped(z="hello"),
    "binary": bytes(range(256)) * 8,
}


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("ending", [".npz", ".npy", ".parquet", ".safetensors", ".csv", ""])
def test_junk_is_refused(tmp_path, junk, ending):
    path = tmp_path / f"mine{ending}"
    path.write_bytes(JUNK[junk])
    with pytest.raises(GeodisError, match="mine"):
        read_orbits(path, "SO2")


def test_pickles_are_never_opened(tmp_path):
    ragged = np.empty(2, dtype=object)
    ragged[:] = [[1.0], [2.0, 3.0]]
    for name, content in (("a.npy", saved(ragged, True)), ("a.npz", zipped(**{"z.npy": saved(ragged, True)}))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ContentError, match=r"[Nn]othing is ever unpickled"):
            read_rows(tmp_path / name)


@pytest.mark.parametrize("ending", [".npz", ".npy"])
def test_other_content_is_not_called_ragged(tmp_path, ending):
    (tmp_path / f"a{ending}").write_bytes(JUNK["words"])
    with pytest.raises(ContentError, match="other content") as caught:
        read_rows(tmp_path / f"a{ending}")
    assert "ragged" not in str(caught.value)


def test_the_wrong_ending_is_told(tmp_path):
    (tmp_path / "a.npz").write_bytes(saved(np.eye(3)))
    (tmp_path / "a.npy").write_bytes(zipped(**{"z.npy": saved(np.eye(3))}))
    with pytest.raises(ContentError, match=r"Call it \.npy"):
        read_rows(tmp_path / "a.npz")
    with pytest.raises(ContentError, match=r"Call it \.npz"):
        read_rows(tmp_path / "a.npy")


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="found none"):
        read_orbits(tmp_path / "gone.npz", "SO2")
    with pytest.raises(IsADirectoryError, match="a folder"):
        read_orbits(tmp_path, "SO2")


def test_names_are_not_for_orbits_that_geodis_saved(tmp_path):
    orbits_of().save(tmp_path / "a.safetensors")
    with pytest.raises(ParameterError, match="their own"):
        read_orbits(tmp_path / "a.safetensors", params="angle")


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(ContentError, match=r"\.csv"):
        write_rows(tmp_path / "a.csv", Rows(np.eye(3)))
    with pytest.raises(FileNotFoundError, match="Create it first"):
        write_rows(tmp_path / "no" / "a.npz", Rows(np.eye(3)))
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(IsADirectoryError):
        write_rows(tmp_path / "a.npz", Rows(np.eye(3)))
    with pytest.raises(AttributeError):  # planted: what is written breaks in the middle
        write_rows(tmp_path / "b.npz", Rows(np.eye(3), group=object(), detours=3))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
