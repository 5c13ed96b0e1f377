"""Coupling graphs: components are what operators move together, edges are stronger than noise."""

from __future__ import annotations

import numpy as np
import pytest

from geodis.discovery.coupling_graph import block_strengths, coupling_graph
from geodis.errors import FiniteError, ParameterError, ShapeError


def blocks(sizes, n, noise, seed=0):
    rng = np.random.default_rng(seed)
    mask = np.repeat(np.arange(len(sizes)), sizes)
    return rng.normal(size=(n, len(mask), len(mask))) * (mask[:, None] == mask) + noise * rng.normal(
        size=(n, len(mask), len(mask))
    )


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("sizes", [(3, 2), (1, 1, 4), (2, 2, 2, 1), (5,)])
def test_components_are_the_blocks(sizes, noise, known):
    graph = coupling_graph(blocks(sizes, 12, noise), noise=noise if known else None)
    assert tuple(map(len, graph.components)) == sizes
    assert sorted(sum(graph.components, ())) == list(range(sum(sizes)))
    assert graph.leak <= graph.threshold < graph.bond


def test_noise_alone_couples_nothing_at_the_stated_rate():
    rng = np.random.default_rng(0)
    linked = [len(coupling_graph(rng.normal(size=(5, 8, 8)), noise=1.0).components) < 8 for _ in range(200)]
    assert np.mean(linked) <= 0.02
    assert len(coupling_graph(rng.normal(size=(5, 8, 8)), noise=0.1).components) == 1


def test_without_a_noise_level_no_gap_is_no_split():
    random = np.random.default_rng(1).normal(size=(10, 8, 8))
    assert len(coupling_graph(random).components) == 1


def test_the_networkx_graph_has_the_same_components():
    import networkx as nx

    graph = coupling_graph(blocks((3, 2, 1), 10, 0.01), noise=0.01, names="abcdef")
    found = sorted(map(sorted, nx.connected_components(graph.graph)))
    assert found == [["a", "b", "c"], ["d", "e"], ["f"]]
    assert graph.graph["a"]["b"]["strength"] == graph.strengths[0, 1]
    assert "3 + 2 + 1" in repr(graph)
    assert graph.plot().get_title() == "3 components"


def test_strengths_are_root_mean_squares():
    operators = np.zeros((2, 3, 3))
    operators[0, 0, 1], operators[1, 1, 0] = 3.0, 4.0
    graph = coupling_graph(operators, noise=0.0)
    assert graph.strengths[0, 1] == graph.strengths[1, 0] == pytest.approx(2.5)
    assert block_strengths(graph.strengths, ((0, 2), (1,)))[0, 1] == pytest.approx(2.5 / np.sqrt(2))
    assert graph.components == ((0, 1), (2,))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: coupling_graph(np.ones((3, 2))), ShapeError),
        (lambda: coupling_graph(np.full((1, 2, 2), np.inf)), FiniteError),
        (lambda: coupling_graph(np.ones((1, 2, 2)), noise="low"), ParameterError),
        (lambda: coupling_graph(np.ones((1, 2, 2)), names=["a", "a"]), ParameterError),
    ],
    ids=["shape", "infinite", "noise", "names"],
)
def test_malformed_input_is_refused(call, error):
    with pytest.raises(error, match="xpected"):
        call()
