"""What else moves: planted leaks are measured as what they are, independent factors move nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import FrozenInstanceError, replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from geodis import Block, LatentCoordinates, LinearCoordinates, Orbits
from geodis.errors import (
    DesignError,
    FiniteError,
    GeodisError,
    LengthError,
    OverlapError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)
from geodis.groups import SO2, Cyclic
from geodis.metrics import CrossEffects, cross_effects, interchange_accuracy
from geodis.reports import EffectsDisplay, effects_section
from geodis.reports.html import page, section

G = SO2() * Cyclic(5)
NAMES = ("m=1⊗k=0", "m=0⊗k=1")
NOBODY = np.zeros(0, dtype=np.uint64)


def exact(irreps, group=G, n_features=None, kept=None):
    """Coordinates that are the leading features, one block an irrep."""
    reps = [group.irrep(name) for name in irreps]
    stops = np.cumsum([rep.dim for rep in reps]).tolist()
    blocks = tuple(
        Block(rep, tuple(range(s - rep.dim, s)), 0.9, (0.8, 1.0)) for rep, s in zip(reps, stops, strict=True)
    )
    d = n_features or int(stops[-1])
    eye = np.eye(d)[: stops[-1]]
    return LatentCoordinates(group, blocks, eye, eye.T, np.zeros(d), "ok", False, NOBODY if kept is None else kept)


def codes(irreps=NAMES, n=60, m=10, extra=3, noise=0.0, seed=0, group=G, clusters=None):
    """Items with content of their own in every block, then `extra` features that stay."""
    rng = np.random.default_rng(seed)
    g, items = group.sample(n * m, seed=seed), np.repeat(np.arange(n), m)
    parts = [np.einsum("nab,nb->na", rep(g), rng.normal(size=(n, rep.dim))[items]) for rep in map(group.irrep, irreps)]
    z = np.concatenate([*parts, rng.normal(size=(n, extra))[items]], axis=1)
    return Orbits.from_arrays(z + noise * rng.normal(size=z.shape), g, items, group, clusters)


def leak(start, stop, a, n_features=7, width=2):
    """z ↦ z + a·(features from `start` on, added to those from `stop` on)."""
    matrix = np.zeros((n_features, n_features))
    for i in range(width):
        matrix[start + i, stop + i] = a
    return lambda z: z + z @ matrix


# --- oracles ----------------------------------------------------------------------------------------------------------
def test_independent_factors_move_nothing_else():
    found = cross_effects(codes(), exact(NAMES, n_features=7))
    assert found.sources == ("SO2()", "Cyclic(5)")
    assert found.targets == ("SO2()", "Cyclic(5)", "content")
    off = found.effect[[0, 0, 1, 1], [1, 2, 0, 2]]
    assert off == pytest.approx(0.0, abs=1e-12)
    assert np.diag(found.effect) == pytest.approx(1.0)
    assert found.miss == pytest.approx(0.0, abs=1e-12)
    assert not len(found.leaks)
    assert not found.graph().edges
    assert found.status == "ok"
    assert "Nothing else" in found.summary


def test_oblique_coordinates_are_read_by_rows_and_written_by_columns():
    mix = np.random.default_rng(5).normal(size=(7, 7))
    coordinates = replace(exact(NAMES, n_features=7), analysis=np.linalg.inv(mix)[:4], synthesis=mix[:, :4])
    there, back = (lambda z: z @ mix.T), (lambda z: z @ np.linalg.inv(mix).T)
    quiet = cross_effects(codes().map(there), coordinates)
    assert quiet.effect == pytest.approx(np.eye(2, 3), abs=1e-9)
    assert quiet.sham[~np.eye(2, 3, dtype=bool)] == pytest.approx(0.0, abs=1e-9), "the sham leaves the target alone"
    planted = leak(0, 2, 0.3)
    found = cross_effects(codes().map(there), coordinates, lambda z: there(planted(back(z))))
    straight = cross_effects(codes(), exact(NAMES, n_features=7), planted)
    assert found.effect[:, :2] == pytest.approx(straight.effect[:, :2], abs=1e-9)


def test_a_map_that_keeps_apart_passes_and_one_that_mixes_does_not():
    apart = np.diag([2.0, 2.0, 0.5, 0.5, 1.0, 1.0, 1.0])
    found = cross_effects(codes(), exact(NAMES, n_features=7), lambda z: z @ apart)
    assert not len(found.leaks)
    assert np.diag(found.effect) == pytest.approx([2.0, 0.5])
    mixed = np.linalg.qr(np.random.default_rng(0).normal(size=(7, 7)))[0]
    assert len(cross_effects(codes(), exact(NAMES, n_features=7), lambda z: z @ mixed).leaks) == 4


@pytest.mark.parametrize("a", [0.05, 0.3, 1.0])
def test_a_planted_leak_is_measured_as_it_is(a):
    found = cross_effects(codes(n=400), exact(NAMES, n_features=7), leak(0, 2, a))
    assert found.effect[0, 1] == pytest.approx(a, rel=0.15)
    assert found.low[0, 1] < a < found.high[0, 1]
    assert list(found.graph().edges) == [("SO2()", "Cyclic(5)")]
    assert found.effect[1, 0] == pytest.approx(0.0, abs=1e-12)
    assert found.specific[0, 1]


def test_intervals_of_a_leak_cover_it():
    held = 0
    for seed in range(200):
        found = cross_effects(codes(n=40, m=6, seed=seed), exact(NAMES, n_features=7), leak(0, 2, 0.3), seed=seed)
        held += found.low[0, 1] <= 0.3 <= found.high[0, 1]
    assert 180 <= held <= 199


def test_content_and_invariants_are_watched():
    names = (*NAMES, "m=0⊗k=0")
    into_content, into_invariant = leak(0, 5, 0.5, n_features=8), leak(2, 4, 0.5, n_features=8, width=1)
    orbits = codes(names, extra=3)
    one = cross_effects(orbits, exact(names, n_features=8), into_content)
    assert one.leaks[["source", "target"]].to_numpy().tolist() == [["SO2()", "content"]]
    two = cross_effects(orbits, exact(names, n_features=8), into_invariant)
    assert two.leaks[["source", "target"]].to_numpy().tolist() == [["Cyclic(5)", "invariant"]]


def test_entangled_blocks_move_with_both_factors():
    names = (*NAMES, "m=1⊗k=1")
    found = cross_effects(codes(names, extra=0), exact(names))
    assert found.targets[2] == "entangled"
    assert found.moves[:, 2].all()
    assert set(found.graph().edges) == {("SO2()", "entangled"), ("Cyclic(5)", "entangled")}


def test_blocks_are_the_factors_of_one_group():
    names = ("m=1", "m=1", "m=2")
    orbits = codes(names, group=SO2(), extra=1)
    coordinates = exact(names, group=SO2(), n_features=7)
    found = cross_effects(orbits, coordinates, leak(0, 4, 0.4))
    assert found.sources == ("m=1", "m=1 #2", "m=2")
    assert list(found.graph().edges) == [("m=1", "m=2")]
    assert found.low[0, 2] < 0.4 < found.high[0, 2]
    assert not len(cross_effects(orbits, coordinates).leaks)


def test_equal_factors_have_names_of_their_own():
    torus = SO2() * SO2()
    names = ("m=1⊗m=0", "m=0⊗m=1")
    found = cross_effects(codes(names, group=torus), exact(names, group=torus, n_features=7), leak(2, 0, 0.3))
    assert found.sources == ("SO2() #1", "SO2() #2")
    assert list(found.graph().edges) == [("SO2() #2", "SO2() #1")]


# --- what re-embedding itself does ------------------------------------------------------------------------------------
def test_what_reembedding_does_without_an_edit_is_taken_off():
    shift = cross_effects(codes(), exact(NAMES, n_features=7), lambda z: z + 5.0)
    assert not len(shift.leaks)
    assert shift.miss == pytest.approx(0.0, abs=1e-12)


def test_a_random_reembedding_has_a_null():
    rng = np.random.default_rng(0)
    noisy = cross_effects(codes(n=100), exact(NAMES, n_features=7), lambda z: z + 0.3 * rng.normal(size=z.shape))
    assert noisy.null[0, 1] == pytest.approx(0.3, abs=0.05)
    assert noisy.effect[0, 1] == pytest.approx(noisy.null[0, 1], rel=0.15)
    assert noisy.moves[0, 0]
    assert noisy.moves.sum() <= 3, "two of their own, and at most one by chance"
    both = leak(0, 2, 0.5)
    strong = cross_effects(codes(n=100), exact(NAMES, n_features=7), lambda z: both(z) + 0.3 * rng.normal(size=z.shape))
    assert strong.moves[0, 1]


def test_a_coarse_bank_moves_everything_and_nothing_in_particular():
    """The nearest of a few stored rows: whatever is edited, another item comes back."""
    bank = codes(n=25, m=4, seed=9).z

    def nearest(z):
        return bank[((z[:, None] - bank) ** 2).sum(axis=2).argmin(axis=1)]

    found = cross_effects(codes(), exact(NAMES, n_features=7), nearest)
    off = ~np.eye(2, 3, dtype=bool)
    assert found.moves[off].all()
    assert not found.specific[off].any()
    assert (found.sham[off] > 0.5 * found.effect[off]).all()
    assert (found.miss > 0.2).all()
    assert "no more than any edit as large" in found.summary


def test_rounding_of_a_float32_network_is_no_effect():
    apart = torch.randn(7, 7, generator=torch.Generator().manual_seed(0))
    back = torch.linalg.inv(apart)

    def there_and_back(z):
        return torch.as_tensor(z, dtype=torch.float32) @ apart @ back

    found = cross_effects(codes(), exact(NAMES, n_features=7), there_and_back)
    assert 0.0 < found.effect[0, 1] < 1e-4
    assert not len(found.leaks)


# --- statuses ---------------------------------------------------------------------------------------------------------
def test_a_collapsed_code_is_degenerate():
    still = codes().map(lambda z: np.concatenate([np.full((len(z), 2), 3.0), z[:, 2:]], axis=1))
    coordinates = replace(exact(NAMES, n_features=7), centre=np.array([3.0, 3.0, 0, 0, 0, 0, 0]))
    found = cross_effects(still, coordinates)
    assert found.status == "degenerate"
    assert np.isnan(found.effect[0]).all()
    assert not found.moves[0].any()
    assert "SO2() does not move" in found.summary
    constant = codes().map(lambda z: np.zeros_like(z))
    assert cross_effects(constant, exact(NAMES, n_features=7)).status == "degenerate"


def test_one_cluster_is_insufficient():
    found = cross_effects(codes(n=1, m=30), exact(NAMES, n_features=7), leak(0, 2, 0.3))
    assert found.status == "insufficient"
    assert np.isnan(found.low[0, 1])
    assert not found.moves.any()
    twins = codes(n=20, clusters=np.zeros(200))
    assert cross_effects(twins, exact(NAMES, n_features=7)).status == "insufficient"


def test_fitted_items_are_refused():
    train, test = codes(noise=0.05, extra=1).split(0.5)
    coordinates = LinearCoordinates(G, max_order=1, n_null=39).fit_orbits(train).coordinates_
    assert cross_effects(test, coordinates).status == "ok"
    with pytest.raises(OverlapError):
        cross_effects(train, coordinates)


def test_the_same_seed_gives_the_same_numbers():
    one, two, three = (cross_effects(codes(), exact(NAMES, n_features=7), leak(0, 2, 0.3), seed=s) for s in (0, 0, 1))
    assert np.array_equal(one.sham, two.sham)
    assert not np.array_equal(one.sham, three.sham)


@pytest.mark.parametrize(
    ("reembed", "error"),
    [
        ("decoder", ParameterError),
        (lambda z: z[:, 1:], ShapeError),
        (lambda z: z[1:], ShapeError),
        (lambda z: z * np.nan, FiniteError),
    ],
)
def test_malformed_reembeddings_are_refused(reembed, error):
    with pytest.raises(error):
        cross_effects(codes(), exact(NAMES, n_features=7), reembed)


def test_malformed_input_is_refused():
    coordinates = exact(NAMES, n_features=7)
    with pytest.raises(ParameterError, match="Orbits"):
        cross_effects(codes().z, coordinates)
    with pytest.raises(ParameterError, match="LatentCoordinates"):
        cross_effects(codes(), codes())
    with pytest.raises(ParameterError, match="orbits of SO2"):
        cross_effects(codes(("m=1",), group=SO2()), coordinates)
    with pytest.raises(ShapeError):
        cross_effects(codes(extra=4), coordinates)
    with pytest.raises(ParameterError, match="level"):
        cross_effects(codes(), coordinates, level=2.0)
    with pytest.raises(ParameterError, match="block"):
        cross_effects(codes(("m=0⊗k=0",)), exact(("m=0⊗k=0",), n_features=4))
    with pytest.raises(DesignError):
        cross_effects(codes(m=1), coordinates)


# --- table, graph, picture, section -----------------------------------------------------------------------------------
def test_the_table_and_the_graph_hold_the_matrix():
    found = cross_effects(codes(), exact(NAMES, n_features=7), leak(0, 2, 0.3))
    rows = found.rows
    assert rows.columns.tolist() == [
        "source",
        "target",
        "effect",
        "ci_low",
        "ci_high",
        "null",
        "sham",
        "moves",
        "specific",
    ]
    assert rows.effect.to_numpy().reshape(2, 3) == pytest.approx(found.effect)
    edge = found.graph().edges["SO2()", "Cyclic(5)"]
    assert edge["effect"] == found.effect[0, 1]
    assert set(found.graph().nodes) == {"SO2()", "Cyclic(5)", "content"}
    assert re.search(r"0\.3\d\d\*|0\.2\d\d\*", str(found))
    json.dumps(rows.to_dict("records"), default=bool)
    with pytest.raises(FrozenInstanceError):
        found.level = 0.5


def test_the_picture_draws_the_edges():
    found = cross_effects(codes(), exact(NAMES, n_features=7), leak(0, 2, 0.3))
    before = plt.get_fignums()
    display = EffectsDisplay.from_effects(found)
    assert plt.get_fignums() == before
    fig, (left, right) = plt.subplots(1, 2)
    assert display.plot(right) is display
    assert display.ax_ is right
    assert display.figure_ is fig
    assert not left.has_data()
    assert len(display.arrows_) == found.graph().number_of_edges() == 1
    assert [text.get_text() for text in display.labels_] == [f"{found.effect[0, 1]:.2f}"]
    assert len(display.nodes_.get_offsets()) == 3
    weaker = cross_effects(codes(), exact(NAMES, n_features=7), leak(0, 2, 0.1))
    other = EffectsDisplay(weaker).plot()
    assert other.arrows_[0].get_linewidth() < display.arrows_[0].get_linewidth()
    again = EffectsDisplay.from_coordinates(exact(NAMES, n_features=7), codes(), leak(0, 2, 0.3)).plot()
    assert [t.get_text() for t in again.labels_] == [t.get_text() for t in display.labels_]
    with pytest.raises(ParameterError, match="CrossEffects"):
        EffectsDisplay.from_effects(found.rows)
    plt.close("all")


def test_the_section_of_a_page():
    found = cross_effects(codes(), exact(NAMES, n_features=7), leak(0, 2, 0.3))
    before = plt.get_fignums()
    title, content = effects_section(found)
    assert plt.get_fignums() == before
    text = page(section(title, content))
    assert "What else moves when I move this" in text
    assert found.summary.replace("'", "&#x27;") in text
    assert f"{found.effect[0, 1]:.3f}" in text
    assert content.count("<img") == 1
    still = cross_effects(codes().map(lambda z: np.zeros_like(z)), exact(NAMES, n_features=7))
    assert "<img" not in effects_section(still)[1]
    with pytest.raises(ParameterError, match="CrossEffects"):
        effects_section(None)


def test_the_result_is_public():
    assert isinstance(cross_effects(codes(), exact(NAMES, n_features=7)), CrossEffects)


# --- interchange ------------------------------------------------------------------------------------------------------
class Two(nn.Module):
    """Reads the sign of the first feature and of the third through a hidden layer that may mix them."""

    def __init__(self, mix):
        super().__init__()
        self.hidden = nn.Linear(4, 4, bias=False)
        self.drop = nn.Dropout(0.5)
        self.hidden.weight.data = torch.as_tensor(mix, dtype=torch.float32)
        self.out = nn.Linear(4, 4, bias=False)
        signs = torch.tensor([[1.0, 0, 1, 0], [1, 0, -1, 0], [-1, 0, 1, 0], [-1, 0, -1, 0]])
        self.out.weight.data = signs @ torch.linalg.inv(torch.as_tensor(mix, dtype=torch.float32))

    def forward(self, x):
        return self.out(self.drop(self.hidden(x)))


def pairs(n=200, seed=0):
    """Inputs of bases and sources, and what a swap of the first plane must make of the answer."""
    rng = np.random.default_rng(seed)
    base, source = rng.normal(size=(2, n, 4)).astype(np.float32)
    return base, source, 2 * (source[:, 0] < 0) + (base[:, 2] < 0)


def planes(mix):
    """Coordinates of the hidden layer, the inverse of the mixture: blocks (x_1, x_2) and (x_3, x_4)."""
    coordinates = exact(NAMES)
    return replace(coordinates, analysis=np.linalg.inv(mix), synthesis=np.asarray(mix, dtype=np.float64))


@pytest.mark.parametrize("mixed", [False, True])
def test_the_right_block_in_a_network_gives_the_counterfactual_answer(mixed):
    mix = np.random.default_rng(1).normal(size=(4, 4)) if mixed else np.eye(4)
    base, source, expected = pairs()
    found = interchange_accuracy(Two(mix), "hidden", planes(mix), 0, base, source, expected, n_random=9)
    assert found.value == 1.0
    assert found.skill == 1.0
    assert found.status == "ok"
    assert found.baselines["identity"] == pytest.approx(0.5, abs=0.1)
    assert found.baselines["chance"] == pytest.approx(0.25, abs=0.05)
    assert found.baselines["whole_layer"] == pytest.approx(0.5, abs=0.1)
    assert found.baselines["random_subspace"] < 0.8
    assert any("without a swap" in note for note in found.notes)


def test_the_wrong_block_does_not():
    base, source, expected = pairs()
    found = interchange_accuracy(Two(np.eye(4)), "hidden", planes(np.eye(4)), 1, base, source, expected, n_random=9)
    assert found.value == pytest.approx(0.25, abs=0.1)
    assert found.skill < 0.05


def test_pairs_that_need_no_swap_test_nothing():
    base, _, _ = pairs()
    answers = 2 * (base[:, 0] < 0) + (base[:, 2] < 0)
    found = interchange_accuracy(Two(np.eye(4)), "hidden", planes(np.eye(4)), 0, base, base, answers)
    assert found.status == "degenerate"
    assert np.isnan(found.value)


def test_other_readouts_and_clusters():
    base, source, _ = pairs()
    expected = np.where(source[:, 0] > 0, "right", "left")

    def words(output):
        return np.where(np.asarray(output[:, 0] + output[:, 1]) > 0, "right", "left")

    options = {"readout": words, "n_random": 3}
    args = (Two(np.eye(4)), "hidden", planes(np.eye(4)), 0, base, source, expected)
    assert interchange_accuracy(*args, **options).value == 1.0
    clustered = interchange_accuracy(*args, **options, clusters=np.arange(200) // 10)
    assert (clustered.n_items, clustered.n_group) == (20, 200)
    assert interchange_accuracy(*args, **options, clusters=np.zeros(200)).status == "insufficient"


def test_the_network_is_left_as_it_was():
    net = Two(np.eye(4)).train()
    base, source, expected = pairs(20)
    interchange_accuracy(net, "hidden", planes(np.eye(4)), 0, base, source, expected)
    assert net.training
    assert net.drop.training
    assert not net.hidden._forward_hooks


def test_malformed_interchanges_are_refused():
    base, source, expected = pairs(20)
    net, coordinates = Two(np.eye(4)), planes(np.eye(4))
    with pytest.raises(UnknownNameError, match="hidden"):
        interchange_accuracy(net, "middle", coordinates, 0, base, source, expected)
    with pytest.raises(ParameterError, match=r"nn\.Module"):
        interchange_accuracy(len, "hidden", coordinates, 0, base, source, expected)
    with pytest.raises(ParameterError, match="LatentCoordinates"):
        interchange_accuracy(net, "hidden", np.eye(4), 0, base, source, expected)
    for block in (2, -1, True, 0.5):
        with pytest.raises(ParameterError, match="block"):
            interchange_accuracy(net, "hidden", coordinates, block, base, source, expected)
    with pytest.raises(LengthError):
        interchange_accuracy(net, "hidden", coordinates, 0, base, source[1:], expected)
    with pytest.raises(LengthError):
        interchange_accuracy(net, "hidden", coordinates, 0, base, source, expected[1:])
    with pytest.raises(ShapeError, match="layer"):
        interchange_accuracy(net, "hidden", exact(NAMES, n_features=7), 0, base, source, expected)
    with pytest.raises(ShapeError, match="readout"):
        interchange_accuracy(net, "hidden", coordinates, 0, base, source, expected, readout=lambda out: out[:3, 0])
    with pytest.raises(ParameterError, match="n_random"):
        interchange_accuracy(net, "hidden", coordinates, 0, base, source, expected, n_random=0)
    with pytest.raises(GeodisError):
        interchange_accuracy(net, "hidden", coordinates, 0, base[:0], source[:0], expected[:0])
    flat = nn.Sequential(nn.Identity(), nn.Flatten(0))
    with pytest.raises(ShapeError, match="classes"):
        interchange_accuracy(flat, "0", coordinates, 0, base, source, expected)
