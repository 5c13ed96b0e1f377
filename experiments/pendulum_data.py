"""The springy pendulum's published protocol: training chunks, test runs, scores. See `pendulum.py`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from geodis.emulators import UnitScalars
from geodis.linalg import Array
from geodis.simulators import PendulumRuns, springy_pendulum

PAIRS = (("q1", "p1"), ("q2", "p2"))
STATE = ("q1", "q2", "p1", "p2")
VECTORS = {"q1": "m", "q2": "m", "p1": "kg m s^-1", "p2": "kg m s^-1", "g": "m s^-2"}
NUMBERS = {"m1": "kg", "m2": "kg", "k1": "kg s^-2", "k2": "kg s^-2", "l1": "m", "l2": "m"}
SCALARS = UnitScalars(VECTORS, NUMBERS, lengths=("q1", "q2", "q1-q2", "g"))
CHUNK, POINTS, INTERVAL = 10, 60, 0.2
N_TEST, CLAMP, TOLERANCE = 500, 1e-7, 1e-7

Rollout = Callable[[PendulumRuns], Array]


def training(n: int, seed: int, noise: float = 0.0) -> tuple[dict[str, Array], Array]:
    """Named chunks and their times; noise of this standard deviation on all states."""
    runs = springy_pendulum(n, POINTS, interval=INTERVAL, seed=(seed, 0), tolerance=TOLERANCE).chunks(CHUNK, (seed, 1))
    x, rng = runs.inputs(), np.random.default_rng([seed, 2])
    return x | {name: x[name] + noise * rng.standard_normal(x[name].shape) for name in STATE}, runs.times


def unseen(seed: int, points: int) -> dict[str, PendulumRuns]:
    """The test runs of the three experiments."""
    kg = np.random.default_rng([seed, 4]).uniform(3.0, 7.0, N_TEST)
    options = {"1": {}, "2": {"kg": kg}, "3": {"high": 5.0}}
    return {
        name: springy_pendulum(N_TEST, points, interval=INTERVAL, seed=(seed, 3), tolerance=TOLERANCE, **option)
        for name, option in options.items()
    }


def errors(predicted: Array, runs: PendulumRuns) -> Array:
    """rms(a − b)/(rms a + rms b) of states `(n, T)`; 1, the largest there is, where a prediction left the numbers."""

    def rms(states: Array) -> Array:
        return np.sqrt(np.square(states).mean(axis=(-2, -1)))

    with np.errstate(all="ignore"):
        found = rms(predicted - runs.states) / (rms(predicted) + rms(runs.states))
    return np.where(np.isfinite(found), found, 1.0)


def scores(key: str, rollout: Rollout, seed: int, points: int = POINTS) -> dict[str, float]:
    """Rows of the three experiments: the published score, its standard error over runs, what lies beside it."""
    rows = {}
    for name, runs in unseen(seed, points).items():
        found = errors(rollout(runs), runs)
        logs = np.log(np.maximum(found, CLAMP))
        of_run = logs.mean(axis=1)
        score = float(np.exp(of_run.mean()))
        trimmed = np.sort(of_run)[N_TEST // 20 : -(N_TEST // 20)]
        rows |= {
            f"{key}.{name}": score,
            f"{key}.{name}_se": score * float(of_run.std(ddof=1)) / np.sqrt(N_TEST),
            f"{key}.{name}_median": float(np.exp(np.median(of_run))),
            f"{key}.{name}_trimmed": float(np.exp(trimmed.mean())),
            f"{key}.{name}_unclamped": float(np.exp(np.log(np.maximum(found[:, 1:], 1e-16)).mean())),
            f"{key}.{name}_last": float(np.median(found[:, -1])),
        }
    return rows
