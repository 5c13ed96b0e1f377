"""Question: does verification do what it should: oracles, certificates, type-I errors, Lie derivatives, its cost.

The table that README and docs quote. Run `python experiments/verification.py`; it writes `results/verification.json`.
Timings want a quiet machine.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy loads: timings on one thread can be compared

from pathlib import Path  # noqa: E402

import certificates  # noqa: E402
import lie_derivatives  # noqa: E402
import lsbd  # noqa: E402
import oracles  # noqa: E402
import type_one  # noqa: E402
import verify_cost  # noqa: E402
from harness import run  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "verification.json"
SEEDS = range(3)

ROWS = {
    "oracles.max_deviation": oracles.max_deviation,
    "dlsbd.speedup": lsbd.speedup,
    "certificate.refused_at_delta": certificates.refused_at_delta,
    "certificate.granted_at_06": certificates.granted_at_06,
    "permutation.type1": type_one.type1,
    "lie.relative_error": lie_derivatives.relative_error,
    "lie.band_limited_error": lie_derivatives.band_limited_error,
    "cost.ratio_to_ridge_map": verify_cost.ratio_to_ridge_map,
    "cost.verify_seconds": verify_cost.verify_seconds,
}

if __name__ == "__main__":
    run(ROWS, results=RESULTS, seeds=SEEDS)
