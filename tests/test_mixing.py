"""Mixed codes: the map is injective and bent, the action behind it linear; learned coordinates undo it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from geodis import DeepCoordinates, LinearCoordinates
from geodis.errors import ParameterError, ShapeError
from geodis.groups import GL, SO2, SO3, AbstractGroup, O
from geodis.simulators import MixedCode, Mixing, mixed_codes, random_mixing
from geodis.training.networks import draw

WORLDS = {"SO3": (SO3(), "l=1"), "O(3)": (O(3), "h=(1)+"), "GL(3)": (GL(3), "V"), "SO2": (SO2(), "m=1")}


def codes_of(name: str, mixing: Mixing | None = None, n: int = 30, m: int = 4, seed: int = 0) -> MixedCode:
    group, vector = WORLDS[name]
    parts = [(group.irrep(vector), 2), (group.irreps(0)[0], 2)]
    size = sum(rep.dim * copies for rep, copies in parts)
    mixing = random_mixing(size, size + 3, seed=1) if mixing is None else mixing
    return mixed_codes(parts, group.orbit(n, m, seed=seed + 50), mixing, seed=seed)


def derivative(mixing: Mixing, x: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """By central differences: (p,) → (D, p)."""
    eye = step * np.eye(len(x))
    return ((mixing(x + eye) - mixing(x - eye)) / (2 * step)).T


# --- the map ----------------------------------------------------------------------------------------------------------
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    p=st.integers(1, 8), extra=st.integers(0, 5), depth=st.integers(0, 5), slope=st.floats(0.05, 1.0),
    seed=st.integers(0, 10**6),
)  # fmt: skip
def test_it_is_undone_exactly(p: int, extra: int, depth: int, slope: float, seed: int) -> None:
    mixing = random_mixing(p, p + extra, depth=depth, slope=slope, seed=seed)
    x = 3 * np.random.default_rng(seed).normal(size=(20, p))
    assert mixing(x).shape == (20, p + extra)
    np.testing.assert_allclose(mixing.inverse(mixing(x)), x, atol=1e-9)
    assert (mixing.n_latent, mixing.n_features) == (p, p + extra)


@pytest.mark.parametrize("slope", [0.1, 0.5])
def test_its_condition_is_bounded(slope: float) -> None:
    mixing, rng = random_mixing(5, 9, slope=slope, seed=0), np.random.default_rng(0)
    found = [np.linalg.cond(derivative(mixing, x)) for x in 2 * rng.normal(size=(200, 5))]
    assert 1.2 < max(found) <= mixing.condition * (1 + 1e-6)
    assert mixing.condition == pytest.approx(slope**-3)


def test_it_is_linear_for_slope_one_and_depth_none() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 50, 4))
    for mixing, linear in (
        (random_mixing(4, 6, slope=1.0), True),
        (random_mixing(4, 6, depth=0), True),
        (random_mixing(4, 6), False),
    ):
        off = np.abs(mixing(x + y) - mixing(x) - mixing(y) + mixing(0 * x)).max()
        assert (off < 1e-12) == linear


def test_units_are_kept() -> None:
    """Normal codes stay of size one through the layers: deeper mixings do not fade."""
    x = np.random.default_rng(0).normal(size=(5000, 12))
    for depth in (1, 3, 6):
        z = random_mixing(12, 12, depth=depth, seed=0)(x)
        assert 0.5 < z.std() < 3.0


# --- the codes --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", WORLDS)
def test_the_action_is_linear_behind_the_map(name: str) -> None:
    codes = codes_of(name)
    group: AbstractGroup = WORLDS[name][0]
    latent = codes.mixing.inverse(codes.z)
    np.testing.assert_allclose(latent, codes.latent, atol=1e-9)
    for block in codes.blocks:
        rho, c = block.representation(codes.params), block.content[codes.items]
        np.testing.assert_allclose(latent[:, block.columns], np.einsum("nab,nb->na", rho, c), atol=1e-9)
    assert group.contains(codes.params).all()
    assert codes.items.tolist() == np.repeat(np.arange(30), 4).tolist()


def test_seeds() -> None:
    first, again, other = codes_of("SO3"), codes_of("SO3"), codes_of("SO3", seed=1)
    np.testing.assert_array_equal(first.z, again.z)
    assert np.abs(first.z - other.z).max() > 0.1
    x = np.zeros((1, 4))
    assert np.abs(random_mixing(4, 6, seed=0)(x) - random_mixing(4, 6, seed=1)(x)).max() > 1e-3
    np.testing.assert_array_equal(random_mixing(4, 6, seed=3)(x), random_mixing(4, 6, seed=3)(x))


@pytest.mark.parametrize(
    "make",
    [
        lambda: random_mixing(5, 4),
        lambda: random_mixing(0, 4),
        lambda: random_mixing(4, 6, depth=-1),
        lambda: random_mixing(4, 6, depth=True),
        lambda: random_mixing(4, 6, slope=0.0),
        lambda: random_mixing(4, 6, slope=1.5),
        lambda: random_mixing(4, 6, slope=float("nan")),
        lambda: random_mixing(4, 6, bias=-1.0),
        lambda: codes_of("SO3", random_mixing(7, 9)),
    ],
)
def test_bad_arguments(make: object) -> None:
    with pytest.raises(ParameterError):
        make()


def test_bad_shapes() -> None:
    mixing = random_mixing(4, 6)
    for call, rows in ((mixing, np.zeros((3, 5))), (mixing.inverse, np.zeros((3, 4))), (mixing, np.float64(1.0))):
        with pytest.raises(ShapeError):
            call(rows)


# --- the estimators ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["SO2", "GL(3)"])
def test_learned_coordinates_read_more_than_linear_ones(name: str) -> None:
    """A small version of experiments/nonlinear_mixing.py, one vector copy, a few seconds."""
    group, vector = WORLDS[name]
    rep = group.irrep(vector)
    mixing = random_mixing(rep.dim, rep.dim, depth=2, slope=0.1, seed=0)
    train, test = (mixed_codes([(rep, 1)], group.orbit(n, 4, seed=s), mixing, seed=s) for n, s in ((1000, 1), (200, 2)))
    network = nn.Sequential(
        nn.utils.skip_init(nn.Linear, rep.dim, 64), nn.LeakyReLU(0.2), nn.utils.skip_init(nn.Linear, 64, 64),
        nn.LeakyReLU(0.2), nn.utils.skip_init(nn.Linear, 64, rep.dim),
    )  # fmt: skip
    draw(network, seed=0)
    options = {"max_order": 1, "n_null": 19}
    deep = DeepCoordinates(
        group, network, n_content=0, max_steps=250, batch_items=64, learning_rate=2e-2, batch_elements=4, **options
    )
    linear = LinearCoordinates(group, **options)
    scores = {}
    for kind, estimator in (("deep", deep), ("linear", linear)):
        estimator.fit(train.z, train.params, items=train.items)
        scores[kind] = estimator.score(test.z, test.params, items=test.items + 10**6)
    assert [block.irrep.name for block in deep.coordinates_.blocks] == [vector]
    assert scores["deep"] > 0.97
    assert scores["linear"] < 0.92
