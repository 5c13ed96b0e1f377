"""Codes of two factors on which factor scores are right, and those by which they are deceived."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from geodis.metrics import (
    BlockImportance,
    circle_embedding,
    mean_correlation_coefficient,
    modularity,
    mutual_information_gap,
    separated_attribute_predictability,
)

# The inputs and the transcriptions of the formulas are those of the experiment.
sys.path.insert(0, str(Path(__file__).parent.parent / "experiments"))

from catalogue_factors import aligned as aligned
from catalogue_factors import full_grid as full_grid
from catalogue_factors import half_turned as half_turned
from catalogue_factors import random_levels as random_levels
from catalogue_factors import torus as torus

SCORES = {
    "mig": mutual_information_gap,
    "sap": separated_attribute_predictability,
    "modularity": modularity,
    "mcc": mean_correlation_coefficient,
}
GRID = full_grid(16)
FLAT = torus(GRID)
PLANES = BlockImportance([[0, 1], [2, 3]], [circle_embedding, circle_embedding])


def rotation(d=4, seed=3):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
