"""Fewer expensive simulations: runs of 3 steps on a 16³ mesh, corrected towards 20 steps on a 64³ mesh.

32³ particles in 128 Mpc/h, the same second-order start for both. The corrections know the coarse run: its positions at
the end, its momenta, the displacements of its start. Errors are mean squared distances of particles over the coarse
run's own, on four unseen boxes.
"""

from __future__ import annotations

import time
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from geodis.emulators import CoarseCorrection, LinearTransfer, PowerSpectrum, density_slice, particle_power
from geodis.groups import Hyperoctahedral
from geodis.linalg import Array
from geodis.mesh import lattice
from geodis.simulators import Particles, evolve, gaussian_density, lagrangian_start

BOX, N_GRID, START = 128.0, 32, 0.1
COARSE, FINE = {"n_mesh": 16, "n_steps": 3}, {"n_mesh": 64, "n_steps": 20}
NUMBERS = (1, 2, 4, 8)
N_TEST = 4
LARGEST_K = 0.5  # of the spectrum's comparison [h/Mpc]; the particles' Nyquist wavenumber is 0.79


class Runs(NamedTuple):
    """Pairs of runs: training boxes first."""

    positions: Array
    vectors: Array
    fine: Array
    coarse_seconds: float
    fine_seconds: float


@cache
def runs(seed: int) -> Runs:
    """Twelve pairs of runs; seconds are CPU seconds of one."""
    coarse, vectors, fine, seconds = [], [], [], np.zeros(2)
    for i in range(max(NUMBERS) + N_TEST):
        exact = lagrangian_start(gaussian_density(N_GRID, BOX, seed=[seed, 7, i]), BOX, a=START)
        start = Particles(exact.positions.float(), exact.momenta.float(), START, BOX)
        times = [time.process_time()]
        ends = []
        for options in (COARSE, FINE):
            ends.append(evolve(start, **options))
            times.append(time.process_time())
        seconds += np.diff(times)
        coarse.append(ends[0].positions.numpy())
        vectors.append(np.stack([start.displacements.numpy(), ends[0].momenta.numpy()]))
        fine.append(ends[1].positions.numpy())
    seconds /= len(fine)
    return Runs(np.stack(coarse), np.stack(vectors), np.stack(fine), float(seconds[0]), float(seconds[1]))


def coarse_correction(seed: int) -> dict[str, float]:
    """Errors against the number of training boxes, spectra, symmetry errors, and what a corrected run costs."""
    data = runs(seed)
    x, v, y = (a[max(NUMBERS) :] for a in data[:3])
    truth = [particle_power(p, BOX) for p in y]
    own = distances(x, y)
    out = {
        "coarse.mse_own": float(own.mean()),
        "coarse.spectrum_own": off(x, truth),
    }
    for n in NUMBERS:
        train = [a[:n] for a in data[:3]]
        for name, estimator in (("", CoarseCorrection(BOX)), ("linear_", LinearTransfer(BOX, 1))):
            estimator.fit(*train)
            began = time.process_time()
            found = estimator.predict(x, v)
            seconds = (time.process_time() - began) / len(x)
            squares = distances(found, y)
            ratios = squares.mean(1) / own.mean(1)
            out[f"coarse.{name}error_{n}"] = float(squares.mean() / own.mean())
            out[f"coarse.{name}error_{n}_se"] = float(ratios.std(ddof=1) / np.sqrt(len(ratios)))
            out[f"coarse.{name}spectrum_{n}"] = off(found, truth)
            if not name:
                out[f"coarse.error_{n}_median"] = float(np.median(squares) / np.median(own))
                out[f"coarse.error_{n}_trimmed"] = trimmed(squares) / trimmed(own)
                out[f"coarse.corrected_cost_{n}"] = (data.coarse_seconds + seconds) / data.fine_seconds
    return out | {"coarse.equivariance": symmetry_error(seed)}


def distances(found: Array, true: Array) -> Array:
    """Squared distances `(boxes, N³)` of nearest images."""
    away = found - true
    return ((away - BOX * np.round(away / BOX)) ** 2).sum(-1)


