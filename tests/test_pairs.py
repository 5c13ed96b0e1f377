"""Pair moments are the residuals, pair by pair."""

import numpy as np
import pytest
from random_moments import SUMS, mismatch

from geodis.coordinates.forms import homogeneous
from geodis.coordinates.fourier import half_dim, half_matrices
from geodis.coordinates.pairs import half_translation, make_pairs, noise_weight, pair_forms
from geodis.groups import SE, SO2, Cyclic, Lorentz, Translation
from geodis.orbits import Stack


def pair_cases():
    so2, se2, lorentz, line = SO2(), SE(2), Lorentz(), Translation(1)
    return {
        "SO2 m=2 (complex)": (so2, so2.irrep("m=2")),
        "SE(2) position (cocycle)": (se2, se2.affine_representations()[0]),
        "SE(2) vector": (se2, se2.irreps(1)[1]),
        "Lorentz": (lorentz, lorentz.irreps(1)[1]),
        "line position": (line, line.affine_representations()[0]),
        "line character": (line, line.irrep("ω=1.3")),
    }


@pytest.mark.parametrize("name", pair_cases())
def test_pair_moments_are_the_residuals_pair_by_pair(name):
    group, rep = pair_cases()[name]
    rng = np.random.default_rng(0)
    stacks = []
    for n, m in ((4, 3), (3, 2)):
        z = np.concatenate([rng.normal(size=(n, m, 3)), np.ones((n, m, 1))], axis=-1)
        labels = np.arange(n) + 10 * m
        stacks.append((Stack(z, group.sample(n * m, m).reshape(n, m, -1), labels, labels), np.arange(n) % 2))
    pairs = make_pairs(stacks, group)
    assert len(pairs.fold) == 4 * 6 + 3 * 2, "every ordered pair of rows"
    forms = pair_forms(rep, pairs, group, 2)
    h = half_dim(rep)
    kind = complex if rep.half is not None else float
    w = rng.normal(size=(h, 4)).astype(kind)
    s = kind(0.7 if rep.cocycle is not None else 0.0)
    if kind is complex:
        w = w + 1j * rng.normal(size=(h, 4))
    for fold in (0, 1):
        loss = identity = 0.0
        for stack, folds in stacks:
            n, m, _ = stack.z.shape
            for i in np.flatnonzero(folds == fold):
                for j in range(m):
                    for k in range(m):
                        if j == k:
                            continue
                        step = group.compose(stack.params[i, k], group.inverse(stack.params[i, j]))[None]
                        rho, t = half_matrices(rep, step)[0], half_translation(rep, step)[0]
                        weight = 2 / (1 + np.square(np.abs(rho)).sum() / h) / (m * (m - 1))
                        residual = w @ stack.z[i, k] - rho @ (w @ stack.z[i, j]) - s * t
                        change = w @ (stack.z[i, k] - stack.z[i, j])
                        loss += weight * np.square(np.abs(residual)).sum()
                        identity += weight * np.square(np.abs(change)).sum()
        solution = np.append(w.reshape(-1), s)[None]
        got_loss, got_identity = forms.evaluate(np.array([fold]), solution)
        assert abs(got_loss[0] - loss) <= SUMS * loss
        assert abs(got_identity[0] - identity) <= SUMS * identity
        other, _ = forms.evaluate(np.array([fold]), 2 * solution)
        assert abs(other[0] - loss) > loss


def test_orthogonal_pairs_weigh_one_and_boosts_less():
    so2, lorentz = SO2(), Lorentz()
    assert np.allclose(noise_weight(half_matrices(so2.irrep("m=1"), so2.sample(5))), 1.0)
    boosts = np.array([[0, 0, 0, r, 0, 0] for r in (0.0, 1.0, 3.0)])
    weights = noise_weight(half_matrices(lorentz.irreps(1)[1], boosts))
    assert abs(weights[0] - 1) < 1e-12
    assert (np.diff(weights) < 0).all()


@pytest.mark.parametrize("name", ["SO2 m=2 (complex)", "SE(2) position (cocycle)"])
def test_restricted_pair_forms_are_those_of_restricted_rows(name):
    group, rep = pair_cases()[name]
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(size=(5, 4, 4)), np.ones((5, 4, 1))], axis=-1)
    rows_of = [(Stack(z, group.sample(20).reshape(5, 4, -1), np.arange(5), np.arange(5)), np.arange(5) % 2)]
    subspace = np.linalg.qr(rng.normal(size=(4, 2)))[0]
    pairs = make_pairs(rows_of, group)
    restricted = pair_forms(rep, pairs, group, 2).restrict(subspace)
    direct = pair_forms(rep, pairs.through(homogeneous(subspace)), group, 2)
    other = pair_forms(rep, pairs.through(homogeneous(subspace[:, ::-1])), group, 2)
    assert mismatch(restricted.residual, direct.residual) <= SUMS
    assert mismatch(restricted.change, direct.change) <= SUMS
    assert mismatch(restricted.residual, other.residual) > 1e-3


def test_many_elements_give_at_most_four_pairs_an_element():
    group = SO2()
    z = np.random.default_rng(0).normal(size=(3, 20, 2))
    stack = Stack(z, group.sample(60).reshape(3, 20, 1), np.arange(3), np.arange(3))
    pairs = make_pairs([(stack, np.zeros(3, dtype=int))], group)
    assert np.bincount(pairs.item).tolist() == [80] * 3
    assert np.allclose(np.bincount(pairs.item, pairs.weight), 1.0)
    steps = np.round(np.asarray(pairs.source[:, 0] * 1e6 + pairs.target[:, 0]), 9)
    assert len(set(steps)) == len(steps), "no pair twice"
    assert len(set(np.round(np.asarray(pairs.target[:, 0] * 1e6 + pairs.source[:, 0]), 9)) & set(steps)) == len(steps)


def test_items_weigh_the_same_after_equal_elements_are_left_out():
    params = np.array([[[0.0], [0.0], [1.0]], [[0.0], [1.0], [2.0]]])
    z = np.concatenate([np.random.default_rng(0).normal(size=(2, 3, 2)), np.ones((2, 3, 1))], axis=-1)
    labels = np.arange(2)
    pairs = make_pairs([(Stack(z, params, labels, labels), np.zeros(2, dtype=int))], Cyclic(3))
    assert np.bincount(pairs.item).tolist() == [4, 6]
    np.testing.assert_allclose(np.bincount(pairs.item, pairs.weight), 1.0)
