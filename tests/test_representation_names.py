"""Continuous families, products and sums are named and read back; unknown names are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis.errors import ParameterError, UnknownNameError
from geodis.groups import (
    GL,
    SE,
    SO,
    SO2,
    SO3,
    Cyclic,
    Dihedral,
    Hyperoctahedral,
    Lorentz,
    Permutations,
    Scaling,
    Translation,
    direct_sum,
)
from geodis.groups.characters import inner_product
from geodis.groups.group import AbstractGroup


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
        (GL(3), "v"),
        (GL(3), "V**"),
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
