"""Cosmology on boxes of our own: velocities and displacements of tracers from their positions, coarse runs corrected.

Boxes of 128 Mpc/h with 32³ particles, particle mesh of 10 steps from second-order starts at a = 0.1 (`simulate_boxes`);
1 000 tracers a box, drawn in proportion to the density; 36 boxes to fit and 12 to test, new ones for every seed. All
methods see the same data; every ridge and smoothing is chosen on training boxes left out. `python
experiments/velocities.py` prints the table; the stored one is that of `points.py`.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from coarse_runs import coarse_correction
from scipy.stats import trim_mean

from geodis.emulators import LeastSquaresKernels, LinearTheoryVelocities, TracerVectors
from geodis.files import write_atomically
from geodis.groups import Hyperoctahedral
from geodis.linalg import Array
from geodis.simulators import (
    FlatLambdaCDM,
    density_weighted_tracers,
    evolve,
    gaussian_density,
    lagrangian_start,
    simulate_boxes,
)

BOX, N_GRID, N_TRACERS = 128.0, 32, 1000
TRAIN, TEST = 36, 12
CURVE = (1, 2, 4, 8, 16)
SMOOTHINGS = (4.0, 6.0, 8.0, 10.0, 12.0)  # candidates of the single one
FOUR = (4.0, 8.0, 12.0, 24.0)
CACHE = Path(__file__).parent.parent / ".cache" / "velocities"
KINDS = ("positions", "velocities", "flow", "displacements")


class Boxes(NamedTuple):
    """Tracers of all boxes of a seed, each `(48, 1000, 3)`: training boxes first."""

    positions: Array
    velocities: Array
    flow: Array
    displacements: Array


# --- data -------------------------------------------------------------------------------------------------------------
@cache
def boxes(seed: int) -> Boxes:
    """Simulated once a seed, then read from a folder that git ignores."""
    path = CACHE / f"boxes-{seed}.npz"
    if not path.is_file():
        runs = simulate_boxes(TRAIN + TEST, N_GRID, BOX, seed=seed)
        chosen = [density_weighted_tracers(run, N_TRACERS, seed=[seed, i]) for i, run in enumerate(runs)]
        CACHE.mkdir(parents=True, exist_ok=True)
        arrays = {kind: np.stack([getattr(c, kind) for c in chosen]) for kind in KINDS}

        def write(temporary: str) -> None:
            with open(temporary, "wb") as file:
                np.savez(file, **arrays)

        write_atomically(path, write)
    with np.load(path) as stored:
        return Boxes(*(stored[kind] for kind in KINDS))


def split(x: Array) -> tuple[Array, Array]:
    """Training boxes, test boxes."""
    return x[:TRAIN], x[TRAIN:]


# --- measures ---------------------------------------------------------------------------------------------------------
def velocities(seed: int) -> dict[str, float]:
    """R² of our estimator and of the baselines, squared errors, and what symmetries change."""
    data = boxes(seed)
    (x, x_test), (v, v_test) = split(data.positions), split(data.velocities)
    start = time.process_time()
    ours = TracerVectors(BOX).fit(x, v)
    seconds = time.process_time() - start
    baselines = {
        "linear_1": min((LinearTheoryVelocities(BOX, (r,)).fit(x, v) for r in SMOOTHINGS), key=left_out),
        "linear_4": LinearTheoryVelocities(BOX, FOUR).fit(x, v),
        "kernels_k10p3": LeastSquaresKernels(BOX, 10, 3).fit(x, v),
        "kernels_k15p4": LeastSquaresKernels(BOX, 15, 4).fit(x, v),
    }
    out = {f"velocities.r2_{name}": estimator.score(x_test, v_test) for name, estimator in baselines.items()}
    kernels = max(out["velocities.r2_kernels_k10p3"], out["velocities.r2_kernels_k15p4"])
    error = v_test - ours.predict(x_test)
    r2 = unexplained(error, v_test)
    return {
        "velocities.r2": r2,
        f"velocities.r2_boxes_{TRAIN}": r2,
        "velocities.unexplained_ratio": (1 - r2) / (1 - kernels),
        **out,
        **spread_of(error, "velocities"),
        "velocities.mean_square": float((v_test**2).sum(-1).mean()),
        "velocities.held_out_r2": 1 - ours.held_out_[-1],
        "velocities.fit_seconds": seconds,
    }


def left_out(estimator: Any) -> float:
    return estimator.held_out_


def unexplained(error: Array, true: Array) -> float:
    return float(1 - (error**2).sum() / ((true - true.mean(axis=(0, 1))) ** 2).sum())


def spread_of(error: Array, prefix: str) -> dict[str, float]:
    """Mean squared error a tracer, its standard error over boxes, median and mean without the largest and least 5 %."""
    squares = (error**2).sum(-1)
    return {
        f"{prefix}.mse": float(squares.mean()),
        f"{prefix}.mse_se": float(squares.mean(1).std(ddof=1) / np.sqrt(len(squares))),
        f"{prefix}.mse_median": float(np.median(squares)),
        f"{prefix}.mse_trimmed": float(trim_mean(squares, 0.05, axis=None)),
    }


@cache
def learning_curve(seed: int) -> dict[str, float]:
    """R² of velocities on the test boxes after training on few, ours and the larger kernels'."""
    data = boxes(seed)
    (x, x_test), (v, v_test) = split(data.positions), split(data.velocities)
    out = {}
    for n in CURVE:
        out[f"velocities.r2_boxes_{n}"] = TracerVectors(BOX).fit(x[:n], v[:n]).score(x_test, v_test)
        out[f"velocities.r2_kernels_boxes_{n}"] = (
            LeastSquaresKernels(BOX, 15, 4).fit(x[:n], v[:n]).score(x_test, v_test)
        )
    return out


