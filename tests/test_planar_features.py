"""Separability and mixture index of two-dimensional features: circles are irreducible, Gaussians and lines are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from factor_codes import rotation
from scipy.stats import norm

from geodis.errors import FiniteError, ParameterError, ShapeError
from geodis.metrics import circle_embedding, mixture_index, separability
from geodis.metrics.mixture_index import densest_line, densest_offset, near_line
from geodis.metrics.separability import binned_information, joint_counts

RNG = np.random.default_rng(0)
GAUSSIAN = RNG.normal(size=(2000, 2))
CIRCLE = circle_embedding(2 * np.pi * (np.arange(2000)[:, None] + 0.5) / 2000)


def test_a_gaussian_separates_in_any_frame_and_a_circle_in_none():
    for z in (GAUSSIAN, GAUSSIAN @ [[3.0, 1.0], [0.0, 0.2]]):
        found = separability(z)
        assert abs(found.value) < 0.05
        assert found.value < found.baselines["chance"] + 0.05
    square = RNG.uniform(-1, 1, (2000, 2))
    turned = separability(square @ rotation(2))
    assert abs(turned.value) < 0.05
    assert separability(square @ rotation(2), n_angles=1).value > 0.05
    circle = separability(CIRCLE)
    assert circle.value > 1.0
    assert circle.ci[0] > circle.baselines["chance"]
    assert circle.p_value == 0.05


def test_separability_knows_no_scale():
    values = [separability(s * CIRCLE + 7.0 * s, n_null=1).value for s in (1e-3, 1.0, 1e3)]
    assert values == pytest.approx([values[1]] * 3, abs=1e-9)


def test_information_of_tables():
    assert binned_information(np.eye(8)) == pytest.approx(3.0)
    assert binned_information(np.outer([1, 2, 3], [1, 5])) == pytest.approx(0.0, abs=1e-12)
    far = joint_counts(np.array([[-50.0, 50.0], [0.01, 0.01]]), 4)
    assert far[0, 3] == far[2, 2] == 1


def test_the_mixture_index_of_a_circle_lies_near_a_tangent():
    found = mixture_index(CIRCLE)
    c = (1 - math.sqrt(1 - 0.99 * 0.995)) / 0.99
    assert found.value == pytest.approx(math.acos(2 * c - 1) / math.pi, abs=2e-3)
    assert found.value == pytest.approx(0.2187, abs=2e-3)
    assert "0.887" in found.notes[0]
    # The table's two lines: at c = .89, and through the centre.
    assert near_line(CIRCLE[:, 0] + 0.89, 0.1).mean() == pytest.approx(0.2171, abs=1e-3)
    assert near_line(CIRCLE[:, 0], 0.1).mean() == pytest.approx(0.04505, abs=1e-3)
    assert found.value > 2 * found.baselines["chance"]


def test_the_mixture_index_of_lines_and_of_a_gaussian():
    on = RNG.random((2000, 1)) < 0.6
    lines = np.where(on, RNG.normal(size=(2000, 1)) * [1.0, 0.0], RNG.normal(size=(2000, 1)) * [0.0, 1.0])
    assert mixture_index(lines, n_null=1).value > 0.6
    gaussian = mixture_index(GAUSSIAN)
    assert gaussian.value == pytest.approx(gaussian.baselines["chance"], abs=0.02)
    assert gaussian.value == pytest.approx(2 * norm.cdf(0.1) - 1, abs=0.04)
    for z in (1e-4 * lines, 1e5 * lines @ rotation(2) + 3.0):
        # 1° apart, a turned line is met to half a degree.
        assert mixture_index(z, n_null=1).value > 0.55


def test_the_best_offset_is_the_best_of_all():
    rng = np.random.default_rng(0)
    for _ in range(6):
        x = rng.normal(size=30) ** 3
        x -= x.mean()
        share, c = densest_offset(x, 0.2)
        assert near_line(x + c, 0.2).mean() == pytest.approx(share)
        tried = [near_line(x + t, 0.2).mean() for t in np.linspace(-2 * np.abs(x).max(), 2 * np.abs(x).max(), 2001)]
        assert max(tried) <= share + 1e-12
    assert densest_line(CIRCLE, 0.1, 12)[0] == pytest.approx(densest_line(CIRCLE @ rotation(2), 0.1, 1)[0], abs=2e-3)


@pytest.mark.parametrize("score", [separability, mixture_index])
def test_flat_features_are_degenerate(score):
    for z in (np.ones((100, 2)), GAUSSIAN[:100, :1] * [1.0, 2.0], 4.0 + 1e-13 * GAUSSIAN[:100]):
        found = score(z)
        assert (found.status, math.isnan(found.value)) == ("degenerate", True)
    assert separability(GAUSSIAN[:10]).status == "insufficient"


@pytest.mark.parametrize("score", [separability, mixture_index])
@pytest.mark.parametrize(
    ("z", "options", "error"),
    [
        (np.ones((10, 3)), {}, ShapeError),
        (np.ones(10), {}, ShapeError),
        (np.full((10, 2), np.nan), {}, FiniteError),
        (GAUSSIAN, {"n_angles": 0}, ParameterError),
        (GAUSSIAN, {"n_null": 0}, ParameterError),
        (GAUSSIAN, {"level": 0.0}, ParameterError),
    ],
)
def test_malformed_input_is_refused(score, z, options, error):
    with pytest.raises(error):
        score(z, **options)


def test_malformed_options_are_refused():
    for epsilon in (0.0, 1.0, -0.1, "wide"):
        with pytest.raises(ParameterError, match="epsilon"):
            mixture_index(GAUSSIAN, epsilon=epsilon)
    with pytest.raises(ParameterError, match="n_bins"):
        separability(GAUSSIAN, n_bins=1)
