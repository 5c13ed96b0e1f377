"""Question: can symmetry be found that nobody told: transformations, algebras, orbits, factors, and how sure.

The table that README and docs quote. Run `python experiments/discovery.py`; it writes `results/discovery.json`. Every
(measure, seed) is stored as it finishes, and a run that was stopped goes on; two processes may share the work by
`--only KEY`. Measures that count over many data sets at once (18 planted algebras, 100 orbits) run once.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy loads: seconds are those of one thread

from pathlib import Path  # noqa: E402

import blob_actions  # noqa: E402
import double_bump  # noqa: E402
import element_bound  # noqa: E402
import factorize  # noqa: E402
import no_symmetry  # noqa: E402
import orbit_clouds  # noqa: E402
import sequences  # noqa: E402
import unknown_algebra  # noqa: E402
from harness import Measure, run  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "discovery.json"
SEEDS = range(3)

ROWS: dict[str, Measure] = {
    **unknown_algebra.MEASURES,
    **no_symmetry.MEASURES,
    **double_bump.MEASURES,
    **blob_actions.MEASURES,
    **sequences.MEASURES,
    **factorize.MEASURES,
    **orbit_clouds.MEASURES,
    **element_bound.MEASURES,
}
ONCE = (
    {name: (0,) for name in (*unknown_algebra.MEASURES, *orbit_clouds.MEASURES)} | factorize.FEWER | double_bump.FEWER
)

if __name__ == "__main__":
    run(ROWS, results=RESULTS, seeds=SEEDS, fewer=ONCE)
