"""Dimensionless groups generate all dimensionless monomials; maps built of them commute with changes of units.

The group is (R₊)ᵘ; factors that are powers of two leave not even a rounding error.
"""

import numpy as np
import pytest
import torch
from torch import nn

from geodis.actions import OrthogonalAction, UnitsAction, law_errors
from geodis.emulators import Monomial, UnitScalars, UnitsEquivariant, UnitsSystem
from geodis.emulators.integer_lattice import integer_solution
from geodis.emulators.unit_text import read_units
from geodis.errors import (
    DesignError,
    FiniteError,
    GeodisError,
    LengthError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)
from geodis.metrics import map_equivariance_error

EXACT = 1e-12
ENERGY = "kg m^2 s^-2"
PENDULUM = {"m1": "kg", "m2": "kg", "k1": "kg s^-2", "k2": "kg s^-2", "l1": "m", "l2": "m", "g": "m s^-2"}
PIPE = {"drop": "kg m^-1 s^-2", "speed": "m s^-1", "width": "m", "density": "kg m^-3", "viscosity": "kg m^-1 s^-1"}
ODD = {"area": "m^2", "volume": "m^3", "rate": "s^-3", "time": "s^2", "number": "1"}
ZOO = {"pendulum": PENDULUM, "pipe": PIPE, "odd": ODD, "none": {"a": "1", "b": "1"}, "nothing free": {"m": "kg"}}
zoo = pytest.mark.parametrize("name", ZOO)


def values(system, n, seed=0, low=0.5):
    return np.random.default_rng(seed).uniform(low, 3.0, (n, system.width))


def factors(system, seed=0, spread=1.0):
    return np.exp(spread * np.random.default_rng(seed).standard_normal(len(system.base)))


def network(n_in, n_out, seed=0):
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for a, b in ((n_in, 16), (16, n_out)):
        layer = nn.Linear(a, b, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(b, a, generator=generator, dtype=torch.float64) / max(a, 1) ** 0.5)
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


# --- the lattice ------------------------------------------------------------------------------------------------------
@zoo
def test_groups_are_dimensionless_and_as_many_as_pi_says(name):
    system = UnitsSystem(ZOO[name])
    groups = system.dimensionless_groups()
    rank = np.linalg.matrix_rank(system.matrix) if len(system.base) else 0
    assert len(groups) == len(system.names) - rank
    assert all(system.units_of(group) == {} for group in groups)


@zoo
def test_groups_generate_every_dimensionless_monomial(name):
    system = UnitsSystem(ZOO[name])
    groups = [list(group.exponents) for group in system.dimensionless_groups()]
    listed = system.monomials("1", 2, 6)
    assert Monomial(system.names, (0,) * len(system.names)) in listed
    for monomial in listed[1:]:
        assert integer_solution([list(row) for row in zip(*groups, strict=True)], monomial.exponents) is not None


def test_known_groups():
    assert list(map(repr, UnitsSystem(PIPE).dimensionless_groups())) == [
        "drop width / (speed viscosity)", "speed width density / viscosity"
    ] or {repr(g) for g in UnitsSystem(PIPE).dimensionless_groups()} >= {"drop / (speed^2 density)"}  # fmt: skip
    reynolds = UnitsSystem({k: v for k, v in PIPE.items() if k != "drop"}).dimensionless_groups()
    assert list(map(repr, reynolds)) == ["speed width density / viscosity"]


def test_denominators_are_all_that_is_divided_by():
    units = {"p1": "kg^2 m^2 s^-2", "p2": "kg^2 m^2 s^-2", "work": ENERGY} | PENDULUM
    free = UnitsSystem(units).dimensionless_groups()
    system = UnitsSystem(units, denominators=["m1", "k1", "l1"])
    groups = system.dimensionless_groups()
    assert len(groups) == len(free)
    columns = [list(row) for row in zip(*(g.exponents for g in groups), strict=True)]
    assert all(integer_solution(columns, g.exponents) is not None for g in free), "the same lattice"
    for group in groups:
        assert {n for n, a in zip(group.names, group.exponents, strict=True) if a < 0} <= {"m1", "k1", "l1"}
    x = values(system, 5)
    x[:, :3] = 0.0
    assert np.isfinite(system.dimensionless(x)).all(), "nothing at rest is divided by"


