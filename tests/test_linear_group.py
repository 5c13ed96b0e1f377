"""GL(n): samples, logarithms against scipy, what it shares with O(n), scale-free membership."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from groups_zoo import mismatch

from geodis.errors import ParameterError
from geodis.groups import GL, O


def matrices(n: int = 3, spread: float = 0.4, size: int = 200, seed: int = 0) -> np.ndarray:
    return np.asarray(GL(n, spread).matrix(GL(n, spread).sample(size, seed)))


def test_samples_have_the_documented_law() -> None:
    g = matrices(size=20000)
    assert abs((np.linalg.det(g) > 0).mean() - 0.5) < 0.02
    stretch = np.log(np.linalg.svd(g, compute_uv=False))
    assert stretch.std() == pytest.approx(0.4, abs=0.01)
    assert np.abs(g.mean(0)).max() < 0.03
    low, high = np.quantile(np.linalg.cond(g), [0.5, 0.95])
    assert low == pytest.approx(1.9, abs=0.05)
    assert high == pytest.approx(3.8, abs=0.1)
    inverses = np.linalg.svd(np.linalg.inv(g), compute_uv=False)
    np.testing.assert_allclose(
        np.quantile(np.log(inverses), [0.1, 0.5, 0.9]), np.quantile(stretch, [0.1, 0.5, 0.9]), atol=0.02
    )


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_logarithm_is_scipys(n: int) -> None:
    g = matrices(n) @ matrices(n, seed=1)
    values = np.linalg.eigvals(g)
    g = g[~((values.real < 0) & (values.imag == 0)).any(-1)]
    assert len(g) > 30
    expected = np.array([scipy.linalg.logm(x).real for x in g])
    found = GL(n).log(g.reshape(len(g), -1)).reshape(expected.shape)
    assert mismatch(found, expected) < 1e-9
    back = GL(n).matrix(GL(n).exp(found.reshape(len(g), -1)))
    assert mismatch(back, g) < 1e-11


def test_defective_matrices_have_their_logarithm() -> None:
    shear = [[1.0, 5.0, 0.0, 1.0]]
    np.testing.assert_allclose(GL(2).log(shear), [[0.0, 5.0, 0.0, 0.0]], atol=1e-14)
    turn = [[0.0, -2.0, 2.0, 0.0]]
    half = np.log(2.0)
    np.testing.assert_allclose(GL(2).log(turn), [[half, -np.pi / 2, np.pi / 2, half]], atol=1e-14)
    with pytest.raises(ParameterError, match="negative real"):
        GL(2).log([[-1.0, 1.0, 0.0, -1.0]])


def test_membership_does_not_depend_on_the_unit() -> None:
    g = GL(3).sample(50, 0)
    for unit in (1e-200, 1e-30, 1.0, 1e30, 1e200):
        assert GL(3).contains(unit * g).all()
        flat = np.outer(unit * np.arange(1.0, 4), np.arange(2.0, 5)).reshape(1, 9)
        assert not GL(3).contains(flat).any()
    assert not GL(3).contains(np.zeros((2, 9))).any()


def test_orthogonal_matrices_are_a_subgroup() -> None:
    """V and V* agree on O(3), det is its h=(0)-, and the relabelling is the one of O(3)."""
    small, large = O(3), GL(3)
    params = small.sample(100, 0)
    g = small.matrix(params).reshape(100, 9)
    assert large.contains(g).all()
    assert mismatch(large.irrep("V")(g), large.irrep("V*")(g)) < 1e-14
    assert mismatch(large.irrep("det")(g), small.irrep("h=(0)-")(params)) < 1e-14
    moved = large.relabelling(g, seed=3)(g)
    assert mismatch(moved, small.matrix(small.relabelling(params, seed=3)(params)).reshape(100, 9)) < 1e-12


def test_relabelling_keeps_the_stretch() -> None:
    g = GL(3).sample(50, 0)
    gram = [GL(3).matrix(x).swapaxes(-1, -2) @ GL(3).matrix(x) for x in (g, GL(3).relabelling(g, seed=1)(g))]
    assert mismatch(*gram) < 1e-12


def test_the_pairing_of_forms_and_vectors_is_invariant() -> None:
    g = torch.as_tensor(GL(4).sample(20, 0))
    one = GL(4).irrep("V*")(g).mT @ GL(4).irrep("V")(g)
    assert mismatch(one, torch.eye(4, dtype=g.dtype).expand_as(one)) < 1e-13
    assert mismatch(GL(4).irrep("det")(g) * GL(4).irrep("det*")(g), torch.ones(20, 1, 1)) < 1e-12
