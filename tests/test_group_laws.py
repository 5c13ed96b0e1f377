"""The laws of a group, for every group, batch shape, dtype and kind of element."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from groups_zoo import BATCHES, TOLERANCE, ZOO, Case, connected, elements, kinds, mismatch, quick, zoo
from hypothesis import given
from hypothesis import strategies as st

from geodis.groups import SE, SO, SO2, SO3, Cyclic, Lorentz, Permutations, Product, Translation
from geodis.groups.rotations import hat, rotation3, vector_of_matrix

CONVERSIONS = {
    "numpy64": lambda x: x,
    "numpy32": lambda x: x.astype(np.float32),
    "torch64": torch.as_tensor,
    "torch32": lambda x: torch.as_tensor(x, dtype=torch.float32),
}


# --- axioms -----------------------------------------------------------------------------------------------------------
@zoo
@kinds
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_axioms(case: Case, kind: str, dtype: torch.dtype) -> None:
    group, tolerance = case.make(), TOLERANCE[dtype]
    a, b, c = (torch.as_tensor(elements(group, kind, seed=s), dtype=dtype) for s in range(3))
    e = torch.as_tensor(group.identity(6), dtype=dtype)
    matrix = group.matrix
    one = torch.eye(matrix(a).shape[-1], dtype=dtype).expand_as(matrix(a))
    assert mismatch(matrix(group.compose(a, b)), matrix(a) @ matrix(b)) < tolerance
    assert mismatch(matrix(e), one) == 0
    assert mismatch(matrix(group.compose(e, a)), matrix(a)) < tolerance
    assert mismatch(matrix(group.compose(a, e)), matrix(a)) < tolerance
    assert mismatch(matrix(group.compose(a, group.inverse(a))), one) < tolerance
    assert mismatch(matrix(group.compose(group.inverse(a), a)), one) < tolerance
    left, right = group.compose(group.compose(a, b), c), group.compose(a, group.compose(b, c))
    assert mismatch(matrix(left), matrix(right)) < tolerance


@zoo
@pytest.mark.parametrize("shape", BATCHES, ids=str)
@pytest.mark.parametrize("conversion", CONVERSIONS)
def test_batches_and_kinds_of_arrays(case: Case, shape: tuple[int, ...], conversion: str) -> None:
    group, convert = case.make(), CONVERSIONS[conversion]
    a, b = (convert(elements(group, "generic", shape, seed=s)) for s in (0, 1))
    for result in (group.compose(a, b), group.inverse(a)):
        assert type(result) is type(a)
        assert result.shape == a.shape
        assert np.all(np.asarray(group.contains(result)))
        if isinstance(a, torch.Tensor):
            assert result.dtype == a.dtype
    assert group.matrix(a).shape[:-2] == shape
    square = group.compose(a, a)  # in the component of e, where every group has a logarithm
    assert group.log(square).shape == (*shape, group.tangent_dim)
    assert type(group.log(square)) is type(a)
    assert group.contains(a).shape == shape
    for rep in (*group.irreps(1), *group.affine_representations()):
        assert rep(a).shape == (*shape, rep.dim, rep.dim)
        assert rep.translation(a).shape == (*shape, rep.dim)
        assert rep.character(a).shape == shape
        assert type(rep(a)) is type(a)


@zoo
def test_compose_broadcasts(case: Case) -> None:
    group = case.make()
    a, b = elements(group, "generic", (4, 1)), elements(group, "generic", (3,))
    table = group.compose(a, b)
    assert table.shape == (4, 3, group.n_params)
    np.testing.assert_allclose(table[2, 1], group.compose(a[2, 0], b[1]), atol=1e-12)


@zoo
@kinds
def test_results_are_canonical(case: Case, kind: str) -> None:
    """Composing a canonical element with e changes nothing (up to the sign of a rotation by exactly π)."""
    group = case.make()
    a = group.compose(elements(group, kind), group.identity(6))
    np.testing.assert_allclose(group.compose(a, group.identity(6)), a, atol=1e-12)
    assert group.contains(a).all()


# --- exp, log ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", [c for c in ZOO if connected(c.make())], ids=str)
@kinds
def test_exp_of_log(case: Case, kind: str) -> None:
    group = case.make()
    for dtype, tolerance in TOLERANCE.items():
        g = torch.as_tensor(elements(group, kind), dtype=dtype)
        assert mismatch(group.matrix(group.exp(group.log(g))), group.matrix(g)) < tolerance


@zoo
@pytest.mark.parametrize("size", [0.0, 1e-7, 0.3, 1.5])
def test_log_of_exp(case: Case, size: float) -> None:
    group = case.make()
    if isinstance(group, (Translation, Product)):
        size = min(size, 0.3)  # inside half a period
    a = np.random.default_rng(0).standard_normal((5, group.tangent_dim))
    a *= size / np.maximum(np.linalg.norm(a, axis=-1, keepdims=True), 1e-300)
    np.testing.assert_allclose(group.log(group.exp(a)), a, atol=1e-12, rtol=1e-9)


def test_exp_is_the_matrix_exponential() -> None:
    """SO(3), SE(2), SE(3), Lorentz closed forms against torch.linalg.matrix_exp of their algebras."""
    rng = np.random.default_rng(0)
    for scale in (1e-7, 1e-2, 1.0, 3.0):
        a = torch.as_tensor(rng.standard_normal((20, 6)))
        a = scale * a / a.norm(dim=-1, keepdim=True)
        assert mismatch(rotation3(a[:, :3]), torch.linalg.matrix_exp(hat(a[:, :3]))) < 1e-13
        space = torch.zeros(20, 4, 4, dtype=torch.float64)
        space[:, :3, :3], space[:, :3, 3] = hat(a[:, 3:]), a[:, :3]
        assert mismatch(SE(3).matrix(SE(3).exp(a)), torch.linalg.matrix_exp(space)) < 1e-13
        plane = torch.zeros(20, 3, 3, dtype=torch.float64)
        plane[:, 1, 0], plane[:, 0, 1], plane[:, :2, 2] = a[:, 2], -a[:, 2], a[:, :2]
        assert mismatch(SE(2).matrix(SE(2).exp(a[:, :3])), torch.linalg.matrix_exp(plane)) < 1e-13
        spacetime = torch.zeros(20, 4, 4, dtype=torch.float64)
        spacetime[:, 1:, 1:], spacetime[:, 0, 1:], spacetime[:, 1:, 0] = hat(a[:, :3]), a[:, 3:], a[:, 3:]
        assert mismatch(Lorentz().matrix(Lorentz().exp(a)), torch.linalg.matrix_exp(spacetime)) < 1e-13


def test_rotations_by_pi() -> None:
    axes = np.concatenate([np.eye(3), -np.eye(3), np.ones((1, 3)) / np.sqrt(3)])
    half_turns = torch.as_tensor(axes * np.pi)
    assert mismatch(rotation3(vector_of_matrix(rotation3(half_turns))), rotation3(half_turns)) < 1e-14
    for n in (4, 5, 6):
        matrix = np.diag([-1.0] * (n // 2 * 2) + [1.0] * (n % 2))
        assert mismatch(SO(n).matrix(SO(n)._logarithm(torch.as_tensor(matrix))), matrix) < 1e-13
        angles = np.zeros(n * (n - 1) // 2)
        angles[0] = np.pi
        assert mismatch(SO(n).matrix(SO(n).compose(angles, angles)), np.eye(n)) < 1e-13


def test_so_n_products_are_principal() -> None:
    for n in (4, 5, 6):
        group = SO(n)
        ab = group.compose(3 * group.sample(50, 0), 3 * group.sample(50, 1))
        largest = np.abs(np.linalg.eigvals(group._skew(torch.as_tensor(ab)).numpy())).max()
        assert np.pi * 0.9 < largest <= np.pi * (1 + 1e-12)


def test_so_n_agrees_with_the_circle_and_space() -> None:
    vector = SO3().sample(20, 0)
    params = np.stack([vector[:, 2], -vector[:, 1], vector[:, 0]], -1)
    np.testing.assert_allclose(SO(3).matrix(params), SO3().matrix(vector), atol=1e-14)
    np.testing.assert_allclose(SO(2).matrix([[0.7]]), SO2().matrix([[0.7]]), atol=1e-15)


@pytest.mark.parametrize("rapidity", [1e-9, 0.5, 5.0, 8.0])
def test_lorentz_is_robust_to_large_rapidity(rapidity: float) -> None:
    """Errors are relative to e^η, the size of the matrices; opposite boosts cancel to the identity."""
    group, rng = Lorentz(), np.random.default_rng(0)
    a, b = (np.concatenate([SO3().sample(50, rng), rng.standard_normal((50, 3))], -1) for _ in range(2))
    for g in (a, b):
        g[:, 3:] *= rapidity / np.linalg.norm(g[:, 3:], axis=-1, keepdims=True)
    assert mismatch(group.matrix(group.compose(a, b)), group.matrix(a) @ group.matrix(b)) < 1e-13
    e = group.compose(a, group.inverse(a))
    assert np.abs(e).max() < 1e-15 * np.exp(rapidity) * 20 + 1e-14
    metric = np.diag([1.0, -1, -1, -1])
    lam = group.matrix(a)
    assert mismatch(np.swapaxes(lam, -1, -2) @ metric @ lam, np.tile(metric, (50, 1, 1))) < 1e-14 * np.exp(2 * rapidity)
    assert mismatch(group.matrix(group.exp(group.log(a))), lam) < 1e-9


# --- laws with free parameters ----------------------------------------------------------------------------------------
number = st.floats(-50, 50, allow_nan=False)


@quick
@given(st.lists(number, min_size=9, max_size=9))
def test_any_three_rotation_vectors_associate(values: list[float]) -> None:
    a, b, c = np.reshape(values, (3, 3))
    group = SO3()
    left, right = group.compose(group.compose(a, b), c), group.compose(a, group.compose(b, c))
    np.testing.assert_allclose(group.matrix(left), group.matrix(right), atol=1e-11)
    assert np.linalg.norm(left) <= np.pi * (1 + 1e-12)


@quick
@given(number, number)
def test_any_two_angles(a: float, b: float) -> None:
    ab = SO2().compose([a], [b])
    np.testing.assert_allclose(np.exp(1j * ab), np.exp(1j * (a + b)), atol=1e-12)
    assert -np.pi - 1e-14 <= ab[0] <= np.pi + 1e-14


@quick
@given(st.integers(1, 40), st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_any_two_steps(n: int, a: int, b: int) -> None:
    group = Cyclic(n)
    assert group.compose([float(a)], [float(b)])[0] == (a + b) % n
    assert group.inverse([float(a)])[0] == -a % n


@quick
@given(st.permutations(range(9)), st.permutations(range(9)))
def test_any_two_permutations(a: list[int], b: list[int]) -> None:
    group = Permutations(9)
    ab = group.compose(group.index(np.array(a)), group.index(np.array(b)))
    assert group.images(ab).tolist() == [a[i] for i in b]
