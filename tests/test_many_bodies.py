"""Forces of many bodies: a neighbour list misses no pair, the mesh agrees with direct sums and keeps momentum."""

import numpy as np
import pytest
import torch

from geodis.emulators.far_field import MeshField
from geodis.emulators.integrators import integrate
from geodis.emulators.neighbours import NeighbourField
from geodis.emulators.pairwise_law import PairwiseLaw
from geodis.errors import DesignError, ParameterError, ShapeError

EXACT = 1e-12  # sums of some hundred products
MESH = 5e-3  # of the root mean square force, at the default resolution, in space and in the plane


def law(cap="none", **values):
    planted = {"c0": -1.0, "c_q": 0.5, "m_j": 1.0, "e": -1.5, "softening²": 1e-3, "log cap": 3.0}
    return PairwiseLaw(["q"], ["m"], cap=cap).with_values(**(planted | values))


def cloud(n=400, d=3, seed=0):
    rng = np.random.default_rng(seed)
    s = np.stack([rng.choice([-1.0, 1.0], n), rng.uniform(0.5, 2, n)], 1)
    return torch.from_numpy(rng.random((n, d))), torch.from_numpy(s)


def direct(chosen, x, s, cutoff=np.inf):
    """Sums over all ordered pairs, by broadcasting."""
    r = x[:, None] - x[None]
    square = r.square().sum(-1)
    q, m = s[:, 0], s[:, 1]
    t = {name: chosen.value(name) for name in chosen.names}
    w = (t["c0"] + t["c_q"] * q[:, None] * q) * m ** t["m_j"] * m[:, None] ** t["m_i"]
    w = w * (square + t["softening²"]) ** t["e"] * (square <= cutoff**2)
    return (w[..., None] * r).sum(1)


def relative(a, b):
    return float(((a - b).norm() / b.norm()).detach())


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("cutoff", [0.05, 0.3, 5.0])
def test_a_neighbour_list_is_the_direct_sum_within_the_cutoff(d, cutoff):
    x, s = cloud(200, d)
    expected = direct(law(m_i=0.3), x, s, cutoff)
    found = NeighbourField(law(m_i=0.3), s, cutoff)(x)
    assert float((found - expected).detach().abs().max() / expected.abs().max().clamp_min(1e-9)) < EXACT
    assert relative(found, direct(law(m_i=0.3), x, s, 0.8 * cutoff)) > 1e-6 or cutoff == 5.0


def test_a_list_with_a_skin_follows_moving_bodies():
    x, s = cloud(200)
    lazy, eager = (NeighbourField(law(), s, 0.2, skin) for skin in (0.1, 0.0))
    moved = torch.zeros_like(x)
    for step in range(8):
        moved = moved + 0.02 * torch.from_numpy(np.random.default_rng(step).standard_normal((200, 3)))
        assert relative(lazy(x + moved), eager(x + moved)) < EXACT


@pytest.mark.parametrize(("d", "e"), [(3, -1.5), (2, -1.0), (3, -0.8), (3, 0.5)])
def test_the_mesh_agrees_with_direct_sums(d, e):
    x, s = cloud(400, d)
    expected = direct(law(e=e), x, s)
    assert relative(MeshField(law(e=e), s, 0.12)(x), expected) < MESH
    assert relative(MeshField(law(e=e + 0.1), s, 0.12)(x), expected) > 2 * MESH, "another exponent is told apart"


def test_mesh_forces_keep_the_momentum_and_move_with_the_bodies():
    x, s = cloud()
    with torch.no_grad():
        field = MeshField(law(), s, 0.12)
        force = s[:, 1:] * field(x)
        assert float(force.sum(0).norm() / force.norm(dim=1).sum()) < EXACT
        assert relative(field(x + 1000.0), field(x)) < 1e-9
        turn = torch.from_numpy(np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0])
        assert relative(field(x @ turn.T), field(x) @ turn.T) < 2 * MESH
        order = torch.randperm(400, generator=torch.Generator().manual_seed(0))
        assert relative(MeshField(law(), s[order], 0.12)(x[order]), field(x)[order]) < 1e-11


def test_caps_act_on_the_total_and_the_field_can_be_integrated_and_differentiated():
    x, s = cloud(100)
    capped = MeshField(law("radial"), s, 0.2)
    assert float(capped(x).detach().norm(dim=1).max()) == pytest.approx(np.exp(3.0))
    y, _ = integrate(x, torch.zeros_like(x), capped, 0.01, 3)
    assert torch.isfinite(y).all()
    x[1] = x[0]
    x.requires_grad_()
    capped(x).square().sum().backward()
    assert torch.isfinite(x.grad).all()


def test_gradients_are_those_of_differences():
    x, s = cloud(30)
    field = MeshField(law(), s, 0.3)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(field(x)[0, 0], x)
    step = torch.zeros_like(x)
    step[3, 1] = 1e-5
    with torch.no_grad():
        difference = float(field(x + step)[0, 0] - field(x - step)[0, 0]) / 2e-5
    assert float(gradient[3, 1]) == pytest.approx(difference, rel=1e-4, abs=1e-6)


@pytest.mark.slow
def test_ten_thousand_bodies_step_in_seconds():
    import time

    x, s = cloud(10_000)
    with torch.no_grad():
        field = MeshField(law(), s, 0.045)
        began = time.process_time()
        integrate(x, torch.zeros_like(x), field, 0.001, 2)
        assert time.process_time() - began < 30.0


def test_misuse():
    x, s = cloud(10)
    with pytest.raises(ParameterError):
        NeighbourField(law(), s, 0.0)
    with pytest.raises(ShapeError):
        NeighbourField(law(), s[:, :1], 1.0)
    with pytest.raises(ShapeError):
        NeighbourField(law(), s, 1.0)(x[:4])
    with pytest.raises(ShapeError):
        MeshField(law(), s, 0.5)(x[:4])
    with pytest.raises(DesignError):
        MeshField(PairwiseLaw(["q"], ["m"], correction=4), s, 0.5)
    with pytest.raises(DesignError):
        MeshField(law(), s, 1e-4)(x)
    for options in ({"smoothing": 0.0}, {"smoothing": 1.0, "resolution": 0.0}, {"smoothing": 1.0, "terms": 9}):
        with pytest.raises(ParameterError):
            MeshField(law(), s, **options)
