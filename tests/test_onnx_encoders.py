"""onnxruntime sessions: any output, any dtype, fixed batches, several inputs; the embedding by hand."""

import numpy as np
import pytest
import torch
from tiny_models import tiny_onnx

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402
from onnxruntime import InferenceSession  # noqa: E402

from geodis.encoders import OnnxEncoder, encode, load_onnx, mean_tokens  # noqa: E402
from geodis.errors import (  # noqa: E402
    ContentError,
    LengthError,
    MissingExtraError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)

X = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)


def session(*arguments, **options):
    model, weights = tiny_onnx(*arguments, **options)
    return InferenceSession(model.SerializeToString()), weights


def hidden(x, weights):
    return np.maximum(x @ weights[0], 0)


@pytest.mark.parametrize("batch", ["n", None, 4, 1, 100])
@pytest.mark.parametrize("batch_size", [3, 256])
def test_a_session_by_hand_for_any_batch(batch, batch_size):
    model, weights = session(batch)
    z = encode(model, batch_size=batch_size)(X)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, hidden(X, weights) @ weights[1], rtol=0, atol=1e-6)
    z = encode(model, "hidden", batch_size=batch_size)(list(X))
    np.testing.assert_allclose(z, hidden(X, weights), rtol=0, atol=1e-6)


def test_inputs_have_the_dtype_that_the_session_wants():
    model, weights = session(double=True)
    for x in (X, X.astype(np.float64), torch.from_numpy(X)):
        z = encode(model)(x)
        assert z.dtype == np.float64
        np.testing.assert_allclose(z, hidden(X.astype(np.float64), weights) @ weights[1], rtol=0, atol=1e-12)
    model, weights = session()
    whole = np.arange(12).reshape(2, 6)
    np.testing.assert_allclose(encode(model)(whole), hidden(whole, weights) @ weights[1], rtol=1e-6)


def test_pooling_and_preparation():
    model, weights = session()
    f = encode(model, "hidden", prepare=lambda batch: 2 * batch, pool=lambda h: h[:, :2])
    np.testing.assert_allclose(f(X), hidden(2 * X, weights)[:, :2], rtol=0, atol=1e-6)


def test_several_inputs_by_name():
    model, weights = session(3, wide=True)
    f = encode(model, prepare=lambda batch: {"x": batch[:, 0], "y": batch[:, 1], "unused": batch})
    pairs = np.stack([X, X[::-1]], axis=1)
    np.testing.assert_allclose(f(pairs), hidden(X + X[::-1], weights) @ weights[1], rtol=0, atol=1e-6)
    with pytest.raises(ParameterError, match="x, y"):
        encode(model)(X)
    with pytest.raises(UnknownNameError, match="'y'"):
        encode(model, prepare=lambda batch: {"x": batch})(X)
    with pytest.raises(LengthError, match="x has 7, y has 6"):
        encode(model, prepare=lambda batch: {"x": batch, "y": batch[1:]})(X)


def test_the_mask_reaches_the_pooling():
    kinds = [("hidden", TensorProto.FLOAT, ["n", "t", 2]), ("attention_mask", TensorProto.INT64, ["n", "t"])]
    inputs = [helper.make_tensor_value_info(*kind) for kind in kinds]
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", "t", 2])
    graph = helper.make_graph([helper.make_node("Identity", ["hidden"], ["out"])], "g", inputs, [output])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
    h, mask = X.reshape(7, 3, 2), (np.arange(3) < np.array([3, 1, 2, 3, 1, 2, 3])[:, None]).astype(int)
    items = [{"hidden": a, "attention_mask": m} for a, m in zip(h, mask, strict=True)]

    def prepare(batch):
        return {name: np.stack([item[name] for item in batch]) for name in batch[0]}

    z = encode(InferenceSession(model.SerializeToString()), pool=mean_tokens, prepare=prepare, batch_size=4)(items)
    np.testing.assert_allclose(z, (h * mask[..., None]).sum(1) / mask.sum(1, keepdims=True), rtol=0, atol=1e-6)


