"""The demo on turbulence: numbers that agree with the report, edits checked by hand, true words for any network."""

import io
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from html_pages import parsed
from rich.console import Console
from torch import nn

from geodis.coordinates import LinearCoordinates
from geodis.demo.fields import fields_domain
from geodis.demo.flows import Moves, investigate, move_unseen, moved_rows, orbits_of, snapshots, symmetries
from geodis.encoders import load_turbulence_encoder
from geodis.errors import DesignError
from geodis.groups import Hyperoctahedral, Translation
from geodis.orbits import Orbits

KEYS = ["domain", "group", "layer", "block", "energy", "error", "ci_low", "ci_high", "identity_error", "null_mean"]
KEYS += ["null_p", "retrieval_top1", "status"]
GROUPS = ["Hyperoctahedral(2)", "Translation(2, period=(32.0, 32.0))"]


class Pooled(nn.Module):
    """Means over a 4 × 4 grid of squares, which symmetries of the square permute: exact, and linear."""

    def __init__(self):
        super().__init__()
        self.bottleneck = nn.Sequential(nn.AvgPool2d(8), nn.Flatten())

    def forward(self, x):
        return self.bottleneck(x)


class Sines(nn.Module):
    """Fast sines of the velocity: they say which flow it is, and nothing about what moved it."""

    def __init__(self, speed):
        super().__init__()
        frame = np.random.default_rng(0).normal(size=(2048, 16))
        self.register_buffer("frame", torch.from_numpy(speed * frame).float())
        self.bottleneck = nn.Identity()

    def forward(self, x):
        return self.bottleneck(torch.sin(x.flatten(1) @ self.frame))


def printed(network, seed=0, **options):
    """`(domain, text on the console)`."""
    stream = io.StringIO()
    found = fields_domain(seed, True, Console(file=stream, width=200), network=network, **options)
    for fig in found.pictures.values():
        plt.close(fig)
    return found, " ".join(stream.getvalue().split())


@pytest.fixture(scope="module")
def made():
    return printed(Pooled(), n_runs=9, n_null=19)


@pytest.fixture(scope="module")
def nothing():
    return printed(Sines(50.0), n_runs=6, n_null=19)


def test_entries_hold_what_demo_json_needs(made):
    entries = made[0].entries
    json.dumps(entries, allow_nan=False)
    assert all(list(entry) == KEYS for entry in entries)
    assert list(dict.fromkeys(entry["group"] for entry in entries)) == GROUPS
    assert {entry["domain"] for entry in entries} == {"fields"}
    assert [entry["block"] for entry in entries].count("all") == 2
    for entry in entries:
        assert entry["energy"] == pytest.approx(1 - entry["error"])
        assert entry["ci_low"] <= entry["error"] <= entry["ci_high"]
        assert 0 <= entry["retrieval_top1"] <= 1


def test_symmetries_are_exact_in_means_over_squares_and_edits_arrive(made):
    square, shifts = ([e for e in made[0].entries if e["group"] == group] for group in GROUPS)
    assert square[-1]["energy"] > 1 - 1e-6
    assert square[-1]["retrieval_top1"] == 1.0
    assert {"([1],[1])", "([],[1,1])"} <= {entry["block"] for entry in square}
    assert "k=(1,0)" in {entry["block"] for entry in shifts}
    assert square[-1]["energy"] > shifts[-1]["energy"], "fractions of squares are interpolated by no mean"


def test_the_trained_bottleneck_holds_the_symmetries_of_the_square():
    flows, runs = snapshots(15, seed=0)
    found = investigate(symmetries()[0], load_turbulence_encoder(), flows, runs, 0, False, 19)
    assert 1 - found.report.rows.value.iloc[-1] > 0.9
    assert found.untrained_energy < 0.85
    assert found.moves.top1 > 0.9
    assert found.copies["([1],[1])"] >= 3


def test_the_page_and_the_console_say_what_was_found(made):
    found, text = made
    page = parsed(found.html)
    assert page.tags.count("img") >= 8
    assert all(x.startswith("data:") for x in page.references)
    for words in ("Asked.", "Found.", "How sure.", "without training", "chance"):
        assert words in found.html
    for words in ("a quarter turn", "a shift by a fifth of the side", "a vorticity", "no interpolation takes part"):
        assert words in text
    assert "nan" not in text.lower().split()
    assert sorted(found.pictures) == [f"flow_{a}{b}.png" for a in ("shifts", "symmetries") for b in ("", "_edits")]


