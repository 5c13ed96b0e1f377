"""The discretisation floor: what an action's own rounding makes of the error, measured along detours."""

import numpy as np
import pytest

from geodis import LinearCoordinates, Orbits, sample_orbits, verify
from geodis.actions.action import AbstractAction
from geodis.groups import SO2

GRID = 0.25  # of the rounding turn; each rounding has variance GRID²/12 a coordinate


class Turn(AbstractAction):
    """Rotates vectors of the plane; the result is rounded to a grid."""

    group = SO2()

    def __init__(self, grid, exact=False):
        self.grid, self.exact = grid, exact

    def _act(self, params, items):
        moved = np.einsum("nij,nj->ni", self.group.matrix(params), items)
        return np.round(moved / self.grid) * self.grid if self.grid else moved

    def __repr__(self):
        return f"Turn({self.grid})"


def vectors(n=300, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2))


def lifted(x):
    """The plane inside R^5, oblique, so that the coordinates have work to do."""
    return x @ np.random.default_rng(1).normal(size=(2, 5))


def report_of(action, n=1000, **options):
    train, test = sample_orbits(lifted, vectors(n), action, n_elements=11, **options).split(0.5)
    coordinates = LinearCoordinates(SO2(), max_order=2).fit_orbits(train).coordinates_
    return verify(test, coordinates, n_null=19)


@pytest.mark.parametrize("grid", [GRID, 2 * GRID])
def test_the_floor_is_the_variance_of_the_roundings(grid):
    report = report_of(Turn(grid))
    # Direct: one rounding. Detour: a rotated one and a second one. Each has grid²/12 a coordinate; 2T = 2 a coordinate.
    expected = 3 * (grid**2 / 12) / (2 * (1 + grid**2 / 12))
    floor = report.details.set_index("block").floor
    assert floor["m=1"] == pytest.approx(expected, rel=0.15)
    assert floor["all"] == pytest.approx(floor["m=1"], rel=1e-6)
    # The error of the code itself, two roundings to a pair, is of the floor's size.
    assert report.rows.value[0] == pytest.approx(2 / 3 * floor["m=1"], rel=0.3)
    assert "interpolation of the action alone" in report.summary
    assert "floor" in str(report)


def test_an_action_without_rounding_has_no_floor():
    floor = report_of(Turn(0.0)).details.floor
    assert (floor < 1e-25).all()


def test_nothing_is_measured_of_an_exact_action_or_of_arrays():
    report = report_of(Turn(0.0, exact=True))
    assert report.details.floor.isna().all()
    assert "interpolation" not in report.summary
    assert "floor" not in str(report)


def test_one_element_has_no_detour():
    assert sample_orbits(lifted, vectors(5), Turn(GRID), n_elements=1).detours is None


def test_detours_go_with_their_items_and_maps():
    orbits = sample_orbits(lifted, vectors(40), Turn(GRID), n_elements=4, item_ids=[f"i{k:02d}" for k in range(40)])
    assert len(orbits.detours.items) == 160
    train, test = orbits.split(0.25)
    for part in (train, test):
        assert set(part.detours.items) == set(part.labels)
    assert len(train.detours.items) + len(test.detours.items) == 160
    doubled = orbits.map(lambda z: 2 * z[:, :3])
    np.testing.assert_array_equal(doubled.detours.composed, 2 * orbits.detours.composed[:, :3])
    turned = orbits.relabel(-orbits.params)
    assert turned.detours is orbits.detours


def test_detours_end_where_the_direct_way_ends():
    orbits = sample_orbits(lifted, vectors(30), Turn(0.0), n_elements=6)
    np.testing.assert_allclose(orbits.detours.composed, orbits.detours.direct, atol=1e-12)
    rounded = sample_orbits(lifted, vectors(30), Turn(GRID), n_elements=6)
    assert np.abs(rounded.detours.composed - rounded.detours.direct).max() > 0.1


@pytest.mark.parametrize("ids", [None, [f"i{k:02d}" for k in range(20)]])
def test_detours_are_saved_with_the_orbits(tmp_path, ids):
    orbits = sample_orbits(lifted, vectors(20), Turn(GRID), n_elements=3, item_ids=ids)
    orbits.save(tmp_path / "o.safetensors")
    again = Orbits.load(tmp_path / "o.safetensors")
    for name in ("direct", "composed", "items"):
        np.testing.assert_array_equal(getattr(again.detours, name), getattr(orbits.detours, name))
    plain = sample_orbits(lifted, vectors(20), Turn(0.0, exact=True), n_elements=3)
    plain.save(tmp_path / "p.safetensors")
    assert Orbits.load(tmp_path / "p.safetensors").detours is None
