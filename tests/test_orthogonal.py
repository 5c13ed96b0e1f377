"""O(n): reflections beside the rotations of SO(n), irreps that say how they take them, and codes that hold both."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from groups_zoo import homomorphism_error, mismatch

from geodis import LinearCoordinates, Orbits
from geodis.errors import ParameterError, UnknownNameError
from geodis.groups import SO, SO2, SO3, O, Representation, parse
from geodis.groups.characters import check_representations, commutant, inner_product
from geodis.simulators import planted

agree = partial(np.testing.assert_allclose, rtol=0)  # its default, 1e-7 of the value, is no rounding
DIMENSIONS = (2, 3, 4, 5)
every_dimension = pytest.mark.parametrize("n", DIMENSIONS)


def reflection(n: int) -> np.ndarray:
    """The parameters of diag(1, …, 1, −1)."""
    return np.eye(n * (n - 1) // 2 + 1)[-1]


def with_bit(rotations: np.ndarray, bit: float) -> np.ndarray:
    return np.pad(rotations, ((0, 0), (0, 1)), constant_values=bit)


def minus_one(n: int) -> np.ndarray:
    """The parameters of −1: half turns of the planes (0,1), (2,3), … and, for odd n, a flip of the last axis."""
    i, j = np.triu_indices(n, 1)
    return np.append(np.where((i % 2 == 0) & (j == i + 1), np.pi, 0.0), n % 2)


def content(rep: Representation, group: O, max_order: int) -> set[str]:
    """The names of the irreps in a representation, each with its multiplicity if that is not one."""
    found = {}
    for irrep in group.irreps(max_order):
        copies = inner_product(rep, irrep, group)
        assert abs(copies - round(copies)) < 1e-9
        found[irrep.name] = round(copies)
    return {name if copies == 1 else f"{copies} {name}" for name, copies in found.items() if copies}


# --- elements ---------------------------------------------------------------------------------------------------------
@every_dimension
def test_elements_are_a_rotation_and_a_bit(n):
    group, rotations = O(n), SO(n).sample(20, 0)
    mirror = np.diag([1.0] * (n - 1) + [-1.0])
    agree(group.matrix(with_bit(rotations, 0.0)), SO(n).matrix(rotations), atol=1e-14)
    agree(group.matrix(with_bit(rotations, 1.0)), SO(n).matrix(rotations) @ mirror, atol=1e-14)
    agree(group.matrix(minus_one(n)), -np.eye(n), atol=1e-14)
    g = group.sample(200, 0)
    agree(np.linalg.det(group.matrix(g)), (-1.0) ** g[:, -1], atol=1e-12)
    assert 60 < g[:, -1].sum() < 140, "both components are sampled alike"
    assert np.allclose(np.swapaxes(group.matrix(g), -1, -2) @ group.matrix(g), np.eye(n), atol=1e-12)


@every_dimension
def test_products_of_components(n):
    group, g = O(n), O(n).sample(60, 0)
    squares = group.compose(g, g)
    assert (squares[:, -1] == 0).all()
    mirrored = group.compose(group.compose(reflection(n), g), reflection(n))
    np.testing.assert_array_equal(mirrored[:, -1], g[:, -1])
    r = group.matrix(reflection(n))
    agree(group.matrix(mirrored), r @ group.matrix(g) @ r, atol=1e-12)


@every_dimension
def test_exp_stays_with_the_rotations_and_log_refuses_the_others(n):
    group = O(n)
    a = 0.5 * np.random.default_rng(0).standard_normal((5, group.tangent_dim)) / n
    np.testing.assert_array_equal(group.exp(a), with_bit(a, 0.0))
    agree(group.log(group.exp(a)), a, atol=1e-14)
    with pytest.raises(ParameterError, match="reflection"):
        group.log([*group.exp(a), reflection(n)])


def test_a_bit_is_zero_or_one():
    inside = [[0.3, 0.0], [0.3, 1.0], [0.3, 1.0 + 1e-9]]
    outside = [[0.3, -1.0], [0.3, 2.0], [0.3, 0.5], [0.3, np.nan]]
    assert O(2).contains(inside + outside).tolist() == [True] * 3 + [False] * 4
    rounded = O(2).compose([[0.3, 1.0 + 1e-9]], [[0.1, 1e-9]])
    agree(rounded, [[0.2, 1.0]], atol=1e-15)


def test_gradients_pass_by_the_bit():
    for group in (O(2), O(3)):
        a = torch.as_tensor(0.4 * np.random.default_rng(0).standard_normal((2, group.tangent_dim))).requires_grad_()
        mirror = torch.as_tensor(reflection(group.n))
        for function in (group.matrix, group.irreps(2)[-1], group.irrep("vector")):
            moved = lambda x, f=function, g=group, m=mirror: f(g.compose(m, g.exp(x)))  # noqa: E731
            assert torch.autograd.gradcheck(moved, (a,), atol=1e-6)


def test_relabelling_carries_both_components():
    """Null N2 permutes the translates of one cell: rotations become reflections and the other way round."""
    for n in (2, 3, 4):
        group, g = O(n), O(n).sample(300, 0)
        moved = group.relabelling(g, 1)(g)
        crossed = (moved[:, -1] != g[:, -1]).mean()
        assert 0.3 < crossed < 0.7
        steps = group.matrix(group.compose(moved, group.inverse(g))).reshape(300, -1)
        assert len(np.unique(steps.round(6), axis=0)) <= {2: 24, 3: 48, 4: 384}[n] < 1000
    assert O(5).relabelling(O(5).sample(3, 0)) is None


# --- irreps -----------------------------------------------------------------------------------------------------------
@every_dimension
def test_irreps_are_homomorphisms_irreducible_and_complete(n):
    group, order = O(n), 3 if n < 4 else 2
    irreps = group.irreps(order)
    assert check_representations(irreps, group, order).worst < 1e-10
    a, b = (torch.as_tensor(group.sample(8, seed)) for seed in (0, 1))
    for rep in irreps:
        assert rep.type == "real"
        assert homomorphism_error(rep, group, a, b) < 1e-12, rep.name
        assert mismatch(rep(a).mT @ rep(a), torch.eye(rep.dim, dtype=torch.float64).expand(8, -1, -1)) < 1e-12
        assert len(commutant(rep, group)) == 1


def test_the_checks_see_a_dropped_reflection():
    """Negative control: an irrep of SO(3) that overlooks the bit is no representation of O(3)."""
    group = O(3)
    good = group.irrep("h=(1)+")
    rotation_only = replace(good, matrices=lambda g: good.matrices(g * torch.tensor([1.0, 1.0, 1.0, 0.0]).to(g)))
    a, b = (torch.as_tensor(group.sample(8, seed)) for seed in (0, 1))
    assert homomorphism_error(rotation_only, group, a, b) > 0.1
    assert mismatch(rotation_only(a), good(a)) > 0.1
    signed = group.irreps(2)
    assert check_representations(signed, group, 2).worst < 1e-10
    unsigned = tuple(rep for rep in signed if not rep.name.endswith("-"))
    assert check_representations(unsigned, group, 2).incomplete > 0.1


@every_dimension
def test_vector_is_the_matrix_and_signs_differ_by_det(n):
    group, g = O(n), O(n).sample(10, 0)
    agree(group.irrep("vector")(g), group.matrix(g), atol=1e-13)
    assert group.irrep("vector").name == ("h=(1)" if n == 2 else f"h=({','.join(['1'] + ['0'] * (n // 2 - 1))})+")
    det = np.linalg.det(group.matrix(g))
    zero = ",".join("0" * (n // 2))
    agree(group.irrep(f"h=({zero})-")(g)[:, 0, 0], det, atol=1e-12)
    assert group.irrep(f"h=({zero})+").trivial
    names = {rep.name for rep in group.irreps(3)}
    for rep in group.irreps(3):
        if rep.name.endswith("+") and f"{rep.name[:-1]}-" in names:
            twisted = group.irrep(f"{rep.name[:-1]}-")
            agree(twisted(g), det[:, None, None] * rep(g), atol=1e-12)
            assert twisted.order == rep.order + 1
        if rep.name.endswith(")"):
            turned = rep.character(g[g[:, -1] == 1])
            agree(turned, 0, atol=1e-11, err_msg="equal to its product with det")


@every_dimension
def test_plus_is_the_parity_of_tensors(n):
    group = O(n)
    for rep in group.irreps(3):
        sign = (-1.0) ** rep.order  # boxes; det of −1 is (−1)^n, and the sign − counts for one more
        if rep.name.endswith("-"):
            sign *= (-1.0) ** (n - 1)
        agree(rep(minus_one(n)), sign * np.eye(rep.dim), atol=1e-12)


def test_rotations_of_the_irreps_are_those_of_so_n():
    v = SO3().sample(8, 0)
    a = np.stack([v[:, 2], -v[:, 1], v[:, 0]], -1)
    for degree in range(1, 4):
        for sign in "+-":
            ours = O(3).irrep(f"h=({degree}){sign}")(with_bit(a, 0.0))
            agree(ours, SO3().irrep(f"l={degree}")(v), atol=1e-12)
    angle = SO2().sample(8, 0)
    agree(O(2).irrep("h=(3)")(with_bit(angle, 0.0)), SO2().irrep("m=3")(angle), atol=1e-12)
    for n in (4, 5, 6):
        g = SO(n).sample(6, 0)
        for rep in O(n).irreps(2):
            weight = rep.name.rstrip("+-")
            expected = SO(n).irrep(weight).character(g)
            if n == 4 and rep.name == "h=(1,1)":
                expected = expected + SO(4).irrep("h=(1,-1)").character(g)
            agree(rep.character(with_bit(g, 0.0)), expected, atol=1e-10)


def test_bivectors_are_antisymmetric_tensors():
    """V ⊗ V is a trace, a traceless symmetric tensor and a bivector, whose name depends on n."""
    expected = {
        2: {"h=(0)+", "h=(0)-", "h=(2)"},
        3: {"h=(0)+", "h=(2)+", "h=(1)-"},
        4: {"h=(0,0)+", "h=(2,0)+", "h=(1,1)"},
        5: {"h=(0,0)+", "h=(2,0)+", "h=(1,1)+"},
    }
    for n, names in expected.items():
        vector = O(n).irrep("vector")
        assert content(vector * vector, O(n), 2) == names
    three = O(3).irrep("vector") * O(3).irrep("vector") * O(3).irrep("vector")
    assert content(three, O(3), 3) == {"h=(0)-", "3 h=(1)+", "2 h=(2)-", "h=(3)+"}  # det is the volume
    axial = O(3).irrep("h=(1)-")
    assert content(axial * axial, O(3), 3) == {"h=(0)+", "h=(1)-", "h=(2)+"}, "a cross product of axial ones is axial"


def test_dimensions():
    dims = {
        2: {"h=(0)-": 1, "h=(4)": 2},
        4: {"h=(1,1)": 6, "h=(2,0)-": 9, "h=(2,1)": 16, "h=(2,2)": 10},
        5: {"h=(1,1)-": 10, "h=(2,1)+": 35},
        6: {"h=(1,1,1)": 20, "h=(1,1,0)-": 15},
    }
    for n, expected in dims.items():
        for name, dim in expected.items():
            assert O(n).irrep(name).dim == O(n).irrep(name)(O(n).identity(1)).shape[-1] == dim


@pytest.mark.parametrize(
    "name", ["h=(1,0)", "h=(1,1)+", "h=(1,-1)", "h=(0,1)+", "h=(1)+", "h=(1,0)+-", "h=1,0+", "+", 3]
)
def test_names_of_no_irrep_are_refused(name):
    with pytest.raises(UnknownNameError, match=r"h=\(0,0\)\+"):
        O(4).irrep(name)


@pytest.mark.parametrize("n", [1, 0, -3, 2.0, "3", True, None])
def test_dimensions_out_of_range_are_refused(n):
    with pytest.raises(ParameterError):
        O(n)


def test_the_name_is_read_back():
    assert parse("O(3) * SO2()") == O(3) * SO2()
    assert O(3) != SO(3)
    assert O(2).periods == (2 * np.pi, None)
    assert O(3).periods == (None,) * 4


# --- quadrature -------------------------------------------------------------------------------------------------------
@every_dimension
def test_quadrature_weighs_both_components(n):
    group = O(n)
    params, weights = group.quadrature(3)
    for bit in (0.0, 1.0):
        assert weights[params[:, -1] == bit].sum() == pytest.approx(0.5, abs=1e-14)
    g = group.sample(4000, 0)
    g = g[g[:, -1] == 1]
    for rep in group.irreps(2):  # the reflections' part alone, against samples
        mirrored = params[:, -1] == 1
        exact = 2 * weights[mirrored] @ rep.character(params[mirrored]) ** 2
        assert abs((rep.character(g) ** 2).mean() - exact) < 0.3 * rep.dim, rep.name


# --- a code that holds polar and axial vectors ------------------------------------------------------------------------
def test_polar_and_axial_vectors_are_told_apart():
    group = O(3)
    copies = {"h=(0)+": 2, "h=(0)-": 1, "h=(1)+": 2, "h=(1)-": 1, "h=(2)+": 1}
    params = group.orbit(80, 16, seed=0)
    code = planted([(group.irrep(name), count) for name, count in copies.items()], params, n_features=32, seed=1)
    train, test = Orbits.from_arrays(code.z, code.params, code.items, group).split(0.3, seed=0)
    est = LinearCoordinates(group, max_order=2).fit_orbits(train)
    assert est.spectrum_.multiplicities == copies
    assert not est.coordinates_.limited
    assert est.score(test.z, test.params, items=test.items) > 0.95
    dropped = test.params * [1.0, 1.0, 1.0, 0.0]
    assert est.score(test.z, dropped, items=test.items) < 0.6, "the bit matters"
