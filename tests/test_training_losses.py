"""The self-supervised losses: each equals its definition, keeps its symmetry, and tells what breaks it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis.errors import FiniteError, ParameterError, ShapeError
from geodis.groups import SO2, SO3, Cyclic, Lorentz, Scaling
from geodis.linalg import to_tensor
from geodis.training import (
    absolute,
    alignment,
    by_energy,
    by_motion,
    canonical_codes,
    canonical_info_nce,
    covariance_penalty,
    info_nce,
    noise_weights,
    nt_xent,
    pair_prediction_loss,
    prediction_loss,
    variance_hinge,
    vicreg,
    weighted_sum,
)

FEW = settings(max_examples=25, deadline=None)
SIZES = {"n": st.integers(2, 6), "d": st.integers(1, 5), "seed": st.integers(0, 999)}


def draw(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def orthogonal(d, seed=0):
    return torch.linalg.qr(draw(d, d, seed=seed))[0]


def close(a, b, tol=1e-12):
    a, b = float(to_tensor(a).detach()), float(to_tensor(b).detach())
    assert abs(a - b) <= tol * max(1.0, abs(b)), (a, b)


# --- definitions, transcribed as loops --------------------------------------------------------------------------------
def cosine(x, y):
    return math.fsum(x * y) / math.sqrt(math.fsum(x * x) * math.fsum(y * y))


def info_nce_by_loops(a, b, tau, extra=()):
    total = 0.0
    for i in range(len(a)):
        candidates = [math.exp(cosine(a[i], v) / tau) for v in [*b, *extra]]
        total -= math.log(candidates[i] / math.fsum(candidates))
    return total / len(a)


def nt_xent_by_loops(a, b, tau):
    rows, n = [*a, *b], len(a)
    total = 0.0
    for i, row in enumerate(rows):
        others = {k: math.exp(cosine(row, v) / tau) for k, v in enumerate(rows) if k != i}
        total -= math.log(others[(i + n) % (2 * n)] / math.fsum(others.values()))
    return total / (2 * n)


def canonical_by_loops(u, tau):
    n, m, _ = u.shape
    terms = []
    for i in range(n):
        for j in range(m):
            near = [math.exp(-((u[i, j] - v) ** 2).sum() / tau) for v in u[i]]
            far = math.fsum(
                math.exp(-((u[i, j] - u[k, v]) ** 2).sum() / tau) for k in range(n) for v in range(m) if k != i
            )
            terms += [-math.log(near[k] / (near[k] + far)) for k in range(m) if k != j]
    return math.fsum(terms) / len(terms)


def variance_by_loops(z, gamma, eps):
    n, d = z.shape
    spreads = [math.sqrt(sum((x - z[:, k].mean()) ** 2 for x in z[:, k]) / (n - 1) + eps) for k in range(d)]
    return sum(max(0.0, gamma - s) for s in spreads) / d


def covariance_by_loops(z):
    n, d = z.shape
    centred = [z[:, k] - z[:, k].mean() for k in range(d)]
    pairs = [(x, y) for i, x in enumerate(centred) for j, y in enumerate(centred) if i != j]
    return sum((sum(x * y) / (n - 1)) ** 2 for x, y in pairs) / d


def prediction_by_loops(c, gc, rho, size, weights):
    above = below = 0.0
    for x, y, r, w in zip(c, gc, rho, weights, strict=True):
        above += w * sum((y - r @ x) ** 2)
        below += w * size(x, y, r @ x)
    return above / below


@given(**SIZES, tau=st.floats(0.2, 2.0))
@FEW
def test_contrastive_losses_are_their_definitions(n, d, seed, tau):
    a, b = draw(n, d, seed=seed), draw(n, d, seed=seed + 1)
    extra = draw(3, d, seed=seed + 2)
    close(info_nce(a, b, tau), info_nce_by_loops(a.numpy(), b.numpy(), tau))
    close(info_nce(a, b, tau, extra), info_nce_by_loops(a.numpy(), b.numpy(), tau, extra.numpy()))
    close(nt_xent(a, b, tau), nt_xent_by_loops(a.numpy(), b.numpy(), tau))


@given(**SIZES, m=st.integers(2, 4), tau=st.floats(0.5, 3.0))
@FEW
def test_the_canonical_loss_is_its_definition(n, d, seed, m, tau):
    u = draw(n, m, d, seed=seed)
    close(canonical_info_nce(u, tau), canonical_by_loops(u.numpy(), tau))


@given(**SIZES)
@FEW
def test_vicreg_is_its_definition(n, d, seed):
    a, b = draw(n, d, seed=seed), draw(n, d, seed=seed + 1)
    x, y = a.numpy(), b.numpy()
    close(variance_hinge(a, 1.5, 1e-3), variance_by_loops(x, 1.5, 1e-3))
    close(covariance_penalty(a), covariance_by_loops(x))
    close(alignment(a, b), sum(sum((p - q) ** 2) for p, q in zip(x, y, strict=True)) / n)
    parts = 5 * alignment(a, b) + 3 * (variance_hinge(a) + variance_hinge(b))
    close(vicreg(a, b, 5.0, 3.0, 2.0), parts + 2 * (covariance_penalty(a) + covariance_penalty(b)))


LOOP_SIZES = {
    by_energy: lambda x, y, p: y @ y + p @ p,
    by_motion: lambda x, y, p: (y - x) @ (y - x) + (y - p) @ (y - p),
    absolute: lambda x, y, p: 1.0,
}


@pytest.mark.parametrize("normaliser", LOOP_SIZES, ids=lambda f: f.__name__)
@given(**SIZES)
@FEW
def test_prediction_is_its_definition(normaliser, n, d, seed):
    c, gc, rho = draw(n, d, seed=seed), draw(n, d, seed=seed + 1), draw(n, d, d, seed=seed + 2)
    w = draw(n, seed=seed + 3).abs()
    numbers = [x.numpy() for x in (c, gc, rho)]
    close(prediction_loss(c, gc, rho, normaliser, w), prediction_by_loops(*numbers, LOOP_SIZES[normaliser], w.numpy()))
    inverse = torch.linalg.inv(rho)
    both = [torch.cat(pair).numpy() for pair in ((c, gc), (gc, c), (rho, inverse))]
    weights = [2 / (1 + (r**2).sum() / d) for r in both[2]]
    expected = prediction_by_loops(*both, LOOP_SIZES[normaliser], weights)
    close(pair_prediction_loss(c, gc, rho, normaliser), expected, 1e-9 * max(1.0, np.linalg.cond(rho.numpy()).max()))


# --- symmetries, each with a map that is none -------------------------------------------------------------------------
def on_views(loss):
    return lambda a, b: loss(torch.stack([a, b], dim=1))


# loss(a, b) and what it keeps: maps of the rows a ↦ move(a)
MOVES = {
    "rotation": lambda x: x @ orthogonal(x.shape[-1], 7).T,
    "scale": lambda x: 3.0 * x,
    "row scales": lambda x: x * torch.arange(1.0, len(x) + 1, dtype=x.dtype)[:, None],
    "translation": lambda x: x + torch.arange(1.0, x.shape[-1] + 1, dtype=x.dtype),
    "signs and order of axes": lambda x: (x * torch.tensor([1.0, -1.0, 1.0], dtype=x.dtype))[:, [2, 0, 1]],
    "order of items": lambda x: x[torch.arange(len(x) - 1, -1, -1)],
    "shear": lambda x: x @ torch.tensor([[1.0, 0.9, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=x.dtype),
}
KEPT = {
    "info_nce": (lambda a, b: info_nce(a, b, 0.5), {"rotation", "scale", "row scales", "order of items"}),
    "nt_xent": (nt_xent, {"rotation", "scale", "row scales", "order of items"}),
    "canonical_info_nce": (on_views(canonical_info_nce), {"rotation", "translation", "order of items"}),
    "alignment": (alignment, {"rotation", "translation", "order of items"}),
    "variance_hinge": (lambda a, b: variance_hinge(a, 3.0), {"translation", "order of items"}),
    "covariance_penalty": (lambda a, b: covariance_penalty(a), {"translation", "order of items"}),
    "vicreg": (lambda a, b: vicreg(a, b, target=3.0), {"translation", "order of items"}),
}
AXES = "signs and order of axes"  # a rotation too, hence kept by all


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", KEPT)
def test_a_loss_keeps_its_symmetries_and_no_other(name, move):
    loss, kept = KEPT[name]
    a, b = draw(6, 3, seed=1), draw(6, 3, seed=2)
    before, after = loss(a, b), loss(MOVES[move](a), MOVES[move](b))
    if move in kept | {AXES}:
        close(after, before, 1e-12)
    else:
        assert abs(after - before) > 1e-3


@pytest.mark.parametrize("name", ["info_nce", "nt_xent", "canonical_info_nce", "alignment", "vicreg"])
def test_matched_views_beat_mismatched_ones(name):
    loss, _ = KEPT[name]
    a = 3 * draw(8, 3, seed=1)
    near = a + 0.01 * draw(8, 3, seed=2)
    assert loss(a, near) < loss(a, near.roll(1, 0)) - 0.1


def test_which_losses_exchange_their_views():
    a, b = draw(6, 3, seed=1), draw(6, 3, seed=2)
    for loss in (nt_xent, alignment, vicreg, on_views(canonical_info_nce)):
        close(loss(a, b), loss(b, a))
    assert abs(info_nce(a, b) - info_nce(b, a)) > 1e-3


def test_views_of_an_item_have_no_order():
    u = draw(4, 3, 2)
    close(canonical_info_nce(u), canonical_info_nce(u[:, [2, 0, 1]]))
    swapped = u.clone()
    swapped[0, 0], swapped[1, 0] = u[1, 0], u[0, 0]
    assert abs(canonical_info_nce(u) - canonical_info_nce(swapped)) > 1e-3


@pytest.mark.parametrize("n", [2, 5])
def test_chance_is_the_number_of_candidates(n):
    same = torch.ones(n, 3, dtype=torch.float64)
    close(info_nce(same, same).exp(), n)
    close(info_nce(same, same, 0.1, same[:2]).exp(), n + 2)
    close(nt_xent(same, same).exp(), 2 * n - 1)
    close(canonical_info_nce(same[:, None].expand(n, 4, 3)).exp(), 1 + 4 * (n - 1))


def test_the_variance_hinge_sees_collapse_and_the_covariance_penalty_sees_copies():
    z = 2 * draw(200, 3)
    assert variance_hinge(z) == 0
    close(variance_hinge(0 * z), 1.0 - 1e-2)
    flat = z.clone()
    flat[:, 1] = 5.0
    close(variance_hinge(flat), (1.0 - 1e-2) / 3)
    white = torch.linalg.qr(z - z.mean(0))[0] * math.sqrt(199)
    assert covariance_penalty(white) < 1e-24
    close(covariance_penalty(white[:, [0, 0, 1]]), 2 / 3, 1e-9)


# --- prediction -------------------------------------------------------------------------------------------------------
REPRESENTATIONS = {
    "SO2 m=2": (SO2(), "m=2"),
    "SO3 l=2": (SO3(), "l=2"),
    "C5 k=1": (Cyclic(5), "k=1"),
    "scaling a=1": (Scaling(), "a=1"),
    "Lorentz": (Lorentz(), "vector"),
}


def orbit_pairs(name, n=6):
    """Codes on exact orbits, ρ(g_k g_j⁻¹) from one to the other, and ρ of all rows."""
    group, irrep = REPRESENTATIONS[name]
    rho = torch.from_numpy(group.irrep(irrep)(group.sample(2 * n, seed=3)))
    start = draw(n, rho.shape[-1], seed=4).repeat(2, 1)
    rows = (rho @ start[..., None])[..., 0]
    return rows[:n], rows[n:], rho[n:] @ torch.linalg.inv(rho[:n]), rows, rho


@pytest.mark.parametrize("normaliser", LOOP_SIZES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_prediction_is_exact_on_orbits_and_only_there(name, normaliser):
    c, gc, step, _, _ = orbit_pairs(name)
    for loss in (prediction_loss, pair_prediction_loss):
        assert loss(c, gc, step, normaliser) < 1e-22
        for wrong in ((c, gc.roll(1, 0), step), (c, gc, step.roll(1, 0)), (c, gc + 1.0, step)):
            assert loss(*wrong, normaliser) > 1e-3


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_canonical_codes_undo_the_action(name):
    _, _, _, rows, rho = orbit_pairs(name)
    u = canonical_codes(rows, rho)
    torch.testing.assert_close(u[:6], u[6:], rtol=1e-10, atol=1e-10)
    assert (rows[:6] - rows[6:]).abs().max() > 0.1


@pytest.mark.parametrize("name", ["SO2 m=2", "SO3 l=2", "C5 k=1"])
@pytest.mark.parametrize("normaliser", LOOP_SIZES, ids=lambda f: f.__name__)
def test_an_orthogonal_action_has_one_error_in_both_directions(name, normaliser):
    c, gc, step, _, _ = orbit_pairs(name)
    gc = gc + 0.3 * draw(*gc.shape, seed=5)
    torch.testing.assert_close(noise_weights(step), torch.ones(6, dtype=step.dtype))
    there = prediction_loss(c, gc, step, normaliser)
    close(prediction_loss(gc, c, step.mT, normaliser), there)
    close(pair_prediction_loss(c, gc, step, normaliser), there)


def test_directions_of_a_stretching_action_differ_and_are_balanced():
    c, gc, step, _, _ = orbit_pairs("Lorentz")
    gc = gc + 0.3 * draw(*gc.shape, seed=5)
    back = torch.linalg.inv(step)
    assert abs(prediction_loss(c, gc, step) - prediction_loss(gc, c, back)) > 1e-3
    close(pair_prediction_loss(c, gc, step), pair_prediction_loss(gc, c, back), 1e-9)


def test_prediction_keeps_scale_and_commuting_rotations():
    c, gc, step, _, _ = orbit_pairs("SO2 m=2")
    gc = gc + 0.3 * draw(*gc.shape, seed=5)
    turn, mirror = torch.from_numpy(SO2().irrep("m=1")([0.7])), torch.diag(torch.tensor([1.0, -1.0], dtype=c.dtype))
    for normaliser in (by_energy, by_motion):
        before = prediction_loss(c, gc, step, normaliser)
        close(prediction_loss(5 * c, 5 * gc, step, normaliser), before)
        close(prediction_loss(c @ turn.T, gc @ turn.T, step, normaliser), before)
        assert abs(prediction_loss(c @ mirror, gc @ mirror, step, normaliser) - before) > 1e-2
    close(prediction_loss(5 * c, 5 * gc, step, absolute), 25 * prediction_loss(c, gc, step, absolute))


def test_neither_collapse_nor_invariance_is_rewarded():
    c, _, step, _, _ = orbit_pairs("SO2 m=2")
    nothing = torch.zeros_like(c)
    assert prediction_loss(nothing, nothing, step) == 1
    assert prediction_loss(nothing, nothing, step, by_motion) == 1
    close(prediction_loss(c, c, step, by_motion), 1.0)
    close(prediction_loss(draw(4000, 2, seed=8), draw(4000, 2, seed=9), torch.eye(2)), 1.0, 0.05)  # chance
    assert prediction_loss(nothing, nothing, step, absolute) == 0  # as its docstring warns


# --- gradients --------------------------------------------------------------------------------------------------------
RHO = draw(4, 3, 3, seed=6)
DIFFERENTIABLE = {
    "info_nce": lambda a, b: info_nce(a, b, 0.5),
    "info_nce with negatives": lambda a, b: info_nce(a, b[:], 0.5, b[:2] + 1),
    "nt_xent": nt_xent,
    "learned temperature": lambda a, b: nt_xent(a, b, b.square().mean()),
    "canonical_info_nce": on_views(canonical_info_nce),
    "alignment": alignment,
    "variance_hinge": lambda a, b: variance_hinge(a, 5.0),
    "covariance_penalty": lambda a, b: covariance_penalty(a),
    "vicreg": vicreg,
    "prediction": lambda a, b: prediction_loss(a, b, RHO),
    "prediction by motion": lambda a, b: prediction_loss(a, b, RHO, by_motion),
    "learned operators": lambda a, b: pair_prediction_loss(a[:3], b[:3], 3 * torch.eye(3, dtype=a.dtype) + b[:3]),
    "canonical_codes": lambda a, b: canonical_codes(a, 3 * torch.eye(3, dtype=a.dtype) + b[:3]).square().sum(),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_are_right(name):
    a, b = draw(4, 3, seed=1).requires_grad_(), draw(4, 3, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(DIFFERENTIABLE[name], (a, b), atol=1e-7, rtol=1e-5)


def test_the_gradient_check_sees_a_wrong_one():
    detached = lambda a: (a * a.detach()).sum()  # noqa: E731
    assert not torch.autograd.gradcheck(detached, draw(3).requires_grad_(), raise_exception=False)


DEGENERATE = {
    "zeros": (torch.zeros(4, 3), torch.zeros(4, 3)),
    "identical rows": (torch.ones(4, 3), torch.ones(4, 3)),
    "one zero row": (torch.eye(4, 3), torch.eye(4, 3)),
    "tiny": (1e-30 * torch.eye(4, 3) + 1e-30, 1e-30 * torch.ones(4, 3)),
    "opposite": (torch.ones(4, 3), -torch.ones(4, 3)),
}
UNSCALED = ("learned temperature", "learned operators", "canonical_codes")  # these divide by what is zero here


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("name", [name for name in DIFFERENTIABLE if name not in UNSCALED])
def test_losses_and_gradients_are_finite_where_codes_degenerate(name, case):
    a, b = (x.double().requires_grad_() for x in DEGENERATE[case])
    loss = DIFFERENTIABLE[name](a, b)
    found = torch.autograd.grad(loss, (a, b), allow_unused=True)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(g).all() for g in found if g is not None)


def test_large_logits_do_not_overflow():
    z = torch.eye(3).repeat(1, 2)
    assert info_nce(z, z, 1e-4) == 0
    assert torch.isfinite(nt_xent(z, -z, 1e-4))
    assert torch.isfinite(canonical_info_nce(1e4 * torch.stack([z, z.roll(1, 0)], 1)))
    assert info_nce(1e30 * z, 1e30 * z, 0.01) == info_nce(z, z, 0.01)


# --- the hybrid -------------------------------------------------------------------------------------------------------
def test_a_weighted_sum_adds_values_and_gradients():
    a, b = draw(4, 3, seed=1).requires_grad_(), draw(4, 3, seed=2)
    loss = weighted_sum({"x": (0.5, nt_xent), "y": (-2.0, alignment), "off": (0.0, vicreg)})
    total, parts = loss(a, b)
    close(total, 0.5 * nt_xent(a, b) - 2.0 * alignment(a, b))
    assert list(parts) == ["x", "y", "off"]
    assert parts["off"] == vicreg(a, b)
    assert not any(part.requires_grad for part in parts.values())
    (found,) = torch.autograd.grad(total, a)
    (expected,) = torch.autograd.grad(0.5 * nt_xent(a, b) - 2.0 * alignment(a, b), a)
    torch.testing.assert_close(found, expected)


def test_zero_weight_reports_and_keeps_nan_and_gradients_out():
    a = draw(4, 3).requires_grad_()
    bad = weighted_sum({"fine": (1.0, alignment), "bad": (0.0, lambda a, b: alignment(a, b) * math.nan)})
    total, parts = bad(a, 2 * a)
    assert torch.isfinite(total)
    assert torch.isnan(parts["bad"])
    assert not weighted_sum({"only": (0.0, alignment)})(a, 2 * a)[0].requires_grad
    seen = weighted_sum({"bad": (1.0, lambda a, b: alignment(a, b) * math.nan)})
    assert torch.isnan(seen(a, 2 * a)[0])


def test_a_weighted_sum_is_fixed_when_it_is_made():
    terms = {"x": (1.0, alignment)}
    loss = weighted_sum(terms)
    terms["y"] = (1.0, alignment)
    assert list(loss(draw(2, 2), draw(2, 2))[1]) == ["x"]


@pytest.mark.parametrize(
    "terms", [{}, {"x": (math.nan, alignment)}, {"x": (math.inf, alignment)}], ids=["none", "nan", "inf"]
)
def test_a_malformed_sum_is_refused(terms):
    with pytest.raises(ParameterError, match="weighted_sum"):
        weighted_sum(terms)


# --- kinds of input ---------------------------------------------------------------------------------------------------
TWO = {
    "info_nce": info_nce,
    "nt_xent": nt_xent,
    "canonical_info_nce": lambda a, b: canonical_info_nce(a[:, None].repeat(2, 1)),
    "alignment": alignment,
    "variance_hinge": lambda a, b: variance_hinge(a),
    "covariance_penalty": lambda a, b: covariance_penalty(a),
    "vicreg": vicreg,
    "prediction": lambda a, b: prediction_loss(a, b, np.eye(3)),
    "pair prediction": lambda a, b: pair_prediction_loss(a, b, np.eye(3)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", TWO)
def test_kind_dtype_and_device_are_kept(name, dtype):
    if name == "canonical_info_nce":
        loss = lambda a, b: canonical_info_nce(a.reshape(2, 2, 3))  # noqa: E731
    else:
        loss = TWO[name]
    a, b = draw(4, 3, seed=1).to(dtype), draw(4, 3, seed=2).to(dtype)
    tensor, array = loss(a, b), loss(a.numpy(), b.numpy())
    assert isinstance(tensor, torch.Tensor)
    assert tensor.dtype == dtype
    assert tensor.shape == ()
    assert isinstance(array, np.ndarray)
    assert array.dtype == a.numpy().dtype
    close(array, tensor, 1e-5 if dtype == torch.float32 else 1e-12)
    assert loss(a.to("meta"), b.to("meta")).device.type == "meta"


def test_random_state_is_left_alone():
    before = torch.get_rng_state()
    for name in TWO:
        if name != "canonical_info_nce":
            TWO[name](draw(4, 3), draw(4, 3, seed=1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", [name for name in TWO if name != "canonical_info_nce"])
def test_nan_is_an_error_in_an_array_and_never_hidden_in_a_tensor(name):
    a, b = draw(4, 3, seed=1), draw(4, 3, seed=2)
    a[1, 1] = math.nan
    assert torch.isnan(TWO[name](a, b))
    with pytest.raises(FiniteError):
        TWO[name](a.numpy(), b.numpy())


Z, ONE, ODD = torch.ones(4, 3), torch.ones(1, 3), torch.ones(4, 2)
MALFORMED = {
    "info_nce: other width": (lambda: info_nce(Z, ODD), ShapeError),
    "info_nce: one row": (lambda: info_nce(ONE, ONE), ParameterError),
    "info_nce: a vector": (lambda: info_nce(Z[0], Z[0]), ShapeError),
    "info_nce: a stack": (lambda: info_nce(Z[None], Z[None]), ShapeError),
    "info_nce: no width": (lambda: info_nce(Z[:, :0], Z[:, :0]), ShapeError),
    "info_nce: temperature": (lambda: info_nce(Z, Z, 0.0), ParameterError),
    "info_nce: NaN temperature": (lambda: info_nce(Z, Z, math.nan), ParameterError),
    "info_nce: two temperatures": (lambda: info_nce(Z, Z, torch.ones(2)), ShapeError),
    "info_nce: negatives": (lambda: info_nce(Z, Z, 0.1, ODD), ShapeError),
    "info_nce: complex": (lambda: info_nce(Z + 0j, Z + 0j), ParameterError),
    "nt_xent: other number": (lambda: nt_xent(Z, Z[:3]), ShapeError),
    "nt_xent: one row": (lambda: nt_xent(ONE, ONE), ParameterError),
    "canonical_info_nce: rows": (lambda: canonical_info_nce(Z), ShapeError),
    "canonical_info_nce: one view": (lambda: canonical_info_nce(Z[:, None]), ParameterError),
    "canonical_info_nce: one item": (lambda: canonical_info_nce(Z[None]), ParameterError),
    "canonical_info_nce: temperature": (lambda: canonical_info_nce(Z.reshape(2, 2, 3), -1.0), ParameterError),
    "alignment: nothing": (lambda: alignment(Z[:0], Z[:0]), ParameterError),
    "variance_hinge: one row": (lambda: variance_hinge(ONE), ParameterError),
    "variance_hinge: a vector": (lambda: variance_hinge(Z[0]), ShapeError),
    "variance_hinge: eps": (lambda: variance_hinge(Z, eps=0.0), ParameterError),
    "variance_hinge: target": (lambda: variance_hinge(Z, 0.0), ParameterError),
    "covariance_penalty: one row": (lambda: covariance_penalty(ONE), ParameterError),
    "vicreg: other width": (lambda: vicreg(Z, ODD), ShapeError),
    "prediction: other operators": (lambda: prediction_loss(Z, Z, torch.eye(2)), ShapeError),
    "prediction: other number": (lambda: prediction_loss(Z, Z, torch.eye(3).expand(2, 3, 3)), ShapeError),
    "prediction: weights": (lambda: prediction_loss(Z, Z, torch.eye(3), weights=torch.ones(2)), ShapeError),
    "pair prediction: singular": (lambda: pair_prediction_loss(Z, Z, torch.zeros(3, 3)), ParameterError),
    "canonical_codes: singular": (lambda: canonical_codes(Z, torch.zeros(3, 3)), ParameterError),
    "noise_weights: not square": (lambda: noise_weights(Z), ShapeError),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_input_is_an_error_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error, match=r"expected .*, got "):
        call()