@pytest.mark.parametrize("target", [ENERGY, "kg", "s^-2", "kg^-1 m"])
def test_monomials_are_all_there_are(target):
    system = UnitsSystem(PENDULUM)
    wanted = np.array([read_units(target).get(b, 0) for b in system.base])
    grid = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 7, indexing="ij"), -1).reshape(-1, 7)
    expected = {tuple(a) for a in grid[(grid @ system.matrix.T == wanted).all(1)].tolist()}
    assert {m.exponents for m in system.monomials(target, 1)} == expected
    bounded = {a for a in expected if sum(map(abs, a)) <= 4}
    assert {m.exponents for m in system.monomials(target, 1, 4)} == bounded
    assert len(bounded) < len(expected)


def test_the_pendulum_has_forty_energy_terms_that_move():
    vectors = {"q1": "m", "q2": "m", "p1": "kg m s^-1", "p2": "kg m s^-1", "g": "m s^-2"}
    scalars = UnitScalars(vectors, {k: PENDULUM[k] for k in PENDULUM if k != "g"}, lengths=("q1", "q2", "q1-q2", "g"))
    listed = [repr(m) for m in scalars.system.monomials(ENERGY, 2, 3)]
    assert len([m for m in listed if "q" in m or "p" in m]) == 40
    assert "k2 l2 |q1-q2|" in listed


# --- the action -------------------------------------------------------------------------------------------------------
@zoo
@pytest.mark.parametrize("seed", range(3))
def test_groups_do_not_move(name, seed):
    system = UnitsSystem(ZOO[name])
    if not system.base:
        return
    x = values(system, 20, seed)
    moved = system.rescale(x, factors(system, seed))
    before, after = system.dimensionless(x), system.dimensionless(moved)
    np.testing.assert_allclose(after, before, rtol=EXACT)
    if name == "pendulum":
        assert np.abs(moved - x).max() > 0.1


@pytest.mark.parametrize("name", ["pendulum", "pipe", "odd"])
def test_powers_of_two_leave_no_rounding(name):
    system = UnitsSystem(ZOO[name])
    x = values(system, 50)
    twos = 2.0 ** np.array([3, -2, 1][: len(system.base)])
    np.testing.assert_array_equal(system.dimensionless(system.rescale(x, twos)), system.dimensionless(x))


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_wrapper_commutes_with_changes_of_units(negative, seed):
    system = UnitsSystem(PENDULUM | {"charge": "A s", "field": "kg m s^-3 A^-1"})
    model = UnitsEquivariant(network(len(system.dimensionless_groups()), 2, seed), system, ENERGY)
    x = torch.from_numpy(values(system, 30, seed))
    if negative:
        x[:, -2:] *= -1
    action, after = system.action(spread=0.3), system.target_action(ENERGY, 2, spread=0.3)
    assert law_errors(action, x).worst < EXACT
    assert map_equivariance_error(lambda rows: model(rows).detach(), x, action, after).value < EXACT
    plain = network(system.width, 2, seed)
    assert map_equivariance_error(lambda rows: plain(rows).detach(), x, action, after).value > 0.1
    twos = {"kg": 8.0, "m": 0.25, "s": 2.0, "A": 0.5}
    exact = model(system.rescale(x, twos)) == 8.0 * 0.25**2 / 2.0**2 * model(x)
    assert bool(exact.all())
    shifted = model(system.rescale(x, {"kg": 3.0})) / model(x)
    np.testing.assert_allclose(shifted.detach(), 3.0, rtol=EXACT)


def test_what_is_learned_in_one_system_of_units_holds_in_all():
    system = UnitsSystem({"m": "kg", "k": "kg s^-2", "drive": "s^-1"})
    model = UnitsEquivariant(network(1, 1), system, "s^-1")
    x = torch.from_numpy(values(system, 100))

    def error(rows, scale):
        y = ((x[:, 1] / x[:, 0]).sqrt() + x[:, 2]) * scale
        return ((model(rows)[:, 0] / y - 1) ** 2).mean()

    before = float(error(x, 1.0).detach())
    for _ in range(100):
        slopes = torch.autograd.grad(error(x, 1.0), list(model.parameters()))
        with torch.no_grad():
            for weight, slope in zip(model.parameters(), slopes, strict=True):
                weight -= 0.1 * slope
    after = float(error(x, 1.0).detach())
    assert after < before / 5
    far = float(error(system.rescale(x, {"kg": 50.0, "s": 1e-3}), 1e3).detach())
    assert far == pytest.approx(after, rel=1e-9)


