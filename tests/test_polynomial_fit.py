"""Polynomial laws are equivariant whatever was fitted, exact on polynomial targets, readable, and survive the disk."""

from itertools import permutations

import numpy as np
import pytest
import torch
from isometries_zoo import ZOO, act, act_tensor, clouds, dim, elements
from sklearn.base import clone

from geodis.emulators.forms import Euclidean, Minkowski, Symplectic, isometries
from geodis.emulators.forward_selection import ForwardSelection
from geodis.emulators.orthonormal_polynomials import OrthonormalPolynomials
from geodis.emulators.polynomial_fit import PolynomialFit
from geodis.emulators.polynomial_law import PolynomialLaw
from geodis.emulators.ridge_path import RidgePath
from geodis.errors import DesignError, FileFormatError, FiniteError, LengthError, ParameterError, ShapeError
from geodis.groups import SO, SO3, Cyclic, Lorentz, O
from geodis.simulators import elastic_scattering, o5_regression, random_bodies, random_scattering

EXACT = 1e-12  # relative equivariance error in float64, rapidity ≤ 1
RECOVERED = 1e-24  # relative mean squared error of an exact law
# Polynomials of degree 8 multiply the roundings of their arguments by their slopes.
STEEP = 1e-11


def relative(found, true):
    return float(((found - true) ** 2).sum() / ((true - true.mean(axis=0)) ** 2).sum())


def noisy_law(case, order, **options):
    """A law fitted to noise: all its coefficients are there, none is right."""
    rng = np.random.default_rng(0)
    d = dim(case)
    v, y = rng.normal(size=(40, 3, d)), rng.normal(size=(40, *(d,) * order))
    return PolynomialFit(case.symmetry, order=order, ridge=1e-2, **options).fit(v, y).law_


# --- equivariance -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", ZOO, ids=str)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_every_fit_is_equivariant(case, order):
    law = noisy_law(case, order, degree=max(3, dim(case) - 1 + (order == 0)))
    g, v = elements(case), clouds(3, dim(case))
    at_rest = law(v)
    moved = np.stack([law(act(g[i : i + 1], v)[0]) for i in range(len(g))])
    assert np.isfinite(at_rest).all()
    assert np.abs(moved - act_tensor(g, at_rest, order)).max() <= EXACT * np.abs(moved).max()
    stretched = law(v * np.arange(1.0, dim(case) + 1))
    assert np.abs(stretched - at_rest).max() > 1e-3, "it is no constant"


@pytest.mark.parametrize(
    "options",
    [
        {"variables": "lengths", "degree": 8},
        {"variables": "logarithms", "degree": 6},
        {"sparse": True, "degree": 4},
        {"degree": 8},
    ],
    ids=str,
)
@pytest.mark.parametrize("order", [0, 1])
def test_every_kind_of_fit_is_equivariant(options, order):
    case = next(one for one in ZOO if str(one) == "O(3)")
    rng = np.random.default_rng(1)
    v = rng.normal(size=(60, 2, 3))
    y = np.exp(-(v[:, 0] ** 2).sum(-1)) if order == 0 else v[:, 0] * np.exp(-(v[:, 1] ** 2).sum(-1))[:, None]
    law = PolynomialFit(case.symmetry, order=order, **options).fit(v, y).law_
    g, w = elements(case), clouds(2, 3) / 2
    at_rest, moved = law(w), np.stack([law(act(g[i : i + 1], w)[0]) for i in range(len(g))])
    assert np.isfinite(at_rest).all()
    assert np.abs(moved - act_tensor(g, at_rest, order)).max() <= STEEP * np.abs(moved).max()


@pytest.mark.parametrize(
    ("symmetry", "order"), [(SO3(), 0), (SO3(), 1), (SO3(), 2), (Symplectic(2), 0), (Symplectic(2), 1)]
)
@pytest.mark.parametrize("kind", ["products", "logarithms"])
def test_exchanged_points_change_nothing(symmetry, order, kind):
    rng = np.random.default_rng(0)
    d = isometries(symmetry).form.dim
    v, y, a = rng.normal(size=(30, 4, d)), rng.normal(size=(30, *(d,) * order)), rng.normal(size=(30, 4))
    fit = PolynomialFit(symmetry, order=order, degree=3, interchangeable=[[0, 1, 2]], ridge=1e-3, variables=kind)
    law = fit.fit(v, y, point_scalars=a).law_
    free = PolynomialFit(symmetry, order=order, degree=3, ridge=1e-3, variables=kind).fit(v, y, point_scalars=a)
    at_rest = law(v, point_scalars=a)
    for order_of in permutations(range(3)):
        i = [*order_of, 3]
        assert np.abs(law(v[:, i], point_scalars=a[:, i]) - at_rest).max() <= EXACT * np.abs(at_rest).max()
    i = [0, 3, 2, 1]
    assert np.abs(law(v[:, i], point_scalars=a[:, i]) - at_rest).max() > 1e-3
    assert fit.n_features_ < free.n_features_ / 3
    assert np.abs(free.predict(v[:, [1, 0, 2, 3]], point_scalars=a[:, [1, 0, 2, 3]]) - at_rest).max() > 1e-3


