"""Emulators of fields on grids: shallow water, layers, projection, the sphere. `python experiments/fields.py`.

One table, `results/fields.json`; what each row asks stands in the module that measures it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import fields_fractional
import fields_layers
import fields_projection
import fields_scan
import fields_shallow_water
import fields_sphere
from harness import Measure, run

RESULTS = Path(__file__).parent / "results" / "fields.json"
SEEDS = range(3)

ROWS: dict[str, Measure] = {
    **fields_shallow_water.MEASURES,
    **fields_projection.MEASURES,
    **fields_scan.MEASURES,
    **fields_fractional.MEASURES,
    **fields_layers.MEASURES,
    **fields_sphere.MEASURES,
}

if __name__ == "__main__":
    run(ROWS, results=RESULTS, seeds=SEEDS, fewer={"fractional": (0,), "scan": (0,)})
