"""Symmetries of given functions and simulators: found, counted and named where planted, and not where absent."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from geodis.discovery.function_symmetry import function_symmetries, gradients, map_symmetries
from geodis.discovery.vector_fields import AffineFields, GivenFields, LinearFields, PolynomialFields
from geodis.errors import (
    DesignError,
    FiniteError,
    GeodisError,
    LengthError,
    NotLinearError,
    ParameterError,
    ShapeError,
)


def change(seed, d):
    rng = np.random.default_rng(seed)
    return torch.tensor(np.linalg.qr(rng.normal(size=(d, d)))[0] @ np.diag(rng.uniform(0.6, 1.6, d)))


def cloud(d, n=400, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def curved(y):
    """A function of invariants (n, q) that depends on all of them."""
    return (torch.sin(y + torch.arange(y.shape[1]) / 3) * torch.tensor([1.0, 0.7, 1.3])[: y.shape[1]]).sum(1)


def dots(x, signs):
    return (x * x * torch.tensor(signs)).sum(1, keepdim=True) / 2


# name → (invariants of x, d, generators, algebra)
ZOO = {
    "circle": (lambda x: dots(x, [1.0, 1.0]), 2, 1, "abelian(1)"),
    "hyperbola": (lambda x: x[:, :1] * x[:, 1:], 2, 1, "abelian(1)"),
    "so(3)": (lambda x: dots(x, [1.0, 1.0, 1.0]), 3, 3, "so(3)"),
    "Lorentz": (lambda x: dots(x, [1.0, -1.0, -1.0, -1.0]), 4, 6, "so(1,3)"),
    "axis": (lambda x: torch.cat([dots(x[:, :2], [1.0, 1.0]), x[:, 2:]], 1), 3, 1, "abelian(1)"),
    "two circles": (
        lambda x: torch.cat([dots(x[:, :2], [1.0, 1.0]), dots(x[:, 2:], [1.0, 1.0])], 1), 4, 2, "abelian(2)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("affine", [False, True], ids=["linear", "affine"])
@pytest.mark.parametrize("name", ZOO)
def test_planted_symmetries_are_found_and_named_in_any_coordinates(name, affine):
    invariants, d, k, algebra = ZOO[name]
    back, x = change(len(name), d), cloud(d)
    fields = AffineFields(d) if affine else LinearFields(d)
    found = function_symmetries(lambda x: curved(invariants(x @ back)), x, fields)
    assert found.n_generators == k
    assert found.status in ("ok", "undecided")
    assert found.algebra.answers_to(algebra)
    assert found.spectrum[:k].max() < 1e-6
    # An invariant function does not change along the flows.
    moved = torch.tensor(found.flow(x[:20], 0.3 * np.ones(k)))
    before, after = (curved(invariants(p @ back)) for p in (torch.tensor(x[:20]), moved))
    torch.testing.assert_close(before, after, atol=1e-8, rtol=0)


@pytest.mark.parametrize("d", [2, 3, 5])
def test_a_function_without_symmetry_has_none(d):
    w = torch.tensor(np.random.default_rng(d).normal(size=(2 * d + 2, d)))
    found = function_symmetries(lambda x: torch.sin(2 * x @ w.T).sum(1), cloud(d, 800), AffineFields(d))
    assert (found.n_generators, found.status) == (0, "none")
    assert found.beyond > 0.1


def test_a_nearly_symmetric_function_is_claimed_only_below_the_tolerance():
    def f(x):
        return (x**2).sum(1) + 0.15 * torch.sin(3 * x[:, 0])

    loose = function_symmetries(f, cloud(2), LinearFields(2), tolerance=0.5)
    strict = function_symmetries(f, cloud(2), LinearFields(2), tolerance=0.02)
    assert (loose.n_generators, strict.n_generators, strict.status) == (1, 0, "none")
    assert loose.intervals[0, 0] < loose.spectrum[0] < loose.intervals[0, 1]


def test_the_curved_symmetry_of_a_quartic_is_found_among_cubic_fields():
    x = np.random.default_rng(0).uniform(-1.5, 1.5, size=(1500, 2))

    def f(x):
        return x[:, 0] ** 2 + x[:, 1] ** 4

    found = function_symmetries(f, x, PolynomialFields(2, 3), tolerance=0.03)
    assert (found.n_generators, found.status) == (1, "ok")
    assert found.readable() == ("1 x1³ ∂0 - 0.5 x0 ∂1",)
    moved = found.flow(x[:50], 0.7)
    np.testing.assert_allclose(f(moved), f(x[:50]), atol=1e-6)
    assert np.abs(moved - x[:50]).max() > 0.1
    assert function_symmetries(f, x, AffineFields(2), tolerance=0.03).n_generators == 0
    with pytest.raises(NotLinearError):
        found.matrices  # noqa: B018


def test_given_fields_and_their_structure_constants():
    """Rotations and boosts of the upper half plane as functions: sl(2) leaves the hyperbolic length of a pair."""

    def pair(f):
        return lambda x: np.concatenate([f(x[:, :2]), f(x[:, 2:])], axis=1)

    fields = GivenFields(
        [
            pair(lambda z: np.stack([1 + 0 * z[:, 0], 0 * z[:, 0]], 1)), pair(lambda z: z),
            pair(lambda z: np.stack([z[:, 0] ** 2 - z[:, 1] ** 2, 2 * z[:, 0] * z[:, 1]], 1)),
            lambda x: np.sin(x), lambda x: x[:, ::-1],
        ],
        4, ["shift", "scale", "special", "sine", "swap"],
    )  # fmt: skip
    x = np.random.default_rng(0).uniform(0.5, 2.0, size=(400, 4))

    def length(x):
        return ((x[:, 0] - x[:, 2]) ** 2 + (x[:, 1] - x[:, 3]) ** 2) / (x[:, 1] * x[:, 3])

    found = function_symmetries(length, x, fields)
    assert (found.n_generators, found.status) == (3, "ok")
    assert found.closure < 1e-5
    assert found.algebra.answers_to("sl(2)")


def test_directions_that_do_not_matter_are_said():
    found = function_symmetries(lambda x: torch.sin(2 * x[:, 0]) + x[:, 1] ** 3, cloud(3), AffineFields(3))
    assert found.n_generators == 4  # 1, x0, x1, x2 times ∂2
    assert any("does not depend on 1" in note for note in found.notes)


def test_a_translation_symmetry_of_a_potential():
    def potential(x):  # three particles on a line
        return torch.cos(x[:, 0] - x[:, 1]) + 2 * torch.cos(1.5 * (x[:, 1] - x[:, 2])) + torch.sin(x[:, 0] - x[:, 2])

    constant = GivenFields([lambda x, j=j: np.eye(3)[[j]] + 0 * x for j in range(3)], 3, ["∂0", "∂1", "∂2"])
    found = function_symmetries(potential, cloud(3), constant)
    assert (found.readable(), found.status) == (("1 ∂0 + 1 ∂1 + 1 ∂2",), "ok")


# --- gradients as arrays, noise ---------------------------------------------------------------------------------------
def test_arrays_and_vector_values_agree_with_functions():
    x, back = cloud(3), change(0, 3)

    def f(x):
        return torch.stack([dots(x @ back, [1.0, 1.0, 1.0])[:, 0] ** 2, torch.exp(-dots(x @ back, [1.0] * 3)[:, 0])], 1)

    one = function_symmetries(f, x, LinearFields(3))
    two = function_symmetries(gradients(f, x)[1], x, LinearFields(3))
    np.testing.assert_allclose(one.spectrum, two.spectrum)
    assert one.n_generators == 3


def test_the_noise_of_gradients_is_reported_and_not_subtracted():
    x, rng = cloud(3, 600), np.random.default_rng(1)
    noisy = [x + s * rng.normal(size=x.shape) for s in (0.03, 0.03, 0.3, 0.3)]
    small = function_symmetries(noisy[0], x, LinearFields(3), repeat=noisy[1])
    large = function_symmetries(noisy[2], x, LinearFields(3), repeat=noisy[3])
    assert (small.n_generators, small.status, str(small.algebra)) == (3, "ok", "so(3)")
    np.testing.assert_allclose(small.spectrum[:3], small.floor[:3], rtol=0.35)
    assert small.spectrum[:3].min() > 0.01
    assert (large.n_generators, large.status) == (0, "undecided")
    assert any("noise alone" in note for note in large.notes)
    assert np.isnan(function_symmetries(x, x, LinearFields(3)).floor).all()


# --- maps -------------------------------------------------------------------------------------------------------------
def spiral(x):
    """A step that commutes with rotations: a turn and a stretch that depend on the radius."""
    r = (x * x).sum(1, keepdim=True)
    return torch.cos(r) * x + (0.5 + torch.sin(2 * r)) * torch.stack([-x[:, 1], x[:, 0]], 1)


def test_a_step_of_a_simulator_shows_its_symmetry():
    found = map_symmetries(spiral, cloud(2, 600), AffineFields(2))
    assert (found.n_generators, found.status) == (1, "ok")
    A = found.matrices[0] / found.matrices[0, 1, 0]
    np.testing.assert_allclose(A, [[0, -1, 0], [1, 0, 0], [0, 0, 0]], atol=1e-7)
    broken = map_symmetries(
        lambda x: spiral(x) + torch.stack([2 * torch.sin(2 * x[:, 0]), 0 * x[:, 1]], 1), cloud(2, 600), AffineFields(2)
    )
    assert (broken.n_generators, broken.status) == (0, "none")


def test_a_map_between_spaces_carries_generators_along():
    """Products x_i x_j: rotations of the plane turn them by twice the angle."""

    def f(x):
        r = torch.exp(-(x * x).sum(1) / 2)
        return torch.stack([(x[:, 0] ** 2 - x[:, 1] ** 2) * r, 2 * x[:, 0] * x[:, 1] * r, torch.sin(3 * r)], 1)

    found = map_symmetries(f, cloud(2, 600), LinearFields(2), output_fields=LinearFields(3))
    assert (found.n_generators, str(found.algebra)) == (1, "abelian(1)")
    A, B = found.matrices[0], found.output_matrices[0]
    np.testing.assert_allclose(B[1, 0] / A[1, 0], 2.0, atol=1e-6)
    np.testing.assert_allclose(B[2], 0.0, atol=1e-6)
    with pytest.raises(DesignError, match="both of its sides"):
        map_symmetries(spiral, cloud(2), LinearFields(2)).output_matrices  # noqa: B018


# --- networks and bad input -------------------------------------------------------------------------------------------
def test_a_module_keeps_its_precision():
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(torch.sin(torch.arange(p.numel()) * (i + 1.7)).reshape(p.shape))

    class Radial(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net((x * x).sum(1, keepdim=True))

    found = function_symmetries(Radial(), cloud(3), LinearFields(3))
    assert (found.n_generators, str(found.algebra)) == (3, "so(3)")
    assert 1e-9 < found.spectrum[:3].max() < 1e-5


X = cloud(2, 50)
LINEAR = LinearFields(2)
BAD = {
    "no family": (lambda: function_symmetries(X, X, "linear"), ParameterError),
    "numpy values": (lambda: function_symmetries(lambda x: x.detach().numpy(), X, LINEAR), ParameterError),
    "values without gradients": (lambda: function_symmetries(lambda x: x.detach()[:, 0], X, LINEAR), ParameterError),
    "one value for all": (lambda: function_symmetries(lambda x: (x**2).sum()[None], X, LINEAR), ShapeError),
    "values that mix rows": (lambda: function_symmetries(lambda x: (x - x.mean(0))[:, 0] ** 2, X, LINEAR), DesignError),
    "NaN gradients": (lambda: function_symmetries(lambda x: torch.sqrt(x[:, 0]), X, LINEAR), FiniteError),
    "gradients of another length": (lambda: function_symmetries(X[:4], X, LINEAR), ShapeError),
    "a repeat of another shape": (lambda: function_symmetries(X, X, LINEAR, repeat=np.ones((50, 2, 2))), ShapeError),
    "items of another length": (lambda: function_symmetries(X, X, LINEAR, items=[1, 2]), LengthError),
    "points of another space": (lambda: function_symmetries(X, cloud(3), LINEAR), ShapeError),
    "a level above 1": (lambda: function_symmetries(X, X, LINEAR, level=95), ParameterError),
    "a map given as an array": (lambda: map_symmetries(X, X, LINEAR), ParameterError),
    "a map into another space": (lambda: map_symmetries(lambda x: x[:, :1], X, LINEAR), ShapeError),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_named_error(case):
    call, error = BAD[case]
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)


def test_constant_functions_are_degenerate_and_few_points_insufficient():
    assert function_symmetries(lambda x: 0 * x[:, 0], X, LINEAR).status == "degenerate"
    assert function_symmetries(X[:5], X[:5], LINEAR).status == "insufficient"
