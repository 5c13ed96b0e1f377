"""Question: do learned coordinates and trained encoders reach what linear ones and the published methods do not.

The table that README and docs quote. Run `python experiments/beyond_linear.py`; it writes `results/beyond_linear.json`.
A training takes at most four CPU minutes of one thread, and the same for all methods that are compared. Every (measure,
seed) is stored as it finishes, and a run that was stopped goes on; two processes may share the work by `--only KEY`.
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
import heading_posterior  # noqa: E402
import invertible_edits  # noqa: E402
import nonlinear_mixing  # noqa: E402
import orientation  # noqa: E402
import out_of_plane  # noqa: E402
import out_of_plane_baselines  # noqa: E402
import solid_data  # noqa: E402
from harness import Measure, run  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "beyond_linear.json"
SEEDS = range(3)
BASELINES = out_of_plane_baselines.measures(solid_data.out_of_plane)

ROWS: dict[str, Measure] = {
    "outofplane": out_of_plane.out_of_plane_rows,
    "ambiguous": out_of_plane.ambiguous_rows,
    "xray": out_of_plane.xray_rows,
    "so3": orientation.rows,
    "mixing.so3": nonlinear_mixing.so3,
    "mixing.o3": nonlinear_mixing.o3,
    "mixing.gl3": nonlinear_mixing.gl3,
    "factors": factors.rows,
    "factors.every": factors.every_rows,
    "deep_vs_linear.digits": deep_against_linear.digits_rows,
    "deep_vs_linear.solids": deep_against_linear.solids_rows,
    "invertible": invertible_edits.rows,
    "laws.max_defect": group_laws.max_defect,
    "care.formula_deviation": care_formula.max_deviation,
    "irreducible": heading_posterior.rows,
    **BASELINES,
}
ONCE = {name: (0,) for name in (*BASELINES, "xray", "irreducible", "factors.every")}  # one seed

if __name__ == "__main__":
    run(ROWS, results=RESULTS, seeds=SEEDS, fewer=ONCE)
