"""Run measures over seeds, keep each as it finishes, write one JSON file: what every experiment here shares.

An experiment is a file with a table of measures and one call at its end::

    from harness import run

    run({"months": months_energy, "spectrum": several_rows}, results=RESULTS / "core.json", seeds=range(5))

A measure maps a seed to a number, or to a dict of numbers when one run yields several rows (the dict's keys name the
rows then). Each finished (measure, seed) is stored in ``.core.partial.json`` beside the results, so that a run that was
stopped goes on where it was; the entry goes when the results are written. Flags of every experiment:

--only KEY   measure this key (repeatable; a row's name stands for its measure); other rows keep their stored values
--quick      the first seed only; nothing is read or written
--fresh      forget what a stopped run has stored

Two processes may measure different keys of one table at once: what each has finished is stored under a lock.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from geodis.errors import FileFormatError, FiniteError, ParameterError, UnknownNameError
from geodis.files import write_atomically

Measure = Callable[[int], float | Mapping[str, float]]
Run = dict[str, Any]  # {"values": {row: number}, "seconds": number}
PACKAGES = {"numpy": "numpy", "scipy": "scipy", "torch": "torch", "sklearn": "scikit-learn", "geodis": "geodis"}


def run(
    rows: Mapping[str, Measure],
    *,
    results: str | Path,
    seeds: Iterable[int] = (0,),
    fewer: Mapping[str, Iterable[int]] | None = None,
    argv: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Measure every row at every seed and write ``{"rows", "seed", "versions", "machine", "command"}`` to `results`.

    Parameters
    ----------
    rows : mapping of str to callable
        seed → number, or seed → {row: number}.
    results : path
        The JSON file; its folder is made if needed.
    seeds : iterable of int
        Seeds; a row's value is the mean over them, `sd` their standard deviation (null for one seed).
    fewer : mapping of str to iterable of int, optional
        Other seeds for some measures, such as one for costly baselines.
    argv : sequence of str, optional
        The flags; the command line's by default.

    Returns
    -------
    dict
        What was written (with ``--quick``: what would have been).
    """
    path, seed_list = Path(results), [int(seed) for seed in seeds]
    if not rows or not seed_list:
        raise ParameterError("rows and seeds", "at least one of each", f"{len(rows)} and {len(seed_list)}")
    args = _parser().parse_args(argv)
    chosen = _choose(args.only, rows, [] if args.quick else _read(path).get("rows", []))
    seeds_of = {key: [int(seed) for seed in (fewer or {}).get(key, seed_list)] for key in chosen}
    if args.quick:
        done = {key: {str(seed): _measure(key, rows[key], seed) for seed in seeds_of[key][:1]} for key in chosen}
        record = _record(_ordered(_summaries(done), rows), seed_list[:1], argv)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        done = _resume(path, rows, seeds_of, args.fresh)
        with _locked(path):
            stored = _read(path).get("rows", []) if args.only else []
            kept = [row for row in stored if _measure_of(row) not in chosen]
            record = _record(_ordered(_summaries(done) + kept, rows), seed_list, argv)
            _write(path, record)
            _forget(path, chosen)
    _print(record["rows"], chosen, path, args.quick)
    return record


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", metavar="KEY", help="measure this key only (repeatable)")
    parser.add_argument("--quick", action="store_true", help="one seed; read and write nothing")
    parser.add_argument("--fresh", action="store_true", help="forget what a stopped run has stored")
    return parser


def _choose(only: Sequence[str] | None, rows: Mapping[str, Measure], stored: list[Run]) -> list[str]:
    """The measures to run, in the table's order; a stored row's name stands for the measure that yields it."""
    if not only:
        return list(rows)
    measure_of = {row["key"]: _measure_of(row) for row in stored}
    asked = {key if key in rows else measure_of.get(key, key) for key in only}
    for key in asked:
        if key not in rows:
            raise UnknownNameError("row", key, ", ".join(rows))
    return [key for key in rows if key in asked]


