"""A pair law is Newton's: symmetries, conservation, potentials, caps, gradients; planted numbers are found again."""

import numpy as np
import pytest
import torch

from geodis.emulators.body_samples import BodySamples
from geodis.emulators.integrators import INTEGRATORS, integrate
from geodis.emulators.law_polish import polish_law
from geodis.emulators.law_start import start_law
from geodis.emulators.nbody_dynamics import NBodyDynamics
from geodis.emulators.pairwise_law import PairwiseLaw
from geodis.errors import DesignError, ParameterError, UnknownNameError

# Sums of some tens of products in float64, relative to the largest.
EXACT = 1e-12


def charged(cap="none"):
    return PairwiseLaw(["q"], cap=cap).with_values(c_q=1.0, c0=0.1, e=-1.5, **{"softening²": 1e-3, "log cap": 0.7})


def heavy(cap="none", correction=0):
    law = PairwiseLaw([], ["m"], cap=cap, correction=correction)
    return law.with_values(c0=-1.0, m_j=1.0, m_i=0.3, e=-1.5, **{"softening²": 1e-3, "log cap": 0.7})


def moved_network(law):
    with torch.no_grad():
        law.correction[2].weight.fill_(0.1)
    return law


ZOO = [charged(), charged("radial"), heavy(), heavy("radial"), moved_network(heavy(correction=4))]


def states(law, n=5, d=3, batch=4, seed=0):
    rng = np.random.default_rng(seed)
    x, v = rng.standard_normal((2, batch, n, d))
    s = np.concatenate(
        [rng.choice([-1.0, 1.0], (batch, n, len(law.signed))), rng.uniform(0.5, 2, (batch, n, len(law.positive)))], -1
    )
    return tuple(torch.from_numpy(a) for a in (x, v, s))


def special(x):
    """Coincident and collinear bodies among the others."""
    x = x.clone()
    x[0, 1] = x[0, 0]
    x[1] = x[1, :1] * torch.linspace(-1, 1, x.shape[1], dtype=x.dtype)[:, None]
    x[2] = x[2, :1]
    return x


def relative(a, b):
    return float(((a - b).abs().max() / b.abs().max().clamp_min(1e-300)).detach())


def orthogonal(d, seed=0):
    return torch.from_numpy(np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0])


# --- the law ----------------------------------------------------------------------------------------------------------
def test_the_formula_is_that_of_a_plain_double_loop():
    law = PairwiseLaw(["q"], ["m"]).with_values(c0=0.3, c_q=-1.2, m_j=0.8, m_i=-0.4, e=-0.9, **{"softening²": 0.04})
    x, _, s = states(law)
    expected = torch.zeros_like(x)
    for b in range(len(x)):
        for i in range(5):
            for j in range(5):
                if i != j:
                    (qi, mi), (qj, mj) = s[b, i], s[b, j]
                    r = x[b, i] - x[b, j]
                    w = (0.3 - 1.2 * qi * qj) * mi**-0.4 * mj**0.8 * (r @ r + 0.04) ** -0.9
                    expected[b, i] += w * r
    assert relative(law(x, s), expected) < EXACT


@pytest.mark.parametrize("law", ZOO, ids=repr)
@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_the_law_commutes_with_all_that_it_says(law, d):
    x, _, s = states(law, d=d)
    x, g, order = special(x), orthogonal(d), torch.tensor([3, 1, 4, 0, 2])
    a = law(x, s)
    assert torch.isfinite(a).all()
    assert relative(law(x @ g.T + 2.0, s), a @ g.T) < EXACT
    assert relative(law(x[:, order], s[:, order]), a[:, order]) < EXACT
    assert relative(law(x * 1.5, s), a) > 1e-3, "scaling is no symmetry"


