"""Malformed elements and arguments are named errors; caches cannot be written to."""

from __future__ import annotations

import numpy as np
import pytest
from groups_zoo import Case, zoo

from geodis.errors import FiniteError, ParameterError, ShapeError, UnknownNameError
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
    O,
    Permutations,
    Product,
    Scaling,
    Translation,
)


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
        group.compose(group.identity(2), group.identity(3))
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
        (O(2), [0.3, 2.0]),
        (O(3), [0.0, 0.0, 0.0, 0.5]),
        (SO2() * Cyclic(3), [0.5, 0.5]),
        (GL(2), [0.0, 0.0, 0.0, 0.0]),
        (GL(2), [1e9, 2e9, 2e9, 4e9]),
        (GL(3), [1e-200, 0.0, 0.0, 0.0, 1e-200, 0.0, 0.0, 0.0, 1e-215]),
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
        lambda: O(1),
        lambda: O(2.0),
        lambda: O(3).log([[0.0, 0.0, 0.0, 1.0]]),
        lambda: SO("3"),
        lambda: GL(1),
        lambda: GL(2, spread=-1.0),
        lambda: GL(2).log([[1.0, 0.0, 0.0, -1.0]]),
        lambda: GL(2).log([[-1.0, 0.0, 0.0, -2.0]]),
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
def test_caches_are_not_handed_out_writable() -> None:
    """A caller who writes into a result must not change later ones."""
    for group, name in ((Permutations(3), "[2,1]"), (SO(4), "h=(1,1)"), (SO3(), "l=2")):
        first = group.irrep(name)(group.sample(4, 0))
        kept = first.copy()
        first[...] = 7.0
        np.testing.assert_array_equal(group.irrep(name)(group.sample(4, 0)), kept)
