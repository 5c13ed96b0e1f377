"""Retrieval, probes, CARE and geometry: closed forms, expectations, transcriptions, and what fools published scores."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "experiments"))

import catalogue_retrieval as rows
from catalogue_retrieval_formulas import published_hits, published_mrr


def test_closed_forms_are_met():
    for name, (measured, expected) in rows.oracles(0).items():
        assert measured == pytest.approx(expected, abs=1e-10), name


def test_formulas_agree_with_their_transcriptions(monkeypatch):
    monkeypatch.setattr(rows, "N_INPUTS", 2)
    found = rows.agreement(1)
    assert len(found) >= 14
    assert max(found.values()) <= 1e-10


@pytest.mark.parametrize("seed", [0])
def test_what_fools_a_published_score_is_flagged(seed, monkeypatch):
    monkeypatch.setattr(rows, "N", 80)
    found = rows.failures(seed)
    assert not [row for row in found.values() if not row.flagged]
    for name in ("cswm_hits_constant", "cswm_mrr_constant", "cswm_mrr_collapsed"):
        assert found[name].published == 1.0
        assert found[name].geodis == pytest.approx(found[name].chance)
    assert found["sie_r2_columns"].published > 0.9
    assert abs(found["sie_r2_columns"].geodis) < 0.2
    assert found["care_gamma_independent"].published < 0.05
    assert found["care_gamma_near_invariant"].published > 1000
    assert found["care_wahba_in_sample"].published < 0.6 < 1.8 < found["care_wahba_in_sample"].geodis
    assert found["cka_biased"].published == pytest.approx(0.906, abs=0.01)


def test_the_transcribed_ranks_give_ties_to_the_target():
    still, spread = [[0.0]] * 5, [[float(k)] for k in range(5)]
    assert published_mrr(still, spread) == published_hits(still, spread, 1) == 1.0


@pytest.mark.slow
def test_expectations_are_met():
    for name, (measured, expected, error) in rows.expectations(0).items():
        assert abs(measured - expected) < 4.0 * error, name
