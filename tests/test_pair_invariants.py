"""CARE's implicit loss: zero exactly when the Gram matrices agree, so when an isometry of the form carries z to gz."""

import math
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis.errors import FiniteError, ParameterError, ShapeError
from geodis.groups import Lorentz
from geodis.training import bilinear_loss, euclidean_form, gram_loss, minkowski_form, symplectic_form

sys.path.insert(0, str(Path(__file__).parent.parent / "experiments"))

import care_formula

FEW = settings(max_examples=25, deadline=None)
TALL = 60  # rows for which d ≤ 4 takes the way by d×d matrices


def draw(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def by_loops(z, y, form):
    z, y, form = z.numpy(), y.numpy(), form.numpy()
    n = len(z)
    terms = [(y[i] @ form @ y[j] - z[i] @ form @ z[j]) ** 2 for i in range(n) for j in range(n)]
    return math.fsum(terms) / n**2


def isometry(form, seed=0):
    """A random isometry exp(X) of the form: XᵀB + BX = 0."""
    d = len(form)
    s = 0.3 * draw(d, d, seed=seed)
    skew_or_even = s - s.T if torch.equal(form, form.T) else s + s.T
    return torch.linalg.matrix_exp(torch.linalg.inv(form) @ skew_or_even)


FORMS = {
    "euclidean": euclidean_form(4),
    "minkowski": minkowski_form(4),
    "symplectic": symplectic_form(4),
    "any symmetric": draw(4, 4) + draw(4, 4).T,
}


# --- the formula ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_papers_formula(seed):
    assert care_formula.max_deviation(seed) < 1e-12


def test_the_oracle_sees_another_formula(monkeypatch):
    monkeypatch.setattr(care_formula, "loss", lambda z, gz: (1 + 1e-9) * care_formula.brute_force(z, gz))
    assert care_formula.max_deviation(0) > 1e-12


@pytest.mark.parametrize("name", FORMS)
@given(n=st.sampled_from([1, 2, 7, TALL]), seed=st.integers(0, 99))
@FEW
def test_every_form_has_its_loops(name, n, seed):
    z, y = draw(n, 4, seed=seed), draw(n, 4, seed=seed + 100)
    expected = by_loops(z, y, FORMS[name])
    assert bilinear_loss(z, y, FORMS[name]).item() == pytest.approx(expected, rel=1e-12)


def test_the_euclidean_form_is_the_gram_loss():
    for n in (5, TALL):
        z, y = draw(n, 4), draw(n, 4, seed=1)
        torch.testing.assert_close(gram_loss(z, y), bilinear_loss(z, y, euclidean_form(4)), rtol=1e-13, atol=0)


def test_what_the_published_code_weighs_is_2n_times_this():
    """Sum over j ≠ i of the squared differences, averaged over i and doubled, on the unit sphere."""
    z, y = (torch.nn.functional.normalize(draw(16, 5, seed=s), dim=1) for s in (0, 1))
    difference = (z @ z.T - y @ y.T).masked_fill(torch.eye(16, dtype=torch.bool), 0.0)
    published = 2 * difference.square().sum(1).mean()
    torch.testing.assert_close(published, 2 * 16 * gram_loss(z, y))
    distinct = difference.square().sum() / (16 * 15)
    torch.testing.assert_close(distinct, 16 / 15 * gram_loss(z, y))


def test_leading_dimensions_are_transformations_that_are_averaged():
    for n in (5, TALL):
        z, y = draw(3, n, 4), draw(3, n, 4, seed=1)
        one_by_one = torch.stack([gram_loss(a, b) for a, b in zip(z, y, strict=True)])
        torch.testing.assert_close(gram_loss(z, y), one_by_one.mean())


# --- the symmetry -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [3, 30, TALL])
@pytest.mark.parametrize("name", FORMS)
def test_isometries_of_the_form_cost_nothing_and_other_maps_do(name, n):
    form, z = FORMS[name], draw(n, 4)
    moved = z @ isometry(form, 5).T
    scale = (moved.norm() ** 4 / n**2).item()
    assert 0 <= bilinear_loss(z, moved, form).item() < 1e-28 * scale
    assert bilinear_loss(z, z @ (torch.eye(4) + 0.1 * draw(4, 4, seed=6)).T, form) > 1e-4
    assert bilinear_loss(z, z + 0.1, form) > 1e-6
    for other in FORMS:
        if other != name:
            assert bilinear_loss(z, moved, FORMS[other]) > 1e-3


@given(n=st.integers(1, 40), d=st.integers(1, 6), seed=st.integers(0, 99))
@FEW
def test_the_orthogonal_group_costs_nothing(n, d, seed):
    z, q = draw(n, d, seed=seed), torch.linalg.qr(draw(d, d, seed=seed + 1))[0]
    assert gram_loss(z, z @ q.T) < 1e-27 * max(1.0, z.norm().item() ** 4 / n**2)
    assert gram_loss(z, 1.1 * z) > 1e-4 * gram_loss(z, 0 * z)
    close = gram_loss(z @ q.T, 2 * z @ q.T)  # the same isometry on both sides changes nothing
    torch.testing.assert_close(close, gram_loss(z, 2 * z))


def test_boosts_cost_nothing_in_minkowski_space():
    z = draw(9, 4)
    for boost in torch.from_numpy(Lorentz(spread=2.0).matrix(Lorentz(spread=2.0).sample(5, seed=0))):
        moved = z @ boost.T
        assert bilinear_loss(z, moved, minkowski_form(4)) < 1e-26 * moved.norm() ** 4
        assert gram_loss(z, moved) > 1e-2


def test_shears_of_phase_space_cost_nothing_under_the_symplectic_form():
    q, p = draw(9, 2), draw(9, 2, seed=1)
    free = torch.cat([q + 0.7 * p, p], 1)  # free motion: q grows by the momentum
    start = torch.cat([q, p], 1)
    assert bilinear_loss(start, free, symplectic_form(4)) < 1e-28
    assert gram_loss(start, free) > 0.1
    assert bilinear_loss(start, torch.cat([2 * q, p], 1), symplectic_form(4)) > 0.1


@pytest.mark.parametrize("name", FORMS)
def test_equal_gram_matrices_give_the_isometry_when_the_rows_span(name):
    form, z = FORMS[name], draw(9, 4)
    truth = isometry(form, 5)
    moved = z @ truth.T
    found = torch.linalg.lstsq(z, moved).solution.T
    torch.testing.assert_close(found, truth, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.T @ form @ found, form, rtol=1e-9, atol=1e-9)


def test_without_spanning_a_null_vector_passes_for_zero():
    null, zero = torch.tensor([[1.0, 1.0, 0.0, 0.0]]), torch.zeros(1, 4)
    assert bilinear_loss(zero, null, minkowski_form(4)) == 0
    assert gram_loss(zero, null) == 4


# --- numerics ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [30, 500])
def test_zero_comes_out_as_rounding_squared_and_never_negative(n, dtype):
    careful, careless = [], []
    for seed in range(5):
        z, q = draw(n, 3, seed=seed).to(dtype), torch.linalg.qr(draw(3, 3, seed=seed + 9))[0].to(dtype)
        y, size = z @ q.T, (z.norm() ** 4).item()
        careful += [x.item() * n**2 / size for x in (gram_loss(z, y), gram_loss(z, z))]
        moments = (z.T @ z).square().sum() + (y.T @ y).square().sum() - 2 * (z.T @ y).square().sum()
        careless.append(moments.abs().item() / size)
    eps = torch.finfo(dtype).eps
    assert min(careful) >= 0
    assert max(careful) < 100 * eps**2
    assert max(careless) > 0.01 * eps  # what is not done, and why


@pytest.mark.parametrize("name", FORMS)
def test_both_ways_have_the_same_gradient(name):
    form = FORMS[name]
    z, y = draw(TALL, 4).requires_grad_(), draw(TALL, 4, seed=1).requires_grad_()
    free = form.clone().requires_grad_()
    found = torch.autograd.grad(bilinear_loss(z, y, free), (z, y, free))
    direct = (y @ free @ y.T - z @ free @ z.T).square().mean()
    for a, b in zip(found, torch.autograd.grad(direct, (z, y, free)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n", [4, 20])
@pytest.mark.parametrize("form", [euclidean_form(2), minkowski_form(2), symplectic_form(2)], ids=["E", "M", "S"])
def test_gradients_are_right_twice(form, n):
    z, y = draw(n, 2).requires_grad_(), draw(n, 2, seed=1).requires_grad_()
    free = form.clone().requires_grad_()
    assert torch.autograd.gradcheck(bilinear_loss, (z, y, free))
    assert torch.autograd.gradgradcheck(bilinear_loss, (z, y, free))


@pytest.mark.parametrize("n", [3, TALL])
def test_gradients_are_finite_and_vanish_at_zero_loss(n):
    z = draw(n, 3)
    cases = {"equal": (z, z), "turned": (z, z.roll(1, 1)), "zero": (0 * z, 0 * z), "one row": (z[:1].expand(n, 3),) * 2}
    for name, (a, b) in cases.items():
        a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
        for gradient in torch.autograd.grad(gram_loss(a, b), (a, b)):
            assert gradient.abs().max() < 1e-12, name


def test_training_by_it_makes_a_map_orthogonal():
    z = draw(200, 3)
    m = (torch.eye(3, dtype=z.dtype) + 0.5 * draw(3, 3, seed=1)).requires_grad_()
    optimizer = torch.optim.LBFGS([m], max_iter=200, tolerance_grad=1e-14, tolerance_change=1e-16)

    def closure():
        optimizer.zero_grad()
        loss = gram_loss(z, z @ m.T)
        loss.backward()
        return loss

    before = closure().item()
    optimizer.step(closure)
    assert before > 0.1
    torch.testing.assert_close(m.T @ m, torch.eye(3, dtype=z.dtype), rtol=0, atol=1e-6)


def test_many_rows_need_little_memory():
    n = 200_000  # n×n would be 160 GB in float32
    z = draw(n, 4).float().requires_grad_()
    loss = gram_loss(z, 2 * z)
    loss.backward()
    torch.testing.assert_close(loss.item(), (9 * (z.T @ z).square().sum() / n**2).item(), rtol=1e-4, atol=0)
    assert torch.isfinite(z.grad).all()


# --- forms ------------------------------------------------------------------------------------------------------------
def test_the_forms_are_what_their_names_say():
    assert torch.equal(euclidean_form(3), torch.eye(3, dtype=torch.float64))
    eta, j = minkowski_form(4), symplectic_form(6)
    boost = torch.from_numpy(Lorentz().matrix([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])[0])
    torch.testing.assert_close(boost.T @ eta @ boost, eta)
    assert torch.equal(j.T, -j)
    assert torch.equal(j @ j, -torch.eye(6, dtype=torch.float64))


BAD_FORMS = [
    (euclidean_form, 0),
    (minkowski_form, 1),
    (symplectic_form, 3),
    (symplectic_form, 0),
    (euclidean_form, 2.0),
]


@pytest.mark.parametrize(
    ("form", "d"), [*BAD_FORMS, (euclidean_form, True)], ids=lambda x: getattr(x, "__name__", str(x))
)
def test_forms_refuse_other_dimensions(form, d):
    with pytest.raises(ParameterError, match=form.__name__):
        form(d)


# --- kinds of input ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [3, TALL])
def test_kind_dtype_and_device_are_kept(n, dtype):
    z, y = draw(n, 4).to(dtype), draw(n, 4, seed=1).to(dtype)
    for loss in (gram_loss, lambda a, b: bilinear_loss(a, b, minkowski_form(4))):
        assert loss(z, y).dtype == dtype
        array = loss(z.numpy(), y.numpy())
        assert isinstance(array, np.ndarray)
        assert array.dtype == z.numpy().dtype
        np.testing.assert_allclose(array, loss(z, y).numpy(), rtol=1e-4)
        assert loss(z.to("meta"), y.to("meta")).device.type == "meta"


@pytest.mark.parametrize("n", [3, TALL])
def test_nan_is_an_error_in_an_array_and_never_hidden_in_a_tensor(n):
    z, y = draw(n, 3), draw(n, 3, seed=1)
    y[0, 0] = math.nan
    assert torch.isnan(gram_loss(z, y))
    with pytest.raises(FiniteError):
        gram_loss(z.numpy(), y.numpy())


Z = torch.ones(4, 3)
MALFORMED = {
    "other width": (lambda: gram_loss(Z, Z[:, :2]), ShapeError),
    "other number": (lambda: gram_loss(Z, Z[:3]), ShapeError),
    "a vector": (lambda: gram_loss(Z[0], Z[0]), ShapeError),
    "nothing": (lambda: gram_loss(Z[:0], Z[:0]), ParameterError),
    "complex": (lambda: gram_loss(Z + 0j, Z + 0j), ParameterError),
    "another form": (lambda: bilinear_loss(Z, Z, minkowski_form(4)), ShapeError),
    "no matrix": (lambda: bilinear_loss(Z, Z, torch.ones(3)), ShapeError),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_input_is_an_error_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error, match=r"expected .*, got "):
        call()


def test_a_longer_table_is_not_dearer_than_its_rows():
    """Both sides of the switch agree about the same rows: no jump where the way of computing changes."""
    rows = draw(40, 4)
    values = [gram_loss(rows[:n], 2 * rows[:n]).item() for n in range(28, 37)]
    direct = [(9 * (rows[:n].T @ rows[:n]).square().sum() / n**2).item() for n in range(28, 37)]
    assert values == pytest.approx(direct, rel=1e-12)
    assert all(a != b for a, b in pairwise(values))
