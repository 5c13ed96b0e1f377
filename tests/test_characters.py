"""Irreps are irreducible, inequivalent, of the right type and complete; broken ones are rejected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from groups_zoo import ZOO, Case, compact, homomorphism_error

from geodis.groups import GL, SE, SO, SO2, SO3, Cyclic, Dihedral, Lorentz, Representation, Scaling
from geodis.groups.characters import check_irreps, check_representations, commutant, frobenius_schur, inner_product


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
    for group in (Lorentz(), Scaling(), SE(2), SE(3), Lorentz() * SO2(), GL(2), GL(3)):
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
