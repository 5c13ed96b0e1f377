"""How the out-of-plane experiment scores: planted codes give the ratios and the content that theory §9 says."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.groups import SO3

N, M = 60, 12


@pytest.fixture(scope="module")
def protocol():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent.parent / "experiments"))
        yield importlib.import_module("protocol")


def random_angles(rng, n=N, m=M):
    return rng.uniform(0, 2 * np.pi, (n, m, 1))


def grid_angles(rng, n=N, side=24):
    return rng.uniform(0, 2 * np.pi, (n, 1, 1)) + 2 * np.pi * np.arange(side)[:, None] / side


def equivariant(rho, angles, rng, noise=0.0):
    """c(θ) = ρ(θ)u with a random u for every object, and noise."""
    p = rho.matrices(angles[:1, :1]).shape[-1]
    u = rng.normal(size=(len(angles), 1, p, 1))
    return (rho.matrices(angles) @ u)[..., 0] + noise * rng.normal(size=(*angles.shape[:2], p))


ORDERS = [(1,), (0, 1), (0, 0, 1, 2), (1, 1, 3, 0, 2)]


# --- with a representation --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("orders", ORDERS)
def test_exact_codes_have_ratio_zero_and_full_content(protocol, orders):
    rng, rho = np.random.default_rng(0), protocol.planes(orders)
    angles = random_angles(rng)
    codes = equivariant(rho, angles, rng)
    found = protocol.error_ratio(codes, angles, rho.matrices)
    assert not found.degenerate
    assert found.value < 1e-25
    fine = rho.matrices(protocol.circle(256))
    if codes.shape[-1] > 2:  # one plane tells its objects apart by one number, up to the grid
        few = codes[:20, :8]
        assert protocol.content_1nn(few, fine) > 0.99
        assert protocol.content_1nn(few) < protocol.content_1nn(few, fine)


def test_the_identity_has_ratio_one_and_the_wrong_sign_more(protocol):
    rng, rho = np.random.default_rng(1), protocol.planes((0, 1, 2))
    angles = random_angles(rng)
    codes = equivariant(rho, angles, rng)
    still = protocol.planes((0,) * 5)
    assert protocol.error_ratio(codes, angles, still.matrices).value == pytest.approx(1.0, abs=1e-12)
    assert protocol.error_ratio(codes, -angles, rho.matrices).value > 0.9


def test_codes_that_know_nothing_have_ratio_one(protocol):
    rng = np.random.default_rng(2)
    angles, codes = random_angles(rng, 300), rng.normal(size=(300, M, 4))
    assert protocol.error_ratio(codes, angles, protocol.planes((1, 2)).matrices).value == pytest.approx(1.0, abs=0.02)


def test_half_a_plane_has_ratio_one_half(protocol):
    rng, rho = np.random.default_rng(3), protocol.planes((1,))
    angles = random_angles(rng, 2000)
    codes = equivariant(rho, angles, rng) * np.array([1.0, 0.0])
    assert protocol.error_ratio(codes, angles, rho.matrices).value == pytest.approx(0.5, abs=0.01)


def test_noise_and_invariants_count_as_theory_says(protocol):
    """Error 2σ²p over motion 2·(variance that turns) + 2σ²p: the exact invariant adds nothing to either."""
    rng, rho, noise = np.random.default_rng(4), protocol.planes((0, 1)), 0.3
    angles = random_angles(rng, 3000)
    found = protocol.error_ratio(equivariant(rho, angles, rng, noise), angles, rho.matrices)
    assert found.value == pytest.approx(3 * noise**2 / (2 + 3 * noise**2), rel=0.06)


def test_an_invariant_or_constant_code_is_degenerate(protocol):
    rng, rho = np.random.default_rng(5), protocol.planes((0, 0, 0))
    angles = random_angles(rng)
    for codes in (equivariant(rho, angles, rng), np.full((N, M, 3), 7.3), np.zeros((N, M, 3))):
        found = protocol.error_ratio(codes, angles, rho.matrices)
        assert found.degenerate
        assert np.isnan(found.value)


def test_shrinking_a_bad_block_does_not_help(protocol):
    rng, rho = np.random.default_rng(6), protocol.planes((1, 2))
    angles = random_angles(rng)
    codes = equivariant(rho, angles, rng)
    codes[..., 2:] = rng.normal(size=(N, M, 2))
    ratios = {}
    for shrink in (1.0, 0.1):
        c = codes * np.array([1, 1, shrink, shrink])
        scaled = protocol.error_ratio(c, angles, rho.matrices, scales=protocol.by_block(c, rho.blocks))
        ratios[shrink] = protocol.error_ratio(c, angles, rho.matrices).value, scaled.value
    assert ratios[0.1][0] < 0.1 * ratios[1.0][0]
    assert ratios[0.1][1] == pytest.approx(ratios[1.0][1], rel=1e-9)


def test_a_block_that_does_not_vary_keeps_its_scale(protocol):
    codes = np.random.default_rng(7).normal(size=(N, M, 3))
    codes[..., 2] = 4.0
    assert protocol.by_block(codes, ((0, 1), (2,)))[2] == 1.0


def test_another_group_passes_its_own_relative_element(protocol):
    rng, group = np.random.default_rng(8), SO3()
    params = group.sample(N * 6, seed=0).reshape(N, 6, 3)

    def matrices(h):
        return group.irrep("l=1")(h.reshape(-1, 3)).reshape(*h.shape[:-1], 3, 3)

    def relative(second, first):
        return group.compose(second, group.inverse(first))

    codes = (matrices(params) @ rng.normal(size=(N, 1, 3, 1)))[..., 0]
    assert protocol.error_ratio(codes, params, matrices, relative=relative).value < 1e-20
    assert protocol.error_ratio(codes, params, matrices).value > 0.05  # parameters of SO(3) do not add


# --- without one ------------------------------------------------------------------------------------------------------
def test_maps_find_planted_operators_in_any_basis(protocol):
    rng, rho = np.random.default_rng(9), protocol.planes((0, 0, 1, 2))
    mixing, shift = rng.normal(size=(6, 6)), 5 * rng.normal(size=6)
    train = equivariant(rho, grid_angles(rng), rng) @ mixing.T + shift
    test = equivariant(rho, grid_angles(rng), rng) @ mixing.T + shift
    assert protocol.per_element_ratio(train, test).value < 1e-9
    maps = protocol.fit_element_maps(train)
    h = 2 * np.pi * np.array(maps.steps)[:, None] / 24
    np.testing.assert_allclose(maps.matrices, mixing @ rho.matrices(h) @ np.linalg.inv(mixing), rtol=1e-3, atol=1e-2)
    assert maps.crossfitted.value < 1e-9


def test_maps_of_codes_that_know_nothing_predict_the_mean(protocol):
    """The best map is then a constant, whose ratio is ½: a fitted map starts from there, a given ρ from 1."""
    rng = np.random.default_rng(10)
    train, test = rng.normal(size=(2, 200, 24, 4))
    maps = protocol.fit_element_maps(train)
    assert protocol.element_ratio(test, maps).value == pytest.approx(0.5, abs=0.02)
    assert maps.crossfitted.value == pytest.approx(0.5, abs=0.02)
    assert np.abs(maps.matrices).max() < 0.1


def test_maps_do_not_explain_their_own_noise(protocol):
    rng = np.random.default_rng(11)
    train, test = rng.normal(size=(5, 24, 40)), rng.normal(size=(200, 24, 40))
    found = protocol.fit_element_maps(train)
    assert found.crossfitted.value == pytest.approx(protocol.element_ratio(test, found).value, abs=0.1)
    assert protocol.element_ratio(test, found).value > 0.49


def test_maps_of_a_code_that_hardly_moves_shrink_to_the_identity(protocol):
    """Few objects, many rows: shrunk to 0 only, the fitted map would lose to doing nothing."""
    rng = np.random.default_rng(18)
    train, test = (rng.normal(size=(n, 1, 60)) + 0.02 * rng.normal(size=(n, 24, 60)) for n in (20, 60))
    assert protocol.per_element_ratio(train, test).value < 1.001


def test_folds_mix_families_that_take_turns(protocol):
    folds = importlib.import_module("element_maps").shuffled_folds(280, 4)
    assert sorted(np.concatenate(folds)) == list(range(280))
    assert all(len(set(fold % 28)) > 20 for fold in folds)


def test_an_invariant_code_is_degenerate_for_maps_too(protocol):
    codes = np.repeat(np.random.default_rng(12).normal(size=(N, 1, 3)), 24, axis=1)
    assert protocol.per_element_ratio(codes, codes).degenerate
    assert protocol.per_element_ratio(np.zeros((N, 24, 3)), np.zeros((N, 24, 3))).degenerate


@pytest.mark.parametrize("prior", [0.0, 1.0])
def test_maps_are_ridge_regressions(protocol, prior):
    """One ridge: the closed form on centred rows; its cross-validated error: the residuals computed one by one."""
    rng = np.random.default_rng(13)
    slow = prior * 6 * rng.normal(size=(N, 1, 5))  # makes the identity the better guess
    codes = slow + rng.normal(size=(N, 24, 5)) @ rng.normal(size=(5, 5)) + 3.0
    found = protocol.fit_element_maps(codes, steps=(5,), ridges=np.array([0.2]), folds=3)
    before, after = codes, np.roll(codes, -5, axis=1)

    def ridge(x, y):
        x, y = x.reshape(-1, 5), y.reshape(-1, 5)
        wanted, centred = y - prior * x, x - x.mean(axis=0)
        gram = centred.T @ centred
        b = np.linalg.solve(gram + 0.2 * np.trace(gram) / 5 * np.eye(5), centred.T @ (wanted - wanted.mean(axis=0)))
        matrix = prior * np.eye(5) + b.T
        return matrix, y.mean(axis=0) - matrix @ x.mean(axis=0)

    matrix, offset = ridge(before, after)
    np.testing.assert_allclose(found.matrices[0], matrix, atol=1e-10)
    np.testing.assert_allclose(found.offsets[0], offset, atol=1e-9)
    error = 0.0
    for fold in np.array_split(np.random.default_rng(0).permutation(N), 3):
        held = np.isin(np.arange(N), fold)
        matrix, offset = ridge(before[~held], after[~held])
        error += ((after[held] - before[held] @ matrix.T - offset) ** 2).sum()
    assert found.crossfitted.error == pytest.approx(error / (N * 24), rel=1e-9)
    assert found.crossfitted.motion == pytest.approx(((after - before) ** 2).sum(axis=-1).mean(), rel=1e-9)


# --- content ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [2, 10, 100])
def test_a_constant_code_has_chance_content(protocol, n):
    for codes in (np.full((n, 8, 3), 2.7), np.zeros((n, 8, 3))):
        assert protocol.content_1nn(codes) == pytest.approx(7 / (8 * n - 1), abs=1e-12)
        assert protocol.content_1nn(codes, np.eye(3)[None]) == pytest.approx(7 / (8 * n - 1), abs=1e-12)


def test_random_codes_have_about_chance_content(protocol):
    codes = np.random.default_rng(14).normal(size=(100, 8, 6))
    assert protocol.content_1nn(codes) < 0.03


def test_content_minimises_over_affine_maps_too(protocol):
    rng, rho = np.random.default_rng(15), protocol.planes((1, 2, 0))
    angles, shift = 2 * np.pi * rng.integers(64, size=(40, 8, 1)) / 64, rng.normal(size=5)
    codes = equivariant(rho, angles, rng) + shift
    on_grid = rho.matrices(protocol.circle())
    assert protocol.content_1nn(codes, on_grid, shift - on_grid @ shift) == 1.0
    assert protocol.content_1nn(codes) < 0.9


# --- the protocol -----------------------------------------------------------------------------------------------------
def coded(protocol, rho, rng, noise=0.0, mixing=None):
    """Codes of the four sets; a mixing hides ρ."""
    held, test = rng.normal(size=(80, 1, 5, 1)), rng.normal(size=(40, 1, 5, 1))
    mixing = np.eye(5) if mixing is None else mixing

    def of(u, angles):
        clean = (rho.matrices(angles) @ u)[..., 0]
        return (clean + noise * rng.normal(size=clean.shape)) @ mixing.T

    grids, free, few = (
        (grid_angles(rng, 80), grid_angles(rng, 40)),
        random_angles(rng, 40, 24),
        random_angles(rng, 40, 8),
    )
    return protocol.Codes(of(held, grids[0]), grids[0], of(test, free), free, of(test, grids[1]), of(test, few))


def test_a_method_gets_its_own_rho_or_maps_whichever_is_better(protocol):
    rng, rho = np.random.default_rng(16), protocol.planes((1, 2, 0))
    own = protocol.scored(coded(protocol, rho, rng), rho)
    assert own.chosen.startswith("own ρ")
    assert own.ratio < 1e-20
    hidden = coded(protocol, rho, rng, noise=0.01, mixing=rng.normal(size=(5, 5)))
    maps = protocol.scored(hidden, rho)
    assert maps.chosen.startswith("maps")
    assert maps.ratio < 0.01
    assert protocol.scored_with_rho(hidden, rho).ratio > 0.1
    assert maps.dim == 5
    assert maps.held_area == pytest.approx((1 - maps.held_ratio) * maps.held_content)


def test_an_invariant_method_is_told_so(protocol):
    rng = np.random.default_rng(17)
    found = protocol.scored(coded(protocol, protocol.planes((0,) * 5), rng))
    assert found.degenerate
    assert found.content == 1.0
    assert found.held_area == 0.0
    nearly = protocol.scored(coded(protocol, protocol.planes((0,) * 5), rng, noise=0.01))
    assert not nearly.degenerate
    assert nearly.content == 1.0
    assert 0.45 < nearly.ratio < 1.0  # motion is noise; the best map averages it away


# --- malformed --------------------------------------------------------------------------------------------------------
def test_bad_input_is_named(protocol):
    rho, codes = protocol.planes((1,)), np.zeros((4, 8, 2))
    with pytest.raises(ShapeError, match="codes"):
        protocol.error_ratio(codes[0], np.zeros((8, 1)), rho.matrices)
    with pytest.raises(LengthError, match="params"):
        protocol.error_ratio(codes, np.zeros((4, 7, 1)), rho.matrices)
    with pytest.raises(ShapeError, match="ρ"):
        protocol.error_ratio(codes, np.zeros((4, 8, 1)), protocol.planes((1, 1)).matrices)
    with pytest.raises(ParameterError, match="views"):
        protocol.error_ratio(codes[:, :1], np.zeros((4, 1, 1)), rho.matrices)
    with pytest.raises(ParameterError, match="identity"):
        protocol.fit_element_maps(codes, steps=(8,))
    with pytest.raises(ParameterError, match="objects"):
        protocol.fit_element_maps(codes[:3])
    with pytest.raises(ParameterError, match="two objects"):
        protocol.content_1nn(codes[:1])
