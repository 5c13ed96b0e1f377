"""The pictures of fields in the documentation: strips of shallow water, true, predicted, and their difference.

    python experiments/fields_pictures.py [SECONDS]

trains an equivariant emulator on eight runs for so many seconds of CPU (60) and writes `docs/fields_strips.png`: the
height in the first of four unseen runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from geodis.emulators import FieldEmulator, GeometricResNet, draw_fields, relative_mse
from geodis.loop import Plan
from geodis.simulators import random_shallow_water, simulate_shallow_water

PICTURE = Path(__file__).parent.parent / "docs" / "fields_strips.png"
TYPES, FIXED = ((0, 1, 1), (1, 1, 1)), ((0, -1, 1),)
N, TRAIN, TEST, TIMES, INTERVAL = 32, 8, 4, 11, 0.25
SHOWN = (0, 1, 2, 5, 10)


def draw(seconds: float = 60.0, path: Path = PICTURE) -> None:
    """Train, roll out, draw."""
    torch.set_num_threads(1)
    f = np.random.default_rng(0).uniform(-1, 1, TRAIN + TEST)
    start = random_shallow_water(TRAIN + TEST, N, seed=0)
    runs = simulate_shallow_water(start, f, TIMES, interval=INTERVAL).astype(np.float32)
    driven = np.broadcast_to(f[:, None, None, None], (len(f), 1, N, N))
    plan = Plan(max_steps=1_000_000, max_seconds=seconds, learning_rate=5e-3, patience=None)
    network = GeometricResNet(TYPES + FIXED, TYPES, 4)
    emulator = FieldEmulator(network, TYPES, FIXED, plan=plan, conserve=True, noise=0.1, unrolled=2)
    emulator.fit(runs[:TRAIN], driven[:TRAIN])
    truth = runs[TRAIN:]
    ahead = emulator.rollout(truth[:, :1], TIMES - 1, driven[TRAIN:])
    errors = relative_mse(ahead, truth, TYPES).mean(0)
    print(", ".join(f"step {t}: {errors[t]:.2g}" for t in SHOWN[1:]))
    draw_fields(truth[0], ahead[0], times=SHOWN).savefig(path, dpi=110)


if __name__ == "__main__":
    draw(*map(float, sys.argv[1:2]))
