"""A relabelling is one bijection of the elements, the same for all items."""

from __future__ import annotations

import numpy as np
import pytest
from groups_zoo import Case, mismatch, zoo

from geodis.errors import ParameterError
from geodis.groups import SE, SO, SO2, SO3, Cyclic, Lorentz, Product, Translation
from geodis.groups.relabel import signed_permutations


@zoo
def test_relabelling_is_one_bijection(case: Case) -> None:
    group = case.make()
    g = group.sample(400, seed=0)
    relabel = group.relabelling(g, seed=1)
    if repr(group).startswith(("SO(5)", "SO(6)", "O(5)")):
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
