"""Question: do learned coordinates and trained encoders reach what linear ones and the published methods do not.

The table that README and docs quote. Run `python experiments/beyond_linear.py`; it writes `results/beyond_linear.json`.
Trainings take at most 240 CPU seconds of one thread each, the same for all methods; all of them together take about
two hours on one core. Every (measure, seed) is stored as it finishes, and a run that was stopped goes on.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy loads: budgets are CPU seconds of one thread

from pathlib import Path  # noqa: E402

import care_formula  # noqa: E402
import deep_against_linear  # noqa: E402
import factors  # noqa: E402
import group_laws  # noqa: E402
import invertible_edits  # noqa: E402
import nonlinear_mixing  # noqa: E402
import orientation  # noqa: E402
import out_of_plane  # noqa: E402
import out_of_plane_baselines  # noqa: E402
import solid_data  # noqa: E402
from harness import run  # noqa: E402