def test_where_nothing_is_found_it_says_so(nothing):
    found, text = nothing
    assert [entry["block"] for entry in found.entries] == ["all", "all"]
    assert all(entry["energy"] < 0.5 and entry["ci_low"] is None for entry in found.entries)
    assert text.count("Nothing was found") == 2
    assert "No. On 4 unseen items" in text


def test_only_shifts_interpolate():
    flows, runs = snapshots(3, seed=3)
    turned, shifted = (orbits_of(symmetry, Pooled(), flows, runs, 0)[0] for symmetry in symmetries())
    assert turned.detours is None
    np.testing.assert_allclose(shifted.detours.direct, shifted.detours.composed, rtol=0, atol=1e-5)


def test_flows_are_new_and_the_seed_decides():
    flows, runs = snapshots(3, seed=0)
    assert flows.shape == (6, 2, 32, 32)
    assert runs.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(flows, snapshots(3, seed=0)[0])
    assert np.abs(flows - snapshots(3, seed=1)[0]).max() > 0.1


# --- where an edit should lead ----------------------------------------------------------------------------------------
def test_moved_rows_of_a_finite_group_are_those_of_its_products():
    group = Hyperoctahedral(2)
    params = group.orbit(3, 8, seed=0).reshape(-1, 1)
    orbits = Orbits.from_arrays(np.random.default_rng(0).normal(size=(24, 4)), params, np.repeat([7, 8, 9], 8), group)
    for step in range(8):
        rows = moved_rows(orbits, (float(step),))
        expected = group.compose(np.full((24, 1), float(step)), params)
        np.testing.assert_array_equal(orbits.params[rows], expected)
        np.testing.assert_array_equal(orbits.items[rows], orbits.items)
        assert sorted(rows) == list(range(24))


def test_moved_rows_of_a_torus_go_round():
    group = Translation(2, period=(32.0, 32.0))
    params = group.orbit(3, 25, seed=0)
    orbits = Orbits.from_arrays(np.zeros((75, 2)), params.reshape(-1, 2), np.repeat(np.arange(3), 25), group)
    rows = moved_rows(orbits, (6.4, 0.0))
    apart = orbits.params[rows] - orbits.params - [6.4, 0.0]
    np.testing.assert_allclose(np.abs((apart + 16) % 32 - 16).max(), 0.0, atol=1e-9)
    np.testing.assert_array_equal(orbits.items[rows], orbits.items)


def test_moved_rows_asks_for_orbits_that_hold_the_step():
    group = Translation(2, period=(32.0, 32.0))
    items = np.repeat(np.arange(2), 9)
    orbits = Orbits.from_arrays(np.zeros((18, 2)), group.orbit(2, 9).reshape(-1, 2), items, group)
    with pytest.raises(DesignError):
        moved_rows(orbits, (6.4, 0.0))
    with pytest.raises(DesignError):
        moved_rows(Orbits.from_arrays(orbits.z[1:], orbits.params[1:], items[1:], group), (32 / 3, 0.0))


def test_edits_of_a_code_that_does_not_follow_miss():
    flows, runs = snapshots(6, seed=0)
    square = symmetries()[0]
    fitted, unseen = orbits_of(square, Pooled(), flows, runs, 0)
    coordinates = LinearCoordinates(fitted.group, max_order=2).fit_orbits(fitted).coordinates_
    assert move_unseen(coordinates, unseen, square).top1 > 0.9
    shuffled = np.random.default_rng(0).permuted(unseen.params.reshape(-1, 8), axis=1).reshape(-1, 1)
    assert move_unseen(coordinates, unseen.relabel(shuffled), square).top1 < 0.4


@pytest.mark.parametrize(("right", "low", "high"), [(1, 0.6, 1.0), (0, 0.0, 0.4)])
def test_intervals_of_edits_that_are_all_right_are_not_points(right, low, high):
    rows = np.arange(24)
    interval = Moves(rows, rows if right else rows[::-1], np.repeat(np.arange(6), 4)).interval()
    assert low <= interval.low < interval.high <= high
    mixed = Moves(rows, np.where(rows % 3, rows, -1), np.repeat(np.arange(6), 4)).interval()
    assert 0 < mixed.low < 2 / 3 < mixed.high < 1


@pytest.mark.slow
def test_the_demo_as_shipped():
    found, _ = printed(None, n_runs=48, n_null=99)
    totals = [entry for entry in found.entries if entry["block"] == "all"]
    assert all(entry["energy"] > 0.95 and entry["retrieval_top1"] > 0.95 for entry in totals)
