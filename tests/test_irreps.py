"""Irreps of SO(n) and of the finite groups have the dimensions and matrices of the textbooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from groups_zoo import ZOO, homomorphism_error, mismatch

from geodis.groups import SO, SO2, SO3, Hyperoctahedral, Permutations
from geodis.groups.young import dimension, partitions, standard_fillings


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