# --- measuring --------------------------------------------------------------------------------------------------------
def _resume(
    path: Path, rows: Mapping[str, Measure], seeds_of: Mapping[str, list[int]], fresh: bool
) -> dict[str, dict[str, Run]]:
    """Every chosen (measure, seed): what a stopped run stored, and the rest measured and stored one by one."""
    if fresh:
        with _locked(path):
            _forget(path, list(seeds_of))
    for key, seeds in seeds_of.items():
        for seed in seeds:
            if str(seed) in _read(_partial(path)).get(key, {}):
                continue
            found = _measure(key, rows[key], seed)
            with _locked(path):
                partial = _read(_partial(path))
                partial.setdefault(key, {})[str(seed)] = found
                _write(_partial(path), partial)
    partial = _read(_partial(path))
    return {key: {str(seed): partial[key][str(seed)] for seed in seeds} for key, seeds in seeds_of.items()}


def _measure(key: str, measure: Measure, seed: int) -> Run:
    start = time.perf_counter()
    out = measure(seed)
    seconds = time.perf_counter() - start
    values = {name: float(value) for name, value in (out.items() if isinstance(out, Mapping) else [(key, out)])}
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise FiniteError(f"{', '.join(bad)} at seed {seed}", len(bad), "Fix the measure; finished seeds are kept.")
    return {"values": values, "seconds": seconds}


def _summaries(done: dict[str, dict[str, Run]]) -> list[Run]:
    """One row per number that a measure yields; seconds are those of the whole measure over its seeds."""
    out: dict[str, Run] = {}
    for measure, runs in done.items():
        seconds = round(sum(run["seconds"] for run in runs.values()), 2)
        names = [tuple(run["values"]) for run in runs.values()]
        for key in names[0]:
            if any(set(other) != set(names[0]) for other in names) or key in out:
                raise ParameterError(f"rows of {measure}", "the same distinct names at every seed", names)
            values = [run["values"][key] for run in runs.values()]
            sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
            mean = float(np.mean(values))
            out[key] = {"key": key, "value": mean, "sd": sd, "n_seeds": len(values), "seconds": seconds}
            out[key] |= {} if key == measure else {"measure": measure}
    return list(out.values())


def _ordered(found: list[Run], rows: Mapping[str, Measure]) -> list[Run]:
    """Rows in the order of the table; stored rows of measures that are gone come last."""
    place = {key: i for i, key in enumerate(rows)}
    return sorted(found, key=lambda row: place.get(_measure_of(row), len(place)))


def _measure_of(row: Run) -> str:
    """Read which measure yielded a row: its own name unless it says otherwise."""
    return str(row.get("measure", row["key"]))


# --- files ------------------------------------------------------------------------------------------------------------
@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """No other process reads and writes tables in this folder meanwhile."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.stem}.partial.json")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise FileFormatError(path, "JSON that this harness wrote", str(error)) from error


def _write(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def write(temporary: str) -> None:
        Path(temporary).write_text(text)

    write_atomically(path, write)


def _forget(path: Path, keys: list[str]) -> None:
    """Drop finished measures from the partial file: the next run measures them anew."""
    left = {key: runs for key, runs in _read(_partial(path)).items() if key not in keys}
    if left:
        _write(_partial(path), left)
    else:
        _partial(path).unlink(missing_ok=True)


# --- the record -------------------------------------------------------------------------------------------------------
def _record(found: list[Run], seeds: list[int], argv: Sequence[str] | None) -> dict[str, Any]:
    script = os.path.relpath(sys.argv[0]) if sys.argv[0] else ""
    return {
        "rows": found,
        "seed": seeds,
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "command": shlex.join(["python", script, *(sys.argv[1:] if argv is None else argv)]),
    }


def _version(name: str) -> str:
    try:
        return version(PACKAGES[name])
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _print(found: list[Run], chosen: list[str], path: Path, quick: bool) -> None:
    table = Table(
        "row", "value", "sd", "seeds", "seconds", title=f"{path.stem}{' (quick, not written)' if quick else ''}"
    )
    for row in found:
        sd = "" if row["sd"] is None else f"{row['sd']:.4f}"
        stored = _measure_of(row) not in chosen
        cells = (row["key"], f"{row['value']:.4f}", sd, str(row["n_seeds"]), f"{row['seconds']:.1f}")
        table.add_row(*cells, style="dim" if stored else None)
    Console().print(table)
