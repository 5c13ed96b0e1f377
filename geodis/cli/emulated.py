"""What `geodis emulate points` measures: an emulator of bodies on runs that its fit has not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np

from geodis import __version__
from geodis.emulators import NBodyDynamics, NBodyEmulator, PairwiseLaw, Rollout
from geodis.errors import DesignError
from geodis.files import write_atomically
from geodis.linalg import Array
from geodis.metrics import particle_symmetries
from geodis.simulators import ParticleTrajectories

FORMAT, VERSION = "geodis.emulated", 1
FEW = 12  # runs below which none can be set apart for choices and the test
TRIMMED = 0.01  # of the largest errors are left out of the trimmed mean
CHECKED = 16  # states that symmetries are measured on
ROUNDING = 1e-20  # squared errors below this share of what x + v Δt misses are
DRAWN = 3  # runs in the picture


@final
@dataclass(frozen=True)
class EmulatedRow:
    """One line of the table: a number, and what stands beside it."""

    what: str
    found: float
    beside: float | None = None
    meaning: str = ""


@final
@dataclass(frozen=True, eq=False)
class PointsReport:
    """A fitted emulator, what was measured on unseen runs, and these runs.

    Attributes
    ----------
    dynamics : NBodyDynamics
    rows : tuple of EmulatedRow
    sentence : str
    test : ParticleTrajectories
    ahead : Rollout
        Predicted from the first frames of the test runs.
    """

    dynamics: NBodyDynamics
    rows: tuple[EmulatedRow, ...]
    sentence: str
    test: ParticleTrajectories
    ahead: Rollout

    def numbers(self) -> dict[str, Any]:
        """All of it for a JSON file."""
        return {
            "format": FORMAT, "version": VERSION, "geodis": __version__, "law": str(self.dynamics),
            "sentence": self.sentence, "rows": [asdict(row) for row in self.rows],
        }  # fmt: skip

    def draw(self, path: Path) -> None:
        """Orbits of some unseen runs: circles are true, lines predicted from the first frame."""
        write_atomically(path, partial(_draw, self, path.suffix[1:].lower()))


def fitted_points(
    data: ParticleTrajectories, test_size: float, any_axes: bool, seed: int, verbose: bool
) -> PointsReport:
    """Fit on some runs, measure on the others.

    Raises
    ------
    DesignError
        For fewer than twelve runs.
    """
    if len(data) < FEW:
        raise DesignError(
            f"RUNS: expected at least {FEW} runs, to fit some, choose by others and test on others; got {len(data)}. "
            "Cut long trajectories into pieces, one run each."
        )
    order = np.random.default_rng(seed).permutation(len(data))
    n_test = max(2, round(test_size * len(data)))
    train, test = _chosen(data, order[n_test:]), _chosen(data, order[:n_test])
    emulator = NBodyEmulator(
        _law(data),
        cap=("none", "radial", "component") if any_axes else ("none", "radial"),
        random_state=seed,
        verbose=verbose,
    ).fit(*_steps(train), span=float(np.diff(data.times).mean()))
    dynamics = emulator.dynamics_
    ahead = dynamics.rollout(test.positions[:, 0], test.velocities[:, 0], test.scalars, len(test.times) - 1)
    rows = (*_errors(dynamics, test, ahead), *_conserved(ahead), *_symmetries(dynamics, test, seed))
    return PointsReport(dynamics, rows, _sentence(dynamics, rows, test), test, ahead)


def _law(data: ParticleTrajectories) -> PairwiseLaw:
    """Scalars that are all positive are masses, others charges; the law wants charges first."""
    positive = [bool((data.scalars[..., k] > 0).all()) for k in range(len(data.names))]
    if sorted(positive) != positive:
        raise DesignError(
            f"scalars {', '.join(data.names)}: expected those of any sign before the positive ones. Reorder them."
        )
    return PairwiseLaw(
        signed=[name for name, mass in zip(data.names, positive, strict=True) if not mass],
        positive=[name for name, mass in zip(data.names, positive, strict=True) if mass],
    )


def _chosen(data: ParticleTrajectories, which: Array) -> ParticleTrajectories:
    return ParticleTrajectories(
        data.positions[which], data.velocities[which], data.scalars[which], data.times, data.names
    )


def _steps(data: ParticleTrajectories) -> tuple[Array, ...]:
    """Every pair of consecutive frames as one sample: x, v, scalars, later x, later v."""
    x, v, n = data.positions, data.velocities, len(data.times) - 1
    before, after = (tuple(_flat(part[:, cut]) for part in (x, v)) for cut in (slice(None, -1), slice(1, None)))
    return (*before, np.repeat(data.scalars, n, axis=0), *after)


def _flat(part: Array) -> Array:
    return part.reshape(-1, *part.shape[2:])


def _errors(dynamics: NBodyDynamics, test: ParticleTrajectories, ahead: Rollout) -> list[EmulatedRow]:
    x, v, scalars, later, _ = _steps(test)
    predicted, _ = dynamics.predict(x, v, scalars)
    errors = ((predicted - later) ** 2).mean((1, 2))
    free = ((x + dynamics.span * v - later) ** 2).mean((1, 2))
    kept = np.sort(errors)[: max(1, round(len(errors) * (1 - TRIMMED)))]
    rows = [
        EmulatedRow("squared error of a coordinate, one step", float(errors.mean()), float(free.mean()), "x + v Δt"),
        EmulatedRow("its standard error", float(errors.std(ddof=1) / np.sqrt(len(errors)))),
        EmulatedRow("its median", float(np.median(errors)), float(np.median(free)), "x + v Δt"),
        EmulatedRow(f"its mean without the worst {100 * TRIMMED:g} %", float(kept.mean())),
    ]
    n = len(test.times) - 1
    if n > 1:
        missed = ((ahead.positions[:, -1] - test.positions[:, -1]) ** 2).mean((1, 2))
        still = ((test.positions[:, 0] - test.positions[:, -1]) ** 2).mean((1, 2))
        rows.append(EmulatedRow(f"median error after {n} steps", float(np.median(missed)), float(np.median(still)),
                                "nothing moves"))  # fmt: skip
    return rows


def _conserved(ahead: Rollout) -> list[EmulatedRow]:
    n = ahead.positions.shape[1] - 1
    return [
        EmulatedRow(f"drift of {name.replace('_', ' ')}, {n} steps", drift)
        for name, drift in ahead.drifts().items()
        if np.isfinite(drift)
    ]


def _symmetries(dynamics: NBodyDynamics, test: ParticleTrajectories, seed: int) -> list[EmulatedRow]:
    some = slice(0, CHECKED)
    found = particle_symmetries(
        dynamics.predict, test.positions[some, 0], test.velocities[some, 0], test.scalars[some], span=dynamics.span,
        seed=seed,
    )  # fmt: skip
    return [
        EmulatedRow(f"error under {name}", result.value, result.floor, "rounding floor")
        for name, result in found.items()
    ]


def _sentence(dynamics: NBodyDynamics, rows: tuple[EmulatedRow, ...], test: ParticleTrajectories) -> str:
    first = rows[0]
    error = f"On {len(test)} unseen runs its squared error is {first.found:.3g}"
    if first.beside is None or first.found < ROUNDING * first.beside:
        return f"{dynamics}. {error}, which is rounding."
    return f"{dynamics}. {error}, {first.beside / first.found:.3g} times less than x + v Δt."


def _draw(found: PointsReport, kind: str, path: str) -> None:
    import matplotlib.pyplot as plt

    test, n = found.test, min(DRAWN, len(found.test))
    drawn, axes = plt.subplots(1, n, figsize=(4.2 * n, 4.2), squeeze=False, layout="constrained")
    try:
        for run, ax in enumerate(axes[0]):
            found.ahead.plot(run, ax=ax, true=test.positions[run])
            ax.set_title(f"unseen run {run + 1}")
        drawn.suptitle("lines: predicted from the first frame; circles: true")
        drawn.savefig(path, format=kind, dpi=150, bbox_inches="tight")
    finally:
        plt.close(drawn)
