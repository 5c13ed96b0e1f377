"""Question: of every published score, does geodis match what is known, see what fools it, and compute what was printed.

The table that README and docs quote. Run `python experiments/catalogue.py`; it writes `results/catalogue.json`, and
`python experiments/catalogue_chart.py` draws it. Closed forms, inputs that fool a published formula, the formulas
transcribed, and mutations of the code, from the `catalogue_*` modules beside this file.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy loads: one process a core

import math  # noqa: E402
import re  # noqa: E402
from collections.abc import Callable, Iterable, Mapping  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TypeVar  # noqa: E402

import catalogue_aligned  # noqa: E402
import catalogue_existing  # noqa: E402
import catalogue_factors  # noqa: E402
import catalogue_mutations  # noqa: E402
import catalogue_retrieval  # noqa: E402
from catalogue_failure import Failure  # noqa: E402
from harness import Measure, run  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "catalogue.json"
SEEDS = range(3)
ONCE = (0,)  # seeds of what is counted once
Row = TypeVar("Row")

ORACLES: tuple[Callable[[int], Mapping[str, tuple[float, float]]], ...] = (
    catalogue_existing.oracles,
    catalogue_retrieval.oracles,
    catalogue_factors.oracles,
)
EXPECTATIONS: tuple[Callable[[int], Mapping[str, tuple[float, float, float]]], ...] = (
    catalogue_existing.expectations,
    catalogue_retrieval.expectations,
)
FAILURES: tuple[Callable[[int], Mapping[str, Failure]], ...] = (
    catalogue_existing.failures,
    catalogue_retrieval.failures,
    catalogue_factors.failures,
)
AGREEMENT: tuple[Callable[[int], Mapping[str, float]], ...] = (
    catalogue_existing.agreement,
    catalogue_retrieval.agreement,
    catalogue_factors.agreement,
)


def oracles(seed: int) -> dict[str, float]:
    """The largest |measured − closed form|, how many, and the largest distance from an expectation in standard errors.

    A closed form of size above 1 is compared relative to its size.
    """
    exact = _merged(source(seed) for source in ORACLES)
    drawn = _merged(source(seed) for source in EXPECTATIONS)
    return {
        "oracles.max_deviation": max(abs(a - b) / max(1.0, abs(b)) for a, b in exact.values()),
        "oracles.total": float(len(exact)),
        "oracles.max_standard_errors": max(abs(a - b) / error for a, b, error in drawn.values()),
        "oracles.expectations": float(len(drawn)),
    }


def failures(seed: int) -> dict[str, float]:
    """How many inputs fool a published score, how many of them geodis flags, and the numbers of each."""
    rows = _merged(source(seed) for source in FAILURES)
    found = {
        "failures.flagged": float(sum(row.flagged for row in rows.values())),
        "failures.total": float(len(rows)),
    }
    for name, row in rows.items():
        numbers = {"published": row.published, "geodis": row.geodis, "chance": row.chance, "ok": row.status == "ok"}
        # What is not finite (a published ∞, a value that geodis refuses) has no row: the page says it in words.
        told = {key: float(x) for key, x in numbers.items() if x is not None and math.isfinite(x)}
        found |= {f"failures.{key_of(name)}.{key}": x for key, x in told.items()}
    return found


def agreement(seed: int) -> dict[str, float]:
    """The largest |geodis − transcription| over 20 inputs of each formula, and each formula's own."""
    rows = _merged(source(seed) for source in AGREEMENT)
    own = {f"agreement.{key_of(name)}": float(x) for name, x in rows.items()}
    return {"agreement.max_deviation": max(own.values()), "agreement.formulas": float(len(own)), **own}


def key_of(name: str) -> str:
    """A row's name as a part of a key: letters, digits and underscores.

    >>> key_of("MIG, exact torus")
    'mig_exact_torus'
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _merged(sources: Iterable[Mapping[str, Row]]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for rows in sources:
        twice = found.keys() & rows.keys()
        if twice:
            raise ValueError(f"catalogue: rows of distinct names expected, {', '.join(sorted(twice))} stand twice.")
        found |= rows
    return found


ROWS: dict[str, Measure] = {
    "oracles": oracles,
    "failures": failures,
    "aligned": catalogue_aligned.scores,
    "mutations": catalogue_mutations.total,
    "agreement": agreement,
}
FEWER = {"mutations": ONCE}

if __name__ == "__main__":
    run(ROWS, results=RESULTS, seeds=SEEDS, fewer=FEWER)
