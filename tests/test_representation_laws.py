"""The laws of representations, for every group: homomorphism, orthogonality, cocycle; names and factors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from groups_zoo import TOLERANCE, Case, elements, homomorphism_error, kinds, mismatch, zoo

from geodis.groups import SE, Representation, Scaling, Translation
from geodis.groups.group import AbstractGroup
from geodis.groups.representation import real_form


def all_representations(group: AbstractGroup, max_order: int) -> tuple[Representation, ...]:
    extra = {
        Translation: ("ω=1.3",) if group.n_params == 1 else ("ω=(1.3,0)", "ω=(-0.25,2)"),
        Scaling: ("a=1.5", "a=-0.25"),
        SE: ("homogeneous",),
    }.get(type(group), ())
    named = () if isinstance(group, Translation) and group.compact else extra
    return (*group.irreps(max_order), *group.affine_representations(), *(group.irrep(name) for name in named))


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
