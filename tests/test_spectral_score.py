"""The spectral score: it is theory's formula, counts planted dimensions, ignores bases, gives noise nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from groups_zoo import ZOO, Case
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh

from geodis.errors import ParameterError, ShapeError
from geodis.groups import GL, SE, SO2, SO3, AbstractGroup, Cyclic, Lorentz, Representation, Scaling
from geodis.training import pair_score, spectral_score
from geodis.training.spectral_score import _heldout, _pair_losses

COMPACT = [case for case in ZOO if case.make().compact and case.make().order != 1]
EXACT = 1e-9  # ridge that is there for the factorization alone
PAIRED = {
    "Scaling": (Scaling(0.5), ["a=1", "a=-1"]),
    "Lorentz": (Lorentz(), ["vector", "bivector"]),
    "GL(2)": (GL(2), ["V", "V*"]),
    "GL(3)": (GL(3), ["V"]),
    "SO2 limited": (SO2(), ["m=1"]),
    "SO3 limited": (SO3(), ["l=1"]),
}


def acting(group: AbstractGroup, max_order: int) -> list[Representation]:
    return [rep for rep in group.irreps(max_order) if not rep.trivial]


def elements(group: AbstractGroup, n: int, m: int, seed: int = 0) -> torch.Tensor:
    """A Haar-like design; the full orbit of a small group."""
    return torch.as_tensor(group.orbit(n, m, seed=seed))


def small_elements(name: str, n: int, m: int) -> torch.Tensor:
    """What calls for pairs: draws from a non-compact group, or from a part of a compact one."""
    group = PAIRED[name][0]
    rng = np.random.default_rng(0)
    if group.compact:
        return torch.as_tensor(rng.uniform(-0.7, 0.7, size=(n, m, group.n_params)))
    return torch.as_tensor(group.orbit(n, m, seed=rng))


def planted(reps: list[Representation], params: torch.Tensor, copies: int = 1, seed: int = 1) -> torch.Tensor:
    """⊕ ρ(g_ij) c_i: (n, m, Σ copies·d)."""
    rng, parts = torch.Generator().manual_seed(seed), []
    for rep in reps:
        rho = rep.matrices(params)
        for _ in range(copies):
            c = torch.randn(len(params), 1, rep.dim, 1, generator=rng, dtype=params.dtype)
            parts.append((rho @ c)[..., 0])
    return torch.cat(parts, dim=-1)


def noise(n: int, m: int, width: int, seed: int = 2) -> torch.Tensor:
    return torch.randn(n, m, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- it is the formula ------------------------------------------------------------------------------------------------
def spectral_by_hand(h: np.ndarray, params: np.ndarray, reps: list[Representation]) -> float:
    """Theory §2, item by item in real arithmetic: S = mean_i [m MᵀM − I⊗C]/(m − 1), S w = λ T w."""
    n, m, width = h.shape
    h = h - h.mean((0, 1))
    total = 0.0
    for rep in reps:
        d = rep.dim
        s, t = np.zeros((d * width, d * width)), np.kron(np.eye(d), np.einsum("nme,nmf->ef", h, h) / (n * m))
        for z, g in zip(h, params, strict=True):
            rho = np.asarray(rep(g))
            coefficient = np.mean([np.kron(r.T, x[None]) for r, x in zip(rho, z, strict=True)], axis=0)
            s += (m * coefficient.T @ coefficient - np.kron(np.eye(d), z.T @ z / m)) / (m - 1) / n
        values = eigh(s, t, eigvals_only=True)
        total += d / rep.commutant_dim * (np.maximum(values, 0) ** 2).sum()
    return total


def pair_forms_by_hand(
    h: np.ndarray, params: np.ndarray, rep: Representation, group: AbstractGroup
) -> tuple[np.ndarray, np.ndarray]:
    """L and I of theory §5, pair by pair, with the offset as an unknown that is eliminated."""
    m, width = h.shape[1:]
    d = rep.dim
    loss, still, sum_of_weights = np.zeros((d * (width + 1),) * 2), np.zeros((d * width,) * 2), 0.0
    for z, g in zip(h, params, strict=True):
        for j in range(m):
            for k in range(m):
                if j == k:
                    continue
                rho = np.asarray(rep(group.compose(g[k], group.inverse(g[j]))))
                omega = 2 / (1 + (rho**2).sum() / d)
                row = np.hstack([np.kron(np.eye(d), z[k][None]) - np.kron(rho, z[j][None]), np.eye(d) - rho])
                loss += omega * row.T @ row
                still += omega * np.kron(np.eye(d), np.outer(z[k] - z[j], z[k] - z[j]))
                sum_of_weights += omega
    w, b = slice(0, d * width), slice(d * width, None)
    reduced = loss[w, w] - loss[w, b] @ np.linalg.pinv(loss[b, b]) @ loss[b, w]
    return reduced / sum_of_weights, still / sum_of_weights


def pair_by_hand(h: np.ndarray, params: np.ndarray, reps: list[Representation], group: AbstractGroup) -> float:
    """Solved on every second item, scored on the others, both ways."""
    total = 0.0
    for rep in reps:
        forms = [pair_forms_by_hand(h[k::2], params[k::2], rep, group) for k in (0, 1)]
        for (loss, still), (other_loss, other_still) in (forms, forms[::-1]):
            promised, w = eigh(still - loss, still + loss)
            w = w[:, promised > 0]
            gain, size = (
                np.einsum("ar,ab,br->r", w, x, w) for x in (other_still - other_loss, other_still + other_loss)
            )
            total += rep.dim / rep.commutant_dim * (gain * np.abs(gain) / size**2).sum() / 2
    return total


@pytest.mark.parametrize("group", [SO2(), SO3(), Cyclic(5), SO2() * Cyclic(3)], ids=str)
def test_the_score_is_the_formula(group: AbstractGroup) -> None:
    params, reps = elements(group, 12, 5), acting(group, 1)
    h = planted(reps[:1], params) @ noise(1, reps[0].dim, 4)[0] + 0.3 * noise(12, params.shape[1], 4)
    expected = spectral_by_hand(h.numpy(), params.numpy(), reps)
    assert expected > 0.1
    assert float(spectral_score(h, params, reps, ridge=EXACT)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", PAIRED)
def test_the_pair_score_is_the_formula(name: str) -> None:
    group, names = PAIRED[name]
    params, reps = small_elements(name, 8, 4), [group.irrep(x) for x in names]
    h = planted(reps[:1], params) @ noise(1, reps[0].dim, 4)[0] + 0.3 * noise(8, 4, 4) + 5.0
    expected = pair_by_hand(h.numpy(), params.numpy(), reps, group)
    assert abs(expected) > 0.1
    assert float(pair_score(h, params, reps, ridge=EXACT)) == pytest.approx(expected, rel=1e-5)


# --- it counts --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", COMPACT, ids=str)
def test_it_counts_planted_dimensions(case: Case) -> None:
    """One copy of the first irreps, in a random basis beside invariants: Σ d, in all zoo groups."""
    group = case.make()
    reps = acting(group, min(case.max_order, 2))
    chosen = sorted((rep for rep in reps if rep.dim <= 6), key=lambda rep: rep.dim)[:2]
    params = elements(group, 400, 12)
    code = planted(chosen, params)
    invariant = noise(400, 1, 2).expand(-1, params.shape[1], -1)
    mixed = torch.cat([code, invariant], dim=-1) @ noise(1, code.shape[-1] + 2, code.shape[-1] + 2)[0]
    assert float(spectral_score(mixed, params, chosen, ridge=EXACT)) == pytest.approx(code.shape[-1], rel=0.03)
    assert float(spectral_score(invariant, params, chosen)) < 0.1
    if group.order == 2:  # both labellings of a swap are right
        return
    order = noise(400, params.shape[1], 1).argsort(1).expand(-1, -1, params.shape[2])
    assert float(spectral_score(mixed, params.gather(1, order), chosen)) < 0.35 * code.shape[-1]


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.parametrize("copies", [1, 2])
def test_pairs_count_planted_dimensions(name: str, copies: int) -> None:
    group, names = PAIRED[name]
    reps = [group.irrep(names[0])]
    params = small_elements(name, 100, 4)
    code = planted(reps, params, copies)
    invariant = noise(100, 1, 2).expand(-1, 4, -1)
    mixed = torch.cat([code, invariant], dim=-1) @ noise(1, code.shape[-1] + 2, code.shape[-1] + 2)[0]
    found = float(pair_score(mixed, params, reps, ridge=EXACT))
    # Other directions that follow by chance fail on the other half of the items, and count against.
    assert 0.96 * code.shape[-1] < found < 1.001 * code.shape[-1]
    assert float(pair_score(invariant, params, reps)) < 1e-6


def test_copies_of_quaternionic_type_count_once() -> None:
    """Q8 on H = R⁴: four solutions a copy, four dimensions."""
    units = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    left = np.array([[[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]] for w, x, y, z in units])
    table = torch.as_tensor(np.concatenate([left, -left]))
    rep = Representation("H", 4, lambda g: table[g[..., 0].long()], type="quaternionic")
    params = torch.arange(8.0, dtype=torch.float64).repeat(60, 1)[..., None]
    h = planted([rep], params)
    assert float(spectral_score(h, params, [rep], ridge=EXACT)) == pytest.approx(4.0, rel=1e-5)
    assert float(pair_score(h, params, [rep], ridge=EXACT)) == pytest.approx(4.0, rel=1e-5)


@pytest.mark.parametrize("group", [SO2(), SO3(), Cyclic(12)], ids=str)
def test_noise_is_worth_nothing_in_the_limit(group: AbstractGroup) -> None:
    found = []
    for n in (40, 400, 4000):
        params = elements(group, n, 6)
        found.append(float(spectral_score(noise(n, params.shape[1], 6), params, acting(group, 2))))
    assert found[0] > 3 * found[1] > 9 * found[2]  # squares of energies fall as 1/n
    assert found[2] < 0.05


@pytest.mark.parametrize("name", ["Scaling", "Lorentz", "GL(3)"])
def test_pairs_of_noise_are_worth_nothing_in_the_limit(name: str) -> None:
    group, names = PAIRED[name]
    reps, found = [group.irrep(x) for x in names], []
    for n in (40, 400, 4000):
        params = small_elements(name, n, 4)
        found.append(float(pair_score(noise(n, 4, 4), params, reps)))
    assert abs(found[2]) < 0.05
    assert abs(found[2]) < 0.5 * abs(found[0]) + 1e-3


# --- invariances ------------------------------------------------------------------------------------------------------
@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), log_scale=st.floats(-3, 3), shift=st.floats(-5, 5))
def test_it_does_not_depend_on_the_basis(seed: int, log_scale: float, shift: float) -> None:
    group, params = SO3(), elements(SO3(), 30, 5)
    h = planted(acting(group, 1), params) + 0.5 * noise(30, 5, 3)
    basis = 10**log_scale * noise(1, 3, 3, seed)[0]
    if torch.linalg.cond(basis) > 1e3:
        return
    for score, g in ((spectral_score, group), (pair_score, group), (pair_score, GL(3))):
        reps = acting(g, 1)[:1]
        p = params if g is group else small_elements("GL(3)", 30, 5)
        expected = float(score(h, p, reps, ridge=1e-12))
        assert float(score((h + shift) @ basis, p, reps, ridge=1e-12)) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_it_depends_on_steps_alone() -> None:
    """g_ij → g_ij·a_i changes items' frames, not the score."""
    for score, group in ((spectral_score, SO3()), (pair_score, GL(3)), (pair_score, Lorentz())):
        params, reps = elements(group, 20, 4), acting(group, 1)
        h = planted(reps[:1], params) + 0.3 * noise(20, 4, reps[0].dim)
        turned = torch.as_tensor(group.compose(params, torch.as_tensor(group.sample(20, 9))[:, None]))
        assert float(score(h, turned, reps)) == pytest.approx(float(score(h, params, reps)), rel=1e-6)


