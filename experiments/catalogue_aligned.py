"""Question: what do scores of factors say of a perfect linear code that was rotated, once its blocks are found.

Read axis by axis they reject it (rows of `catalogue_factors.failures`). Here `LinearCoordinates` finds the planes, and
the same scores are taken of blocks. Used by `catalogue.py`.
"""

from __future__ import annotations

import numpy as np
from catalogue_factor_agreement import SCORES
from catalogue_factors import aligned, random_levels, torus
from scipy.stats import ortho_group

from geodis.metrics import dci

N_ROWS, N_LEVELS = 2000, 32


def scores(seed: int) -> dict[str, float]:
    """Scores of the blocks of a rotated torus by name, and completeness."""
    rng = np.random.default_rng([seed, 163])
    angles = random_levels(N_ROWS, N_LEVELS, rng)
    code, blocks = aligned(torus(angles) @ ortho_group.rvs(4, random_state=rng), angles, rng)
    found = {name.lower(): score(code, angles, importance=blocks, n_null=1).value for name, score in SCORES.items()}
    completeness = dci(code, angles, importance=blocks, n_null=1).completeness.value
    return {f"aligned.{name}": value for name, value in {**found, "completeness": completeness}.items()}
