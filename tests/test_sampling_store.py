"""`sample_orbits(store=…)`: the same orbits, read again when nothing changed, computed anew when anything did."""

import numpy as np
import pytest
import torch
from torch import nn

from geodis import encode, sample_orbits
from geodis.actions import ImageRotation, ImageShift, SlotAction, slot_texts
from geodis.actions.action import AbstractAction
from geodis.encoders import EmbeddingStore
from geodis.errors import ParameterError
from geodis.groups import Cyclic

IMAGES = np.random.default_rng(0).random((9, 11, 11))


class Counting:
    """Embeds images and counts them."""

    def __init__(self):
        self.seen = 0

    def __call__(self, batch):
        self.seen += len(batch)
        return np.asarray(batch).reshape(len(batch), -1)[:, :20]


def sampled(folder, function, images=IMAGES, action=None, name="v1", **options):
    options = {"n_elements": 5, "batch_size": 16} | options
    return sample_orbits(encode(function, name=name), images, action or ImageRotation(), store=folder, **options)


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.arrays(), b.arrays(), strict=True))


def test_what_is_stored_is_read_and_equal(tmp_path):
    counting = Counting()
    first = sampled(tmp_path, counting)
    seen = counting.seen
    assert seen == 9 * 5 * 2  # the orbits, and the detours of an action that interpolates
    again = sampled(EmbeddingStore(tmp_path), counting)
    assert counting.seen == seen
    assert same(first, again)
    np.testing.assert_array_equal(first.detours.composed, again.detours.composed)
    assert same(first, sample_orbits(counting, IMAGES, ImageRotation(), n_elements=5, batch_size=16))


@pytest.mark.parametrize(
    "changed",
    [
        {"images": IMAGES + 1e-12},
        {"action": ImageShift(11, 11)},
        {"name": "v2"},
        {"seed": 1},
        {"n_elements": 6},
        {"batch_size": 15},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_changed_is_computed_anew(tmp_path, changed):
    counting = Counting()
    sampled(tmp_path, counting)
    seen = counting.seen
    sampled(tmp_path, counting, **changed)
    assert counting.seen > seen


def test_one_weight_of_a_module_is_a_change(tmp_path):
    net = nn.Sequential(nn.Flatten(), nn.Linear(121, 4)).double()
    first = sample_orbits(encode(net), IMAGES, ImageRotation(), n_elements=3, store=tmp_path)
    with torch.no_grad():
        net[1].weight[0, 0] += 1e-9
    second = sample_orbits(encode(net), IMAGES, ImageRotation(), n_elements=3, store=tmp_path)
    assert len(EmbeddingStore(tmp_path).entries()) == 4
    assert 0 < np.abs(first.z - second.z).max() < 1e-8


def test_texts_are_stored_by_their_words(tmp_path):
    action = SlotAction(["red", "green", "blue"])
    calls = []

    def lengths(batch):
        calls.extend(str(text) for text in batch)
        return np.array([[len(str(text)), 1.0] for text in batch])

    texts = slot_texts(["a {slot} hat", "my {slot} car"], action.values)
    for _ in range(2):
        sample_orbits(encode(lengths, name="lengths"), texts, action, store=tmp_path)
    assert len(calls) == 6
    other = slot_texts(["a {slot} hat", "my {slot} bus"], action.values)
    sample_orbits(encode(lengths, name="lengths"), other, action, store=tmp_path)
    assert len(calls) == 12


def test_a_nameless_function_is_refused_with_advice(tmp_path):
    with pytest.raises(ParameterError, match="name"):
        sample_orbits(Counting(), IMAGES, ImageRotation(), store=tmp_path)


class Nameless(AbstractAction):
    group = Cyclic(2)

    def _act(self, params, items):
        return items


def test_an_action_that_does_not_tell_itself_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="__repr__"):
        sampled(tmp_path, Counting(), action=Nameless())
    assert len(sample_orbits(Counting(), IMAGES, Nameless())) == 18  # without a store nobody asks
