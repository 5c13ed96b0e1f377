"""The laws of every action of the package: act(e, x) = x, act(g, act(h, x)) = act(gh, x), act(g⁻¹, act(g, x)) = x.

Exact to rounding where an action claims it; where it interpolates, the floor is there and below a stated bound.
"""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from actions_zoo import CASES, EXACT, IMAGE_CASES, random_images

import geodis.actions
from geodis.actions import (
    AbstractAction,
    ImageShift,
    LawErrors,
    QuarterTurns,
    SlotAction,
    SlotText,
    SquareSymmetries,
    law_errors,
    slot_texts,
)
from geodis.errors import ParameterError, ShapeError
from geodis.groups import Cyclic, Dihedral, Translation
from geodis.simulators.sentences import MONTHS

exact_cases = pytest.mark.parametrize("case", [case for case in CASES if case.make().exact], ids=str)
inexact_cases = pytest.mark.parametrize("case", [case for case in CASES if not case.make().exact], ids=str)
cases = pytest.mark.parametrize("case", CASES, ids=str)


def first(items, n):
    return items[:n] if isinstance(items, (np.ndarray, torch.Tensor)) else list(items)[:n]


def same(a, b, tolerance=0.0):
    if isinstance(a, (np.ndarray, torch.Tensor)):
        a, b = np.asarray(a), np.asarray(b)
        return a.shape == b.shape and bool(np.all(np.abs(a - b) <= tolerance * (1 + np.abs(b))))
    return list(a) == list(b)


def some_elements(action, items, seed=0):
    """One element an item, of those that make sense for it."""
    return action.orbit(items, 1, seed=seed)[:, 0]


# --- the laws ---------------------------------------------------------------------------------------------------------
@exact_cases
@pytest.mark.parametrize("seed", [0, 1])
def test_exact_actions_keep_the_laws_to_rounding(case, seed):
    errors = law_errors(case.make(), case.items(seed), seed=seed)
    assert errors.worst <= EXACT, errors
    assert errors.composition_rms <= errors.composition


@inexact_cases
@pytest.mark.parametrize("seed", [0, 1])
def test_interpolating_actions_have_a_floor(case, seed):
    """Above rounding, or they would be exact; below the bound that the case states for smooth items."""
    errors = law_errors(case.make(), case.items(seed), seed=seed)
    assert errors.identity <= EXACT
    assert EXACT < errors.composition_rms <= errors.composition <= errors.worst < case.floor < 0.1, errors


@cases
def test_the_elements_differ_from_the_identity(case):
    """Negative control: an action that does nothing keeps all laws."""
    action, items = case.make(), case.items(0)
    assert any(not same(action.act(some_elements(action, items, seed), items), items, 1e-3) for seed in range(6))


# --- batches ----------------------------------------------------------------------------------------------------------
@cases
def test_no_items(case):
    action = case.make()
    nothing = first(case.items(0), 0)
    moved = action.act(action.group.identity(0), nothing)
    assert len(moved) == 0
    assert type(moved) is type(nothing)
    assert same(moved, nothing)


@cases
def test_items_move_one_by_one_as_in_a_batch(case):
    action, items = case.make(), case.items(0)
    params = some_elements(action, items)
    together = action.act(params, items)
    for i in (0, len(items) - 1):
        alone = action.act(params[i : i + 1], items[i : i + 1])
        assert len(alone) == 1
        assert same(alone, together[i : i + 1], 1e-13)


@cases
def test_the_items_stay_as_they_were(case):
    action, items, again = case.make(), case.items(0), case.items(0)
    for params in (some_elements(action, items), action.group.identity(len(items))):
        moved = action.act(params, items)
        assert same(items, again)
        if isinstance(moved, np.ndarray):
            assert not np.shares_memory(moved, items)


@cases
def test_the_elements_stay_as_they_were(case):
    action, items = case.make(), case.items(0)
    params = some_elements(action, items)
    params.setflags(write=False)
    action.act(params, items)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("case", IMAGE_CASES, ids=str)
def test_images_keep_their_dtype(case, dtype):
    action, items = case.make(), case.items(0)
    params = some_elements(action, items)
    moved, reference = action.act(params, items.astype(dtype)), action.act(params, items)
    assert moved.dtype == dtype
    np.testing.assert_allclose(moved, reference, atol=20 * np.finfo(dtype).eps * np.abs(reference).max())


@pytest.mark.parametrize("case", IMAGE_CASES, ids=str)
def test_tensors_come_back_as_tensors(case):
    action, items = case.make(), case.items(0)
    params = some_elements(action, items)
    moved = action.act(torch.as_tensor(params), torch.as_tensor(items, dtype=torch.float32))
    assert moved.dtype == torch.float32
    np.testing.assert_allclose(moved.numpy(), action.act(params, items), atol=1e-5)


def test_every_action_is_called_by_what_it_does():
    """Stored embeddings are found by it: two actions that differ have two names, one built twice has one."""
    names = [repr(case.make()) for case in CASES]
    assert names == [repr(case.make()) for case in CASES]
    assert not any("object at 0x" in name for name in names)


# --- wrong actions are caught -----------------------------------------------------------------------------------------
class FirstTurned(AbstractAction):
    """The square's symmetries with the mirror after the turn: the elements r^k s^f in the other order."""

    group = Dihedral(4)

    def _act(self, params, items):
        square = SquareSymmetries()
        turn, mirror = params * [1.0, 0.0], params * [0.0, 1.0]
        return square.act(mirror, square.act(turn, items))

    def __repr__(self):
        return "FirstTurned()"