def test_vectors_share_their_units():
    system = UnitsSystem({"q": "m", "l": "m", "m": "kg"}, sizes={"q": 3})
    x = values(system, 10)
    out = system.dimensionless(x)
    assert out.shape == (10, 3)
    np.testing.assert_allclose(out, x[:, :3] / x[:, 3:4], rtol=1e-15)
    np.testing.assert_allclose(system.rescale(x, {"m": 2.0}), x * [2, 2, 2, 2, 1], rtol=0)
    named = {"q": x[:, :3], "l": x[:, 3], "m": x[:, 4]}
    np.testing.assert_array_equal(system.dimensionless(named), out)
    moved = system.rescale(named, {"m": 2.0})
    np.testing.assert_array_equal(system.joined(moved), system.rescale(x, {"m": 2.0}))
    with pytest.raises(DesignError, match="whole exponents"):
        UnitsSystem({"q": "m", "m": "kg"}, sizes={"q": 2}).dimensionless(np.ones((1, 3)))


def test_rescaling_is_an_action_and_takes_factors_by_row():
    system = UnitsSystem(PENDULUM)
    x = values(system, 6)
    a, b = factors(system, 1), factors(system, 2)
    np.testing.assert_allclose(system.rescale(system.rescale(x, a), b), system.rescale(x, a * b), rtol=EXACT)
    kg = np.linspace(1.0, 2.0, 6)
    moved = system.rescale(x, {"kg": kg})
    np.testing.assert_allclose(moved[:, 0], x[:, 0] * kg, rtol=1e-15)
    np.testing.assert_array_equal(moved[:, 4:], x[:, 4:])


def test_signs_survive():
    product = Monomial(("a", "b"), (3, -1))
    assert product([[-2.0, -4.0]]).tolist() == [2.0]
    assert product.gradient([[-2.0, -4.0]]).tolist() == [[-3.0, 0.5]]


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_float32_stays_float32(kind):
    system = UnitsSystem(PENDULUM)
    x = values(system, 4).astype(np.float32)
    out = system.dimensionless(torch.from_numpy(x) if kind == "torch" else x)
    assert str(out.dtype).endswith("float32")


# --- vectors → scalars ------------------------------------------------------------------------------------------------
VECTORS = {"q1": "m", "q2": "m", "p": "kg m s^-1"}


def points(n, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal((n, 3)) for name in VECTORS} | {"m": rng.uniform(1, 2, n)}


@pytest.mark.parametrize("lengths", [(), ("q1", "q2", "q1-q2"), ("p",)])
def test_scalars_are_invariant_and_have_their_units(lengths):
    scalars = UnitScalars(VECTORS, {"m": "kg"}, lengths=lengths)
    x = points(8)
    found = scalars(x)
    g = OrthogonalAction(3).group.sample(8, 3)
    turned = {k: OrthogonalAction(3).act(g, v[:, None])[:, 0] if v.ndim == 2 else v for k, v in x.items()}
    np.testing.assert_allclose(scalars(turned), found, atol=1e-13)
    named = UnitsSystem(VECTORS | {"m": "kg"}, sizes=dict.fromkeys(VECTORS, 3))
    units = {"m": 2.0, "kg": 0.5, "s": 4.0}
    np.testing.assert_array_equal(scalars(named.rescale(x, units)), scalars.system.rescale(found, units))
    assert ("q1·q2" in scalars.names) == (lengths != ("q1", "q2", "q1-q2"))


def test_gradients_are_those_of_autograd_and_safe_at_zero():
    scalars = UnitScalars(VECTORS, {"m": "kg"}, lengths=("q1", "q1-q2"))
    x = {k: torch.from_numpy(v).requires_grad_(v.ndim == 2) for k, v in points(5).items()}
    columns = scalars(x)
    weights = torch.linspace(-1, 2, columns.shape[-1], dtype=torch.float64)
    expected = torch.autograd.grad((columns * weights).sum(), [x[name] for name in VECTORS])
    slopes = {j: weights[j].expand(5) for j in range(len(weights))}
    found = scalars.pulled_back(scalars.checked(x), slopes, tuple(VECTORS))
    for name, slope in zip(VECTORS, expected, strict=True):
        torch.testing.assert_close(found[name], slope, atol=1e-13, rtol=0)
    still = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    total = scalars({"q1": still, "q2": still, "p": still, "m": torch.ones(1, dtype=torch.float64)}).sum()
    assert bool(torch.isfinite(torch.autograd.grad(total, still)[0]).all())