def displacements(seed: int) -> dict[str, float]:
    """R² of the tracers' displacements from where they started."""
    return against_baselines(seed, "displacements", boxes(seed).displacements)


def flow(seed: int) -> dict[str, float]:
    """R² of the mean velocity of all matter around the tracers: without their motion inside of haloes."""
    return against_baselines(seed, "flow", boxes(seed).flow)


def against_baselines(seed: int, prefix: str, vectors: Array) -> dict[str, float]:
    (x, x_test), (v, v_test) = split(boxes(seed).positions), split(vectors)
    error = v_test - TracerVectors(BOX).fit(x, v).predict(x_test)
    r2 = unexplained(error, v_test)
    kernels = LeastSquaresKernels(BOX, 15, 4).fit(x, v).score(x_test, v_test)
    return {
        f"{prefix}.r2": r2,
        f"{prefix}.unexplained_ratio": (1 - r2) / (1 - kernels),
        f"{prefix}.r2_linear_4": LinearTheoryVelocities(BOX, FOUR).fit(x, v).score(x_test, v_test),
        f"{prefix}.r2_kernels_k15p4": kernels,
        **spread_of(error, prefix),
    }


def equivariance(seed: int) -> dict[str, float]:
    """The largest change of a prediction by a symmetry, over the root mean square prediction, in float64."""
    data = boxes(seed)
    x, v = data.positions[:2, :300], data.velocities[:2, :300]
    x[0, 1] = x[0, 0]  # coincident tracers
    x[0, 2:5] = x[0, 2] + np.arange(3)[:, None] * (x[0, 3] - x[0, 2]) / 4  # collinear ones
    out: dict[str, float] = {}
    estimators = {
        "tracers": TracerVectors(BOX), "kernels": LeastSquaresKernels(BOX, 15, 4),
        "linear": LinearTheoryVelocities(BOX, FOUR),
    }  # fmt: skip
    for name, estimator in estimators.items():
        found = estimator.fit(x, v).predict(x[:1])[0]
        size = np.sqrt((found**2).mean())
        cube = Hyperoctahedral(3)
        turned = [
            np.abs(estimator.predict(x[:1] @ m.T)[0] - found @ m.T).max()
            for m in np.asarray(cube.matrix(np.arange(48.0)[:, None]))
        ]
        rng = np.random.default_rng(seed)
        shifts = rng.random((8, 3)) * BOX
        shifted = [np.abs(estimator.predict(np.mod(x[:1] + s, BOX))[0] - found).max() for s in shifts]
        orders = [rng.permutation(x.shape[1]) for _ in range(8)]
        permuted = [np.abs(estimator.predict(x[:1, order])[0] - found[order]).max() for order in orders]
        changes = {"cube": turned, "shifts": shifted, "permutations": permuted}
        out |= {f"velocities.equivariance_{kind}_{name}": max(c) / size for kind, c in changes.items()}
    return {"velocities.equivariance_max": max(out.values()), **out}


def growth(seed: int) -> dict[str, float]:
    """The largest |P(k, a)/P(k, a₀) / D² − 1| of the four lowest shells, the same modes by exact sums at both times."""
    box, universe = 2000.0, FlatLambdaCDM()
    start = lagrangian_start(gaussian_density(N_GRID, box, seed=[seed, 99]), box, a=0.1)
    grown = evolve(start, n_steps=10)
    shells, linear = shells_below(4), float(universe.growth(1.0) / universe.growth(0.1)) ** 2
    before, after = (mode_power(p.positions.numpy(), box, shells) for p in (start, grown))
    return {"growth.low_k_deviation": float(np.abs(after / before / linear - 1).max())}