def test_points_may_hold_two_vectors_each():
    """Angular momentum Σ q × p of three bodies: positions 0–2, momenta 3–5."""
    v = np.random.default_rng(0).normal(size=(60, 6, 3))
    y = np.cross(v[:, :3], v[:, 3:]).sum(1)
    fit = PolynomialFit(SO3(), order=1, degree=3, interchangeable=[[(0, 3), (1, 4), (2, 5)]], sparse=True).fit(v, y)
    assert fit.n_terms_ == 1
    assert [(round(t.coefficient, 9), t.name, t.n_alike) for t in fit.law_.terms] == [(1.0, "ε^a(v0,v3)", 3)]


# --- exact laws -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("sparse", "n"), [(False, 80), (True, 40)])
def test_the_scattering_amplitude_is_found_exactly(sparse, n):
    train, test = random_scattering(n, seed=1), random_scattering(500, seed=2)
    fit = PolynomialFit(Minkowski(4), degree=4, sparse=sparse).fit(train.momenta, train.amplitude)
    assert relative(fit.predict(test.momenta), test.amplitude) < RECOVERED
    named = {term.name: term.coefficient for term in fit.law_.terms if term.size > 1e-9}
    assert {name: round(c, 9) for name, c in named.items()} == {
        "<v0,v0> <v1,v1>": 16, "<v0,v0> <v1,v3>": -12, "<v0,v2> <v1,v1>": -12, "<v0,v2> <v1,v3>": 8,
        "<v0,v1> <v2,v3>": 4,
    }  # fmt: skip
    wrong = PolynomialFit(Euclidean(4), degree=4, sparse=sparse).fit(train.momenta, train.amplitude)
    assert relative(wrong.predict(test.momenta), test.amplitude) > 0.1, "lengths of four-vectors say nothing of it"


@pytest.mark.parametrize(("sparse", "n"), [(False, 30), (True, 10)])
def test_the_tensor_of_inertia_is_found_exactly(sparse, n):
    train, test = random_bodies(n, seed=1), random_bodies(300, seed=2)
    fit = PolynomialFit(O(3), order=2, degree=3, interchangeable=[range(5)], sparse=sparse)
    fit.fit(train.positions, train.inertia, point_scalars=train.masses)
    found = fit.predict(test.positions, point_scalars=test.masses)
    assert relative(found, test.inertia) < RECOVERED
    assert fit.score(test.positions, test.inertia, point_scalars=test.masses) == pytest.approx(1.0)
    two = [(round(t.coefficient, 8), t.name, t.n_alike) for t in fit.law_.terms[:2]]
    assert two == [(1.0, "<v0,v0> m0 g^ab", 5), (-1.0, "m0 v0^a v0^b", 5)]


PLANTED = {
    "a determinant of four-vectors": (Lorentz(), 0, 4, lambda v: np.linalg.det(v), Minkowski(4)),
    "a product of areas": (
        Symplectic(4),
        0,
        4,
        lambda v: area(v[:, 0], v[:, 1]) * area(v[:, 2], v[:, 3]),
        Euclidean(4),
    ),
    "a vector along another": (Symplectic(4), 1, 3, lambda v: area(v[:, 0], v[:, 1])[:, None] * v[:, 2], O(4)),
    "a cross product as a matrix": (SO(4), 2, 2, lambda v: plane(v[:, 0], v[:, 1]), O(4)),
    "a trace-free stress": (O(4), 2, 2, lambda v: v[:, 0, :, None] * v[:, 1, None] - dots(v) / 4, Symplectic(4)),
}


def area(v, w):
    return np.einsum("na,ab,nb->n", v, Symplectic(4).matrix, w)


