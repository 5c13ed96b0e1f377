"""DCI of trees and of blocks, and explicitness: entropies of importances, and what the code predicts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from factor_codes import FLAT, GRID, PLANES, aligned, random_levels, rotation, torus
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.metrics import BlockImportance, MutualInformation, TreeImportance, circle_embedding, dci, explicitness
from geodis.metrics.importance_scores import completeness, disentanglement

ANGLES = random_levels(240, 8, np.random.default_rng(0))
FOUR = random_levels(160, 4, np.random.default_rng(0))
FEW = TreeImportance(RandomForestClassifier(8, max_features=None, random_state=0))
NOISE = np.random.default_rng(1).normal(size=(300, 4))
LEVELS = np.random.default_rng(2).integers(0, 3, (300, 2))


@pytest.mark.parametrize("d", [4, 6, 16])
def test_planes_have_the_published_completeness(d):
    spread = np.kron(np.eye(d // 2), np.full((2, 1), 0.3))
    assert completeness(spread) == pytest.approx(1 - math.log(2) / math.log(d))
    assert disentanglement(spread) == pytest.approx(1.0)
    assert disentanglement(np.ones((d, 3))) == pytest.approx(0.0, abs=1e-12)
    assert math.isnan(disentanglement(np.ones((d, 1))))


def test_trees_halve_the_completeness_of_a_torus_and_blocks_do_not():
    z = torus(ANGLES)
    trees = dci(z, ANGLES, importance=FEW, n_null=1)
    assert trees.completeness.value == pytest.approx(0.5, abs=0.03)
    assert trees.disentanglement.value == pytest.approx(1.0, abs=0.01)
    assert trees.completeness.status == "partial"
    assert trees.completeness.ci is None
    assert trees.importance.shape == (4, 2)
    rotated = dci(z @ rotation(), ANGLES, importance=FEW, n_null=1)
    assert rotated.disentanglement.value < 0.5
    code, blocks = aligned(z @ rotation(), ANGLES, np.random.default_rng(0))
    for found in (dci(FLAT, GRID, importance=PLANES, n_null=1), dci(code, ANGLES, importance=blocks, n_null=1)):
        for result in (found.disentanglement, found.completeness, found.informativeness):
            assert result.value == pytest.approx(1.0, abs=1e-6)
            assert result.status == "ok"
            assert result.ci[0] > 0.99
    assert str(trees).count("\n") == 2


def test_boosted_trees_agree_with_the_forest():
    kinds = np.random.default_rng(0).integers(0, 2, (150, 2))
    code = np.hstack([kinds, np.random.default_rng(1).normal(size=(150, 1))])
    boosted = dci(code, kinds, importance=TreeImportance(GradientBoostingClassifier(n_estimators=2)), n_null=1)
    forest = dci(code, kinds, importance=FEW, n_null=1)
    for found in (boosted, forest):
        assert found.disentanglement.value == pytest.approx(1.0, abs=1e-9)
        assert found.informativeness.value == 1.0
    assert boosted.importance == pytest.approx(forest.importance, abs=1e-9)


def test_constants_and_noise():
    for importance in (FEW, PLANES):
        flat = dci(np.full((300, 4), 2.0), LEVELS, importance=importance)
        for result in (flat.disentanglement, flat.completeness, flat.informativeness):
            assert (result.status, math.isnan(result.value)) == ("degenerate", True)
        assert flat.importance is None
        noise = dci(NOISE, LEVELS, importance=importance, n_null=1)
        assert noise.disentanglement.value < 0.05
        assert noise.informativeness.value == pytest.approx(noise.informativeness.baselines["chance"], abs=0.12)
    assert dci(NOISE, LEVELS, importance=PLANES, n_null=1).disentanglement.status == "degenerate"
    one = dci(FLAT, GRID, importance=PLANES, items=np.zeros(len(GRID)), n_null=1)
    assert one.informativeness.value == 0.0
    assert one.disentanglement.status == "insufficient"


# --- explicitness -----------------------------------------------------------------------------------------------------
def test_explicitness_of_a_circle_is_one_and_of_noise_is_chance():
    z = torus(FOUR)
    assert explicitness(z, FOUR, blocks=PLANES).value == pytest.approx(1.0, abs=1e-3)
    assert explicitness(z, FOUR).value > 0.98
    code, blocks = aligned(z @ rotation(), FOUR, np.random.default_rng(0))
    assert explicitness(code, FOUR, blocks=blocks).value == pytest.approx(1.0, abs=1e-3)
    noise = explicitness(NOISE, LEVELS)
    assert noise.ci[0] < 0.5 < noise.ci[1]
    assert noise.baselines["chance"] == 0.5
    # Half of a code that tells nothing does not lower it, one coordinate of a plane does.
    assert explicitness(z, FOUR, blocks=BlockImportance([[0], [2]])).value < 0.95


def test_explicitness_is_of_unseen_items():
    """With as many coordinates as rows, every label is fitted: on the fitted rows the AUC is 1."""
    wide = np.random.default_rng(0).normal(size=(60, 60))
    found = explicitness(wide, np.random.default_rng(1).integers(0, 2, 60))
    assert abs(found.value - 0.5) < 0.2
    flat = explicitness(np.ones((60, 3)), np.arange(60) % 2)
    assert (flat.status, math.isnan(flat.value)) == ("degenerate", True)
    assert explicitness(wide, np.arange(60) % 2, items=np.zeros(60)).status == "insufficient"
    assert explicitness(np.hstack([wide[:, :1], np.ones((60, 1))]), wide[:, 0]).value > 0.7


@pytest.mark.parametrize("score", [dci, explicitness])
@pytest.mark.parametrize(
    ("z", "factors", "error"),
    [
        (NOISE[:-1], LEVELS, LengthError),
        (NOISE[:, 0], LEVELS, ShapeError),
        (NOISE * np.nan, LEVELS, FiniteError),
        (NOISE, LEVELS * [1, 0], ParameterError),
    ],
)
def test_malformed_input_is_refused(score, z, factors, error):
    with pytest.raises(error):
        score(z, factors)


def test_malformed_options_are_refused():
    with pytest.raises(ParameterError, match="importance"):
        dci(NOISE, LEVELS, importance=MutualInformation())
    with pytest.raises(ParameterError, match="n_bins"):
        explicitness(NOISE, LEVELS, n_bins=1)
    with pytest.raises(ParameterError, match="coordinates"):
        explicitness(NOISE, LEVELS, blocks=BlockImportance([[7]], [circle_embedding]))
