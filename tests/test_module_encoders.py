"""Modules: whatever a layer returns and a module takes, the embedding is the activation by hand."""

import numpy as np
import pytest
import torch
from tiny_models import randomized
from torch import nn

from geodis.encoders import encode, first_token, flatten, mean_grid, mean_tokens
from geodis.encoders.layers import layered
from geodis.encoders.modules import first_tensor
from geodis.encoders.pooling import mean_of_text, row_of_image, takes_mask
from geodis.errors import ParameterError, ShapeError, UnknownNameError

X = np.random.default_rng(0).normal(size=(7, 5, 4)).astype(np.float32)
MASK = torch.arange(5) < torch.tensor([5, 3, 1, 4, 2, 5, 1])[:, None]


class Recurrent(nn.Module):
    """A layer that returns a tuple, one that returns a mapping."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(4, 3, batch_first=True)
        self.named = Named()

    def forward(self, x):
        return self.named(self.gru(x)[0])["logits"]


class Named(nn.Module):
    def forward(self, x):
        return {"loss": None, "logits": x[:, -1], "last_hidden_state": x, "pooled": x.mean(1)}


class TwoInputs(nn.Module):
    """Takes its inputs by name."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, *, left, right, attention_mask=None):
        return self.linear(left) - self.linear(right)


@pytest.fixture
def net():
    return randomized(Recurrent())


def by_hand(module, *arguments, **named):
    with torch.no_grad():
        return module(*arguments, **named)


def test_of_a_tuple_the_first_tensor_is_read(net):
    expected = by_hand(net.gru, torch.from_numpy(X))[0].flatten(1)
    np.testing.assert_allclose(encode(net, "gru", batch_size=3)(X), expected, rtol=0, atol=1e-6)


def test_of_a_mapping_the_last_hidden_state_is_read(net):
    expected = by_hand(net.gru, torch.from_numpy(X))[0]
    np.testing.assert_allclose(encode(net, "named", pool=first_token)(X), expected[:, 0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(encode(net)(X), expected[:, -1], rtol=0, atol=1e-6)


def test_the_first_tensor():
    one, two = torch.ones(2), torch.zeros(2)
    assert first_tensor(one) is one
    assert first_tensor(("text", one, two)) is one
    assert first_tensor({"a": one, "b": two}) is one
    assert first_tensor({"a": one, "b": two}, ("c", "b")) is two
    assert first_tensor({"a": one, "b": None}, ("b",)) is one
    assert first_tensor([]) is None
    assert first_tensor({}) is None


def test_a_module_that_takes_names():
    net = randomized(TwoInputs())
    f = encode(net, prepare=lambda batch: {"left": batch[:, 0], "right": batch[:, 1]}, batch_size=2)
    left, right = torch.from_numpy(X[:, 0]), torch.from_numpy(X[:, 1])
    expected = by_hand(net, left=left, right=right)
    assert f(X).dtype == np.float32
    np.testing.assert_allclose(f(X), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(f(X.astype(np.float64)), expected, rtol=0, atol=1e-6)
    items = [{"left": x[0], "right": x[1]} for x in X]
    np.testing.assert_allclose(encode(net, batch_size=3)(items), expected, rtol=0, atol=1e-6)


def test_preparation_to_one_tensor():
    net = randomized(nn.Linear(20, 3))
    expected = by_hand(net, torch.from_numpy(X).flatten(1))
    z = encode(net, prepare=lambda batch: batch.reshape(len(batch), -1))(X)
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-6)
    with pytest.raises(RuntimeError):
        encode(net)(X)


def test_a_pooling_is_given_the_mask_when_it_asks():
    net = randomized(TwoInputs())

    def prepare(batch):
        rows = torch.from_numpy(batch)
        return {"left": rows, "right": 0 * rows, "attention_mask": MASK[: len(rows)]}

    plain = encode(net, "linear", pool=lambda h: h.mean(1), prepare=prepare)(X)
    masked = encode(net, pool=mean_tokens, prepare=prepare)(X)
    h = by_hand(net.linear, torch.from_numpy(X)) - net.linear.bias.detach()
    expected = torch.stack([row[keep].mean(0) for row, keep in zip(h, MASK, strict=True)])
    np.testing.assert_allclose(masked, expected, rtol=0, atol=1e-6)
    assert np.abs(plain - masked).max() > 1e-3
    seen = []
    encode(randomized(nn.Linear(4, 3)), pool=lambda h, mask: seen.append(mask) or flatten(h))(X)
    assert seen == [None]


def test_hidden_states_by_number_are_for_transformers(net):
    with pytest.raises(ParameterError, match="layer"):
        encode(net, 0)
    with pytest.raises(UnknownNameError, match="gru"):
        encode(net, "grus")


# --- poolings ---------------------------------------------------------------------------------------------------------
def test_padding_does_not_reach_the_mean():
    h = torch.from_numpy(X)
    dirty = h.masked_fill(~MASK[..., None], torch.nan)
    torch.testing.assert_close(mean_tokens(dirty, MASK), mean_tokens(h, MASK), rtol=0, atol=0)
    torch.testing.assert_close(mean_tokens(h, MASK.long())[2], h[2, 0])
    torch.testing.assert_close(mean_tokens(h), h.mean(1))
    assert torch.isnan(mean_tokens(dirty)).any()
    assert (mean_tokens(h, torch.zeros(7, 5)) == 0).all()


def test_poolings_by_hand():
    maps = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(mean_grid(maps), maps.mean((2, 3)))
    torch.testing.assert_close(flatten(maps), maps.reshape(2, 60))
    torch.testing.assert_close(first_token(maps[0]), maps[0, :, 0])
    torch.testing.assert_close(row_of_image(maps), mean_grid(maps))
    torch.testing.assert_close(row_of_image(maps[0]), maps[0, :, 0])
    torch.testing.assert_close(mean_of_text(maps[0]), maps[0].mean(1))
    for pool in (row_of_image, mean_of_text):
        assert pool(maps[0, 0]) is maps[0, 0] or torch.equal(pool(maps[0, 0]), maps[0, 0])


@pytest.mark.parametrize(
    ("pool", "shape"),
    [(mean_tokens, (2, 3)), (mean_tokens, (2, 3, 4, 5)), (first_token, (2, 3)), (mean_grid, (2, 3)), (mean_grid, (2,))],
)
def test_a_pooling_of_another_shape_is_a_named_error(pool, shape):
    with pytest.raises(ShapeError, match="activation"):
        pool(torch.zeros(shape))


def test_a_mask_of_other_tokens_is_a_named_error():
    with pytest.raises(ShapeError, match="mask"):
        mean_tokens(torch.from_numpy(X), MASK[:, :3])


def test_who_takes_a_mask():
    assert takes_mask(mean_tokens)
    assert not takes_mask(flatten)
    assert not takes_mask(torch.Tensor.sum)
    assert not takes_mask(3)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("made", [torch.jit.script, lambda net: torch.jit.trace(net, torch.ones(2, 4))])
def test_a_scripted_module_is_read_at_its_output_only(made):
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)).eval()
    x = torch.ones(5, 4)
    assert np.allclose(encode(made(net))(x), net(x).detach().numpy())
    with pytest.raises(ParameterError, match="TorchScript"):
        encode(made(net), layer="0")
    with pytest.raises(ParameterError, match="TorchScript"):
        layered(made(net))
