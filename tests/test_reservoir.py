"""The reservoir is a fair draw of whole items, and two merge into one."""

import numpy as np
from random_moments import moments_of, rows

from geodis.groups import SO2


def test_the_reservoir_keeps_whole_items_up_to_its_capacity():
    group = SO2()
    data = rows(group, (4,) * 200)
    full = moments_of(group, 1, data)
    assert full.reservoir.complete
    assert sum(len(s.items) for s, _ in full.reservoir.stacks()) == 200
    part = moments_of(group, 1, data, cuts=range(50, 800, 50), reservoir_rows=100)
    assert not part.reservoir.complete
    ((stack, folds),) = part.reservoir.stacks()
    assert stack.z.shape == (25, 4, 4)
    assert len(folds) == 25
    for z, params, item in zip(stack.z, stack.params, stack.items, strict=True):
        assert np.array_equal(z[:, :3], data[0][data[2] == item]), "rows of one item, in order"
        assert np.array_equal(params, data[1][data[2] == item])
    tiny = moments_of(group, 1, data, reservoir_rows=1)
    assert sum(len(s.items) for s, _ in tiny.reservoir.stacks()) == 1, "one item at least"


def test_the_reservoir_is_a_fair_draw():
    group = SO2()
    data = rows(group, (2,) * 40, d=1)
    counts = np.zeros(40)
    for seed in range(200):
        ((stack, _),) = moments_of(group, 0, data, cuts=(30,), reservoir_rows=20, seed=seed).reservoir.stacks()
        counts[stack.items] += 1
    assert counts.sum() == 200 * 10
    assert counts.min() >= 20, "each item is expected 50 times, standard deviation 6"
    assert counts.max() <= 80


def test_reservoirs_merge():
    group = SO2()
    z, params, items = rows(group, (4,) * 100)
    parts = [
        moments_of(group, 1, (z[m], params[m], items[m]), reservoir_rows=100, seed=s)
        for s, m in enumerate((items < 50, items >= 50))
    ]
    parts[0].merge(parts[1])
    ((stack, _),) = parts[0].reservoir.stacks()
    assert len(stack.items) == 25
    assert not parts[0].reservoir.complete
    assert 3 <= (stack.items < 50).sum() <= 22, "items of both"
    small = [moments_of(group, 1, (z[m], params[m], items[m])) for m in (items < 5, (items >= 5) & (items < 9))]
    small[0].merge(small[1])
    assert small[0].reservoir.complete
    assert sorted(small[0].reservoir.stacks()[0][0].items) == list(range(9))
