"""CATALOGUE: every metric with formula, range, null, pitfalls and reference; `geodis metrics` prints it."""

from __future__ import annotations

from geodis.metrics.catalogue_entry import MetricEntry as MetricEntry
from geodis.metrics.catalogue_published import PUBLISHED
from geodis.metrics.catalogue_symmetry import SYMMETRY

CATALOGUE: tuple[MetricEntry, ...] = (*SYMMETRY, *PUBLISHED)