def plane(v, w):
    """The oriented plane at right angles to v and w: ε_abcd v_c w_d."""
    epsilon = np.zeros((4, 4, 4, 4))
    for order in permutations(range(4)):
        epsilon[order] = np.linalg.det(np.eye(4)[list(order)])
    return np.einsum("abcd,nc,nd->nab", epsilon, v, w)


def dots(v):
    return (v[:, 0] * v[:, 1]).sum(-1)[:, None, None] * np.eye(4)


@pytest.mark.parametrize("case", PLANTED)
def test_planted_laws_are_found_by_their_own_group_only(case):
    symmetry, order, degree, law, other = PLANTED[case]
    v, test = np.random.default_rng(0).normal(size=(2, 300, 4, 4))
    fit = PolynomialFit(symmetry, order=order, degree=degree, sparse=True).fit(v, law(v))
    assert relative(fit.predict(test), law(test)) < RECOVERED
    assert fit.n_terms_ <= 2
    wrong = PolynomialFit(other, order=order, degree=degree, sparse=True).fit(v, law(v))
    assert relative(wrong.predict(test), law(test)) > 0.03


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("length", [1e-12, 1e9])
def test_units_do_not_matter(sparse, length):
    train, test = random_bodies(40, seed=1), random_bodies(100, seed=2)
    mass = 1 / length
    fit = PolynomialFit(O(3), order=2, degree=3, interchangeable=[range(5)], sparse=sparse)
    fit.fit(train.positions * length, train.inertia * mass * length**2, point_scalars=train.masses * mass)
    found = fit.predict(test.positions * length, point_scalars=test.masses * mass)
    assert relative(found, test.inertia * mass * length**2) < RECOVERED


def test_numbers_of_the_sample_count_too():
    rng = np.random.default_rng(0)
    v, charge = rng.normal(size=(80, 2, 3)), rng.normal(size=80)
    force = charge[:, None] * np.cross(v[:, 0], v[:, 1]) + 0.5 * v[:, 0]
    fit = PolynomialFit(SO(3), order=1, degree=3, sparse=True).fit(v, force, scalars=charge)
    assert {(round(t.coefficient, 9), t.name) for t in fit.law_.terms} == {(1.0, "s0 ε^a(v0,v1)"), (0.5, "v0^a")}


def test_laws_with_poles_are_polynomials_in_logarithms():
    train, test = elastic_scattering(600, seed=1), elastic_scattering(300, seed=2)
    errors = {}
    for kind in ("products", "logarithms"):
        fit = PolynomialFit(Minkowski(4), degree=8, variables=kind).fit(train.momenta[:, :3], np.log(train.amplitude))
        errors[kind] = relative(fit.predict(test.momenta[:, :3]), np.log(test.amplitude))
    assert errors["logarithms"] < 1e-5 < 1e-3 < errors["products"]
    assert any(term.name.startswith("arsinh(<v0,v2>/") for term in fit.law_.terms)


@pytest.mark.parametrize("degree", [8, (2, 4, 6, 8)])
def test_smooth_laws_in_lengths_are_approximated(degree):
    train, test = o5_regression(600, seed=1), o5_regression(300, seed=2)
    fit = PolynomialFit(O(5), degree=degree, variables="lengths").fit(train.vectors, train.target)
    assert fit.degree_ == 8
    assert relative(fit.predict(test.vectors), test.target) < 1e-8
    products = PolynomialFit(O(5), degree=8).fit(train.vectors, train.target)
    assert relative(products.predict(test.vectors), test.target) > 1e-5, "odd in a length: no polynomial in products"


def test_noise_is_averaged_away_and_the_residual_says_how_much_there_is():
    test = random_scattering(500, seed=2)
    errors = []
    for n in (200, 3200):
        train = random_scattering(n, seed=1)
        noise = 0.05 * train.amplitude.std() * np.random.default_rng(0).normal(size=n)
        fit = PolynomialFit(Minkowski(4), degree=4, sparse=True).fit(train.momenta, train.amplitude + noise)
        assert fit.n_terms_ == 5
        assert abs(fit.residual_ - 0.05**2) < 4 * fit.residual_error_ + 1e-4
        errors.append(relative(fit.predict(test.momenta), test.amplitude))
    assert errors[1] < errors[0] / 4 < 1e-3


def test_pure_noise_gives_no_law():
    v, y = np.random.default_rng(0).normal(size=(200, 2, 3)), np.random.default_rng(1).normal(size=200)
    fit = PolynomialFit(O(3), degree=4, sparse=True).fit(v, y)
    assert fit.residual_ > 0.8
    assert fit.n_terms_ <= 1


