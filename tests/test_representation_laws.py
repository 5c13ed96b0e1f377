"""The laws of representations, for every group: homomorphism, orthogonality, type, cocycle, completeness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from groups_zoo import KINDS, TOLERANCE, ZOO, Case, elements, mismatch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from geodis.errors import ParameterError, UnknownNameError
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
    Representation,
    Scaling,
    Translation,
    direct_sum,
)
from geodis.groups.characters import check_irreps, check_representations, commutant, frobenius_schur, inner_product
from geodis.groups.group import AbstractGroup
from geodis.groups.representation import real_form
from geodis.groups.wigner import spin_generators, wigner
from geodis.groups.young import dimension, partitions, standard_fillings

zoo = pytest.mark.parametrize("case", ZOO, ids=str)
compact = pytest.mark.parametrize("case", [c for c in ZOO if c.make().compact], ids=str)
kinds = pytest.mark.parametrize("kind", KINDS)


def all_representations(group: AbstractGroup, max_order: int) -> tuple[Representation, ...]:
    extra = {
        Translation: ("ω=1.3",) if group.n_params == 1 else ("ω=(1.3,0)", "ω=(-0.25,2)"),
        Scaling: ("a=1.5", "a=-0.25"),
        SE: ("homogeneous",),
    }.get(type(group), ())
    named = () if isinstance(group, Translation) and group.compact else extra
    return (*group.irreps(max_order), *group.affine_representations(), *(group.irrep(name) for name in named))


def homomorphism_error(rep: Representation, group: AbstractGroup, a: torch.Tensor, b: torch.Tensor) -> float:
    return mismatch(rep(group.compose(a, b)), rep(a) @ rep(b))


# --- laws -------------------------------------------------------------------------------------------------------------
@zoo
@kinds
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_homomorphism_orthogonality_and_cocycle(case: Case, kind: str, dtype: torch.dtype) -> None:
    group, tolerance = case.make(), TOLERANCE[dtype]
    a, b = (torch.as_tensor(elements(group, kind, seed=s), dtype=dtype) for s in (0, 1))
    ab, e = group.compose(a, b), torch.as_tensor(group.identity(1), dtype=dtype)
    for rep in all_representations(group, case.max_order):
        one = torch.eye(rep.dim, dtype=dtype)
        rho = rep(a)
        assert rho.dtype == dtype
        assert rho.shape == (6, rep.dim, rep.dim)
        assert homomorphism_error(rep, group, a, b) < tolerance, rep.name
        assert mismatch(rep(e)[0], one) < 1e-6 if dtype is torch.float32 else mismatch(rep(e)[0], one) < 1e-15
        if rep.orthogonal:
            assert mismatch(rho.mT @ rho, one.expand_as(rho)) < tolerance, rep.name
        if rep.half is not None:
            assert rep.type == "complex"
            assert mismatch(real_form(rep.half(a)), rho) == 0
        else:
            assert rep.type != "complex" or rep.cocycle is not None
        # t(ab) = ρ(a) t(b) + t(a)
        expected = (rho @ rep.translation(b)[..., None])[..., 0] + rep.translation(a)
        assert mismatch(rep.translation(ab), expected) < tolerance
        assert mismatch(rep.character(a), rho.diagonal(dim1=-2, dim2=-1).sum(-1)) < tolerance


@zoo
def test_nonorthogonal_claims_are_true(case: Case) -> None:
    """A representation that says it is not orthogonal is not."""
    group = case.make()
    g = group.sample(20, 0)
    for rep in all_representations(group, case.max_order):
        if not rep.orthogonal:
            assert mismatch(np.swapaxes(rep(g), -1, -2) @ rep(g), np.tile(np.eye(rep.dim), (20, 1, 1))) > 1e-2


@zoo
def test_names_orders_and_factors(case: Case) -> None:
    group = case.make()
    irreps = group.irreps(case.max_order)
    assert irreps[0].trivial
    assert [rep.name for rep in irreps if rep.trivial] == [irreps[0].name]
    assert len({rep.name for rep in irreps}) == len(irreps)
    assert [rep.order for rep in irreps] == sorted(rep.order for rep in irreps)
    assert all(rep.order <= case.max_order for rep in irreps)
    assert [rep.name for rep in group.irreps(0) if rep.order == 0] == [irreps[0].name]
    g = group.sample(5, 0)
    for rep in all_representations(group, case.max_order):
        again = group.irrep(rep.name)
        assert (again.name, again.dim, again.type, again.factors) == (rep.name, rep.dim, rep.type, rep.factors)
        np.testing.assert_array_equal(again(g), rep(g))
        parts = len(getattr(group, "groups", (group,)))
        assert set(rep.factors) <= set(range(parts))
        assert rep.coupling in ("trivial", "disentangled", "entangled")


@zoo
def test_factors_are_the_ones_that_act(case: Case) -> None:
    group = case.make()
    if not hasattr(group, "groups"):
        return
    for factor, piece in enumerate(group._slices()):
        g = group.identity(6)
        g[:, piece] = group.sample(6, 0)[:, piece]
        for rep in all_representations(group, case.max_order):
            moves = np.abs(rep(g) - np.eye(rep.dim)).max() > 1e-9 or np.abs(rep.translation(g)).max() > 1e-9
            assert moves == (factor in rep.factors), (rep.name, factor)


# --- irreducible, inequivalent, of the right type, complete -----------------------------------------------------------
@compact
def test_irreps_by_characters(case: Case) -> None:
    found = check_irreps(case.make(), case.max_order)
    assert found.worst < 1e-10, found


@compact
def test_commutants_by_null_space(case: Case) -> None:
    group = case.make()
    for rep in group.irreps(case.max_order):
        if rep.dim <= 10:
            basis = commutant(rep, group)
            assert len(basis) == rep.commutant_dim, rep.name
            g = group.sample(5, 9)
            for x in basis:
                np.testing.assert_allclose(x @ rep(g), rep(g) @ x, atol=1e-9)


def test_commutants_of_noncompact_groups() -> None:
    for group in (Lorentz(), Scaling(), SE(2), SE(3), Lorentz() * SO2()):
        for rep in group.irreps(2):
            if rep.dim <= 12:
                assert len(commutant(rep, group)) == rep.commutant_dim, rep.name


@pytest.mark.parametrize("case", [c for c in ZOO if c.make().compact and c.make().order is None], ids=str)
def test_quadrature_is_exact(case: Case) -> None:
    """Finer rules give the same integrals, and samples the same up to noise."""
    group = case.make()
    rep = group.irreps(1)[-1]
    for degree in (2, 3):
        params, weights = group.quadrature(degree)
        assert abs(weights.sum() - 1) < 1e-12
        assert abs(weights @ rep.character(params) ** 2 - rep.commutant_dim) < 1e-10
    mean = (rep.character(group.sample(4000, 0)) ** 2).mean()
    assert abs(mean - rep.commutant_dim) < 0.5 * rep.dim


def test_tensor_products_decompose() -> None:
    """l=1 ⊗ l=1 = l=0 ⊕ l=1 ⊕ l=2 and the vector squared of SO(4) has both bivectors."""
    so3, so4 = SO3(), SO(4)
    square = so3.irrep("l=1") * so3.irrep("l=1")
    assert [round(inner_product(square, rep, so3)) for rep in so3.irreps(3)] == [1, 1, 1, 0]
    square = so4.irrep("h=(1,0)") * so4.irrep("h=(1,0)")
    assert {rep.name for rep in so4.irreps(2) if round(inner_product(square, rep, so4))} == {
        "h=(0,0)", "h=(2,0)", "h=(1,1)", "h=(1,-1)",
    }  # fmt: skip
    product = SO2() * Cyclic(3)
    plane = product.irrep("m=1⊗k=0") * product.irrep("m=0⊗k=1")  # reducible: two inequivalent planes
    assert round(inner_product(plane, plane, product)) == 4
    assert [rep.name for rep in product.irreps(1) if round(inner_product(plane, rep, product))] == [
        "m=1⊗k=1", "m=1⊗k=-1",
    ]  # fmt: skip
    assert len(commutant(plane, product)) == 4


# --- negative controls ------------------------------------------------------------------------------------------------
def test_checkers_reject_broken_representations() -> None:
    group = SO3()
    a, b = (torch.as_tensor(group.sample(6, s)) for s in (0, 1))
    good = group.irrep("l=2")
    transposed = replace(good, matrices=lambda g: good.matrices(g).mT)
    halved = replace(good, matrices=lambda g: good.matrices(g / 2))
    assert homomorphism_error(good, group, a, b) < 1e-12
    assert homomorphism_error(transposed, group, a, b) > 0.1
    assert homomorphism_error(halved, group, a, b) > 0.1
    assert inner_product(halved, halved, group) != pytest.approx(1, abs=0.05)


def test_checkers_reject_broken_lists() -> None:
    group = Dihedral(4)
    irreps = group.irreps(4)
    assert check_representations(irreps, group, 4).worst < 1e-12
    assert check_representations(irreps[:-1], group, 4).incomplete == -4
    assert check_representations((*irreps, irreps[-1]), group, 4).inequivalent > 0.9
    reducible = replace(irreps[1] + irreps[2], factors=(0,))
    assert check_representations((irreps[0], reducible), group, 4).irreducible > 0.9
    wrong_type = replace(SO2().irrep("m=1"), type="real")
    assert check_representations((SO2().irrep("m=0"), wrong_type), SO2(), 1).types > 0.9
    assert check_representations(SO3().irreps(4)[:3], SO3(), 4).incomplete > 0.1
    assert frobenius_schur(SO2().irrep("m=1"), SO2()) == pytest.approx(0, abs=1e-12)
    assert frobenius_schur(SO3().irrep("l=2"), SO3()) == pytest.approx(1)


def test_quaternionic_type_is_recognised() -> None:
    """Q8 acting on H = R^4 from the left, seen through the quaternions of quarter turns: −2 and a commutant H."""
    units = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    left = np.array([[[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]] for w, x, y, z in units])
    q8 = np.concatenate([left, -left])
    assert np.mean([np.trace(g @ g) for g in q8]) == pytest.approx(-2)
    table = torch.as_tensor(q8)
    fake = Representation("H", 4, lambda g: table[g[..., 0].long()], type="quaternionic")
    assert fake.commutant_dim == 4
    assert len(commutant(fake, Cyclic(8))) == 4


# --- SO(3) ------------------------------------------------------------------------------------------------------------
@kinds
def test_wigner_one_is_the_rotation_matrix(kind: str) -> None:
    v = elements(SO3(), kind, (50,))
    np.testing.assert_allclose(SO3().irrep("l=1")(v), Rotation.from_rotvec(v).as_matrix(), atol=1e-14)


@pytest.mark.parametrize("degree", range(13))
def test_wigner_is_the_matrix_exponential(degree: int) -> None:
    rng = np.random.default_rng(0)
    v = torch.as_tensor(rng.standard_normal((60, 3)))
    v = v / v.norm(dim=-1, keepdim=True) * torch.linspace(0, np.pi, 60, dtype=torch.float64)[:, None]
    exponential = torch.linalg.matrix_exp(torch.einsum("nk,kij->nij", v, torch.as_tensor(spin_generators(degree))))
    assert mismatch(wigner(degree, v), exponential) < 1e-12
    v32 = v.to(torch.float32)
    assert mismatch(wigner(degree, v32).double(), exponential) < 2e-5


@pytest.mark.parametrize("degree", range(1, 6))
def test_wigner_basis_is_the_documented_harmonics(degree: int) -> None:
    """Y(Rx) = D(R) Y(x) for Y = (cos lφ, sin lφ, …, cos φ, sin φ, zonal)."""

    def harmonics(x: np.ndarray) -> np.ndarray:
        x = x / np.linalg.norm(x, axis=-1, keepdims=True)
        polar, azimuth = np.arccos(np.clip(x[:, 2], -1, 1)), np.arctan2(x[:, 1], x[:, 0])
        out = []
        for m in range(degree, 0, -1):
            y = np.sqrt(2) * (-1) ** m * sph_harm_y(degree, m, polar, azimuth)
            out += [y.real, y.imag]
        return np.stack([*out, sph_harm_y(degree, 0, polar, azimuth).real], -1)

    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((40, 3)), SO3().sample(1, 3)
    moved = x @ SO3().matrix(v)[0].T
    np.testing.assert_allclose(harmonics(moved), harmonics(x) @ SO3().irrep(f"l={degree}")(v)[0].T, atol=1e-12)


@pytest.mark.parametrize("degree", range(1, 6))
def test_wigner_against_e3nn(degree: int) -> None:
    """One orthogonal change of basis, found on some rotations, explains all others (e3nn computes in float32)."""
    o3 = pytest.importorskip("e3nn.o3")
    v = SO3().sample(12, 0)
    matrices = torch.as_tensor(Rotation.from_rotvec(v).as_matrix())
    theirs = o3.Irrep(degree, 1).D_from_matrix(matrices).numpy()
    ours = SO3().irrep(f"l={degree}")(v)
    np.testing.assert_allclose(np.trace(ours, axis1=1, axis2=2), np.trace(theirs, axis1=1, axis2=2), atol=2e-5)
    d = 2 * degree + 1
    eye = np.eye(d)
    conditions = np.concatenate(
        [np.kron(eye, a.T) - np.kron(b, eye) for a, b in zip(ours[:3], theirs[:3], strict=True)]
    )
    change = np.linalg.svd(conditions)[2][-1].reshape(d, d) * np.sqrt(d)
    np.testing.assert_allclose(change @ change.T, eye, atol=1e-5)
    np.testing.assert_allclose(change @ ours @ change.T, theirs, atol=1e-5)


def test_wigner_gradients() -> None:
    for degree in (1, 2, 5):
        for size in (0.0, 1e-5, 1.0, np.pi):
            v = torch.tensor([[0.48, -0.6, 0.64]], dtype=torch.float64) * size
            assert torch.autograd.gradcheck(lambda x, k=degree: wigner(k, x), (v.requires_grad_(),), atol=1e-6)
    v = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: wigner(2, x), (v,), atol=1e-5)


# --- SO(n) ------------------------------------------------------------------------------------------------------------
def test_so_n_dimensions_are_weyls() -> None:
    dims = {
        4: {"h=(0,0)": 1, "h=(1,0)": 4, "h=(1,1)": 3, "h=(1,-1)": 3, "h=(2,0)": 9, "h=(2,1)": 8, "h=(2,2)": 5},
        5: {"h=(1,0)": 5, "h=(1,1)": 10, "h=(2,0)": 14, "h=(2,1)": 35},
        6: {"h=(1,0,0)": 6, "h=(1,1,0)": 15, "h=(1,1,1)": 20, "h=(2,0,0)": 20, "h=(2,1,0)": 64},
        7: {"h=(1,1,1)": 35, "h=(2,0,0)": 27},
        8: {"h=(1,1,1,1)": 35, "h=(1,1,1,-1)": 35},
    }
    for n, expected in dims.items():
        for name, dim in expected.items():
            assert SO(n).irrep(name).dim == dim, (n, name)
    assert SO(6).irrep("h=(1,1,1)").type == "complex"
    assert SO(4).irrep("h=(1,1)").type == "real"


def test_self_dual_means_self_dual() -> None:
    """h=(1,1) ignores the anti-self-dual rotations: (0,1) turned one way and (2,3) the other."""
    group, g = SO(4), np.zeros((1, 6))
    g[0, [0, 5]] = 0.7, -0.7
    np.testing.assert_allclose(group.irrep("h=(1,1)")(g)[0], np.eye(3), atol=1e-12)
    assert mismatch(group.irrep("h=(1,-1)")(g)[0], np.eye(3)) > 0.1
    weight = SO(6).irrep("h=(1,1,1)").half  # highest weight e^{i(θ1 + θ2 + θ3)}, not its conjugate
    angles = torch.zeros(1, 15, dtype=torch.float64)
    angles[0, [0, 9, 14]] = torch.tensor([0.3, 0.5, 0.9], dtype=torch.float64)
    phases = torch.linalg.eigvals(weight(angles)[0]).angle().sort().values
    assert abs(float(phases[-1]) - 1.7) < 1e-10


def test_so_n_small_cases_agree() -> None:
    v = SO3().sample(5, 0)
    params = np.stack([v[:, 2], -v[:, 1], v[:, 0]], -1)
    np.testing.assert_array_equal(SO(3).irrep("h=(2)")(params), SO3().irrep("l=2")(v))
    np.testing.assert_array_equal(SO(2).irrep("h=(3)")([[0.4]]), SO2().irrep("m=3")([[0.4]]))


# --- finite groups ----------------------------------------------------------------------------------------------------
def test_young_dimensions() -> None:
    for n in range(1, 7):
        assert sum(dimension((shape,)) ** 2 for shape in partitions(n)) == np.prod(range(1, n + 1))
        for shape in partitions(n):
            assert dimension((shape,)) == len(standard_fillings((shape,)))
    assert dimension(((2,), (1,))) == len(standard_fillings(((2,), (1,)))) == 3


def test_permutation_matrix_is_trivial_plus_standard() -> None:
    group = Permutations(4)
    g = group.elements()
    traces = np.trace(group.matrix(g), axis1=1, axis2=2)
    np.testing.assert_allclose(traces, 1 + group.irrep("[3,1]").character(g), atol=1e-12)
    signs = np.linalg.det(group.matrix(g))
    np.testing.assert_allclose(group.irrep("[1,1,1,1]")(g)[:, 0, 0], signs, atol=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_hyperoctahedral_vector_is_the_matrix(d: int) -> None:
    group = Hyperoctahedral(d)
    name = f"([{d - 1}],[1])" if d > 1 else "([],[1])"
    np.testing.assert_allclose(group.irrep(name)(group.elements()), group.matrix(group.elements()), atol=1e-12)
    assert np.unique(group.matrix(group.elements()), axis=0).shape[0] == group.order


def test_large_symmetric_groups_need_no_table() -> None:
    for group, name in ((Permutations(9), "[8,1]"), (Hyperoctahedral(6), "([5],[1])")):
        a, b = (torch.as_tensor(group.sample(20, s)) for s in (0, 1))
        assert homomorphism_error(group.irrep(name), group, a, b) < 1e-12
    assert Permutations(8).relabelling([[0.0]], 0) is not None
    assert Permutations(12).relabelling([[0.0]], 0) is None


def test_finite_matrices_are_distinct() -> None:
    for case in ZOO:
        group = case.make()
        if group.order is not None:
            g = group.quadrature(0)[0]
            flat = group.matrix(g).reshape(len(g), -1).round(9)
            assert len(np.unique(flat, axis=0)) == group.order


# --- continuous families, products, sums ------------------------------------------------------------------------------
def test_continuous_families() -> None:
    line, plane, scale = Translation(1), Translation(2), Scaling()
    rep = line.continuous_family().make(np.array([1.23456789]))
    assert rep.name == "ω=1.23457"
    np.testing.assert_allclose(rep.half(torch.tensor([[2.0]]).double())[0, 0, 0], np.exp(2j * 1.23457), atol=1e-12)
    np.testing.assert_array_equal(line.irrep(rep.name)([[2.0]]), rep([[2.0]]))
    assert line.irrep("w=1.3").name == "ω=1.3"
    assert plane.continuous_family().dim == 2
    assert plane.continuous_family().make(np.array([1.3, 0.0])).name == "ω=(1.3,0)"
    assert scale.continuous_family().make(np.array([1.5])).name == "a=1.5"
    assert SO2().continuous_family() is None
    assert Translation(1, period=1.0).continuous_family() is None


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.floats(1e-4, 1e4), st.floats(-3, 3))
def test_family_names_are_read_back(frequency: float, t: float) -> None:
    for group in (Translation(1), Scaling()):
        rep = group.continuous_family().make(np.array([frequency]))
        again = group.irrep(rep.name)
        assert again.name == rep.name
        np.testing.assert_array_equal(again([[t * 1e-3]]), rep([[t * 1e-3]]))


def test_product_names() -> None:
    group = SO2() * Cyclic(12)
    names = [rep.name for rep in group.irreps(1)]
    assert names == ["m=0⊗k=0", "m=0⊗k=1", "m=1⊗k=0", "m=1⊗k=1", "m=1⊗k=-1"]
    assert [rep.coupling for rep in group.irreps(1)] == ["trivial"] + ["disentangled"] * 2 + ["entangled"] * 2
    theta, k = 0.4, 3.0
    for sign in (1, -1):
        half = group.irrep(f"m=1⊗k={sign}").half(torch.tensor([[theta, k]]).double())
        assert abs(complex(half[0, 0, 0]) - np.exp(1j * (theta + sign * 2 * np.pi * k / 12))) < 1e-7
    other = Lorentz() * SO(6)
    assert {"bivector⊗h=(1,1,1)", "bivector⊗h=(1,1,1)*"} <= {rep.name for rep in other.irreps(3)}
    torus = SO2() * Translation(2, period=1.0)
    assert torus.irrep("m=1⊗k=(-1,0)").factors == (0, 1)
    rigid = SE(2) * Cyclic(3)
    assert [rep.name for rep in rigid.affine_representations()] == ["position⊗k=0"]
    assert rigid.affine_representations()[0].half is not None
    line = Translation(1) * SO2()
    assert line.irrep("ω=1.3⊗m=-1").dim == 2


@pytest.mark.parametrize(
    ("group", "name"),
    [
        (SO2(), "m=-1"),
        (SO2(), "m=01"),
        (SO2(), "m=1.0"),
        (SO2(), "l=1"),
        (SO2(), None),
        (SO3(), "l=-1"),
        (SO(4), "h=(1)"),
        (SO(4), "h=(1,2)"),
        (SO(6), "h=(1,1,-1)"),
        (SO(4), "h=(nan,0)"),
        (Cyclic(4), "k=3"),
        (Dihedral(3), "B1"),
        (Dihedral(4), "E2"),
        (Permutations(3), "[4]"),
        (Hyperoctahedral(2), "([1],[2])"),
        (Translation(1), "ω=0"),
        (Translation(1), "ω=nan"),
        (Translation(1), "ω=x"),
        (Translation(1), "position[0]"),
        (Translation(2), "ω=1.3"),
        (Translation(1, period=1.0), "k=-1"),
        (Translation(1, period=1.0), "k=0.5"),
        (Translation(2, period=1.0), "k=(0,-1)"),
        (Scaling(), "a=(1,2)"),
        (SE(2), "l=1"),
        (Lorentz(), "spinor"),
        (SO2() * Cyclic(3), "m=1"),
        (SO2() * Cyclic(3), "m=-1⊗k=1"),
        (SO2() * Cyclic(3), "m=1⊗k=1⊗k=1"),
        (SO2() * Dihedral(3), "m=1⊗E1*"),
        (SE(2) * Cyclic(3), "position⊗k=1"),
    ],
    ids=str,
)
def test_unknown_names(group: AbstractGroup, name: str) -> None:
    with pytest.raises(UnknownNameError, match="expected one of"):
        group.irrep(name)


def test_direct_sums() -> None:
    group = SE(2)
    total = direct_sum((group.irrep("m=0"), group.irrep("position"), group.irrep("m=2")))
    assert (total.dim, total.orthogonal) == (5, True)
    g = group.sample(4, 0)
    np.testing.assert_array_equal(total.translation(g)[:, 1:3], g[:, :2])
    np.testing.assert_array_equal(total.translation(g)[:, [0, 3, 4]], 0)
    np.testing.assert_array_equal((group.irrep("m=1") + group.irrep("m=2"))(g)[:, :2, 2:], 0)
    assert group.irrep("m=1").renamed("turn").name == "turn"


def test_bad_orders() -> None:
    with pytest.raises(ParameterError, match="max_order"):
        SO2().irreps(-1)
    with pytest.raises(ParameterError, match="compact"):
        inner_product(Lorentz().irrep("vector"), Lorentz().irrep("vector"), Lorentz())
