"""Question: does the core do what it should, end to end: planted codes, sentences, intervals, cost of a fit.

The table that README and docs quote. Run `python experiments/core.py`; it writes `results/core.json`. The numbers of
one computation are separate rows: the first of them that is measured takes its seconds. Timings want a quiet machine.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy loads: timings on one thread can be compared

from collections.abc import Callable  # noqa: E402
from functools import cache, partial  # noqa: E402
from pathlib import Path  # noqa: E402

import fit_cost  # noqa: E402
import planted_recovery as planted  # noqa: E402
import sentence_circles as sentences  # noqa: E402
from harness import run  # noqa: E402
from interval_coverage import DESIGNS, coverage  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "core.json"
SEEDS = range(5)
REPETITIONS = 2000

Measure = Callable[[int], float]


def planted_rows() -> dict[str, Measure]:
    return {
        "planted.seconds": planted.seconds_to_fit,
        "planted.energy_min": planted.energy_min,
        "planted.moving_min": planted.moving_min,
        "planted.trivial_min": planted.trivial_min,
        "planted.multiplicities_wrong": planted.multiplicities_wrong,
        "planted.limited_skill_min": planted.limited_skill_min,
        "planted.limited_oracle_min": planted.limited_oracle_min,
        "planted.limited_energy_min": planted.limited_energy_min,
    }


def sentence_rows(name: str) -> dict[str, Measure]:
    return {
        f"{name}.energy": partial(sentences.circle_energy, name),
        f"{name}.null_mean": lambda seed: sentences.spectrum(name, seed).structure_mean["k=1"],
        f"{name}.p": lambda seed: sentences.spectrum(name, seed).structure_p["k=1"],
        f"{name}.edit_top1": partial(sentences.edit_top1, name),
        f"{name}.edit_top1_ridge": partial(sentences.ridge_top1, name),
    }


def isometric_rows() -> dict[str, Measure]:
    return {
        "isometric.captured": partial(sentences.captured, "months"),
        "isometric.orthonormality": partial(sentences.orthonormality, "months"),
        "isometric.edit_top1": partial(sentences.edit_top1, "months", isometric=True),
    }


def interval_rows() -> dict[str, Measure]:
    return {
        "interval.coverage_min": lambda seed: min(coverages("two-way", seed)),
        "interval.coverage_max": lambda seed: max(coverages("two-way", seed)),
        "interval.pair_coverage_max": lambda seed: max(coverages("pairs", seed)),
    }


@cache
def coverages(method: str, seed: int) -> tuple[float, ...]:
    """The share of intervals that hold the truth, for each design."""
    return tuple(coverage(*design, repetitions=REPETITIONS, seed=seed, method=method) for design in DESIGNS)


def fit_rows() -> dict[str, Measure]:
    return {
        "fit.gram_ratio": lambda seed: fit_cost.seconds(seed)["fit"] / fit_cost.seconds(seed)["gram"],
        "fit.product_ratio": lambda seed: fit_cost.seconds(seed)["fit"] / fit_cost.seconds(seed)["product"],
        "fit.seconds": lambda seed: fit_cost.seconds(seed)["fit"],
        "fit.extra_mb": fit_cost.extra_mb,
    }


if __name__ == "__main__":
    rows = fit_rows() | planted_rows() | sentence_rows("months") | sentence_rows("weekdays")
    run(rows | isometric_rows() | interval_rows(), results=RESULTS, seeds=SEEDS)
