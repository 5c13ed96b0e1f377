"""Codes of two angles on which the published D_LSBD is right, and those by which it is deceived."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from geodis.groups import SO2
from geodis.orbits import Orbits

# The transcription of the formula and the codes are those of the experiment.
sys.path.insert(0, str(Path(__file__).parent.parent / "experiments"))

from lsbd import grid as grid
from lsbd import inputs as inputs
from lsbd import searched as searched
from lsbd import speedup as speedup
from lsbd import superposed as superposed
from lsbd import tensor as tensor
from lsbd import torus as torus
from lsbd import warped as warped

TORUS = SO2() * SO2()
SIDE = 24
GRID = grid(SIDE)
FLAT = torus(GRID)


def orbits_of(z, angles=GRID):
    """One item."""
    return Orbits.from_arrays(np.array(z, dtype=np.float64), angles, np.zeros(len(z)), TORUS)


_rng = np.random.default_rng(0)
# Each code with the words of the note that names what is wrong.
CASES = {
    "superposed": (superposed(GRID), "overlap"),
    "radius 1e-6": (FLAT * [1.0, 1.0, 1e-6, 1e-6], "absent"),
    "absent": (FLAT * [1.0, 1.0, 0.0, 0.0], "absent"),
    "ellipse": (FLAT * [10.0, 1.0, 10.0, 1.0], "isotropy"),
    "random mix": (FLAT @ _rng.normal(size=(4, 4)), "isotropy"),
    "planes not orthogonal": (FLAT @ [[1, 0, 0, 0], [0, 1, 0, 0], [0.8, 0, 0.6, 0], [0, 0.8, 0, 0.6]], "overlap"),
    "second harmonic": (np.hstack([FLAT, 0.9 * torus(GRID, 2)[:, :2]]), "leading irreps"),
    "tensor": (tensor(GRID), "several factors"),
    "tensor added": (np.hstack([FLAT, 0.5 * tensor(GRID)]), "several factors"),
    "noise": (_rng.normal(size=FLAT.shape), "several factors"),
    "constant": (np.full(FLAT.shape, 3.0), "move"),
}
