"""The runs of shallow water that emulators of fields are trained and tested on, and how their errors are counted.

32 × 32 cells, snapshots a quarter of a time unit apart (waves travel 1.3 cells meanwhile), a Coriolis parameter of its
own for every run, uniform in [−2, 2]. Training runs have 21 snapshots, test runs 31; predictions start at three.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from geodis.linalg import Array
from geodis.simulators import random_shallow_water, simulate_shallow_water

SIDE, INTERVAL, FASTEST_TURN = 32, 0.25, 2.0
TRAINED, TESTED, TEST_RUNS = 21, 31, 8
STARTS = (0, 5, 10)
HORIZONS = (1, 5, 20)
STATE, FIXED = ((0, 1, 1), (1, 1, 1)), ((0, -1, 1),)

Rollout = Callable[[Array, int, Array], Array]  # (runs, components, N, N), steps, fixed → (runs, steps + 1, …)


def runs_of(n: int, seed: list[int], n_times: int) -> tuple[Array, Array]:
    """Runs `(n, times, 3, N, N)` and their Coriolis fields `(n, 1, N, N)`."""
    turn = np.random.default_rng([*seed, 1]).uniform(-FASTEST_TURN, FASTEST_TURN, n)
    start = random_shallow_water(n, SIDE, peak=2.0, height=0.1, speed=0.3, seed=seed)
    runs = simulate_shallow_water(start, turn, n_times, interval=INTERVAL)
    return runs.astype(np.float32), np.broadcast_to(turn[:, None, None, None], (n, 1, SIDE, SIDE)).astype(np.float32)


def training_runs(n: int, seed: int) -> tuple[Array, Array]:
    """So many runs to learn from."""
    return runs_of(n, [seed, 100], TRAINED)


def test_runs(seed: int) -> tuple[Array, Array]:
    """Runs to be judged on."""
    return runs_of(TEST_RUNS, [seed, 999], TESTED)


def errors(rollout: Rollout, seed: int) -> dict[int, float]:
    """Mean squared error over the variance of the truth in space, after 1, 5 and 20 steps."""
    runs, fixed = test_runs(seed)
    predicted = [rollout(runs[:, start], max(HORIZONS), fixed) for start in STARTS]
    found = {}
    for ahead in HORIZONS:
        guess = np.concatenate([part[:, ahead] for part in predicted]).astype(np.float64)
        truth = np.concatenate([runs[:, start + ahead] for start in STARTS]).astype(np.float64)
        spread = np.square(truth - truth.mean((-2, -1), keepdims=True)).mean()
        found[ahead] = float(np.square(guess - truth).mean() / spread)
    return found


def persistence(start: Array, n_steps: int, fixed: Array) -> Array:
    """What does not move."""
    return np.repeat(start[:, None], n_steps + 1, 1)
