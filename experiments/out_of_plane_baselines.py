"""The baselines of the out-of-plane experiment: (ratio, content, dim) of each, every one with its best setting.

`measures(data)` is a table for `harness.run`, one measure a baseline, so that each is stored as it finishes. A baseline
is trained once for every setting, `SECONDS` of CPU each, and the setting is chosen on training objects that it was not
fitted on (`Scored.held_area`); the row is that setting's on unseen objects. Note what a fitted map gives away: of a
code that knows nothing the best map predicts the mean, ratio ½, where a given ρ has 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from baseline_contrastive import care, simclr
from baseline_lsbd import lsbd
from baseline_msp import msp
from baseline_quessard import quessard
from baseline_training import Coder, embedded
from baseline_untrained import pca, random_network
from protocol import Scored, scored
from solid_data import SolidData

from geodis.threads import one_blas_thread

SECONDS = 160.0  # of CPU, one thread, a training run
PILOT = 20.0  # of CPU, to choose a setting
Baseline = Callable[[SolidData, int, float], Coder]

SETTINGS: dict[str, tuple[Baseline, ...]] = {
    "simclr": tuple(partial(simclr, temperature=t) for t in (0.1, 0.5)),
    "care": tuple(partial(care, weight=w) for w in (0.1, 1.0)),
    "msp": tuple(partial(msp, a=a, m=m) for a, m in ((8, 16), (16, 16))),
    "lsbd": tuple(partial(lsbd, orders=orders) for orders in ((1,), (1, 1, 2, 2))),
    "quessard": tuple(partial(quessard, d=d) for d in (8, 16)),
    "pca8": (partial(pca, k=8),),
    "pca16": (partial(pca, k=16),),
    "pca32": (partial(pca, k=32),),
    "random": tuple(partial(random_network, n_features=n) for n in (32, 128)),
}


def measures(
    data: Callable[[int], SolidData], prefix: str = "outofplane", seconds: float = SECONDS
) -> dict[str, Callable[[int], dict[str, float]]]:
    """Name of a baseline → seed → its rows `prefix.name.ratio`, `.content`, `.dim`; `data` maps a seed to views."""

    def measure(name: str, seed: int) -> dict[str, float]:
        best = best_setting(SETTINGS[name], data(seed), seed, seconds)
        found = {"ratio": best.ratio, "content": best.content, "dim": float(best.dim)}
        return {f"{prefix}.{name}.{what}": value for what, value in found.items()}

    return {f"{prefix}.{name}": partial(measure, name) for name in SETTINGS}


def best_setting(
    settings: Sequence[Baseline], data: SolidData, seed: int, seconds: float = SECONDS, pilot: float = PILOT
) -> Scored:
    """The row of the setting whose pilot does best on training objects held out."""
    torch.set_num_threads(1)
    chosen = settings[0]
    if len(settings) > 1:
        chosen = max(settings, key=lambda train: row_of(train, data, seed, min(pilot, seconds)).held_area)
    return row_of(chosen, data, seed, seconds)


@one_blas_thread
def row_of(train: Baseline, data: SolidData, seed: int, seconds: float = SECONDS) -> Scored:
    """Train one setting and score it."""
    method = train(data, seed, seconds)
    return scored(embedded(method, data), method.rho)
