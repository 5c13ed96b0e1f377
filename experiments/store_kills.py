"""Question: does a run that is killed go on where it was, and end with the very same numbers.

A convolutional module embeds 3 000 images under the quarter turns by `sample_orbits(..., store=folder)`. The process is
killed (SIGKILL) 20 times at random moments and started again each time; a run that ends before it is killed begins
anew in an empty store. A kill is survived when what was stored before it is neither lost nor computed again.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import torch
from torch import nn

from geodis import encode, sample_orbits
from geodis.actions import QuarterTurns
from geodis.encoders import EmbeddingStore
from geodis.linalg import Array

KILLS = 20
IMAGES, SIDE, BATCH = 3000, 16, 64


def kills_survived(seed: int) -> float:
    """Of 20 kills; 0 when a run that ended has other numbers than an uninterrupted one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        expected = embedded(seed, folder / "in peace")
        seconds = time.perf_counter() - start
        rng = np.random.default_rng([seed, 1])
        survived = killed = 0
        before: dict[str, int] = {}
        while killed < KILLS:
            run = _started(seed, folder)
            run.join(rng.uniform(0, seconds / 4))
            if run.exitcode is None:
                run.kill()
                run.join()
                killed += 1
                after = _written(folder / "killed")
                survived += before.items() <= after.items()
                before = after
            elif _ended_well(run, folder, expected):
                EmbeddingStore(folder / "killed").clear()
                before = {}
            else:
                return 0.0
        last = _started(seed, folder)
        last.join()
        return float(survived) if _ended_well(last, folder, expected) else 0.0


def embedded(seed: int, store: Path) -> Array:
    images = np.random.default_rng(seed).normal(size=(IMAGES, 1, SIDE, SIDE)).astype(np.float32)
    encoder = encode(_network(seed), batch_size=BATCH)
    return sample_orbits(encoder, images, QuarterTurns(), seed=seed, batch_size=BATCH, store=store).arrays()[0]


def _network(seed: int) -> nn.Module:
    net = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2), nn.ReLU(), nn.Flatten())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) / p[0].numel() ** 0.5)
    return net


def _started(seed: int, folder: Path) -> multiprocessing.process.BaseProcess:
    """A process that embeds already: from a server without threads, as a fork of this one might inherit a held lock."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["geodis"])
    begun = context.Event()
    process = context.Process(target=_run, args=(seed, folder, begun))
    process.start()
    begun.wait(60)
    return process


def _run(seed: int, folder: Path, begun: Event) -> None:
    begun.set()
    np.save(folder / "result.npy", embedded(seed, folder / "killed"))


def _ended_well(run: multiprocessing.process.BaseProcess, folder: Path, expected: Array) -> bool:
    return run.exitcode == 0 and np.load(folder / "result.npy").tobytes() == expected.tobytes()


def _written(folder: Path) -> dict[str, int]:
    """Stored batches with the time at which they were written: computing one again would change it."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}


if __name__ == "__main__":
    print(kills_survived(0))
