"""Content is one for separate items, chance for noise, and chance for the element alone."""

from __future__ import annotations

import numpy as np
import pytest
from circle_codes import RHO, G, constant, independent, orbits_of

from geodis.errors import ParameterError
from geodis.metrics import content, content_retention


def test_content_of_separate_items_is_one_and_of_noise_is_chance():
    far = orbits_of(
        100.0 * np.arange(20)[:, None, None] + np.random.default_rng(0).normal(size=(20, 5, 3)), G.orbit(20, 5)
    )
    assert content_retention(far).value == 1.0
    noise = content_retention(independent(n=300, m=8))
    assert noise.baselines["chance"] == pytest.approx(7 / (8 * 300 - 1))
    assert noise.value == pytest.approx(7 / 2399, abs=0.004)


def test_ties_count_as_their_expected_share():
    flat = content_retention(constant())
    assert flat.status == "degenerate"
    assert flat.value == pytest.approx(4 / 99)
    # Two values: every row ties with the half that shares its value, 49 rows of which 4 are its item's.
    z = np.repeat(np.arange(20) % 2, 5).reshape(20, 5, 1).astype(float)
    half = content_retention(orbits_of(z, G.orbit(20, 5)))
    assert half.value == pytest.approx(4 / 49)
    assert half.status == "ok"
    assert content_retention(orbits_of(np.repeat(z, 20, axis=2), G.orbit(20, 5))).value == pytest.approx(4 / 49)


def test_content_is_the_double_loop():
    orbits = independent(n=15, m=4, d=3)
    distances = ((orbits.z[:, None] - orbits.z[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    assert content_retention(orbits).value == np.mean(orbits.items[distances.argmin(1)] == orbits.items)


def test_pose_without_item_has_no_content():
    g = np.repeat(G.orbit(1, 8, seed=0), 20, axis=0)
    z = np.einsum("nmab,b->nma", RHO(g), [1.0, 0.0])
    assert content_retention(orbits_of(z, g)).value == 0.0  # the same pose of other items is nearer


def test_cosine_content_ignores_length():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    z = np.stack([np.cos(x), np.sin(x)], axis=1)[:, None] * rng.uniform(0.1, 10, size=(12, 5, 1))
    orbits = orbits_of(z, G.orbit(12, 5))
    assert content_retention(orbits, distance="cosine").value == 1.0
    assert content_retention(orbits).value < 0.9
    with pytest.raises(ParameterError):
        content_retention(orbits, distance="manhattan")


@pytest.mark.parametrize("m", [4, 24, 32])
def test_of_many_rows_a_spread_share_is_asked_and_the_estimate_agrees(m, monkeypatch):
    orbits = independent(n=2048 // m, m=m, d=2)
    near = orbits.map(lambda z: 0.03 * z + np.random.default_rng(1).normal(size=(2048 // m, 2))[orbits.items])
    some = content_retention(near)
    monkeypatch.setattr(content, "ASKED", len(near))
    every = content_retention(near)
    assert len(content._spread(len(near), len(near))) == len(near)
    assert 0.2 < every.value < 0.999
    assert some.value == pytest.approx(every.value, abs=0.05)
    assert some.n_items == every.n_items


@pytest.mark.parametrize("m", [2, 3, 8, 24, 36])
def test_the_rows_asked_are_of_all_elements_and_items_alike(m):
    rows = content._spread(m * 5000, 1024)
    assert 900 <= len(rows) == len(np.unique(rows)) <= 1024
    assert np.bincount(rows % m, minlength=m).min() > 0.5 * len(rows) / m
    assert np.bincount(rows * 10 // (m * 5000)).min() > 80
