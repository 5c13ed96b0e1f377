"""The laws of a group, for every group, batch shape, dtype and kind of element."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from groups_zoo import BATCHES, KINDS, TOLERANCE, ZOO, Case, connected, elements, mismatch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from geodis.errors import FiniteError, ParameterError, ShapeError, UnknownNameError
from geodis.groups import (
    SE,
    SO,
    SO2,
    SO3,
    Cyclic,
    Dihedral,
    Hyperoctahedral,
    Lorentz,
    Permutations,
    Product,
    Scaling,
    Translation,
    parse,
)
from geodis.groups.relabel import signed_permutations
from geodis.groups.rotations import hat, quaternion_of_matrix, rotation3, vector_of_matrix

zoo = pytest.mark.parametrize("case", ZOO, ids=str)
kinds = pytest.mark.parametrize("kind", KINDS)
CONVERSIONS = {
    "numpy64": lambda x: x,
    "numpy32": lambda x: x.astype(np.float32),
    "torch64": torch.as_tensor,
    "torch32": lambda x: torch.as_tensor(x, dtype=torch.float32),
}


# --- axioms -----------------------------------------------------------------------------------------------------------
@zoo
@kinds
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_axioms(case: Case, kind: str, dtype: torch.dtype) -> None:
    group, tolerance = case.make(), TOLERANCE[dtype]
    a, b, c = (torch.as_tensor(elements(group, kind, seed=s), dtype=dtype) for s in range(3))
    e = torch.as_tensor(group.identity(6), dtype=dtype)
    matrix = group.matrix
    one = torch.eye(matrix(a).shape[-1], dtype=dtype).expand_as(matrix(a))
    assert mismatch(matrix(group.compose(a, b)), matrix(a) @ matrix(b)) < tolerance
    assert mismatch(matrix(e), one) == 0
    assert mismatch(matrix(group.compose(e, a)), matrix(a)) < tolerance
    assert mismatch(matrix(group.compose(a, e)), matrix(a)) < tolerance
    assert mismatch(matrix(group.compose(a, group.inverse(a))), one) < tolerance
    assert mismatch(matrix(group.compose(group.inverse(a), a)), one) < tolerance
    left, right = group.compose(group.compose(a, b), c), group.compose(a, group.compose(b, c))
    assert mismatch(matrix(left), matrix(right)) < tolerance


@zoo
@pytest.mark.parametrize("shape", BATCHES, ids=str)
@pytest.mark.parametrize("conversion", CONVERSIONS)
def test_batches_and_kinds_of_arrays(case: Case, shape: tuple[int, ...], conversion: str) -> None:
    group, convert = case.make(), CONVERSIONS[conversion]
    a, b = (convert(elements(group, "generic", shape, seed=s)) for s in (0, 1))
    for result in (group.compose(a, b), group.inverse(a)):
        assert type(result) is type(a)
        assert result.shape == a.shape
        assert np.all(np.asarray(group.contains(result)))
        if isinstance(a, torch.Tensor):
            assert result.dtype == a.dtype
    assert group.matrix(a).shape[:-2] == shape
    assert group.log(a).shape == (*shape, group.tangent_dim)
    assert type(group.log(a)) is type(a)
    assert group.contains(a).shape == shape
    for rep in (*group.irreps(1), *group.affine_representations()):
        assert rep(a).shape == (*shape, rep.dim, rep.dim)
        assert rep.translation(a).shape == (*shape, rep.dim)
        assert rep.character(a).shape == shape
        assert type(rep(a)) is type(a)


@zoo
def test_compose_broadcasts(case: Case) -> None:
    group = case.make()
    a, b = elements(group, "generic", (4, 1)), elements(group, "generic", (3,))
    table = group.compose(a, b)
    assert table.shape == (4, 3, group.n_params)
    np.testing.assert_allclose(table[2, 1], group.compose(a[2, 0], b[1]), atol=1e-12)


@zoo
@kinds
def test_results_are_canonical(case: Case, kind: str) -> None:
    """Composing a canonical element with e changes nothing (up to the sign of a rotation by exactly π)."""
    group = case.make()
    a = group.compose(elements(group, kind), group.identity(6))
    np.testing.assert_allclose(group.compose(a, group.identity(6)), a, atol=1e-12)
    assert group.contains(a).all()


# --- exp, log ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", [c for c in ZOO if connected(c.make())], ids=str)
@kinds
def test_exp_of_log(case: Case, kind: str) -> None:
    group = case.make()
    for dtype, tolerance in TOLERANCE.items():
        g = torch.as_tensor(elements(group, kind), dtype=dtype)
        assert mismatch(group.matrix(group.exp(group.log(g))), group.matrix(g)) < tolerance


@zoo
@pytest.mark.parametrize("size", [0.0, 1e-7, 0.3, 1.5])
def test_log_of_exp(case: Case, size: float) -> None:
    group = case.make()
    if isinstance(group, (Translation, Product)):
        size = min(size, 0.3)  # inside half a period
    a = np.random.default_rng(0).standard_normal((5, group.tangent_dim))
    a *= size / np.maximum(np.linalg.norm(a, axis=-1, keepdims=True), 1e-300)
    np.testing.assert_allclose(group.log(group.exp(a)), a, atol=1e-12, rtol=1e-9)


def test_exp_is_the_matrix_exponential() -> None:
    """SO(3), SE(2), SE(3), Lorentz closed forms against torch.linalg.matrix_exp of their algebras."""
    rng = np.random.default_rng(0)
    for scale in (1e-7, 1e-2, 1.0, 3.0):
        a = torch.as_tensor(rng.standard_normal((20, 6)))
        a = scale * a / a.norm(dim=-1, keepdim=True)
        assert mismatch(rotation3(a[:, :3]), torch.linalg.matrix_exp(hat(a[:, :3]))) < 1e-13
        space = torch.zeros(20, 4, 4, dtype=torch.float64)
        space[:, :3, :3], space[:, :3, 3] = hat(a[:, 3:]), a[:, :3]
        assert mismatch(SE(3).matrix(SE(3).exp(a)), torch.linalg.matrix_exp(space)) < 1e-13
        plane = torch.zeros(20, 3, 3, dtype=torch.float64)
        plane[:, 1, 0], plane[:, 0, 1], plane[:, :2, 2] = a[:, 2], -a[:, 2], a[:, :2]
        assert mismatch(SE(2).matrix(SE(2).exp(a[:, :3])), torch.linalg.matrix_exp(plane)) < 1e-13
        spacetime = torch.zeros(20, 4, 4, dtype=torch.float64)
        spacetime[:, 1:, 1:], spacetime[:, 0, 1:], spacetime[:, 1:, 0] = hat(a[:, :3]), a[:, 3:], a[:, 3:]
        assert mismatch(Lorentz().matrix(Lorentz().exp(a)), torch.linalg.matrix_exp(spacetime)) < 1e-13


def test_rotations_by_pi() -> None:
    axes = np.concatenate([np.eye(3), -np.eye(3), np.ones((1, 3)) / np.sqrt(3)])
    half_turns = torch.as_tensor(axes * np.pi)
    assert mismatch(rotation3(vector_of_matrix(rotation3(half_turns))), rotation3(half_turns)) < 1e-14
    for n in (4, 5, 6):
        matrix = np.diag([-1.0] * (n // 2 * 2) + [1.0] * (n % 2))
        assert mismatch(SO(n).matrix(SO(n)._logarithm(torch.as_tensor(matrix))), matrix) < 1e-13
        angles = np.zeros(n * (n - 1) // 2)
        angles[0] = np.pi
        assert mismatch(SO(n).matrix(SO(n).compose(angles, angles)), np.eye(n)) < 1e-13


def test_so_n_products_are_principal() -> None:
    for n in (4, 5, 6):
        group = SO(n)
        ab = group.compose(3 * group.sample(50, 0), 3 * group.sample(50, 1))
        largest = np.abs(np.linalg.eigvals(group._skew(torch.as_tensor(ab)).numpy())).max()
        assert np.pi * 0.9 < largest <= np.pi * (1 + 1e-12)


def test_so_n_agrees_with_the_circle_and_space() -> None:
    vector = SO3().sample(20, 0)
    params = np.stack([vector[:, 2], -vector[:, 1], vector[:, 0]], -1)
    np.testing.assert_allclose(SO(3).matrix(params), SO3().matrix(vector), atol=1e-14)
    np.testing.assert_allclose(SO(2).matrix([[0.7]]), SO2().matrix([[0.7]]), atol=1e-15)


@pytest.mark.parametrize("rapidity", [1e-9, 0.5, 5.0, 8.0])
def test_lorentz_is_robust_to_large_rapidity(rapidity: float) -> None:
    """Errors are relative to e^η, the size of the matrices; opposite boosts cancel to the identity."""
    group, rng = Lorentz(), np.random.default_rng(0)
    a, b = (np.concatenate([SO3().sample(50, rng), rng.standard_normal((50, 3))], -1) for _ in range(2))
    for g in (a, b):
        g[:, 3:] *= rapidity / np.linalg.norm(g[:, 3:], axis=-1, keepdims=True)
    assert mismatch(group.matrix(group.compose(a, b)), group.matrix(a) @ group.matrix(b)) < 1e-13
    e = group.compose(a, group.inverse(a))
    assert np.abs(e).max() < 1e-15 * np.exp(rapidity) * 20 + 1e-14
    metric = np.diag([1.0, -1, -1, -1])
    lam = group.matrix(a)
    assert mismatch(np.swapaxes(lam, -1, -2) @ metric @ lam, np.tile(metric, (50, 1, 1))) < 1e-14 * np.exp(2 * rapidity)
    assert mismatch(group.matrix(group.exp(group.log(a))), lam) < 1e-9


# --- oracles ----------------------------------------------------------------------------------------------------------
@kinds
def test_so3_against_scipy(kind: str) -> None:
    a, b = elements(SO3(), kind, (50,), 0), elements(SO3(), kind, (50,), 1)
    theirs = Rotation.from_rotvec(a) * Rotation.from_rotvec(b)
    np.testing.assert_allclose(SO3().matrix(SO3().compose(a, b)), theirs.as_matrix(), atol=1e-14)
    np.testing.assert_allclose(SO3().matrix(a), Rotation.from_rotvec(a).as_matrix(), atol=1e-14)
    long = 5 * a
    principal = Rotation.from_rotvec(long).as_rotvec()
    np.testing.assert_allclose(SO3().log(long), principal, atol=1e-7 if kind == "near cut" else 1e-13)
    quaternion = quaternion_of_matrix(torch.as_tensor(theirs.as_matrix())).numpy()
    overlap = (quaternion * theirs.as_quat(scalar_first=True)).sum(-1)
    np.testing.assert_allclose(np.abs(overlap), 1, atol=1e-14)


def test_against_geomstats() -> None:
    from geomstats.geometry.special_euclidean import SpecialEuclidean
    from geomstats.geometry.special_orthogonal import SpecialOrthogonal

    theirs = SpecialOrthogonal(n=3, point_type="vector")
    a, b = SO3().sample(20, 0), SO3().sample(20, 1)
    np.testing.assert_allclose(SO3().compose(a, b), theirs.compose(a, b), atol=1e-10)
    rigid = SpecialEuclidean(n=3, equip=False)
    x, y = SE(3).sample(20, 0), SE(3).sample(20, 1)
    np.testing.assert_allclose(
        SE(3).matrix(SE(3).compose(x, y)), rigid.compose(SE(3).matrix(x), SE(3).matrix(y)), atol=1e-12
    )
    matrices = SpecialOrthogonal(n=5, equip=False)
    g = SO(5).sample(20, 0)
    assert matrices.belongs(SO(5).matrix(g), atol=1e-12).all()


def test_importing_groups_changes_no_global_state() -> None:
    code = (
        "import logging, numpy, torch; before = numpy.random.get_state()[1].sum();"
        "import geodis.groups, sys;"
        "assert torch.get_default_dtype() == torch.float32 and not logging.getLogger().handlers;"
        "assert numpy.random.get_state()[1].sum() == before and 'geomstats' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- sampling ---------------------------------------------------------------------------------------------------------
@zoo
def test_samples_are_seeded_elements(case: Case) -> None:
    group = case.make()
    g = group.sample(50, seed=3)
    assert g.shape == (50, group.n_params)
    assert g.dtype == np.float64
    assert group.contains(g).all()
    np.testing.assert_array_equal(g, group.sample(50, seed=3))
    np.testing.assert_array_equal(g, group.sample(50, seed=np.random.default_rng(3)))
    if group.order != 1:
        assert not np.array_equal(g, group.sample(50, seed=4))
    assert group.sample(0).shape == (0, group.n_params)
    assert group.compose(group.sample(0), group.sample(0)).shape == (0, group.n_params)
    assert group.inverse(group.sample(0)).shape == (0, group.n_params)


@pytest.mark.parametrize("case", [c for c in ZOO if c.make().compact], ids=str)
def test_samples_are_haar(case: Case) -> None:
    """Means of nontrivial irreps vanish; six standard deviations of an entry of variance ≤ 1."""
    group, n = case.make(), 3000
    g = group.sample(n, seed=0)
    for rep in group.irreps(min(case.max_order, 2)):
        if not rep.trivial:
            assert np.abs(rep(g).mean(0)).max() < 6 / np.sqrt(n), rep.name


def test_haar_check_has_power() -> None:
    """Negative control: uniform rotation angles are not Haar on SO(3)."""
    v = SO3().sample(3000, 0)
    v *= np.random.default_rng(1).uniform(0, np.pi, (3000, 1)) / np.linalg.norm(v, axis=-1, keepdims=True)
    assert np.abs(SO3().irrep("l=1")(v).mean(0)).max() > 6 / np.sqrt(3000)


# --- orbits -----------------------------------------------------------------------------------------------------------
@zoo
def test_orbit_designs(case: Case) -> None:
    group = case.make()
    orbit = group.orbit(4, 9, seed=0)
    assert orbit.shape[0] == 4
    assert orbit.shape[2] == group.n_params
    assert group.contains(orbit).all()
    np.testing.assert_array_equal(orbit, group.orbit(4, 9, seed=0))
    if group.order is None:
        assert orbit.shape[1] == 9
        assert np.abs(orbit[0] - orbit[1]).max() > 1e-3  # no design shared by the items
        return
    assert orbit.shape[1] == min(9, group.order)
    distinct = {tuple(g) for g in orbit[1]}
    assert len(distinct) == orbit.shape[1]
    full = group.orbit(2, group.order + 5, seed=1)
    assert full.shape == (2, group.order, group.n_params)
    np.testing.assert_array_equal(full[0], full[1])
    assert {tuple(g) for g in full[0]} == {tuple(g) for g in group.quadrature(0)[0]}


@pytest.mark.parametrize(
    ("group", "m"), [(SO2(), 8), (Translation(1, period=1.5), 8), (Translation(2, period=(1.0, 2.0)), 16)], ids=str
)
def test_orbits_of_tori_are_regular_grids(group: SO2 | Translation, m: int) -> None:
    orbit = group.orbit(5, m, seed=0)
    for rep in group.irreps(3 if group.n_params == 2 else 7):
        if not rep.trivial:
            expected = rep.order % 4 == 0 if group.n_params == 2 else False
            assert expected or np.abs(rep(orbit).mean(1)).max() < 1e-12
    assert len({round(float(x), 6) for x in orbit[:, 0, 0]}) == 5
    irregular = Translation(2, period=1.0).orbit(2, 15, seed=0)
    assert irregular.shape == (2, 15, 2)


# --- relabelling ------------------------------------------------------------------------------------------------------
@zoo
def test_relabelling_is_one_bijection(case: Case) -> None:
    group = case.make()
    g = group.sample(400, seed=0)
    relabel = group.relabelling(g, seed=1)
    if repr(group).startswith(("SO(5)", "SO(6)")):
        assert relabel is None
        return
    moved = relabel(g)
    assert moved.shape == g.shape
    assert group.contains(moved).all()
    np.testing.assert_array_equal(moved, relabel(g))
    np.testing.assert_array_equal(moved[::7], relabel(g[::7]))  # a map of elements, not of rows
    np.testing.assert_array_equal(moved, group.relabelling(g, seed=1)(g))
    np.testing.assert_allclose(moved.reshape(20, 20, -1), relabel(g.reshape(20, 20, -1)), atol=1e-12)
    if group.order is not None:
        everything = group.quadrature(0)[0]
        assert {tuple(x) for x in relabel(everything)} == {tuple(x) for x in everything}
    elif group.compact and not isinstance(group, Product):
        for rep in group.irreps(2):  # a piecewise translation keeps Haar measure
            assert rep.trivial or np.abs(rep(moved).mean(0)).max() < 6 / np.sqrt(400)
    if group.order is None or group.order > 6:
        several = [group.relabelling(g, seed=s)(g) for s in range(5)]  # one draw may be the identity
        assert max(mismatch(group.matrix(x), group.matrix(g)) for x in several) > 0.1


def test_relabelling_moves_cells_rigidly() -> None:
    for group, n in ((SO3(), 3), (SO(4), 4)):
        g = group.sample(200, 0)
        moved = group.relabelling(g, 1)(g)
        steps = group.matrix(group.compose(moved, group.inverse(g)))
        distance = np.abs(steps[:, None] - signed_permutations(n)[None]).max((-1, -2)).min(1)
        inner = np.einsum("gij,kij->gk", group.matrix(g), signed_permutations(n)).argmax(1)
        assert len(signed_permutations(n)) == {3: 24, 4: 192}[n]
        for cell in np.unique(inner):
            assert np.ptp(steps[inner == cell], axis=0).max() < 1e-10
        assert distance.max() < 1e-10
    turned = SO2().relabelling([[0.0]], 0)(SO2().sample(300, 0)) - SO2().sample(300, 0)
    assert np.abs(turned / (np.pi / 6) - np.round(turned / (np.pi / 6))).max() < 1e-10


def test_relabelling_of_parts() -> None:
    rigid, lorentz, pair = SE(3), Lorentz(), SO2() * Cyclic(5)
    g = rigid.sample(50, 0)
    np.testing.assert_array_equal(rigid.relabelling(g, 0)(g)[:, :3], g[:, :3])
    g = lorentz.sample(50, 0)
    np.testing.assert_array_equal(lorentz.relabelling(g, 0)(g)[:, 3:], g[:, 3:])
    g = pair.sample(50, 0)
    for factor, kept in ((0, 1), (1, 0)):
        moved = pair.relabelling(g, 0, factor=factor)(g)
        np.testing.assert_array_equal(moved[:, kept], g[:, kept])
        assert not np.allclose(moved[:, factor], g[:, factor])
    with pytest.raises(ParameterError, match="factor"):
        pair.relabelling(g, 0, factor=2)
    line = Translation(1)
    t = np.linspace(0, 8, 81)[:-1, None]
    window = np.concatenate([t, [[8.0]]])
    np.testing.assert_allclose(np.sort(line.relabelling(window, 0)(t), 0), t, atol=1e-12)
    assert line.relabelling(window, 0)([[100.0]] * np.ones((1, 1)))[0, 0] == 100.0
    assert line.relabelling([[1.0]], 0) is None


# --- gradients --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("group", [SO2(), SO3(), SO(2), SO(3), SE(2), SE(3), Lorentz()], ids=str)
@pytest.mark.parametrize("size", [0.0, 1e-4, 0.8, np.pi - 1e-3])
def test_gradients(group: SO3, size: float) -> None:
    """Finite differences agree with autograd at the identity, in the middle and near the cut locus."""
    a = np.random.default_rng(0).standard_normal((3, group.tangent_dim))
    a = torch.as_tensor(a * size / np.linalg.norm(a, axis=-1, keepdims=True)).requires_grad_()
    b = torch.as_tensor(group.exp(0.2 * np.random.default_rng(1).standard_normal((3, group.tangent_dim))))
    for function in (
        group.exp,
        group.log,
        group.inverse,
        group.matrix,
        lambda x: group.compose(b, group.compose(group.exp(x), b)),
        lambda x: group.log(group.exp(x)),
        lambda x: group.irreps(2)[-1](x),
    ):
        assert torch.autograd.gradcheck(function, (a,), eps=1e-6, atol=1e-6, rtol=1e-4)


def test_gradients_on_a_torus() -> None:
    """Parameters jump at the period; the elements do not."""
    group = Translation(2, period=1.0)
    for size in (0.0, 0.3, 0.5):
        a = torch.full((1, 2), size, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda x: group.matrix(group.inverse(group.exp(x))), (a,))


def test_gradient_through_the_matrix_logarithm() -> None:
    for size in (0.0, 1e-6, 1.0, np.pi - 1e-3):
        v = torch.tensor([[0.48, 0.6, 0.64]], dtype=torch.float64) * size
        v.requires_grad_()
        vector_of_matrix(rotation3(v)).sum().backward()
        np.testing.assert_allclose(v.grad.numpy(), 1.0, atol=1e-6)


# --- names ------------------------------------------------------------------------------------------------------------
@zoo
def test_parse_round_trip(case: Case) -> None:
    group = case.make()
    again = parse(repr(group))
    assert again == group
    assert hash(again) == hash(group)
    assert repr(again) == repr(group)
    assert group != "a string"
    assert group != Cyclic(1001)


def test_parse_reads_what_people_write() -> None:
    assert parse("SO2") == parse(" SO2() ") == SO2()
    assert parse("SO2*Cyclic(3)*SE(2)") == SO2() * Cyclic(3) * SE(2) == SO2() * (Cyclic(3) * SE(2))
    assert parse("Translation(2, period=(1.0, 2.5))").period == (1.0, 2.5)
    assert parse("Translation(2, period=1.0)") == Translation(2, period=(1, 1))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("SO9", UnknownNameError),
        ("", UnknownNameError),
        ("SO2 + SO2", UnknownNameError),
        ("__import__('os')", UnknownNameError),
        ("Cyclic(__import__('os'))", UnknownNameError),
        ("Cyclic(3", UnknownNameError),
        ("SO2().compose", UnknownNameError),
        (7, UnknownNameError),
        ("Cyclic()", ParameterError),
        ("SO2(3)", ParameterError),
        ("Cyclic(3, m=2)", ParameterError),
        ("Cyclic(0)", ParameterError),
        ("Cyclic(2.5)", ParameterError),
    ],
)
def test_parse_refuses(text: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        parse(text)
    if error is UnknownNameError:
        assert "Hyperoctahedral" in str(caught.value)


# --- bad input --------------------------------------------------------------------------------------------------------
@zoo
def test_malformed_elements_are_named_errors(case: Case) -> None:
    group = case.make()
    good = group.sample(3, 0)
    wrong, nan = np.zeros((3, group.n_params + 1)), good.copy()
    nan[1, 0] = np.nan
    rep = group.irreps(1)[-1]
    calls = [
        group.inverse, group.matrix, group.log, group.check, rep, rep.translation, rep.character, group.relabelling,
        lambda g: group.compose(g, good), lambda g: group.compose(good, g),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ShapeError):
            call(wrong)
        with pytest.raises(ShapeError):
            call(np.float64(1.0))
        with pytest.raises(FiniteError):
            call(nan)
    with pytest.raises(ShapeError):
        group.contains(wrong)
    assert group.contains(nan).tolist() == [True, False, True]
    with pytest.raises(ShapeError):
        group.exp(np.zeros((2, group.tangent_dim + 1)))
    if group.tangent_dim:
        with pytest.raises(FiniteError):
            group.exp(np.full((2, group.tangent_dim), np.inf))
    with pytest.raises(ShapeError):
        group.compose(np.zeros((2, group.n_params)), np.zeros((3, group.n_params)))
    for call in (group.sample, group.identity, lambda n: group.orbit(n, 2), lambda n: group.orbit(2, n), group.irreps):
        for bad in (-1, 1.5, "3", None, True):
            with pytest.raises(ParameterError):
                call(bad)
    with pytest.raises(UnknownNameError):
        group.irrep("no such name")


@pytest.mark.parametrize(
    ("group", "outside"),
    [
        (Cyclic(12), [0.5]),
        (Dihedral(4), [1.0, 2.0]),
        (Dihedral(4), [0.3, 1.0]),
        (Permutations(3), [6.0]),
        (Permutations(3), [-1.0]),
        (Permutations(3), [1.5]),
        (Hyperoctahedral(2), [8.0]),
        (SO2() * Cyclic(3), [0.5, 0.5]),
    ],
    ids=str,
)
def test_outside_the_group(group: Cyclic, outside: list[float]) -> None:
    inside = group.identity(1)[0]
    rows = np.array([inside, outside])
    assert group.contains(rows).tolist() == [True, False]
    for call in (group.check, group.inverse, group.matrix, lambda g: group.compose(g, inside), group.irreps(1)[-1]):
        with pytest.raises(ParameterError, match="1 of 2 rows"):
            call(rows)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cyclic(0),
        lambda: Cyclic(2.0),
        lambda: Cyclic(True),
        lambda: Dihedral(-1),
        lambda: Permutations(19),
        lambda: Hyperoctahedral(0),
        lambda: Hyperoctahedral(15),
        lambda: SO(1),
        lambda: SO("3"),
        lambda: SE(4),
        lambda: SE(2, spread=0),
        lambda: Translation(0),
        lambda: Translation(2, period=(1.0,)),
        lambda: Translation(1, period=-1.0),
        lambda: Translation(1, period="x"),
        lambda: Translation(1, spread=np.nan),
        lambda: Scaling(spread=np.inf),
        lambda: Lorentz(spread="a"),
        lambda: Product(),
        lambda: Product(SO2(), "SO2"),
        lambda: Permutations(12).elements(),
        lambda: SE(2).quadrature(2),
        lambda: SO2().quadrature(-1),
    ],
)
def test_bad_arguments(make: object) -> None:
    with pytest.raises(ParameterError):
        make()


# --- laws with free parameters ----------------------------------------------------------------------------------------
quick = settings(max_examples=30, deadline=None, derandomize=True)
number = st.floats(-50, 50, allow_nan=False)


@quick
@given(st.lists(number, min_size=9, max_size=9))
def test_any_three_rotation_vectors_associate(values: list[float]) -> None:
    a, b, c = np.reshape(values, (3, 3))
    group = SO3()
    left, right = group.compose(group.compose(a, b), c), group.compose(a, group.compose(b, c))
    np.testing.assert_allclose(group.matrix(left), group.matrix(right), atol=1e-11)
    assert np.linalg.norm(left) <= np.pi * (1 + 1e-12)


@quick
@given(number, number)
def test_any_two_angles(a: float, b: float) -> None:
    ab = SO2().compose([a], [b])
    np.testing.assert_allclose(np.exp(1j * ab), np.exp(1j * (a + b)), atol=1e-12)
    assert -np.pi - 1e-14 <= ab[0] <= np.pi + 1e-14


@quick
@given(st.integers(1, 40), st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_any_two_steps(n: int, a: int, b: int) -> None:
    group = Cyclic(n)
    assert group.compose([float(a)], [float(b)])[0] == (a + b) % n
    assert group.inverse([float(a)])[0] == -a % n


@quick
@given(st.permutations(range(9)), st.permutations(range(9)))
def test_any_two_permutations(a: list[int], b: list[int]) -> None:
    group = Permutations(9)
    ab = group.compose(group.index(np.array(a)), group.index(np.array(b)))
    assert group.images(ab).tolist() == [a[i] for i in b]


@quick
@given(st.integers(1, 99), st.lists(st.floats(0.01, 1e4), min_size=1, max_size=3))
def test_any_name_is_read_back(n: int, periods: list[float]) -> None:
    group = Cyclic(n) * Translation(len(periods), period=tuple(periods)) * Dihedral(n)
    assert parse(repr(group)) == group


def test_caches_are_not_handed_out_writable() -> None:
    """A caller who writes into a result must not change later ones."""
    for group, name in ((Permutations(3), "[2,1]"), (SO(4), "h=(1,1)"), (SO3(), "l=2")):
        first = group.irrep(name)(group.sample(4, 0))
        kept = first.copy()
        first[...] = 7.0
        np.testing.assert_array_equal(group.irrep(name)(group.sample(4, 0)), kept)