def shells_below(largest: int) -> list[Array]:
    """Wavevectors with |n|² = 1, …, in turns a side."""
    axis = np.arange(-2, 3)
    n = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    return [n[(n**2).sum(1) == squared] for squared in range(1, largest + 1)]


def mode_power(positions: Array, box: float, shells: list[Array]) -> Array:
    phases = [positions @ n.T * (2 * np.pi / box) for n in shells]
    return np.array([(np.cos(p).sum(0) ** 2 + np.sin(p).sum(0) ** 2).mean() for p in phases])


def mesh_seconds(seed: int) -> dict[str, float]:
    """CPU seconds of ten steps of 32³ particles, on a mesh of as many points and of eight times as many."""
    start = lagrangian_start(gaussian_density(N_GRID, BOX, seed=seed), BOX, a=0.1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    out = {}
    for name, n_mesh in (("pm.seconds_32", N_GRID), ("pm.seconds_32_mesh_64", 2 * N_GRID)):
        times = []
        for _ in range(3):
            began = time.process_time()
            end = evolve(start, n_steps=10, n_mesh=n_mesh)
            times.append(time.process_time() - began)
        out[name] = float(np.median(times))
    torch.set_num_threads(threads)
    drift = (end.momenta.sum(0) - start.momenta.sum(0)).abs().max()
    out["pm.momentum_drift"] = float(drift / end.momenta.norm(dim=1).sum())
    return out


MEASURES = {
    "velocities.r2": velocities,
    "velocities.r2_boxes": learning_curve,
    "velocities.equivariance_max": equivariance,
    "displacements.r2": displacements,
    "flow.r2": flow,
    "growth.low_k_deviation": growth,
    "pm.seconds_32": mesh_seconds,
    "coarse.error_1": coarse_correction,
}


# --- pictures ---------------------------------------------------------------------------------------------------------
def pictures(folder: str | os.PathLike[str]) -> list[Path]:
    """Draw `velocities.png` and `coarse-runs.png` into a folder: seed 0."""
    from coarse_runs import picture

    return [velocity_picture(Path(folder) / "velocities.png"), picture(Path(folder) / "coarse-runs.png")]


def velocity_picture(path: Path) -> Path:
    """Arrows of a slice through a test box, predicted and true, and R² against the number of training boxes."""
    from matplotlib.figure import Figure

    from geodis.palette import FOUND, INK, NULL

    data = boxes(0)
    (x, x_test), (v, v_test) = split(data.positions), split(data.velocities)
    ours = TracerVectors(BOX).fit(x, v)
    found = ours.predict(x_test[:1])[0]
    inside = x_test[0, :, 2] < 24.0
    figure = Figure(figsize=(12.5, 4.2), layout="constrained")
    panels = figure.subplots(1, 3)
    for ax, arrows, title in ((panels[0], v_test[0], "true velocities"), (panels[1], found, "from positions alone")):
        at = x_test[0, inside]
        ax.quiver(at[:, 0], at[:, 1], arrows[inside, 0], arrows[inside, 1], color=INK, scale=9000, width=0.003)
        ax.set(xlabel="x [Mpc/h]", ylabel="y [Mpc/h]", title=title, xlim=(0, BOX), ylim=(0, BOX), aspect="equal")
    curve = learning_curve(0)
    n_boxes = (*CURVE, TRAIN)
    mine = [curve[f"velocities.r2_boxes_{n}"] for n in CURVE] + [ours.score(x_test, v_test)]
    kernels = LeastSquaresKernels(BOX, 15, 4).fit(x, v).score(x_test, v_test)
    theirs = [curve[f"velocities.r2_kernels_boxes_{n}"] for n in CURVE] + [kernels]
    panels[2].semilogx(n_boxes, mine, "o-", color=FOUND, label="reweighted gravity (ours)")
    panels[2].semilogx(n_boxes, theirs, "s--", color=NULL, label="least-squares kernels")
    panels[2].set_xticks(n_boxes, [str(n) for n in n_boxes])
    panels[2].set_xticks([], minor=True)
    panels[2].set(xlabel="training boxes", ylabel="R² of velocities, unseen boxes", title="how many boxes it takes")
    panels[2].legend(frameon=False)
    figure.savefig(path, dpi=110)
    return path


if __name__ == "__main__":
    from harness import run

    run(MEASURES, results=Path(__file__).parent / "results" / "velocities.json", seeds=range(3))
