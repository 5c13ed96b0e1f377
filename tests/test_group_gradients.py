"""Gradients flow through exp, log and products, also where formulas are 0/0."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geodis.groups import GL, SE, SO, SO2, SO3, Lorentz, Translation
from geodis.groups.rotations import rotation3, vector_of_matrix


@pytest.mark.parametrize("group", [SO2(), SO3(), SO(2), SO(3), SE(2), SE(3), Lorentz()], ids=str)
@pytest.mark.parametrize("size", [0.0, 1e-4, 0.8, np.pi - 1e-3])
def test_gradients(group: SO3, size: float) -> None:
    """Finite differences agree with autograd at the identity, in the middle and near the cut locus."""
    a = np.random.default_rng(0).standard_normal((3, group.tangent_dim))
    a = torch.as_tensor(a * size / np.linalg.norm(a, axis=-1, keepdims=True)).requires_grad_()
    b = torch.as_tensor(group.exp(0.2 * np.random.default_rng(1).standard_normal((3, group.tangent_dim))))
    for function in (
        group.exp,
        group.log,
        group.inverse,
        group.matrix,
        lambda x: group.compose(b, group.compose(group.exp(x), b)),
        lambda x: group.log(group.exp(x)),
        lambda x: group.irreps(2)[-1](x),
    ):
        assert torch.autograd.gradcheck(function, (a,), eps=1e-6, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("size", [0.0, 1e-4, 0.8, 2.0])
def test_gradients_of_matrices(n: int, size: float) -> None:
    """The same for GL(n), whose parameters are no algebra coefficients; also where eigenvalues coincide."""
    group, rng = GL(n), np.random.default_rng(0)
    a = rng.standard_normal((3, n * n))
    a = torch.as_tensor(a * size / np.linalg.norm(a, axis=-1, keepdims=True)).requires_grad_()
    b = torch.as_tensor(group.sample(3, rng))
    for function in (
        group.exp,
        lambda x: group.log(group.exp(x)),
        lambda x: group.inverse(group.exp(x)),
        lambda x: group.compose(b, group.compose(group.exp(x), b)),
        *(lambda x, rep=rep: rep(group.exp(x)) for rep in group.irreps(n)[1:]),
    ):
        assert torch.autograd.gradcheck(function, (a,), eps=1e-6, atol=1e-6, rtol=1e-4)


def test_gradients_on_a_torus() -> None:
    """Parameters jump at the period; the elements do not."""
    group = Translation(2, period=1.0)
    for size in (0.0, 0.3, 0.5):
        a = torch.full((1, 2), size, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda x: group.matrix(group.inverse(group.exp(x))), (a,))


def test_gradient_through_the_matrix_logarithm() -> None:
    for size in (0.0, 1e-6, 1.0, np.pi - 1e-3):
        v = torch.tensor([[0.48, 0.6, 0.64]], dtype=torch.float64) * size
        v.requires_grad_()
        vector_of_matrix(rotation3(v)).sum().backward()
        np.testing.assert_allclose(v.grad.numpy(), 1.0, atol=1e-6)
