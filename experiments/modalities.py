"""Question: do actions, encoders, the store and the demo's images and fields do what they should, on real input.

The table that README and docs quote. Run `python experiments/modalities.py`; it writes `results/modalities.json`. The
demo is timed in a process of its own; timings want a quiet machine.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy loads: timings on one thread can be compared

import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import action_laws  # noqa: E402
import digits_rotation  # noqa: E402
import encoder_kinds  # noqa: E402
import store_kills  # noqa: E402
import turbulence_latents  # noqa: E402
from harness import run  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "modalities.json"
SEEDS = range(3)


def demo_seconds(seed: int) -> float:
    """Wall-clock seconds of `geodis demo`, all three domains, start of the interpreter included."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "geodis", "demo", "--out", out, "--seed", str(seed), "--quiet"]
        start = time.perf_counter()
        subprocess.run(command, check=True)
        return time.perf_counter() - start


ROWS = {
    "digits.conv_error": digits_rotation.conv_error,
    "digits.last_error": digits_rotation.last_error,
    "actions.exact_max": action_laws.exact_max,
    "actions.floor_rotation": action_laws.floor_rotation,
    "field.b2_energy": turbulence_latents.b2_energy,
    "field.shift_energy": turbulence_latents.shift_energy,
    "encoders.max_deviation": encoder_kinds.max_deviation,
    "store.kills_survived": store_kills.kills_survived,
    "demo.seconds": demo_seconds,
}

if __name__ == "__main__":
    run(ROWS, results=RESULTS, seeds=SEEDS)
