"""Question: how few simulations do coordinate-free emulators of points need, and how exactly do they commute.

The table that README and docs quote. Run `python experiments/points.py`; it writes `results/points.json`. Every
(measure, seed) is stored as it finishes, and a run that was stopped goes on; two processes may share the work by
`--only KEY`. Published numbers and the inductive bias of each method stand in the modules.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy loads: seconds are those of one thread

from pathlib import Path  # noqa: E402

import latents  # noqa: E402
import nbody  # noqa: E402
import pendulum  # noqa: E402
import point_symmetries  # noqa: E402
import scalars_regression  # noqa: E402
import single_shot  # noqa: E402
import velocities  # noqa: E402
from harness import Measure, run  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "points.json"
SEEDS = range(3)

ROWS: dict[str, Measure] = {
    **nbody.MEASURES,
    **single_shot.MEASURES,
    **pendulum.MEASURES,
    **scalars_regression.MEASURES,
    **velocities.MEASURES,
    **point_symmetries.MEASURES,
    **latents.MEASURES,
}

# Long trainings, baselines and curves run once.
ONCE = (
    "pendulum.network", "pendulum.dimensional_network", "pendulum.equivariance", "velocities.r2_boxes", "flow.r2",
    "velocities.equivariance_max", "pm.seconds_32", "nbody.mesh_speedup",
)  # fmt: skip
FEWER = dict.fromkeys(ONCE, (0,)) | single_shot.FEWER

if __name__ == "__main__":
    run(ROWS, results=RESULTS, seeds=SEEDS, fewer=FEWER)