def test_a_component_cap_breaks_rotations_but_no_signed_permutation():
    law = charged("component")
    x, _, s = states(law, seed=3)
    x = 0.3 * x
    flip = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, -1]], dtype=torch.float64)
    a = law(x, s).detach()
    assert float(a.abs().max()) == pytest.approx(np.exp(0.7))
    assert relative(law(x @ flip.T, s), a @ flip.T) < EXACT
    assert relative(law(x @ orthogonal(3).T, s), a @ orthogonal(3).T) > 1e-2
    assert not law.commutes
    assert float(charged("radial")(x, s).detach().norm(dim=-1).max()) == pytest.approx(np.exp(0.7))


@pytest.mark.parametrize("law", [charged(), heavy(), moved_network(heavy(correction=4))], ids=repr)
def test_momentum_and_angular_momentum_do_not_change(law):
    x, _, s = states(law)
    force = law.inertia(s)[..., None] * law(x, s)
    assert relative(force.sum(1) + 1, torch.ones(4, 3)) < EXACT
    torque = torch.linalg.cross(x, force)
    assert float((torque.sum(1).abs().max() / torque.abs().max()).detach()) < EXACT


@pytest.mark.parametrize("e", [-2.0, -1.5, -1.0, 0.0, 0.7])
def test_forces_are_gradients_of_the_potential(e):
    law = heavy().with_values(e=e)
    x, _, s = states(law)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(law.potential(x, s).sum(), x)
    assert relative(-gradient, law.inertia(s)[..., None] * law(x, s)) < 1e-10


def test_gradients_are_finite_where_bodies_meet():
    for law in (charged("radial").with_values(**{"softening²": 0.0}), heavy("component"), heavy().with_values(e=-2.5)):
        x, _, s = states(law)
        x = special(x).requires_grad_()
        law(x, s).square().sum().backward()
        assert torch.isfinite(x.grad).all()
        assert torch.isfinite(law.theta.grad).all()


def test_many_bodies_take_the_other_path_to_the_same_sum():
    law = heavy()
    x, _, s = states(law, n=20)
    few = torch.stack([law(x[:, [i, j]], s[:, [i, j]])[:, 0] for i in (0,) for j in range(1, 20)]).sum(0)
    assert relative(law(x, s)[:, 0], few) < EXACT


def test_a_law_is_read_as_it_is():
    assert repr(charged()) == "a_i = Σ_j (0.1 + 1 q_i q_j) (x_i − x_j) (r² + 0.0316²)^(−1.5)"
    assert "mass" in repr(PairwiseLaw([], ["mass"]).with_values(c0=-1.0, mass_j=1.0))
    assert ", |a_i| ≤ 2.014" in repr(heavy("radial"))
    assert [row[0] for row in heavy("radial").table()] == ["c0", "m_j", "m_i", "e", "softening", "cap"]
    for options in ({"cap": "soft"}, {"correction": -1}):
        with pytest.raises(ParameterError):
            PairwiseLaw(**options)
    with pytest.raises(ParameterError):
        charged().with_values(mass=1.0)
    with pytest.raises(DesignError):
        charged("radial").potential(*states(charged())[::2])


# --- integrators ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("leapfrog", 2), ("yoshida4", 4)])
def test_integrators_have_their_order(name, order):
    x, v = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    missed = [abs(float(integrate(x, v, lambda y: -y, 2.0, n, name)[0]) - np.cos(2.0)) for n in (40, 80)]
    assert abs(np.log2(missed[0] / missed[1]) - order) < 0.1


@pytest.mark.parametrize("name", ["leapfrog", "yoshida4"])
def test_symmetric_integrators_are_undone_by_a_negative_span(name):
    field = charged().field(states(charged())[2])
    x, v, _ = (a.permute(1, 2, 0) for a in states(charged()))
    y, w = integrate(x, v, field, 0.3, 20, name)
    back, _ = integrate(y, w, field, -0.3, 20, name)
    assert float((back - x).detach().abs().max()) < 1e-9
    y, w = integrate(x, v, field, 0.3, 20, "euler")
    assert float((integrate(y, w, field, -0.3, 20, "euler")[0] - x).detach().abs().max()) > 1e-6


