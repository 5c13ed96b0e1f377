"""Element sizes: 0 at e alone, the same for g and g⁻¹, known values."""

import numpy as np
import pytest
import torch
from groups_zoo import ZOO, elements, zoo

from geodis.errors import FiniteError, ParameterError, ShapeError
from geodis.groups import SE, SO, SO2, SO3, Cyclic, Dihedral, O, Permutations, Scaling, Translation
from geodis.groups.size import element_size

TOLERANCE = 1e-6  # of logarithms near the cut locus, where the angle is a root of 1 + cos


@zoo
def test_the_identity_alone_has_no_size(case):
    group = case.make()
    assert element_size(group, group.identity(3)) == pytest.approx(0.0, abs=1e-12)
    g = elements(group, "generic", (40,))
    moved = ~np.isclose(np.asarray(group.matrix(g)), np.asarray(group.matrix(group.identity()))).all(axis=(-2, -1))
    assert (element_size(group, g)[moved] > 1e-6).all()


@zoo
@pytest.mark.parametrize("kind", ["generic", "near identity", "near cut"])
def test_an_element_and_its_inverse_have_one_size(case, kind):
    group = case.make()
    g = elements(group, kind, (4, 5))
    size = element_size(group, g)
    assert size.shape == (4, 5)
    assert size == pytest.approx(element_size(group, group.inverse(g)), rel=TOLERANCE, abs=1e-9)


@pytest.mark.parametrize(
    ("group", "params", "size"),
    [
        (SO2(), [[1.0 + 4 * np.pi]], 1.0),
        (SO(2), [[-3.0]], 3.0),
        (SO3(), [[0.0, 0.6, 0.8]], 1.0),
        (SO(3), [[0.0, 0.0, 2 * np.pi - 1.0]], 1.0),
        (Cyclic(12), [[9.0]], 3.0),
        (Translation(2), [[3.0, -4.0]], 5.0),
        (Translation(2, period=(10.0, 10.0)), [[7.0, 4.0]], 5.0),
        (Scaling(), [[-np.log(2.0)]], np.log(2.0)),
        (SE(2), [[3.0, 4.0, 0.0]], 5.0),
        (Cyclic(8) * Translation(1), [[5.0, 4.0]], 5.0),
        (Dihedral(4), [[0.0, 1.0]], 2.0),
        (Permutations(3), [[0.0]], 0.0),
    ],
    ids=str,
)
def test_known_sizes(group, params, size):
    assert element_size(group, params)[0] == pytest.approx(size, abs=1e-9)
    assert element_size(group, torch.tensor(params, dtype=torch.float64))[0] == pytest.approx(size, abs=1e-9)


def test_a_reflection_is_far_though_it_has_no_logarithm():
    g = O(2).sample(40, seed=0)
    flips = np.linalg.det(O(2).matrix(g)) < 0
    assert flips.any()
    assert element_size(O(2), g)[flips] == pytest.approx(2.0)


def test_what_is_no_element_is_refused():
    with pytest.raises(ShapeError):
        element_size(SO3(), [[1.0]])
    with pytest.raises(FiniteError):
        element_size(SO2(), [[np.nan]])
    with pytest.raises(ParameterError):
        element_size(Cyclic(3), [[0.5]])


# --- periods ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", ZOO, ids=str)
def test_a_parameter_is_the_same_after_its_period(case):
    group = case.make()
    assert len(group.periods) == group.n_params
    g = group.sample(8, seed=1)
    for k, period in enumerate(group.periods):
        if period is not None:
            turned, half = g.copy(), g.copy()
            turned[:, k] += period
            assert np.asarray(group.matrix(turned)) == pytest.approx(np.asarray(group.matrix(g)), abs=1e-9)
            half[:, k] += period / 2
            if bool(np.all(group.contains(half))):
                assert not np.allclose(group.matrix(half), group.matrix(g))


def test_which_parameters_close():
    assert SO2().periods == (2 * np.pi,)
    assert (Cyclic(5) * Translation(1) * Translation(1, period=3.0)).periods == (5.0, None, 3.0)
    assert SO3().periods == (None, None, None)
