"""O(nd) invariants of clouds: unchanged, continuous, separating; conjugation invariants of symmetric matrices."""

import numpy as np
import pytest
import torch

from geodis.emulators.conjugation import ConjugationNetwork, conjugation_invariants
from geodis.emulators.forms import Euclidean, gram
from geodis.emulators.lightweight import CloudInvariants, LightweightInvariants, LightweightNetwork
from geodis.errors import FiniteError, ParameterError, ShapeError
from geodis.groups import O

EXACT = 1e-12  # relative to the size of the numbers
DIMS = (1, 2, 3, 5)


def turned(v, seed=0):
    """Another orthogonal map, shift and order of the points."""
    rng = np.random.default_rng(seed)
    d = v.shape[-1]
    M = np.linalg.qr(rng.normal(size=(d, d)))[0]
    order = rng.permutation(v.shape[-2])
    return (v @ M.T + rng.normal(size=d))[..., order, :], M, order


def degenerate(d):
    """Clouds whose frame is singular: one point, coincident, collinear, point-symmetric, a sphere's."""
    rng = np.random.default_rng(3)
    cloud = rng.normal(size=(6, d))
    line = rng.normal(size=(6, 1)) * rng.normal(size=d)
    sphere = cloud / np.linalg.norm(cloud, axis=-1, keepdims=True)
    return {
        "coincident": np.ones((6, d)) * 0.3,
        "zero": np.zeros((6, d)),
        "symmetric": np.concatenate([cloud, -cloud]),
        "sphere": np.concatenate([sphere, -sphere]),
        **({"collinear": line} if d > 1 else {}),
    }


# --- invariance -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("d", DIMS)
def test_invariants_forget_orientation_place_and_order(d):
    v = np.random.default_rng(d).normal(size=(8, 9, d))
    invariants = LightweightInvariants(d)
    moved, M, order = turned(v)
    at_rest, after = invariants(v), invariants(moved)
    for name in ("moments", "points"):
        expected = getattr(at_rest, name)[..., order, :] if name == "points" else at_rest.moments
        assert np.abs(getattr(after, name) - expected).max() <= EXACT * np.abs(expected).max()
    np.testing.assert_allclose(invariants.frame(moved), M @ invariants.frame(v), atol=1e-13)
    sums = invariants.power_sums(v)
    assert np.abs(invariants.power_sums(moved) - sums).max() <= EXACT * np.abs(sums).max()
    stretched = invariants(v * np.linspace(1.0, 2.0, d + 1)[1:])
    assert np.abs(stretched.moments - at_rest.moments).max() > 1e-3, "a stretch changes them"


@pytest.mark.parametrize("d", DIMS)
def test_degenerate_clouds_are_invariant_too(d):
    for name, v in degenerate(d).items():
        moved, _, order = turned(v)
        found, after = LightweightInvariants(d)(v), LightweightInvariants(d)(moved)
        size = max(1.0, float((v**2).sum(-1).max()))
        assert np.abs(after.points - found.points[order]).max() <= EXACT * size, name
        assert np.abs(after.moments - found.moments).max() <= EXACT * size, name


@pytest.mark.parametrize("d", DIMS)
def test_degenerate_clouds_are_reported_without_nan(d):
    for name, v in degenerate(d).items():
        x = torch.tensor(v, requires_grad=True)
        found = LightweightInvariants(d)(x)
        (found.moments.sum() + found.points.square().sum()).backward()
        assert all(torch.isfinite(t).all() for t in (found.moments, found.points, x.grad)), name
        assert found.condition > 1e10, name
        network = LightweightNetwork(d).double()
        y = torch.tensor(v, requires_grad=True)
        network(y).sum().backward()
        assert torch.isfinite(y.grad).all(), name
        with pytest.raises(ParameterError, match="regular frame"):
            LightweightInvariants(d).rebuilt(found)


def test_the_condition_is_an_upper_bound_without_a_unit():
    v = np.random.default_rng(0).normal(size=(200, 12, 3))
    found, frames = LightweightInvariants(3)(v), LightweightInvariants(3).frame(v)
    assert (found.condition >= np.linalg.cond(frames) * (1 - 1e-9)).all()
    assert np.median(found.condition) < 300
    np.testing.assert_allclose(LightweightInvariants(3)(1e-3 * v).condition, found.condition, rtol=1e-6)


# --- separation -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("d", DIMS)
@pytest.mark.parametrize("extra", [1, 2, 10])
def test_generic_clouds_are_rebuilt_from_their_invariants(d, extra):
    n = d + 1 + extra
    v = np.random.default_rng(d).normal(size=(20, n, d))
    found = LightweightInvariants(d)(v)
    keep = found.condition < 1e4
    assert keep.mean() > 0.7
    again = LightweightInvariants(d).rebuilt(CloudInvariants(*(x[keep] for x in found)))
    distances = gram(again, Euclidean(d)) - gram(v - v.mean(1, keepdims=True), Euclidean(d))[keep]
    assert np.abs(distances).max() < 1e-6
    assert (np.abs(distances).max(axis=(1, 2)) <= 1e-13 * found.condition[keep] ** 2).all(), "as the condition says"


def test_clouds_with_the_same_distances_as_multisets_are_told_apart():
    """Two sets on a line with equal multisets of distances (homometric), which histograms of distances confuse."""
    one, other = np.array([0.0, 1, 4, 10, 12, 17]), np.array([0.0, 1, 8, 11, 13, 17])
    gaps = [np.sort(np.abs(x[:, None] - x)[np.triu_indices(6, 1)]) for x in (one, other)]
    np.testing.assert_array_equal(*gaps)
    sums = [LightweightInvariants(1).power_sums(x[:, None], 6) for x in (one, other)]
    assert np.abs(sums[0] - sums[1]).max() > 1e-2 * np.abs(sums[0]).max()


