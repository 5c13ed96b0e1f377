"""Bounded roll-outs, networks carried to space, and averages over the group."""

import numpy as np
import pytest
import torch
from torch import nn

from geodis.actions import FieldSymmetries
from geodis.emulators import (
    FieldBound,
    GeometricResNet,
    GroupAverage,
    extend_to_space,
    in_space,
    project_equivariant,
    space_types,
)
from geodis.errors import DesignError, FiniteError, ParameterError, ShapeError

TYPES, FIXED = ((0, 1, 1), (1, 1, 1)), ((0, -1, 1),)
EXACT = 1e-12


def fields(shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


# --- bounds -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("side", [8, 9])
@pytest.mark.parametrize("dim", [2, 3])
def test_what_training_has_seen_passes_and_more_is_cut(side, dim):
    seen = fields((5, 1 + dim, *(side,) * dim))
    bound = FieldBound.of(seen, TYPES, factor=1.0, dim=dim)
    assert float((bound(seen) - seen).abs().max()) < EXACT
    loud = bound(100 * seen)
    again = FieldBound.of(loud, TYPES, factor=1.0, dim=dim)
    assert bool((again.largest <= bound.largest * (1 + 1e-9)).all())
    assert float((loud.flatten(2).mean(2) - 100 * seen.flatten(2).mean(2)).abs().max()) < 1e-9  # means stay
    assert float((loud - 100 * seen).abs().max()) > 1.0


def test_scales_without_power_in_training_stay_empty():
    x = np.arange(16) * 2 * np.pi / 16
    calm = np.cos(x) * np.ones((1, 1, 16, 1))
    bound = FieldBound.of(calm, ((0, 1, 1),))
    rough = torch.from_numpy(calm + 0.1 * np.cos(7 * x))
    assert float((bound(rough) - torch.from_numpy(calm)).abs().max()) < 1e-7


def test_bounds_commute_with_the_square_and_with_shifts():
    seen, loud = fields((3, 3, 8, 8)), 5 * fields((2, 3, 8, 8), 1)
    bound, action = FieldBound.of(seen, TYPES), FieldSymmetries(TYPES, 2)
    out = bound(loud)
    for element in action.group.elements():
        g = np.repeat(np.asarray(element, dtype=float)[None], 2, 0)
        assert float((bound(action.act(g, loud)) - action.act(g, out)).abs().max()) < EXACT
    assert float((bound(loud.roll(3, 2)) - out.roll(3, 2)).abs().max()) < EXACT


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: FieldBound.of(np.zeros((2, 2, 8, 8)), TYPES), ShapeError),
        (lambda: FieldBound.of(np.full((2, 3, 8, 8), np.nan), TYPES), FiniteError),
        (lambda: FieldBound.of(np.zeros((2, 3, 8, 8)), TYPES, 0.0), ParameterError),
    ],
)
def test_bad_bounds_are_named(make, error):
    with pytest.raises(error):
        make()


# --- space ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dilations", [(1,), (1, 2)])
def test_a_network_of_space_continues_that_of_the_plane(dilations):
    plane = GeometricResNet(TYPES + FIXED, TYPES, 2, dilations, seed=3).double()
    space, x = extend_to_space(plane), fields((2, 4, 8, 8))
    with torch.no_grad():
        after = in_space(plane(x), TYPES, 6)
        assert float((space(in_space(x, TYPES + FIXED, 6)) - after).abs().max()) < 1e-5 * float(after.abs().max())
        # It is one of space: a third axis that is turned into the first gives the same.
        volume = fields((1, 7, 6, 6, 6), 1)
        out, types = space(volume), space_types(TYPES + FIXED)
        action, after_action = FieldSymmetries(types, 3), FieldSymmetries(TYPES, 3)
        for element in action.group.elements()[::7]:
            g = np.asarray(element, dtype=float)[None]
            assert float((space(action.act(g, volume)) - after_action.act(g, out)).abs().max()) < 1e-10


def test_what_cannot_be_carried_to_space_is_named():
    with pytest.raises(DesignError):
        space_types(((2, 1, 1),))
    with pytest.raises(ParameterError):
        extend_to_space(nn.Conv2d(3, 3, 3))
    with pytest.raises(ParameterError):
        extend_to_space(GeometricResNet(TYPES, TYPES, 1, dim=3))


# --- averages ---------------------------------------------------------------------------------------------------------
def ordinary():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), nn.GELU(), nn.Conv2d(6, 3, 3, padding=1)]
        return nn.Sequential(*layers).double()


def deviation(network, x):
    before, after, worst = FieldSymmetries(TYPES + FIXED, 2), FieldSymmetries(TYPES, 2), 0.0
    with torch.no_grad():
        out = network(x)
        for element in before.group.elements():
            g = np.repeat(np.asarray(element, dtype=float)[None], len(x), 0)
            worst = max(worst, float((network(before.act(g, x)) - after.act(g, out)).abs().max()))
    return worst


def test_any_network_averaged_over_the_group_commutes_and_learns():
    network, x = ordinary(), fields((2, 4, 8, 8))
    average = project_equivariant(network, (TYPES + FIXED, TYPES))
    assert isinstance(average, GroupAverage)
    assert deviation(network, x) > 1e-2
    assert deviation(average, x) < EXACT
    average(x).square().sum().backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in average.parameters())


def test_what_commutes_already_is_left_alone():
    network, x = GeometricResNet(TYPES + FIXED, TYPES, 2).double(), fields((2, 4, 8, 8))
    average = project_equivariant(network, (TYPES + FIXED, TYPES))
    with torch.no_grad():
        assert float((average(x) - network(x)).abs().max()) < EXACT


def test_the_average_of_a_convolution_is_the_convolution_with_the_projected_kernel():
    conv = nn.Conv2d(4, 3, 3, padding=1, padding_mode="circular", bias=False).double()
    x, types = fields((2, 4, 8, 8)), (TYPES + FIXED, TYPES)
    with torch.no_grad():
        assert float((GroupAverage(conv, *types)(x) - project_equivariant(conv, types)(x)).abs().max()) < EXACT


def test_fields_of_other_types_are_named():
    with pytest.raises(ShapeError):
        GroupAverage(ordinary(), TYPES + FIXED, TYPES)(torch.zeros(2, 3, 8, 8))