def trimmed(squares: Array) -> float:
    """Mean without the largest and the least 5 %."""
    low, high = np.quantile(squares, [0.05, 0.95])
    return float(squares[(squares >= low) & (squares <= high)].mean())


def off(positions: Array, truth: list[PowerSpectrum]) -> float:
    """Largest deviation from 1 of the spectra's ratio, averaged over boxes, up to `LARGEST_K`."""
    spectra = [particle_power(p, BOX) for p in positions]
    ratio = np.mean([s.ratio(t) for s, t in zip(spectra, truth, strict=True)], axis=0)
    return float(np.abs(ratio[truth[0].k < LARGEST_K] - 1).max())


def symmetry_error(seed: int) -> float:
    """Largest change by the 48 symmetries of the box and shifts by lattice spacings, over the rms displacement."""
    n, box = 8, 32.0
    home, rng = lattice(n, box).numpy(), np.random.default_rng(seed)
    x, v, y = (home + 2.0 * rng.standard_normal((2, n**3, 3)), rng.standard_normal((2, 1, n**3, 3)), None)
    y = x + 0.3 * v[:, 0] + 0.1 * np.sin(x)
    estimator = CoarseCorrection(box).fit(x, v, y)
    found, worst = estimator.predict(x[:1], v[:1])[0], 0.0
    size = np.sqrt(((found - x[0]) ** 2).mean())
    moves = [(m, np.zeros(3)) for m in np.asarray(Hyperoctahedral(3).matrix(np.arange(48.0)[:, None]))]
    moves += [(np.eye(3), box / n * np.array(s, dtype=float)) for s in product((0, 1, 3), repeat=3)]
    for m, shift in moves:
        cells = np.rint((home @ m.T + shift) * n / box).astype(int) % n
        order = np.argsort(cells @ np.array([n * n, n, 1]))  # whose particle starts at each lattice point now
        moved = estimator.predict((x[0] @ m.T + shift)[order][None], (v[0, 0] @ m.T)[order][None, None])[0]
        away = moved - (found @ m.T + shift)[order]
        worst = max(worst, float(np.abs(away - box * np.round(away / box)).max()))
    return worst / size


def picture(path: Path) -> Path:
    """Slices of a coarse, the corrected and the fine run, and the ratios of their spectra."""
    from matplotlib.figure import Figure

    from geodis.palette import FOUND, NULL, STILL

    torch.set_num_threads(1)
    data = runs(0)
    corrected = CoarseCorrection(BOX).fit(*(a[:1] for a in data[:3])).predict(data.positions[-1:], data.vectors[-1:])[0]
    linear = LinearTransfer(BOX, 1).fit(*(a[:1] for a in data[:3])).predict(data.positions[-1:], data.vectors[-1:])[0]
    coarse, fine = data.positions[-1], data.fine[-1]
    figure = Figure(figsize=(15, 3.9), layout="constrained")
    panels = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.25))
    titles = ("coarse: 16³ mesh, 3 steps", "corrected: 1 training box", "fine: 64³ mesh, 20 steps")
    for ax, points, title in zip(panels, (coarse, corrected, fine), titles, strict=False):
        density_slice(points, BOX, depth=12.0).plot(ax, title=title)
    true = particle_power(fine, BOX)
    for points, color, label in (
        (coarse, STILL, "coarse"),
        (linear, NULL, "linear filter"),
        (corrected, FOUND, "corrected"),
    ):
        particle_power(points, BOX).plot_ratio(true, panels[3], color=color, label=label)
    panels[3].set(xlim=(0.04, 1.0), ylim=(0.3, 1.2), title="power spectrum over the fine run's")
    panels[3].legend(frameon=False)
    figure.savefig(path, dpi=110)
    return path


if __name__ == "__main__":
    from harness import run

    results = Path(__file__).parent / "results" / "coarse_runs.json"
    run({"coarse.error_1": coarse_correction}, results=results, seeds=range(3))
