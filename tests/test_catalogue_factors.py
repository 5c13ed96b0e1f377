"""The catalogue's rows of factor scores and editing: closed forms met, deceived scores flagged, formulas agreed."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "experiments"))

import catalogue_factor_formulas as published
import catalogue_factors
from catalogue_factor_agreement import COMPARISONS


@pytest.mark.parametrize("name", [n for n in COMPARISONS if n not in ("DCI", "explicitness")])
def test_scores_agree_with_their_transcriptions(name):
    for seed in range(3):
        assert COMPARISONS[name](np.random.default_rng(seed)) < 1e-10


def test_transcriptions_are_not_blind():
    """A transcription of other inputs is far: the agreement is no accident of the inputs."""
    rng = np.random.default_rng(0)
    z, factors = rng.normal(size=(100, 3)), rng.integers(0, 4, (100, 2)).astype(float)
    told = z + [3.0, 0.0, 0.0] * factors[:, :1]
    for score in (published.mig, published.sap, published.modularity, published.mcc):
        assert abs(score(z, factors) - score(told, factors)) > 0.05
    assert np.abs(published.leace(z, factors) - z).max() > 0.01
    assert published.ravel(np.arange(380) < 2, [np.ones(380)]) == 0.505
    assert published.engels_separability(published.engels_normalize(0.01 * z[:, :2]), np.zeros(1)) < 0.1


@pytest.mark.slow
def test_closed_forms_are_met_and_deceived_scores_are_flagged():
    for measured, expected in catalogue_factors.oracles(0).values():
        assert measured == pytest.approx(expected, abs=2e-6)
    rows = catalogue_factors.failures(0)
    assert [name for name, row in rows.items() if not row.flagged] == []
    assert all(name == row.name for name, row in rows.items())
    assert math.isnan(rows["independence, no displacement"].published)
    assert rows["independence, random displacements"].published == pytest.approx(1.0)
    assert rows["mixture index, stuck at c = 0"].published == pytest.approx(0.045, abs=2e-3)
    assert max(catalogue_factors.agreement(0).values()) < 1e-10