class RightAction(FirstTurned):
    """g ↦ act(g⁻¹, ·) acts from the right: composition comes out swapped."""

    def _act(self, params, items):
        return SquareSymmetries().act(self.group.inverse(params), items)


class WithoutMean(AbstractAction):
    """A shift that also removes the mean: it composes, yet e does not leave x alone."""

    group = Translation(2, period=(5, 5))

    def _act(self, params, items):
        return ImageShift(5, 5).act(params, items - items.mean((1, 2), keepdims=True))

    def __repr__(self):
        return "WithoutMean()"


class SlightlyTooFar(AbstractAction):
    """A shift that goes a ten-millionth too far."""

    group = Translation(2, period=(5, 5))

    def _act(self, params, items):
        return ImageShift(5, 5).act(params * (1 + 1e-7), items)

    def __repr__(self):
        return "SlightlyTooFar()"


class TwiceFromTheEnd(AbstractAction):
    """A slot that moves twice as far from the last value on: no action, on texts."""

    group = Cyclic(12)

    def _act(self, params, items):
        doubled = np.array([[2.0] if item.value == 11 else [1.0] for item in items])
        return SlotAction(MONTHS).act(params * doubled, items)

    def __repr__(self):
        return "TwiceFromTheEnd()"


@pytest.mark.parametrize("action", [FirstTurned(), RightAction()], ids=["mirror after turn", "right action"])
def test_swapped_order_is_caught(action):
    errors = law_errors(action, random_images(4, 6, 6)(0))
    assert errors.identity == 0
    assert errors.composition > 0.5
    assert law_errors(SquareSymmetries(), random_images(4, 6, 6)(0)).worst == 0


def test_what_is_lost_for_good_is_caught_by_identity_and_inverse_alone():
    errors = law_errors(WithoutMean(), 1 + random_images(4, 5, 5)(0))
    assert errors.composition <= EXACT
    assert min(errors.identity, errors.inverse) > 0.1


def test_a_small_defect_shows_at_its_size():
    errors = law_errors(SlightlyTooFar(), random_images(4, 5, 5)(0))
    assert errors.identity <= EXACT
    assert 1e-8 < errors.composition_rms < errors.composition < 1e-5


def test_texts_miss_by_zero_or_one():
    texts = slot_texts(["In {}."], MONTHS)
    errors = law_errors(TwiceFromTheEnd(), [SlotText("In {}.", MONTHS, v) for v in range(12)], n_pairs=12)
    assert (errors.identity, errors.composition, errors.inverse) == (0, 1, 1)
    assert 0 < errors.composition_rms < 1
    assert law_errors(SlotAction(MONTHS), texts) == LawErrors(0, 0, 0, 0)


# --- what law_errors does with its input ------------------------------------------------------------------------------
def test_zero_items_miss_nothing_and_have_no_scale():
    zero = np.zeros((2, 5, 5))
    assert law_errors(QuarterTurns(), zero).worst == 0

    class Adds(WithoutMean):
        def _act(self, params, items):
            return items + 1.0

    assert law_errors(Adds(), zero).identity == np.inf


def test_deviations_are_relative():
    action, images = SlightlyTooFar(), random_images(4, 5, 5)(0)
    assert law_errors(action, 1e6 * images).composition == pytest.approx(law_errors(action, images).composition, 1e-3)


def test_more_pairs_find_no_less_and_seeds_repeat():
    action, images = SlightlyTooFar(), random_images(4, 5, 5)(0)
    assert law_errors(action, images, 3, seed=5) == law_errors(action, images, 3, seed=5)
    assert law_errors(action, images, 3, seed=5) != law_errors(action, images, 3, seed=6)


def test_malformed_requests():
    with pytest.raises(ParameterError, match="at least one item"):
        law_errors(QuarterTurns(), np.zeros((0, 4, 4)))
    for n_pairs in (0, -1, 1.5, None):
        with pytest.raises(ParameterError, match="n_pairs"):
            law_errors(QuarterTurns(), np.zeros((1, 4, 4)), n_pairs)

    class Crops(WithoutMean):
        def _act(self, params, items):
            return items[..., 1:]

    with pytest.raises(ShapeError, match="items"):
        law_errors(Crops(), np.zeros((2, 5, 5)))


# --- nothing is left out ----------------------------------------------------------------------------------------------
def public_actions():
    """Every action that `geodis.actions` offers, abstract ones aside."""
    return {
        kind
        for kind in vars(geodis.actions).values()
        if inspect.isclass(kind) and issubclass(kind, AbstractAction) and not inspect.isabstract(kind)
    }


def test_the_zoo_has_every_action():
    assert public_actions() == {type(case.make()) for case in CASES}
    assert len(public_actions()) > 15


def test_the_experiment_has_every_exact_action():
    path = Path(__file__).parent.parent / "experiments" / "action_laws.py"
    spec = importlib.util.spec_from_file_location("experiments_action_laws", path)
    experiment = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(experiment)
    listed = list(experiment.exact_actions(seed=0))
    assert all(action.exact for action, _ in listed)
    assert {type(action) for action, _ in listed} == {type(case.make()) for case in CASES if case.make().exact}