# --- gradients --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("group", [SO2(), SO3()], ids=str)
def test_gradients(group: AbstractGroup) -> None:
    params, reps = elements(group, 5, 4), acting(group, 2)
    h = (planted(reps[:1], params) + 0.5 * noise(5, 4, reps[0].dim)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: spectral_score(x, params, reps), (h,), atol=1e-5)


@pytest.mark.parametrize("name", PAIRED)
def test_gradients_of_pairs_are_those_at_fixed_solutions(name: str) -> None:
    """Scored items move, the solutions of the others do not."""
    group, names = PAIRED[name]
    params, rep = small_elements(name, 10, 3), group.irrep(names[0])
    halves = [rep.matrices(params[k::2]) for k in (0, 1)]
    h = planted([rep], params) + 0.3 * noise(10, 3, rep.dim)
    solved = [_pair_losses(h[k::2], halves[k]) for k in (0, 1)]

    def at_fixed_solutions(x: torch.Tensor) -> torch.Tensor:
        found = [_heldout(solved[1 - k], _pair_losses(x[k::2], halves[k]), 1e-3) for k in (0, 1)]
        return rep.dim / rep.commutant_dim / 2 * (torch.cat(found) * torch.cat(found).abs()).sum()

    moving, expected = (h.clone().requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(at_fixed_solutions, (expected,), atol=1e-5)
    pair_score(moving, params, [rep]).backward()
    at_fixed_solutions(expected).backward()
    np.testing.assert_allclose(moving.grad, expected.grad, atol=1e-9)


def test_a_feature_on_one_item_scores_nothing() -> None:
    """Any block fits a single item exactly; in sample a network could fill its features with such items."""
    group = GL(3)
    params, rep = elements(group, 100, 3), group.irrep("V")
    h = 1e-2 * noise(100, 3, 4)
    for feature in range(4):
        h[feature, :, feature] *= 1e4
    in_sample = pair_forms_by_hand(h.numpy(), params.numpy(), rep, group)
    best = eigh(in_sample[1] - in_sample[0], sum(in_sample), eigvals_only=True)
    in_sample_score = 3 * (best.clip(0) ** 2).sum()
    assert in_sample_score > 3.0 > 0.3 > float(pair_score(h, params, [rep]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("score", [spectral_score, pair_score])
@pytest.mark.parametrize("kind", ["zero", "constant", "one direction", "invariant", "two exact copies", "tiny"])
def test_degenerate_features_have_finite_gradients(score, kind: str, dtype: torch.dtype) -> None:
    group = SO2()
    params = elements(group, 10, 4)
    exact = planted([group.irrep("m=1")], params, 2)
    h = {
        "zero": torch.zeros(10, 4, 4),
        "constant": torch.ones(10, 4, 4),
        "one direction": noise(10, 4, 1).expand(-1, -1, 4),
        "invariant": noise(10, 1, 4).expand(-1, 4, -1),
        "two exact copies": exact,
        "tiny": 1e-12 * exact,
    }[kind]
    h = h.to(dtype).clone().requires_grad_()
    value = score(h, params, acting(group, 2))
    value.backward()
    value = value.detach()
    assert torch.isfinite(value)
    assert h.grad is not None
    assert torch.isfinite(h.grad).all()
    assert value.dtype == dtype
    least = {"two exact copies": 3.9, "tiny": 3.9}.get(kind, -1e-6)
    assert float(value) >= least
    if kind in ("zero", "constant"):
        assert float(value) < 1e-3


# --- malformed --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("score", [spectral_score, pair_score])
def test_malformed_input(score) -> None:
    group = SO2()
    params, reps = elements(group, 6, 4), acting(group, 1)
    with pytest.raises(ShapeError):
        pair_score(torch.zeros(1, 4, 3), params[:1], reps)
    for h in (torch.zeros(6, 4), torch.zeros(6, 1, 3), torch.zeros(24, 3)):
        with pytest.raises(ShapeError):
            score(h, params, reps)
    for wrong in (params[:5], params[:, :3], params.reshape(24, 1)):
        with pytest.raises(ShapeError):
            score(torch.zeros(6, 4, 3), wrong, reps)
    with pytest.raises(ParameterError, match="irreps"):
        score(torch.zeros(6, 4, 3), params, [])
    with pytest.raises(ParameterError, match="position"):
        score(torch.zeros(6, 4, 3), elements(SE(2), 6, 4), SE(2).affine_representations())


def test_the_haar_score_refuses_representations_that_are_not_orthogonal() -> None:
    with pytest.raises(ParameterError, match="orthogonal"):
        spectral_score(torch.zeros(6, 4, 3), elements(GL(3), 6, 4), [GL(3).irrep("V")])
