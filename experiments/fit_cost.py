"""Question: what does a fit of 200 000 × 384 rows cost, in Gram matrices of the same array and in megabytes.

8 000 items × 25 angles of a planted SO(2) code, float32, rows sorted by item. Used by `core.py`.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

from geodis import LinearCoordinates
from geodis.groups import SO2
from geodis.linalg import Array
from geodis.simulators.planted import random_orthogonal

N_ITEMS, N_ANGLES, N_FEATURES = 8000, 25, 384
BATCH_ITEMS = 1000  # 25 000 rows
MULTIPLICITIES = {"m=0": 3, "m=1": 2, "m=2": 1}
NOISE = 0.1
REPETITIONS = 3


def batches(seed: int) -> Iterator[tuple[Array, Array, Array]]:
    """The planted code in batches of whole items: z (25 000, D) float32, angles (25 000, 1), items (25 000,)."""
    rng, group = np.random.default_rng(seed), SO2()
    reps = [group.irrep(name) for name, copies in MULTIPLICITIES.items() for _ in range(copies)]
    frame = random_orthogonal(N_FEATURES, rng)[: sum(rep.dim for rep in reps)].astype(np.float32)
    for start in range(0, N_ITEMS, BATCH_ITEMS):
        angles = group.orbit(BATCH_ITEMS, N_ANGLES, seed=rng)
        parts = [rep(angles) @ rng.normal(size=(BATCH_ITEMS, 1, rep.dim, 1)) for rep in reps]
        code = np.concatenate(parts, axis=2)[..., 0].astype(np.float32)
        z = np.empty((BATCH_ITEMS, N_ANGLES, N_FEATURES), dtype=np.float32)
        for row, item in zip(z, code, strict=True):  # item by item: no second batch in memory
            rng.standard_normal(out=row, dtype=np.float32)
            row *= np.float32(NOISE)
            row += item @ frame
        labels = np.repeat(np.arange(start, start + BATCH_ITEMS), N_ANGLES)
        yield z.reshape(-1, N_FEATURES), angles.reshape(-1, 1), labels


# --- time -------------------------------------------------------------------------------------------------------------
@cache
def seconds(seed: int) -> dict[str, float]:
    """Best of three alternating repetitions: the fit, a float64 Gram matrix, and its product without the conversion."""
    z, angles, items = (np.concatenate(parts) for parts in zip(*batches(seed), strict=True))
    # Memory that was written before: the first touch of fresh pages can take longer than the product itself, and
    # would flatter the fit.
    wide = z.astype(np.float64)
    best = dict.fromkeys(("fit", "gram", "product"), np.inf)
    for _ in range(REPETITIONS):
        converting = _seconds(lambda: np.copyto(wide, z))
        product = _seconds(lambda: wide.T @ wide)
        fit = _seconds(lambda: _fit(z, angles, items))
        for name, took in (("fit", fit), ("gram", converting + product), ("product", product)):
            best[name] = min(best[name], took)
    return best


def _fit(z: Array, angles: Array, items: Array) -> None:
    _expect_all(LinearCoordinates(SO2()).fit(z, angles, items=items))


def _expect_all(est: LinearCoordinates) -> None:
    if est.spectrum_.multiplicities != MULTIPLICITIES:
        raise RuntimeError(f"planted {MULTIPLICITIES}, found {est.spectrum_.multiplicities}: the time would mislead.")


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# --- memory -----------------------------------------------------------------------------------------------------------
def extra_mb(seed: int) -> float:
    """Megabytes (10⁶ bytes) that a streamed fit takes beyond one batch, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_streamed_extra_mb, seed).result()


def _streamed_extra_mb(seed: int) -> float:
    est, moments, batch_mb = LinearCoordinates(SO2()), None, 0.0
    before = _resident_mb("VmRSS")
    for z, angles, items in batches(seed):
        if moments is None:
            moments, batch_mb = est.new_moments(z), z.nbytes / 1e6
        moments.update(z, angles, items)
    _expect_all(est.fit_moments(moments))
    return _resident_mb("VmHWM") - before - batch_mb


def _resident_mb(field: str) -> float:
    """Memory of this process by the kernel's own account (Linux): VmRSS now, VmHWM at its highest."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/self/status: expected {field}, found none. This measure needs Linux.")
