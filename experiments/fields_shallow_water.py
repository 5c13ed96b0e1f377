"""Question: how many simulations of shallow water does an emulator need, and how far does it carry.

Trained on 2, 8 and 32 runs (`shallow_water_runs`), tested on eight others, relative squared errors after 1, 5 and 20
steps. Every network gets SECONDS of CPU time on one core, AdamW, batches of eight:

- `net`, the geometric network: three bilinear blocks of four channels a type;
- `cnn`, an ordinary residual CNN of 24 channels; its learning rate and noise were the best of three pairs (3e-3 and
  1e-2 without noise, the better rate with that of the geometric network) on these very test runs at seed 0, for 2 and
  for 32 runs: in its favour;
- `turned`, the same CNN on data turned by random symmetries of the square;
- `fno`, a Fourier neural operator.

Ours, the rows without a name of their own, is the equation that `SparseFieldLaw` finds among all terms with up to two
derivatives (linear) or one (quadratic): system identification. It is told that fields obey such an equation of first
order in time on a periodic grid, and neither its terms nor its coefficients. Rows `.net` are the geometric network's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from field_baselines import FourierOperator, PlainCnn, Turned
from shallow_water_runs import FIXED, HORIZONS, INTERVAL, STATE, errors, persistence, test_runs, training_runs
from torch import nn

from geodis.emulators import FieldEmulator, FieldLibrary, GeometricResNet, SparseFieldLaw
from geodis.files import write_atomically
from geodis.linalg import Array
from geodis.loop import Plan

SECONDS = 100.0  # CPU, one core, per training
NOISE = 0.05  # of training inputs, in units of what a step changes
SIMULATIONS = (2, 8, 32)
COMPARED = {2: ("net", "cnn", "turned", "fno"), 8: ("net", "cnn"), 32: ("net", "cnn", "turned", "fno")}
FEWEST = (1, 2, 4, 8)
CACHE = Path(__file__).parent / ".cache"
SLOW, FAST = 3e-3, 1e-2  # learning rates of the CNN, with 2 and with more runs


def library() -> FieldLibrary:
    """All terms of height and velocity, driven by the Coriolis parameter."""
    return FieldLibrary({"h": (0, 1), "u": (1, 1)}, {"f": (0, -1)})


def network_of(name: str, seed: int) -> nn.Module:
    """The networks that are compared."""
    if name == "net":
        return GeometricResNet(STATE + FIXED, STATE, 4, (1, 1, 1), seed=seed)
    if name == "fno":
        return FourierOperator(4, 3, seed=seed)
    plain = PlainCnn(4, 3, seed=seed)
    return Turned(plain, STATE + FIXED, STATE, seed) if name == "turned" else plain


def trained(network: nn.Module, n: int, seed: int, rate: float, noise: float, seconds: float) -> FieldEmulator:
    """A network trained on n runs for so many CPU seconds."""
    runs, fixed = training_runs(n, seed)
    plan = Plan(max_steps=10**6, max_seconds=seconds, learning_rate=rate, weight_decay=1e-5, patience=None)
    emulator = FieldEmulator(network, STATE, FIXED, noise=noise, plan=plan, random_state=seed)
    return emulator.fit(runs, fixed)


def rate_and_noise(name: str, n: int) -> tuple[float, float]:
    """What each network is trained with."""
    if name == "net":
        return 3e-2, NOISE
    return (SLOW, NOISE) if n < 8 else (FAST, 0.0)


def network_errors(name: str, n: int, seed: int) -> dict[int, float]:
    """Errors of a network, kept between runs: other rows need the same ones."""
    return _kept(f"fields_{name}_{n}_{seed}", lambda: _network_errors(name, n, seed))


def _network_errors(name: str, n: int, seed: int) -> dict[int, float]:
    emulator = trained(network_of(name, seed), n, seed, *rate_and_noise(name, n), SECONDS)
    return errors(lambda start, steps, fixed: emulator.rollout(start[:, None], steps, fixed), seed)


def law_errors(n: int, seed: int) -> dict[str, float]:
    """Errors of the equation found in n runs, its number of terms, and how long that took."""
    runs, fixed = training_runs(n, seed)
    began = time.process_time()
    law = SparseFieldLaw(library(), interval=INTERVAL, random_state=seed).fit(runs, fixed).law_
    seconds = time.process_time() - began
    found = {f"step{ahead}": error for ahead, error in errors(law.rollout, seed).items()}
    return found | {"terms": float(len(law)), "law_seconds": seconds}


def compared(n: int) -> Callable[[int], dict[str, float]]:
    """A row of the table: ours, the networks, the ratios to the plain CNN."""

    def measure(seed: int) -> dict[str, float]:
        ours = law_errors(n, seed)
        out = {f"swe{n}.{key}": value for key, value in ours.items()}
        plain = network_errors("cnn", n, seed)
        for name in COMPARED[n]:
            for ahead, error in network_errors(name, n, seed).items():
                out[f"swe{n}.{name}.step{ahead}"] = _bounded(error)
                if name != "cnn":
                    out[f"swe{n}.{name}.ratio{ahead}"] = _bounded(error) / _bounded(plain[ahead])
        for ahead in HORIZONS:
            out[f"swe{n}.ratio{ahead}"] = ours[f"step{ahead}"] / _bounded(plain[ahead])
        return out

    return measure


def needed(seed: int) -> dict[str, float]:
    """The fewest runs with which an error after 20 steps is that of the CNN with 32 runs; 64 where none is enough."""
    goal = network_errors("cnn", max(SIMULATIONS), seed)[20]
    laws = {n: law_errors(n, seed) for n in FEWEST[:2]}
    ours = [n for n, found in laws.items() if found["step20"] <= goal]
    nets = [n for n in (2, 4, 8, 32) if network_errors("net", n, seed)[20] <= goal]
    return {
        "swe.needed": float(min(ours, default=64)),
        "swe.needed_net": float(min(nets, default=64)),
        **{f"swe1.{key}": value for key, value in laws[1].items()},
        **{f"swe4.net.step{ahead}": _bounded(error) for ahead, error in network_errors("net", 4, seed).items()},
    }


def still(seed: int) -> dict[str, float]:
    """Persistence, and how much the runs move: what all errors are to be seen beside."""
    runs, _ = test_runs(seed)
    spread = float(np.square(runs - runs.mean((-2, -1), keepdims=True)).mean())
    found = {f"swe.persistence.step{ahead}": error for ahead, error in errors(persistence, seed).items()}
    return found | {"swe.persistence.spread": spread}


MEASURES: dict[str, Callable[[int], float | dict[str, float]]] = {
    **{f"swe{n}": compared(n) for n in SIMULATIONS},  # type: ignore[dict-item]
    "swe.needed": needed,
    "swe.persistence": still,
}


def _bounded(error: float) -> float:
    """An error that left every bound, as a number that can be averaged."""
    return float(min(error, 1e6)) if np.isfinite(error) else 1e6


def _kept(name: str, measure: Callable[[], dict[int, float]]) -> dict[int, float]:
    path = CACHE / f"{name}.npy"
    if path.exists():
        known: Array = np.load(path)
        return dict(zip(HORIZONS, known.tolist(), strict=True))
    found = measure()
    CACHE.mkdir(exist_ok=True)
    values = np.array([found[ahead] for ahead in HORIZONS])
    write_atomically(path, lambda temporary: _saved(temporary, values))
    return found


def _saved(name: str | Path, values: Array) -> None:
    with open(name, "wb") as file:  # np.save adds a suffix to names, not to files
        np.save(file, values)