# --- malformed input --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["kg^.5", "kg^", "2 m", "m/", "", "kg m^2.0", None, 3])
def test_units_that_cannot_be_read(text):
    if text == "":
        assert read_units(text) == {}
        return
    with pytest.raises(ParameterError, match="units"):
        read_units(text)


SYSTEM = UnitsSystem(PENDULUM)
ONES = np.ones((2, 7))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: UnitsSystem({}), ParameterError),
        (lambda: UnitsSystem([[1, 0.5]]), ParameterError),
        (lambda: UnitsSystem([[1, 2]], names=["a"]), LengthError),
        (lambda: UnitsSystem([[1, 2]], names=["a", "a"]), ParameterError),
        (lambda: UnitsSystem(PENDULUM, denominators=["x"]), UnknownNameError),
        (lambda: UnitsSystem(PENDULUM, sizes={"x": 2}), UnknownNameError),
        (lambda: UnitsSystem(PENDULUM, sizes={"g": 0}), ParameterError),
        (lambda: SYSTEM.dimensionless(np.ones((2, 6))), ShapeError),
        (lambda: SYSTEM.dimensionless(np.full((2, 7), np.nan)), FiniteError),
        (lambda: SYSTEM.dimensionless(np.zeros((2, 7))), ParameterError),
        (lambda: SYSTEM.dimensionless({"m1": 1.0}), ParameterError),
        (lambda: SYSTEM.dimensionless(dict.fromkeys([*PENDULUM, "x"], 1.0)), UnknownNameError),
        (lambda: SYSTEM.rescale(ONES, {"K": 2.0}), UnknownNameError),
        (lambda: SYSTEM.rescale(ONES, {"kg": -2.0}), ParameterError),
        (lambda: SYSTEM.rescale(ONES, [1.0, 2.0]), ShapeError),
        (lambda: SYSTEM.monomials("K"), UnknownNameError),
        (lambda: SYSTEM.monomials("kg", 0), ParameterError),
        (lambda: SYSTEM.monomials("kg", 9), ParameterError),
        (lambda: UnitsSystem({"a": "m^2"}).monomial("m"), DesignError),
        (lambda: SYSTEM.units("x"), UnknownNameError),
        (lambda: UnitsEquivariant(lambda x: x, SYSTEM, "kg"), ParameterError),
        (lambda: UnitsEquivariant(nn.Identity(), SYSTEM, "kg")(ONES), ParameterError),
        (lambda: UnitsEquivariant(nn.Flatten(0), SYSTEM, "kg")(torch.ones(2, 7)), ShapeError),
        (lambda: Monomial(("a",), (1, 2)), LengthError),
        (lambda: Monomial(("a",), (0.5,)), ParameterError),
        (lambda: Monomial(("a",), (1,))([[1.0, 2.0]]), ShapeError),
        (lambda: UnitScalars({}, {"m": "kg"}), ParameterError),
        (lambda: UnitScalars({"m": "m"}, {"m": "kg"}), ParameterError),
        (lambda: UnitScalars(VECTORS, {}, lengths=["q1-x"]), UnknownNameError),
        (lambda: UnitScalars(VECTORS, {}, lengths=["q1-p"]), ParameterError),
        (lambda: UnitScalars(VECTORS, {})({"q1": ONES}), ParameterError),
        (lambda: UnitScalars({"q": "m"}, {})({"q": 1.0}), ShapeError),
        (lambda: UnitScalars({"q": "m"}, {})({"q": [np.inf, 1.0]}), FiniteError),
        (lambda: UnitScalars({"q": "m"}, {"l": "m"})({"q": np.ones((2, 3)), "l": np.ones(5)}), ShapeError),
        (lambda: UnitsAction([1, 2]), ShapeError),
        (lambda: UnitsAction([[0.5]]), ParameterError),
        (lambda: UnitsAction([[1, 0]]).act([[0.0]], np.ones((1, 3))), ShapeError),
    ],
)
def test_malformed_input_is_a_named_error(call, error):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
    assert len(str(caught.value)) > 20
