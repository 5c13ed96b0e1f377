"""D_LSBD by FFT is the published search; its corrected form names and prices what that misses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from lsbd_codes import CASES, FLAT, GRID, SIDE, grid, inputs, searched, speedup, tensor, torus, warped
from scipy.special import jv

from geodis.errors import DesignError, FiniteError, LengthError, ParameterError, ShapeError
from geodis.metrics import d_lsbd, d_lsbd_paper

DECEIVED = (
    "superposed",
    "radius 1e-6",
    "ellipse",
    "random mix",
    "planes not orthogonal",
    "second harmonic",
    "tensor added",
)


# --- the published number ---------------------------------------------------------------------------------------------
def test_the_fft_is_the_search_on_twenty_inputs():
    angles = grid(10)
    codes = inputs(angles, seed=0)
    assert len(codes) == 20
    values = [d_lsbd_paper(z, angles, 3) for z in codes]
    assert values == pytest.approx([searched(z, angles, 3) for z in codes], abs=1e-12)
    assert np.ptp(values) > 0.9


def test_the_search_needs_the_frequency():
    angles = grid(10)
    assert d_lsbd_paper(torus(angles, 3), angles, 3) < 1e-12
    assert d_lsbd_paper(torus(angles, 3), angles, 2) == pytest.approx(0.99)
    assert searched(torus(angles, 3), angles, 2) == pytest.approx(0.99)


@pytest.mark.parametrize(
    ("a", "expected"), [(0.1, 0.00250158), (0.2, 0.01002588), (0.5, 0.06367501), (1.0, 0.27407780)]
)
def test_a_warped_circle_has_the_published_digits(a, expected):
    n = SIDE**2
    assert d_lsbd_paper(warped(GRID, a), GRID) * 2 * n / (n - 1) == pytest.approx(expected, abs=5e-9)


def test_a_strong_warp_comes_nearer_turning_back():
    """At a = 2 the table's .93026273 is at k = 1; the formula's minimum over ±1 lies at −1, over all k at 2."""
    a, n = 2.0, SIDE**2
    x, y = (1 + jv(2, 2 * a)) / 2 - jv(1, a) ** 2, (1 - jv(2, 2 * a)) / 2
    parts = (jv(0, a) + jv(2, a)) / (2 * math.sqrt(2 * x)), (jv(0, a) - jv(2, a)) / (2 * math.sqrt(2 * y))
    assert 1 - sum(parts) ** 2 == pytest.approx(0.93026273, abs=5e-9)
    measured = d_lsbd_paper(warped(GRID, a), GRID, K=1) * 2 * n / (n - 1)
    assert measured == pytest.approx(1 - (parts[0] - parts[1]) ** 2, abs=1e-9)
    assert d_lsbd_paper(warped(GRID, a), GRID) < d_lsbd_paper(warped(GRID, a), GRID, K=1)


def test_other_published_values():
    n = SIDE**2
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 4)))[0]
    assert d_lsbd_paper(FLAT @ frame.T, GRID) < 1e-12
    assert d_lsbd_paper(tensor(GRID), GRID) == pytest.approx((n - 1) / n)
    assert d_lsbd_paper(np.random.default_rng(0).normal(size=(n, 4)), GRID) > 0.97


@pytest.mark.parametrize("name", DECEIVED)
def test_the_published_formula_is_deceived(name):
    assert d_lsbd_paper(CASES[name][0], GRID) < 1e-9


# --- the corrected number ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [name for name in CASES if name != "constant"])
def test_every_failure_is_named_and_priced(name):
    z, words = CASES[name]
    found = d_lsbd(z, GRID)
    assert any(words in note for note in found.notes), found.notes
    assert found.value > 0.05
    assert found.baselines["chance"] == 1.0
    paper = d_lsbd(z, GRID, compat="paper")
    assert paper.notes == found.notes
    assert paper.baselines == pytest.approx(found.baselines, nan_ok=True)


CORRECTED = {
    "superposed": 0.5,  # one plane for two factors
    "radius 1e-6": 0.5,  # one factor of two is there
    "absent": 0.5,
    "ellipse": 1 - 11**2 / (2 * 101),  # (s_1 + s_2)²/2(s_1² + s_2²) of its energy turns as a circle
    "second harmonic": 0.81 / 2.81,
    "tensor": 1.0,
    "tensor added": 0.25 / 2.25,
}


@pytest.mark.parametrize("name", CORRECTED)
def test_the_price_has_a_closed_form(name):
    assert d_lsbd(CASES[name][0], GRID).value == pytest.approx(CORRECTED[name], abs=1e-9)


def test_an_absent_factor_is_partial():
    for name in ("absent", "radius 1e-6"):
        assert d_lsbd(CASES[name][0], GRID).status == "partial"
    assert d_lsbd(FLAT, GRID).status == "insufficient", "one item"


@pytest.mark.parametrize("compat", ["paper", "corrected"])
@pytest.mark.parametrize("noise", [0.0, 1e-12])
def test_a_constant_is_degenerate(compat, noise):
    found = d_lsbd(CASES["constant"][0] + noise * CASES["noise"][0], GRID, compat=compat)
    assert found.status == "degenerate"
    assert math.isnan(found.value)


def test_noise_is_at_chance():
    assert d_lsbd(CASES["noise"][0], GRID).value == pytest.approx(1.0, abs=0.03)


def test_the_exact_code_is_perfect_in_any_frame_and_its_bad_twin_is_not():
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.normal(size=(9, 4)))[0]
    for z in (FLAT, 3.0 + 1e3 * FLAT @ frame.T, torus(GRID, 4), FLAT.astype(np.float32)):
        assert d_lsbd(z, GRID).value < 1e-6
        assert d_lsbd(z, GRID).notes == ()
    assert d_lsbd(torus(GRID, 4), GRID, K=3).value == pytest.approx(1.0)
    tilted = FLAT @ [[1, 0, 0, 0], [0, 1, 0, 0], [0.5, 0, math.sqrt(0.75), 0], [0, 0.5, 0, math.sqrt(0.75)]]
    assert 0.02 < d_lsbd(tilted, GRID).value < 0.5


def test_the_planes_are_the_best_of_many():
    """The ascent is no worse than the best of random orthonormal frames, which it may not exceed by much either."""
    rng = np.random.default_rng(3)
    z = FLAT @ rng.normal(size=(4, 4))
    centred = z - z.mean(axis=0)
    hats = [(centred * np.exp(-1j * angle)[:, None]).mean(axis=0) for angle in GRID.T]
    best = 0.0
    for _ in range(4000):
        q = np.linalg.qr(rng.normal(size=(4, 4)))[0]
        best = max(
            best, sum(abs((q[:, 2 * j] + s * 1j * q[:, 2 * j + 1]) @ hats[j]) ** 2 for j, s in ((0, -1), (1, -1)))
        )
    variance = float((centred**2).sum(axis=1).mean())
    found = 1 - d_lsbd(z, GRID).value
    assert best / variance <= found + 1e-9
    assert found < best / variance + 0.15


def test_rows_in_any_order_and_one_factor_alone():
    rng = np.random.default_rng(0)
    mixed = rng.permutation(len(GRID))
    z = warped(GRID, 0.7)
    for compat in ("paper", "corrected"):
        shuffled = d_lsbd(z[mixed], GRID[mixed] + 0.4, compat=compat).value
        assert shuffled == pytest.approx(d_lsbd(z, GRID, compat=compat).value, abs=1e-12)
    angles = 2 * np.pi * np.arange(12) / 12
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert d_lsbd(circle, angles).value < 1e-12
    line = circle[:, :1]
    for dead in (0, 1, 5):
        assert d_lsbd(np.pad(line, ((0, 0), (0, dead))), angles).value == pytest.approx(0.5)


def test_items_are_averaged_with_an_interval():
    rng = np.random.default_rng(0)
    small = grid(8)
    z = np.concatenate([warped(small, a) for a in rng.uniform(0, 1, 12)])
    found = d_lsbd(z, np.tile(small, (12, 1)), K=3, items=np.repeat(np.arange(12), 64))
    assert found.status == "ok"
    assert found.value == pytest.approx(found.per_item.mean())
    assert found.ci[0] < found.value < found.ci[1]
    one = d_lsbd(z[:64], small, K=3)
    assert one.value == pytest.approx(found.per_item[0])
    assert np.isnan(one.ci).all()


# --- malformed --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("measure", [d_lsbd, d_lsbd_paper])
@pytest.mark.parametrize(
    ("z", "params", "options", "error"),
    [
        (FLAT[:-1], GRID, {}, LengthError),
        (FLAT[:-1], GRID[:-1], {}, DesignError),
        (FLAT, np.random.default_rng(0).uniform(0, 6, GRID.shape), {}, DesignError),
        (FLAT, GRID[:, :1], {}, DesignError),
        (FLAT[:, 0], GRID, {}, ShapeError),
        (FLAT, GRID[None], {}, ShapeError),
        (FLAT, GRID * np.nan, {}, FiniteError),
        (FLAT * np.nan, GRID, {}, FiniteError),
        (FLAT, GRID.astype(str), {}, ParameterError),
        (FLAT, GRID, {"K": 0}, ParameterError),
        (FLAT, GRID, {"K": 1.5}, ParameterError),
    ],
)
def test_malformed_input_is_refused(measure, z, params, options, error):
    with pytest.raises(error):
        measure(z, params, **options)


def test_options_of_the_metric():
    with pytest.raises(ParameterError, match="compat"):
        d_lsbd(FLAT, GRID, compat="fast")
    with pytest.raises(ParameterError, match="level"):
        d_lsbd(FLAT, GRID, level=0.0)
    with pytest.raises(LengthError):
        d_lsbd(FLAT, GRID, items=np.zeros(3))
    with pytest.raises(ParameterError, match="two directions"):
        d_lsbd_paper(0.0 * FLAT, GRID)


@pytest.mark.slow
def test_the_fft_is_thirty_times_as_fast():

    assert speedup(0) > 30