def test_invariants_are_continuous_where_centroids_would_jump():
    """Along a path of clouds small steps make small changes, also through clouds with equal radii."""
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(2, 8, 3))
    sphere = start / np.linalg.norm(start, axis=-1, keepdims=True)
    for target in (end, 2 * sphere - start):
        jumps = []
        for n_steps in (500, 1000, 2000):
            t = np.linspace(0.0, 1.0, n_steps + 1)[:, None, None]
            found = LightweightInvariants(3)((1 - t) * start + t * target)
            jumps.append(max(np.abs(np.diff(x, axis=0)).max() for x in (found.moments, found.points)))
        assert jumps[0] / jumps[2] > 3.0, "the largest step shrinks with the steps: no jump"


def test_the_network_learns_an_invariant():
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(256, 6, 2, generator=generator)
    target = ((v - v.mean(1, keepdim=True)) ** 2).sum((1, 2)) / 6
    network = LightweightNetwork(2)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(150):
        loss = ((network(v)[:, 0] - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1 * target.var()
    moved, _, _ = turned(v.double().numpy())
    both = [network.double()(torch.tensor(np.asarray(x))) for x in (v.double().numpy(), moved)]
    assert (both[0] - both[1]).abs().max() <= EXACT * both[0].abs().max()


# --- conjugation ------------------------------------------------------------------------------------------------------
def relabelled(X, seed=0):
    order = np.random.default_rng(seed).permutation(X.shape[-1])
    return X[..., order, :][..., order]


def symmetric(n, seed=0, count=10):
    A = np.random.default_rng(seed).normal(size=(count, n, n))
    return A + np.swapaxes(A, 1, 2)


def differ(X, Y):
    return max(float(np.abs(a - b).max(initial=0.0)) for a, b in zip(*map(conjugation_invariants, (X, Y)), strict=True))


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_relabelling_changes_nothing(n):
    X = symmetric(n)
    scale = max(float(np.abs(x).max(initial=0.0)) for x in conjugation_invariants(X))
    assert differ(X, relabelled(X)) <= EXACT * scale
    network = ConjugationNetwork(2).double()
    out = network(torch.tensor(X))
    assert (network(torch.tensor(relabelled(X))) - out).abs().max() <= EXACT * out.abs().max()
    if n > 1:
        assert differ(X, -X) > 0.1


def test_generic_matrices_are_told_apart_and_shuffled_entries_too():
    X, Y = symmetric(6, 0, 50), symmetric(6, 1, 50)
    for one, other in zip(X, Y, strict=True):
        assert differ(one, other) > 1e-3
    # The same entries in other places: both multisets agree, f* does not.
    shuffled = X.copy()
    shuffled[:, [0, 1], [2, 3]] = X[:, [1, 0], [3, 2]]
    shuffled[:, [2, 3], [0, 1]] = X[:, [3, 2], [1, 0]]
    for one, other in zip(X, shuffled, strict=True):
        a, b = conjugation_invariants(one), conjugation_invariants(other)
        np.testing.assert_array_equal(a.diagonal, b.diagonal)
        np.testing.assert_array_equal(a.off_diagonal, b.off_diagonal)
        assert abs(a.mixed - b.mixed) > 1e-6


def test_graphs_with_equally_many_edges_are_not_told_apart():
    path, star = np.zeros((2, 4, 4))
    for graph, edges in ((path, [(0, 1), (1, 2), (2, 3)]), (star, [(0, 1), (0, 2), (0, 3)])):
        for i, j in edges:
            graph[i, j] = graph[j, i] = 1.0
    assert differ(path, star) == 0.0
    assert sorted(path.sum(0)) != sorted(star.sum(0)), "they are no relabellings of each other"


def test_conjugation_invariants_have_gradients():
    X = torch.tensor(symmetric(4, count=1)[0], requires_grad=True)
    found = conjugation_invariants((X + X.mT) / 2)
    (found.mixed + found.diagonal @ torch.arange(4.0, dtype=torch.float64)).backward()
    assert torch.isfinite(X.grad).all()
    assert (X.grad.abs() > 0).any()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: LightweightInvariants(0), ParameterError),
        (lambda: LightweightInvariants(3)(np.zeros((4, 2))), ShapeError),
        (lambda: LightweightInvariants(3)(np.zeros((0, 3))), ShapeError),
        (lambda: LightweightInvariants(2)([[np.nan, 0.0]]), FiniteError),
        (lambda: LightweightInvariants(2).power_sums(np.zeros((3, 2)), 1), ParameterError),
        (lambda: LightweightNetwork(3, out=0), ParameterError),
        (lambda: LightweightNetwork(3)(torch.zeros(4, 2)), ShapeError),
        (lambda: conjugation_invariants(np.zeros((2, 3))), ShapeError),
        (lambda: conjugation_invariants([[0.0, 1.0], [2.0, 0.0]]), ParameterError),
        (lambda: conjugation_invariants([[np.inf]]), FiniteError),
        (lambda: ConjugationNetwork(0), ParameterError),
    ],
)
def test_malformed_input_is_refused(make, error):
    with pytest.raises(error):
        make()


def test_seeds_are_arguments_and_global_state_stays():
    state = torch.get_rng_state()
    one, same, other = LightweightNetwork(3, seed=1), LightweightNetwork(3, seed=1), LightweightNetwork(3, seed=2)
    assert torch.equal(state, torch.get_rng_state())
    v = torch.tensor(np.asarray(O(3).matrix(O(3).sample(1))), dtype=torch.float32)
    assert torch.equal(one(v), same(v))
    assert not torch.equal(one(v), other(v))
