"""Wigner matrices are the matrix exponential, the documented harmonics, and e3nn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from groups_zoo import elements, kinds, mismatch
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from geodis.groups import SO3
from geodis.groups.wigner import spin_generators, wigner


@kinds
def test_wigner_one_is_the_rotation_matrix(kind: str) -> None:
    v = elements(SO3(), kind, (50,))
    np.testing.assert_allclose(SO3().irrep("l=1")(v), Rotation.from_rotvec(v).as_matrix(), atol=1e-14)


@pytest.mark.parametrize("degree", range(13))
def test_wigner_is_the_matrix_exponential(degree: int) -> None:
    rng = np.random.default_rng(0)
    v = torch.as_tensor(rng.standard_normal((60, 3)))
    v = v / v.norm(dim=-1, keepdim=True) * torch.linspace(0, np.pi, 60, dtype=torch.float64)[:, None]
    exponential = torch.linalg.matrix_exp(torch.einsum("nk,kij->nij", v, torch.as_tensor(spin_generators(degree))))
    assert mismatch(wigner(degree, v), exponential) < 1e-12
    v32 = v.to(torch.float32)
    assert mismatch(wigner(degree, v32).double(), exponential) < 2e-5


@pytest.mark.parametrize("degree", range(1, 6))
def test_wigner_basis_is_the_documented_harmonics(degree: int) -> None:
    """Y(Rx) = D(R) Y(x) for Y = (cos lφ, sin lφ, …, cos φ, sin φ, zonal)."""

    def harmonics(x: np.ndarray) -> np.ndarray:
        x = x / np.linalg.norm(x, axis=-1, keepdims=True)
        polar, azimuth = np.arccos(np.clip(x[:, 2], -1, 1)), np.arctan2(x[:, 1], x[:, 0])
        out = []
        for m in range(degree, 0, -1):
            y = np.sqrt(2) * (-1) ** m * sph_harm_y(degree, m, polar, azimuth)
            out += [y.real, y.imag]
        return np.stack([*out, sph_harm_y(degree, 0, polar, azimuth).real], -1)

    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((40, 3)), SO3().sample(1, 3)
    moved = x @ SO3().matrix(v)[0].T
    np.testing.assert_allclose(harmonics(moved), harmonics(x) @ SO3().irrep(f"l={degree}")(v)[0].T, atol=1e-12)


@pytest.mark.parametrize("degree", range(1, 6))
def test_wigner_against_e3nn(degree: int) -> None:
    """One orthogonal change of basis, found on some rotations, explains all others (e3nn computes in float32)."""
    o3 = pytest.importorskip("e3nn.o3")
    v = SO3().sample(12, 0)
    matrices = torch.as_tensor(Rotation.from_rotvec(v).as_matrix())
    theirs = o3.Irrep(degree, 1).D_from_matrix(matrices).numpy()
    ours = SO3().irrep(f"l={degree}")(v)
    np.testing.assert_allclose(np.trace(ours, axis1=1, axis2=2), np.trace(theirs, axis1=1, axis2=2), atol=2e-5)
    d = 2 * degree + 1
    eye = np.eye(d)
    conditions = np.concatenate(
        [np.kron(eye, a.T) - np.kron(b, eye) for a, b in zip(ours[:3], theirs[:3], strict=True)]
    )
    change = np.linalg.svd(conditions)[2][-1].reshape(d, d) * np.sqrt(d)
    np.testing.assert_allclose(change @ change.T, eye, atol=1e-5)
    np.testing.assert_allclose(change @ ours @ change.T, theirs, atol=1e-5)


def test_wigner_gradients() -> None:
    for degree in (1, 2, 5):
        for size in (0.0, 1e-5, 1.0, np.pi):
            v = torch.tensor([[0.48, -0.6, 0.64]], dtype=torch.float64) * size
            assert torch.autograd.gradcheck(lambda x, k=degree: wigner(k, x), (v.requires_grad_(),), atol=1e-6)
    v = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: wigner(2, x), (v,), atol=1e-5)