# --- parts ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("even", [False, True])
def test_polynomials_are_orthonormal_on_their_data(even):
    x = np.random.default_rng(0).exponential(size=500) * 100.0
    p = OrthonormalPolynomials.of(x, 8, even=even)
    data = np.concatenate([x, -x]) if even else x
    values = p(torch.tensor(data)).numpy()
    np.testing.assert_allclose(values.T @ values / len(data), np.eye(9), atol=1e-9)
    powers = (data[:, None] / 100.0) ** np.arange(9)
    np.testing.assert_allclose(powers @ (p.powers() * 100.0 ** np.arange(9)).T, values, rtol=1e-6, atol=1e-5)
    assert OrthonormalPolynomials.of(np.full(10, 3.7), 5).degree == 0
    assert OrthonormalPolynomials.of(np.array([0.0, 1.0, 2.0, 1.0]), 5).degree == 2


def test_ridges_solve_their_equations():
    rng = np.random.default_rng(0)
    A, y = rng.normal(size=(30, 6)), rng.normal(size=30)
    path = RidgePath.of(A, y)
    for ridge in (0.0, 1e-3, 1.0):
        penalty = ridge * np.linalg.norm(A, 2) ** 2
        np.testing.assert_allclose((A.T @ A + penalty * np.eye(6)) @ path.weights(ridge), A.T @ y, atol=1e-10)
    wide = RidgePath.of(A.T, y[:6])
    np.testing.assert_allclose(A.T @ wide.weights(0.0), y[:6], atol=1e-12)
    assert wide.rank == 6


def test_selection_finds_planted_columns():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(60, 200))
    A[:, 7] = A[:, 3]  # a copy is not taken twice
    y = 3.0 * A[:, 3] - A[:, 50] + 0.5 * A[:, 120]
    found = ForwardSelection.of(A, y, 10)
    assert set(found.chosen[:3]) == {3, 50, 120}
    assert 7 not in found.chosen
    np.testing.assert_allclose(A @ found.weights(3), y, atol=1e-12)
    assert not found.weights(0).any()


# --- the result -------------------------------------------------------------------------------------------------------
def test_laws_survive_the_disk(tmp_path):
    rng = np.random.default_rng(0)
    for k, case in enumerate(ZOO):
        kind = ("products", "logarithms")[k % 2]
        law, v = noisy_law(case, 1, degree=3, variables=kind), rng.normal(size=(5, 3, dim(case)))
        law.save(tmp_path / f"{k}.safetensors")
        again = PolynomialLaw.load(tmp_path / f"{k}.safetensors")
        np.testing.assert_array_equal(again(v), law(v))
        assert repr(again) == repr(law)
    (tmp_path / "other.safetensors").write_text("no law")
    with pytest.raises(FileFormatError):
        PolynomialLaw.load(tmp_path / "other.safetensors")


def test_the_printed_terms_are_the_law():
    rng = np.random.default_rng(0)
    v, s = rng.normal(size=(50, 2, 2)), rng.normal(size=(50, 1))
    law = PolynomialFit(O(2), degree=5, ridge=1e-6).fit(v, rng.normal(size=50), scalars=s).law_
    dot = {f"<v{i},v{j}>": (v[:, i] * v[:, j]).sum(1) for i, j in ((0, 0), (0, 1), (1, 1))} | {"s0": s[:, 0]}
    total = np.zeros(50)
    for term in law.terms:
        factors = [factor.partition("^") for factor in term.name.split()] if term.name != "1" else []
        total += term.coefficient * np.prod([np.ones(50), *(dot[n] ** int(p or 1) for n, _, p in factors)], axis=0)
    np.testing.assert_allclose(total, law(v, scalars=s), atol=1e-9)
    assert [t.size for t in law.terms] == sorted((t.size for t in law.terms), reverse=True)
    assert law.terms[0].name in repr(law)
    assert law.plot().get_xlabel()


def test_laws_take_tensors_and_have_gradients():
    case = next(one for one in ZOO if str(one) == "SO3")
    law = noisy_law(case, 1, degree=4)
    v = torch.tensor(clouds(3, 3), requires_grad=True)
    out = law(v)
    out.square().sum().backward()
    assert torch.isfinite(v.grad).all()
    np.testing.assert_allclose(out.detach().numpy(), law(v.detach().numpy()))
    assert law(v.detach().float()).dtype == torch.float32
    polar = noisy_law(case, 0, degree=4, variables="lengths")
    w = torch.tensor(clouds(3, 3), requires_grad=True)
    polar(w).sum().backward()
    assert torch.isfinite(w.grad).all()


