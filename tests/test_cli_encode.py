"""`geodis encode`: folders of images, texts and fields become orbits that the other commands read."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from user_files import refused, run

import geodis
from geodis import actions
from geodis.cli import names
from geodis.encoders import ModuleEncoder, encode
from geodis.errors import MissingExtraError
from geodis.formats.readers import read_orbits, read_rows
from geodis.formats.sources import read_fields, read_images, read_texts
from geodis.simulators.sentences import MONTHS, WEEKDAYS

VECTOR = ((1, 1, 1),)


def letters(texts):
    """How often each of some letters stands in a text."""
    return np.array([[str(text).count(letter) for letter in "aeioumnrt"] for text in texts], dtype=float)


def network(width):
    """A small network on arrays of this many numbers."""
    made = nn.Sequential(nn.Flatten(), nn.Linear(width, 5), nn.Tanh())
    weights = np.random.default_rng(0).normal(size=(5, width)) / np.sqrt(width)
    made[1].weight.data = torch.from_numpy(weights.astype(np.float32))
    return made


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(3):
        Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    (tmp_path / "photos" / "readme.md").write_text("mine")
    (tmp_path / "templates.txt").write_text("The fair is in {slot}.\nWe met in {}, at last.\nIt rained all {slot}.\n")
    (tmp_path / "pairs.csv").write_text("The film is good.,The film is bad.\nIt is hot.,It is cold.\n")
    (tmp_path / "flows").mkdir()
    for run_number in range(2):
        np.save(tmp_path / "flows" / f"run{run_number}.npy", rng.normal(size=(3, 2, 4, 4)))
    return tmp_path


@pytest.fixture
def model(monkeypatch):
    """`--model mine` is whatever the test sets; what was asked for is kept."""
    asked = {"model": letters, "name": None}

    def called(name):
        asked["name"] = name
        return asked["model"]

    monkeypatch.setattr(names, "model_called", called)
    return asked


def encoded(folders, source, action, *options, out="out.npz"):
    return run("encode", folders / source, "--model", "mine", "--action", action, "--out", folders / out, *options)


# --- the same as in Python --------------------------------------------------------------------------------------------
IMAGE_ACTIONS = {
    "rotation": actions.ImageRotation, "scaling": actions.ImageScaling, "hue": actions.HueRotation,
    "quarter-turns": actions.QuarterTurns, "square": actions.SquareSymmetries,
    "shift": lambda: actions.ImageShift(6, 6),
}  # fmt: skip


@pytest.mark.parametrize("action", IMAGE_ACTIONS)
def test_images(folders, model, action):
    model["model"] = network(3 * 6 * 6)
    done = encoded(folders, "photos", action, "--n-elements", "3", "--seed", "2")
    assert done.exit_code == 0, done.output
    orbits = read_orbits(folders / "out.npz")
    images = read_images(folders / "photos")
    again = geodis.sample_orbits(
        encode(model["model"]), images.items, IMAGE_ACTIONS[action](), 3, seed=2, item_ids=images.labels
    )
    assert (orbits.group, orbits.labels.tolist()) == (again.group, ["0.png", "1.png", "2.png"])
    assert np.array_equal(orbits.z, again.z)
    assert np.array_equal(orbits.params, again.params)
    assert (orbits.detours is None) == (again.detours is None) == IMAGE_ACTIONS[action]().exact
    for said in ("3 items (1 other files)", "geodis spectrum", "geodis fit", repr(orbits)):
        assert said in done.stdout


def test_size_grey_and_limit(folders, model):
    model["model"] = network(4 * 4)
    done = encoded(folders, "photos", "rotation", "--size", "4", "--grey", "--limit", "2", "--n-elements", "2")
    assert done.exit_code == 0, done.output
    orbits = read_orbits(folders / "out.npz")
    assert (orbits.n_items, len(orbits)) == (2, 4)


FIELD_ACTIONS = {
    "cube": lambda: actions.FieldSymmetries(VECTOR, d=2),
    "shift": lambda: actions.FieldShift(VECTOR, grid=(4, 4)),
    "rotation": lambda: actions.FieldRotation(VECTOR),
}


@pytest.mark.parametrize("action", FIELD_ACTIONS)
def test_fields(folders, model, action):
    model["model"] = network(2 * 4 * 4)
    done = encoded(folders, "flows", action, "--types", "1+", "--n-elements", "8")
    assert done.exit_code == 0, done.output
    orbits, fields = read_orbits(folders / "out.npz"), read_fields(folders / "flows")
    again = geodis.sample_orbits(
        encode(model["model"]), fields.items, FIELD_ACTIONS[action](), 8, item_ids=fields.labels,
        clusters=fields.clusters,
    )  # fmt: skip
    assert np.array_equal(orbits.z, again.z)
    assert set(orbits.clusters) == {"run0.npy", "run1.npy"}


@pytest.mark.parametrize(
    ("values", "listed"), [("months", MONTHS), ("weekdays", WEEKDAYS), ("spring, summer", ("spring", "summer"))]
)
def test_slots(folders, model, values, listed):
    done = encoded(folders, "templates.txt", "slot", "--values", values)
    assert done.exit_code == 0, done.output
    orbits, texts = read_orbits(folders / "out.npz"), read_texts(folders / "templates.txt")
    again = geodis.sample_orbits(
        encode(model["model"]), actions.slot_texts(texts.items, listed), actions.SlotAction(listed),
        item_ids=texts.labels,
    )  # fmt: skip
    assert np.array_equal(orbits.z, again.z)
    assert repr(orbits.group) == f"Cyclic({len(listed)})"


def test_values_of_a_file_in_their_order(folders, model):
    (folders / "sizes.txt").write_text("small\nmedium\nlarge\n")
    assert encoded(folders, "templates.txt", "ordered", "--values", folders / "sizes.txt").exit_code == 0
    orbits = read_orbits(folders / "out.npz")
    assert repr(orbits.group) == "Translation(1)"
    assert orbits.params[:3, 0].tolist() == [0.0, 1.0, 2.0]


def test_minimal_pairs(folders, model):
    assert encoded(folders, "pairs.csv", "pairs").exit_code == 0
    orbits = read_orbits(folders / "out.npz")
    assert (orbits.labels.tolist(), repr(orbits.group)) == (["pairs.csv:1", "pairs.csv:2"], "Cyclic(2)")
    told = model["model"](["The film is good.", "The film is bad."])
    assert np.array_equal(orbits.z[:2], told)


def test_without_an_action_embeddings_alone(folders, model):
    done = encoded(folders, "templates.txt", "none", out="plain.parquet")
    assert done.exit_code == 0, done.output
    rows = read_rows(folders / "plain.parquet")
    assert rows.items.tolist() == ["templates.txt:1", "templates.txt:2", "templates.txt:3"]
    assert rows.params is None
    assert "geodis edit" in done.stdout


@pytest.mark.parametrize("ending", ["npz", "parquet", "safetensors"])
def test_what_is_written_goes_on_to_the_other_commands(folders, model, ending):
    subjects = "\n".join(f"Subject {'o' * i} met {{slot}}." for i in range(12))
    (folders / "templates.txt").write_text(subjects)
    done = encoded(folders, "templates.txt", "slot", "--values", "months", out=f"o.{ending}")
    assert done.exit_code == 0, done.output
    coords = folders / "c.safetensors"
    assert run("fit", folders / f"o.{ending}", "--out", coords, "--null", "19").exit_code == 0
    assert run("verify", folders / f"o.{ending}", coords, "--null", "19").exit_code == 0


def test_the_layer_is_handed_on(folders, model):
    model["model"] = network(3 * 6 * 6)
    assert encoded(folders, "photos", "square", "--layer", "1").exit_code == 0
    raw = read_orbits(folders / "out.npz").z
    assert encoded(folders, "photos", "square").exit_code == 0
    assert np.allclose(np.tanh(raw), read_orbits(folders / "out.npz").z, atol=1e-6)
    assert refused(encoded(folders, "photos", "square", "--layer", "deep"), "deep")


def test_the_pooling_is_handed_on(folders, model):
    model["model"] = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    assert encoded(folders, "photos", "square", "--layer", "0", "--pool", "mean-grid").exit_code == 0
    assert read_orbits(folders / "out.npz").n_features == 4
    assert encoded(folders, "photos", "square", "--layer", "0", "--pool", "flatten").exit_code == 0
    assert read_orbits(folders / "out.npz").n_features == 4 * 4 * 4
    model["name"] = None
    assert refused(encoded(folders, "photos", "square", "--pool", "max"), "Unknown pooling 'max'", "mean-grid")
    assert model["name"] is None


def test_a_store_saves_the_second_run(folders, model, monkeypatch):
    model["model"] = network(3 * 6 * 6)
    stored = ("--store", folders / "kept", "--n-elements", "4")
    assert encoded(folders, "photos", "rotation", *stored).exit_code == 0
    first = read_orbits(folders / "out.npz")

    def called(*_):
        raise OSError("the model was called")

    monkeypatch.setattr(ModuleEncoder, "_embed", called)
    assert encoded(folders, "photos", "rotation", *stored).exit_code == 0
    assert np.array_equal(read_orbits(folders / "out.npz").z, first.z)
    assert refused(encoded(folders, "photos", "rotation", *stored, "--seed", "5"), "the model was called")


# --- models by name ---------------------------------------------------------------------------------------------------
def test_an_onnx_file(folders):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Flatten", ["x"], ["y"])],
        "flat",
        [onnx.helper.make_tensor_value_info("x", kind, ["n", 3, 6, 6])],
        [onnx.helper.make_tensor_value_info("y", kind, ["n", 108])],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(made, folders / "flat.onnx")
    out = folders / "o.npz"
    done = run("encode", folders / "photos", "--model", folders / "flat.onnx", "--action", "square", "--out", out)
    assert done.exit_code == 0, done.output
    moved = actions.SquareSymmetries().act(read_orbits(out).params[:8], read_images(folders / "photos").items[[0] * 8])
    assert np.array_equal(read_orbits(out).z[:8], moved.reshape(8, 108))
    (folders / "bad.onnx").write_bytes(b"no model")
    assert refused(run("encode", folders / "photos", "--model", folders / "bad.onnx", "--out", out), "bad.onnx")
    assert refused(run("encode", folders / "photos", "--model", folders / "gone.onnx", "--out", out), "found none")


def test_the_digits_network_takes_grey_images(folders, monkeypatch):
    from geodis.encoders import digits

    # An untrained network in its place, so that this test is about channels alone.
    monkeypatch.setattr(geodis.encoders, "load_digits_encoder", lambda: digits.DigitsNet().eval(), raising=False)
    command = ("encode", folders / "photos", "--model", "digits", "--action", "square", "--out", folders / "o.npz")
    done = run(*command, "--grey", "--size", "28", "--layer", "dense")
    assert done.exit_code == 0, done.output
    grey = read_images(folders / "photos", 28, grey=True).items
    assert np.allclose(
        read_orbits(folders / "o.npz").z[0], encode(digits.DigitsNet(), "dense")(grey[:1, 0])[0], atol=1e-6
    )
    assert refused(run(*command, "--size", "28"), "--grey")
    assert refused(run(*command, "--grey"), "28")


def test_the_turbulence_network(folders):
    np.save(folders / "flow.npy", np.random.default_rng(0).normal(size=(2, 2, 32, 32)))
    command = ("--model", "turbulence", "--layer", "bottleneck", "--action", "cube", "--types", "1+")
    done = run("encode", folders / "flow.npy", *command, "--out", folders / "o.npz")
    assert done.exit_code == 0, done.output
    assert repr(read_orbits(folders / "o.npz").group) == "Hyperoctahedral(2)"


@pytest.mark.slow
def test_a_folder_of_transformers(folders):
    transformers = pytest.importorskip("transformers")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "the",
        "fair",
        "is",
        "in",
        *(month.lower() for month in MONTHS),
    ]
    (folders / "bert").mkdir()
    (folders / "bert" / "vocab.txt").write_text("\n".join(words))
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8
    )
    transformers.BertModel(config).save_pretrained(folders / "bert")
    transformers.BertTokenizer(str(folders / "bert" / "vocab.txt")).save_pretrained(folders / "bert")
    command = ("--action", "slot", "--values", "months", "--out", folders / "o.npz")
    for layer in ((), ("--layer", "1")):
        done = run("encode", folders / "templates.txt", "--model", folders / "bert", *command, *layer)
        assert done.exit_code == 0, done.output
        assert read_orbits(folders / "o.npz").n_features == 8
    assert refused(run("encode", folders / "templates.txt", "--model", folders / "photos", *command), "config.json")


# --- refused ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("source", "action", "options", "says"),
    [
        ("photos", "slot", ("--values", "months"), "action on images 'slot'"),
        ("photos", "fly", (), "quarter-turns"),
        ("photos", "rotation", ("--values", "months"), "--values"),
        ("photos", "rotation", ("--types", "1+"), "--types"),
        ("templates.txt", "rotation", (), "slot, ordered"),
        ("templates.txt", "slot", (), "--values"),
        ("templates.txt", "slot", ("--values", "march"), "separated by commas"),
        ("templates.txt", "slot", ("--values", "a,a"), "distinct"),
        ("flows", "cube", (), "--types"),
        ("flows", "cube", ("--types", "vector"), "'vector'"),
        ("flows", "cube", ("--types", "0+"), "channels"),
        ("photos", "hue", ("--grey",), "Hue"),
        ("gone", "rotation", (), "found none"),
        ("photos", "none", ("--store", "kept"), "--store"),
        ("pairs.csv", "slot", ("--values", "months"), "none of them"),
        ("templates.txt", "pairs", (), "two columns"),
    ],
)
def test_what_does_not_fit_is_refused(folders, model, monkeypatch, source, action, options, says):
    monkeypatch.chdir(folders)
    before = sorted(folders.iterdir())
    done = encoded(folders, source, action, *options)
    assert refused(done, says), done.output
    assert sorted(folders.iterdir()) == before


@pytest.mark.parametrize(("out", "says"), [("o.csv", ".parquet"), ("gone/o.npz", "Create it first")])
def test_where_to_is_checked_first(folders, model, out, says):
    assert refused(encoded(folders, "photos", "rotation", out=out), says)
    assert model["name"] is None, "the model was not loaded"


@pytest.mark.parametrize("option", ["--n-elements", "--limit", "--batch-size", "--size"])
def test_counts_are_positive(folders, model, option):
    assert refused(encoded(folders, "photos", "rotation", option, "0"), option)


def test_templates_need_a_slot(folders, model):
    (folders / "templates.txt").write_text("No slot here.\n")
    assert refused(encoded(folders, "templates.txt", "slot", "--values", "months"), "exactly one {slot}")


def test_an_unknown_model_is_refused(folders):
    done = run("encode", folders / "photos", "--model", "big", "--out", folders / "o.npz")
    assert refused(done, "Unknown model 'big'", "minilm")


def test_a_missing_package_has_its_own_code(folders, monkeypatch):
    def missing(name):
        raise MissingExtraError("onnxruntime", "onnx")

    monkeypatch.setattr(names, "model_called", missing)
    done = run("encode", folders / "photos", "--model", "x.onnx", "--out", folders / "o.npz")
    assert refused(done, "geodis[onnx]", code=3)


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("1+", ((1, 1, 1),)),
        ("0-:2", ((0, -1, 2),)),
        ("0+, 1+:3 ,2-", ((0, 1, 1), (1, 1, 3), (2, -1, 1))),
    ],
)
def test_types_are_read(text, types):
    assert names.types_called(text) == types


@pytest.mark.parametrize("text", ["", "+", "1", "1*", "1+:", "1+:x", "1+,", "-1+", "1+:-2"])
def test_other_types_are_refused(text):
    with pytest.raises(ValueError, match="--types"):
        names.types_called(text)
