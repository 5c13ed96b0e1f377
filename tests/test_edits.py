"""Edits of a planted circle find their row; without coordinates they stay."""

import numpy as np
import pytest
from planted_reports import circle

from geodis import LinearCoordinates, Orbits
from geodis.errors import DesignError
from geodis.groups import Cyclic
from geodis.reports.edits import edit_unseen, edited_top1, moved_rows


def test_edits_of_a_planted_circle_find_their_row():
    angle = 2 * np.pi * np.arange(12) / 12
    train, test = circle(np.stack([np.cos(angle), np.sin(angle)], axis=1), n_items=60, noise=0.03).split(0.5)
    coordinates = LinearCoordinates(Cyclic(12), max_order=5).fit_orbits(train).coordinates_
    edits = edit_unseen(coordinates, train, test, (1, 5))
    assert edits.top1 > 0.95
    assert edits.ridge_top1 > 0.8
    assert edited_top1(coordinates, test, (1, 5)) == edits.top1
    assert edited_top1(coordinates, test, (0,)) == 1.0
    assert edits.interval().low <= edits.top1
    assert len(edits.right) == 2 * len(test)
    assert (test.items[edits.wanted] == test.items[edits.source]).all()
    gap = test.params[edits.wanted, 0] - test.params[edits.source, 0]
    assert (gap % 12 == edits.step).all()


def test_edits_without_coordinates_stay_where_they_are():
    train, test = circle(np.zeros((12, 2))).split(0.5)
    coordinates = LinearCoordinates(Cyclic(12), max_order=5).fit_orbits(train).coordinates_
    edits = edit_unseen(coordinates, train, test, (1,))
    assert (edits.found == edits.source).all()
    assert edits.top1 == 0.0


def test_edits_need_full_orbits():
    _, test = circle(np.zeros((12, 2))).split(0.5)
    half = Orbits.from_arrays(test.z[1:], test.params[1:], test.items[1:], test.group)
    with pytest.raises(DesignError, match="full orbits"):
        moved_rows(half, 1)