@pytest.mark.parametrize("name", list(INTEGRATORS))
def test_integrators_are_symplectic(name):
    """JᵀΩJ = Ω for the derivative J of the map."""
    s = states(heavy())[2][:1]
    law = heavy().with_values(m_i=0.0, m_j=0.0)
    x, v = (a[:1] for a in states(law, d=2)[:2])

    def flow(z):
        a, b = (y.reshape(5, 2, 1) for y in z.split(10))
        return torch.cat([y.reshape(-1) for y in integrate(a, b, law.field(s), 0.5, 7, name)])

    j = torch.autograd.functional.jacobian(flow, torch.cat([x.reshape(-1), v.reshape(-1)]))
    omega = torch.kron(torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64), torch.eye(10, dtype=torch.float64))
    assert float((j.T @ omega @ j - omega).abs().max() / j.square().max()) < EXACT


def test_unknown_integrators_and_substeps():
    x = torch.zeros(1)
    with pytest.raises(UnknownNameError):
        integrate(x, x, lambda y: -y, 1.0, 10, "rk4")
    with pytest.raises(ParameterError):
        integrate(x, x, lambda y: -y, 1.0, 0)


# --- numbers found again ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "planted",
    [
        {"c_q": 0.7, "c0": 0.2, "m_j": 1.0, "m_i": -1.0, "e": -1.0, "softening²": 0.01},
        {"c_q": -0.4, "c0": 0.0, "m_j": 0.0, "m_i": -0.5, "e": -2.0, "softening²": 0.04},
        {"c_q": 0.0, "c0": -0.8, "m_j": 1.5, "m_i": 0.0, "e": 0.3, "softening²": 0.0},
    ],
)
def test_planted_laws_are_found_from_displacements(planted):
    true = PairwiseLaw(["q"], ["m"]).with_values(**planted)
    x, v, s = states(true, batch=120, seed=1)
    y, _ = NBodyDynamics(true, 0.5, "leapfrog", 20).predict(x, v, s)
    law = PairwiseLaw(["q"], ["m"])
    samples = BodySamples.of(law, x, v, s, y, None, 0.5)
    start_law(law, samples)
    learned = torch.ones(len(law.names), dtype=torch.bool)
    learned[-1] = False
    polish = polish_law(NBodyDynamics(law, 0.5, "leapfrog", 20), samples, learned, steps=25)
    assert polish.costs[-1] <= polish.costs[0]
    for name, value in planted.items():
        assert law.value(name) == pytest.approx(value, abs=1e-5), (name, law)


def test_standard_errors_cover_the_truth_under_noise():
    true = PairwiseLaw(["q"]).with_values(c_q=1.0, e=-1.0, **{"softening²": 0.05})
    x, v, s = states(true, batch=200, seed=2)
    y, _ = NBodyDynamics(true, 0.5, "leapfrog", 20).predict(x, v, s)
    misses = []
    for seed in range(8):
        law = PairwiseLaw(["q"]).with_values(c_q=0.9, e=-1.1, **{"softening²": 0.05})
        noisy = y + 0.01 * torch.randn(y.shape, generator=torch.Generator().manual_seed(seed), dtype=y.dtype)
        learned = torch.tensor([n in ("c0", "c_q", "e") for n in law.names])
        polish_law(NBodyDynamics(law, 0.5, "leapfrog", 20), BodySamples.of(law, x, v, s, noisy, None, 0.5), learned, 8)
        errors = law.errors[learned]
        assert (errors > 0).all()
        misses.append(((law.theta.detach() - true.theta.detach())[learned] / errors).abs())
    typical = float(torch.stack(misses).square().mean().sqrt())
    assert 0.5 < typical < 2.0, "24 standardised errors: their root mean square is one, give or take a third"