def test_texts_as_input():
    x = helper.make_tensor_value_info("x", TensorProto.STRING, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, ["n"])
    node = helper.make_node("LabelEncoder", ["x"], ["y"], domain="ai.onnx.ml", keys_strings=["a"], values_int64s=[7])
    graph = helper.make_graph([node], "labels", [x], [y])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    model = InferenceSession(helper.make_model(graph, ir_version=9, opset_imports=opsets).SerializeToString())
    z = encode(model, pool=lambda h: h[:, None])(["a", "b"])
    np.testing.assert_array_equal(z, [[7], [-1]])


@pytest.mark.parametrize(
    ("items", "error"),
    [
        (X[:, :5], ShapeError),
        (X[:, :, None], ShapeError),
        (["January"], ParameterError),
        ([X[0], X[1, :3]], ParameterError),
        (X.astype(complex), ParameterError),
    ],
)
def test_what_the_session_cannot_take_is_a_named_error(items, error):
    with pytest.raises(error, match="input 'x'"):
        encode(session()[0])(items)


def test_numbers_do_not_become_whole():
    x, y = (helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", 6]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
    f = encode(InferenceSession(model.SerializeToString()))
    with pytest.raises(ParameterError, match="uint8"):
        f(X)
    np.testing.assert_array_equal(f(np.full((2, 6), 3, dtype=np.uint8)), 3)


def test_an_output_without_items_is_a_named_error():
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])
    graph = helper.make_graph([helper.make_node("ReduceMean", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
    with pytest.raises(ShapeError, match="output 'y'"):
        encode(InferenceSession(model.SerializeToString()))(X)


def test_an_unknown_output_lists_the_outputs():
    with pytest.raises(UnknownNameError, match="z, hidden"):
        encode(session()[0], "logits")


# --- files ------------------------------------------------------------------------------------------------------------
def test_a_file_gives_the_same_embedding_and_fingerprint(tmp_path):
    model, weights = tiny_onnx()
    onnx.save(model, tmp_path / "a.onnx")
    f = encode(load_onnx(tmp_path / "a.onnx"))
    assert isinstance(f, OnnxEncoder)
    np.testing.assert_allclose(f(X), hidden(X, weights) @ weights[1], rtol=0, atol=1e-6)
    mark = f.fingerprint()
    assert encode(InferenceSession(str(tmp_path / "a.onnx"))).fingerprint() == mark
    assert encode(load_onnx(tmp_path / "a.onnx"), "z").fingerprint() == mark
    assert encode(load_onnx(tmp_path / "a.onnx"), "hidden").fingerprint() != mark
    # The session was made of the old file: so is its fingerprint.
    onnx.save(tiny_onnx(seed=1)[0], tmp_path / "a.onnx")
    assert f.fingerprint() == mark
    assert encode(load_onnx(tmp_path / "a.onnx")).fingerprint() != mark


def test_weights_in_another_file_count(tmp_path):
    marks = []
    for seed in (0, 0, 1):
        folder = tmp_path / str(len(marks))
        folder.mkdir()
        options = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
        onnx.save(tiny_onnx(seed=seed)[0], folder / "a.onnx", **options)
        f = encode(load_onnx(folder / "a.onnx"), name=None)
        assert f(X).shape == (7, 3)
        marks.append(f.fingerprint())
    assert marks[0] == marks[1]
    assert marks[0] != marks[2]


def test_what_is_no_onnx_file_is_a_named_error(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        load_onnx(tmp_path / "none.onnx")
    (tmp_path / "a.onnx").write_bytes(b"no model")
    with pytest.raises(ContentError, match="onnx model"):
        load_onnx(tmp_path / "a.onnx")
    monkeypatch.setattr("geodis.encoders.onnx_session.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"geodis\[onnx\]"):
        load_onnx(tmp_path / "a.onnx")