def test_the_estimator_is_one_and_repeats():
    train = random_scattering(70, seed=1)
    fit = PolynomialFit(Minkowski(4), degree=(2, 4), random_state=3)
    one, two = (clone(fit).fit(torch.tensor(train.momenta), torch.tensor(train.amplitude)) for _ in range(2))
    assert isinstance(one.predict(torch.tensor(train.momenta)), np.ndarray)
    np.testing.assert_array_equal(one.law_.coefficients, two.law_.coefficients)
    assert fit.get_params()["degree"] == (2, 4)


def test_constant_targets_and_constant_invariants_are_fitted():
    v = np.random.default_rng(0).normal(size=(30, 1, 3))
    v /= np.linalg.norm(v, axis=-1, keepdims=True)
    fit = PolynomialFit(O(3), degree=4).fit(v, np.full(30, 2.5))
    np.testing.assert_allclose(fit.predict(v), 2.5)
    assert fit.n_features_ == 1, "a length that never varies carries nothing"


V, Y = np.random.default_rng(0).normal(size=(20, 2, 3)), np.zeros(20)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: PolynomialFit(Cyclic(3)).fit(V, Y), ParameterError),
        (lambda: PolynomialFit(O(3), degree=-1).fit(V, Y), ParameterError),
        (lambda: PolynomialFit(O(3), degree=()).fit(V, Y), ParameterError),
        (lambda: PolynomialFit(O(3), order=1, degree=0).fit(V, V[:, 0]), ParameterError),
        (lambda: PolynomialFit(O(3), order=7).fit(V, Y), ParameterError),
        (lambda: PolynomialFit(O(3), ridge=-1.0).fit(V, Y), ParameterError),
        (lambda: PolynomialFit(O(3), ridge="best").fit(V, Y), ParameterError),
        (lambda: PolynomialFit(O(3), variables="angles").fit(V, Y), ParameterError),
        (lambda: PolynomialFit(O(3), n_folds=1).fit(V, Y), ParameterError),
        (lambda: PolynomialFit(O(3), sparse=2).fit(V, Y), ParameterError),
        (lambda: PolynomialFit(Minkowski(3), variables="lengths").fit(V, Y), ParameterError),
        (lambda: PolynomialFit(O(3), interchangeable=[[0, 2]]).fit(V, Y), ParameterError),
        (lambda: PolynomialFit(O(3), interchangeable=[[0, 0]]).fit(V, Y), ParameterError),
        (lambda: PolynomialFit(O(3), interchangeable=[["a", "b"]]).fit(V, Y), ParameterError),
        (lambda: PolynomialFit(O(3), degree=60).fit(np.concatenate([V, V, V], 1), Y), ParameterError),
        (lambda: PolynomialFit(O(2)).fit(V, Y), ShapeError),
        (lambda: PolynomialFit(O(3)).fit(V[0], Y), ShapeError),
        (lambda: PolynomialFit(O(3)).fit(V, V), ShapeError),
        (lambda: PolynomialFit(O(3), order=1).fit(V, Y), ShapeError),
        (lambda: PolynomialFit(O(3)).fit(V, Y[:-1]), LengthError),
        (lambda: PolynomialFit(O(3)).fit(V, Y + np.nan), FiniteError),
        (lambda: PolynomialFit(O(3)).fit(V * np.inf, Y), FiniteError),
        (lambda: PolynomialFit(O(3)).fit(V[:3], Y[:3]), DesignError),
        (lambda: PolynomialFit(O(3)).fit(V, Y, scalars=np.zeros((19, 1))), ShapeError),
        (lambda: PolynomialFit(O(3)).fit(V, Y, point_scalars=np.zeros((20, 3))), ShapeError),
        (lambda: PolynomialFit(O(3)).fit(V, Y, scalars=V[:, 0] + np.nan), FiniteError),
        (lambda: PolynomialFit(O(3)).fit(V, Y, scalars=V[:, 0]).predict(V), ShapeError),
        (lambda: PolynomialFit(O(3)).fit(V, Y).predict(V[:, :1]), ShapeError),
    ],
)
def test_malformed_input_is_refused(make, error):
    with pytest.raises(error):
        make()
