"""The contrast of elements: what it is by hand, what it cannot see, that one vector with many factors is not enough."""

import math

import numpy as np
import pytest
import torch

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.groups import SO2, SO3, Dihedral
from geodis.training import element_contrast

CASES = {
    "SO2": (SO2(), ("m=1", "m=2")),
    "SO3": (SO3(), ("l=1", "l=2")),
    "D5": (Dihedral(5), (Dihedral(5).irreps(2)[-1].name,)),
}


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def pairs(name, n=40, k=3):
    """Codes before, after, and the operators."""
    group, names = CASES[name]
    params = torch.from_numpy(group.sample(n, seed=1))
    rho = [group.irrep(x).matrices(params) for x in names]
    before = [noise(n, k, r.shape[-1], seed=i) for i, r in enumerate(rho)]
    return before, [c @ r.mT for c, r in zip(before, rho, strict=True)], rho


def by_hand(c, gc, rho, temperature):
    n, total = len(c[0]), 0.0
    for i in range(n):
        sizes = [math.sqrt(sum(float((x[i] ** 2).sum()) for x in codes)) for codes in (c, gc)]
        scores = [
            sum(float((y[i] * (x[i] @ r[j].T)).sum()) for x, y, r in zip(c, gc, rho, strict=True))
            / (sizes[0] * sizes[1] * temperature)
            for j in range(n)
        ]
        total += math.log(sum(math.exp(s - max(scores)) for s in scores)) + max(scores) - scores[i]
    return total / n


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_formula(name):
    c, gc, rho = pairs(name, n=12)
    noisy = [x + 0.3 * noise(*x.shape, seed=9) for x in gc]
    found = element_contrast(c, noisy, rho, 0.2).item()
    assert found == pytest.approx(by_hand(*([x.numpy() for x in codes] for codes in (c, noisy, rho)), 0.2), rel=1e-10)


@pytest.mark.parametrize("name", ["SO2", "SO3"])
def test_exact_codes_tell_elements_and_noise_does_not(name):
    c, gc, rho = pairs(name, n=60)
    assert element_contrast(c, gc, rho, 1e-5).item() < 0.1
    unrelated = [noise(*x.shape, seed=5) for x in gc]
    assert element_contrast(c, unrelated, rho, 1.0).item() == pytest.approx(math.log(60), abs=0.15)


def test_one_vector_with_many_factors_leaves_an_axis_free():
    """Both codes are exactly equivariant: energies cannot tell them apart, this can."""
    group = SO3()
    rho = [group.irrep("l=1").matrices(torch.from_numpy(group.sample(200, seed=3)))]
    full, axis = noise(200, 4, 3), noise(200, 1, 3) * noise(200, 4, 1, seed=2)
    losses = [element_contrast([x], [x @ rho[0].mT], rho, 0.02).item() for x in (full, axis)]
    assert losses[0] < 0.3 * losses[1]


@pytest.mark.parametrize("name", CASES)
def test_copies_may_be_mixed_and_rows_scaled(name):
    c, gc, rho = pairs(name)
    turn = torch.linalg.qr(noise(3, 3, seed=4))[0]
    sizes = noise(len(c[0]), 1, 1, seed=6).exp()
    mixed = [sizes * torch.einsum("kl,nld->nkd", turn, x) for x in c]
    moved = [3.0 * torch.einsum("kl,nld->nkd", turn, x) for x in gc]
    assert element_contrast(mixed, moved, rho).item() == pytest.approx(element_contrast(c, gc, rho).item(), abs=1e-9)


def test_gradients_and_zero_rows():
    c, gc, rho = pairs("SO3", n=6, k=2)
    leaves = [x.clone().requires_grad_() for x in c]
    assert torch.autograd.gradcheck(lambda *x: element_contrast(list(x), gc, rho, 0.5), leaves)
    dead = [torch.zeros_like(x).requires_grad_() for x in c]
    loss = element_contrast(dead, gc, rho)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(6))
    assert all(torch.isfinite(x.grad).all() for x in dead)


def test_numpy_comes_back_as_numpy():
    c, gc, rho = pairs("SO2", n=5)
    found = element_contrast([x.numpy() for x in c], [x.numpy() for x in gc], [r.numpy() for r in rho])
    assert float(found) == pytest.approx(element_contrast(c, gc, rho).item())


def test_malformed_input():
    c, gc, rho = pairs("SO3", n=5)
    with pytest.raises(LengthError):
        element_contrast(c, gc[:1], rho)
    with pytest.raises(ParameterError, match="at least one irrep"):
        element_contrast([], [], [])
    with pytest.raises(ShapeError, match="operators"):
        element_contrast(c, gc, rho[::-1])
    with pytest.raises(ShapeError, match="twice"):
        element_contrast(c, [x[:4] for x in gc], rho)
    with pytest.raises(ParameterError, match="at least 2"):
        element_contrast([x[:1] for x in c], [x[:1] for x in gc], [r[:1] for r in rho])
    with pytest.raises(ParameterError, match="temperature"):
        element_contrast(c, gc, rho, 0.0)
