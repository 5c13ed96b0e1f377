"""What `geodis emulate field` measures: an emulator of fields on runs that its fit has not seen."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from geodis import __version__
from geodis.actions import FieldSymmetries
from geodis.emulators import (
    FieldDynamics,
    FieldEmulator,
    FieldErrors,
    GeometricResNet,
    draw_fields,
    field_errors,
    save_field_dynamics,
)
from geodis.errors import DesignError
from geodis.files import write_atomically, write_text
from geodis.formats import FieldRuns
from geodis.linalg import Array
from geodis.loop import History, Plan
from geodis.metrics import MetricResult, map_equivariance_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT, VERSION = "geodis.emulated_field", 1
FEW = 4  # runs below which none can be set apart for the test
MOST_STEPS = 1_000_000  # of the training: seconds end it
LEADS = (1, 2, 5, 10, 20, 50, 100, 200, 500)  # steps ahead that the table shows, beside the last
CHECKED = 4  # states that symmetries are measured on
DRAWN = 3  # components in the page
COLUMNS = ("relative_mse", "vrmse", "spectrum_error")


@final
@dataclass(frozen=True)
class FieldOptions:
    """How to make and train the emulator.

    Attributes
    ----------
    seconds : float
        Of CPU.
    channels, blocks, history : int
        Of every hidden type; of the network; frames that a step looks at.
    boundary : str
        ``"circular"`` or ``"zero"``.
    noise : float
    conserve : bool
    test_size : float
    seed : int
    verbose : bool
    """

    seconds: float
    channels: int
    blocks: int
    history: int
    boundary: str
    noise: float
    conserve: bool
    test_size: float
    seed: int
    verbose: bool


@final
@dataclass(frozen=True, eq=False)
class FieldReport:
    """A fitted emulator, what was measured on unseen runs, and these runs.

    Attributes
    ----------
    dynamics : FieldDynamics
    errors, persistence : FieldErrors
        Of the emulator, and of nothing moving, from the same starts.
    symmetry : MetricResult or None
        Over all symmetries of the square or cube, in double precision; None where the grid has not got them.
    test : FieldRuns
    ahead : ndarray (runs, times, components, *grid)
        Predicted from the first frames of the test runs.
    history : History
        Of the training.
    """

    dynamics: FieldDynamics
    errors: FieldErrors
    persistence: FieldErrors
    symmetry: MetricResult | None
    test: FieldRuns
    ahead: Array
    history: History

    @property
    def rows(self) -> list[dict[str, float]]:
        """One a lead time: errors, ends of the interval of the first, and the same error of persistence."""
        last = self.ahead.shape[1] - 1
        steps = sorted({step for step in LEADS if step < last} | {last})
        found, still = self.errors.table(steps), self.persistence.table(steps)
        return [
            {
                "step": int(step),
                **{name: float(found[name][i]) for name in (*COLUMNS, "relative_mse_low", "relative_mse_high")},
                "persistence": float(still.relative_mse[i]),
            }
            for i, step in enumerate(steps)
        ]

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        first, last = self.rows[0], self.rows[-1]
        text = (
            f"On {_runs(len(self.test))} that the fit has not seen, the relative MSE after {_steps(first['step'])} is "
            f"{first['relative_mse']:.2g} (nothing moves: {first['persistence']:.2g})"
        )
        if last["step"] > first["step"]:
            text += f", after {_steps(last['step'])} {last['relative_mse']:.2g} ({last['persistence']:.2g})"
        if self.symmetry is None:
            return f"{text}. Symmetries were not measured: the grid has not the same sides and steps along all axes."
        return f"{text}. A step commutes with all symmetries of the grid to {self.symmetry.value:.1g}."

    def numbers(self) -> dict[str, Any]:
        """All of it for a JSON file; what is not finite is null."""
        return {
            "format": FORMAT, "version": VERSION, "geodis": __version__, "sentence": self.sentence,
            "names": list(self.test.names), "fixed": [v.name for v in self.test.fixed_variables],
            "rows": [{name: value if np.isfinite(value) else None for name, value in r.items()} for r in self.rows],
            "equivariance_error": None if self.symmetry is None else self.symmetry.to_dict(),
            "training": {"steps": len(self.history.losses), "seconds": self.history.seconds},
        }  # fmt: skip

    def predicted(self) -> FieldRuns:
        """The roll-outs with the names, units and coordinates of the test runs."""
        return self.test.with_states(self.ahead, self.dynamics.history - 1)

    def save(self, path: Path) -> None:
        """The emulator, with the names and units of its components."""
        names = {"names": self.test.names, "fixed": [v.name for v in self.test.fixed_variables]}
        save_field_dynamics(path, self.dynamics, {**names, "units": self.test.units, "axes": self.test.dims[2:]})

    def strips(self, component: int = 0) -> Figure:
        """One component of the first unseen run: truth, prediction, difference."""
        shown = [row["step"] for row in self.rows]
        times = [0, *(int(step) for step in (shown if len(shown) < 6 else [*shown[:4], shown[-1]]))]
        truth = self.test.states[0, self.dynamics.history - 1 :]
        cut: Any = (*(slice(None),) * 4, *(0,) * (self.test.dim - 2))  # a slice of a box
        return draw_fields(truth[cut], self.ahead[0][cut], component, times)

    def draw(self, path: Path) -> None:
        """The strips of the first component."""
        write_atomically(path, partial(_draw, self, path.suffix[1:].lower()))

    def write_page(self, path: Path) -> None:
        """A page with all of it, in one file."""
        write_text(path, _page(self))


def fitted_field(data: FieldRuns, options: FieldOptions) -> FieldReport:
    """Fit on some runs, measure on the others.

    Raises
    ------
    DesignError
        For fewer than four runs, or too few times.
    """
    if len(data) < FEW:
        raise DesignError(
            f"FILE: expected at least {FEW} runs, to fit some and test on others; got {len(data)}. Cut long runs into "
            "pieces with --cut."
        )
    if data.states.shape[1] < options.history + 1:
        raise DesignError(f"FILE: expected runs of at least {options.history + 1} times, got {data.states.shape[1]}.")
    n_test = min(max(1, round(options.test_size * len(data))), len(data) - 2)
    order = np.random.default_rng(options.seed).permutation(len(data))
    train, test = data.some(np.sort(order[n_test:])), data.some(np.sort(order[:n_test]))
    emulator = _emulator(data, options).fit(train.states, train.fixed)
    dynamics, history = emulator.dynamics_, options.history
    truth = test.states[:, history - 1 :]
    ahead = dynamics.rollout(test.states[:, :history], truth.shape[1] - 1, test.fixed)
    still = np.broadcast_to(truth[:, :1], truth.shape)
    return FieldReport(
        dynamics, field_errors(ahead, truth, data.types), field_errors(still, truth, data.types),
        _symmetry(dynamics, test) if data.square else None, test, ahead, emulator.history_,
    )  # fmt: skip


def _emulator(data: FieldRuns, options: FieldOptions) -> FieldEmulator:
    return FieldEmulator(
        _network(data, options), data.types, data.fixed_types or None, history=options.history, noise=options.noise,
        conserve=options.conserve, random_state=options.seed, verbose=options.verbose,
        plan=Plan(max_steps=MOST_STEPS, max_seconds=options.seconds, learning_rate=3e-2, patience=None),
    )  # fmt: skip


def _network(data: FieldRuns, options: FieldOptions) -> GeometricResNet:
    def made(size: int) -> GeometricResNet:
        return GeometricResNet(
            data.types * options.history + data.fixed_types, data.types, options.channels, (1,) * options.blocks,
            size=size, dim=data.dim, boundary=options.boundary, seed=options.seed,
        )  # fmt: skip

    try:
        return made(3)
    except DesignError:  # from scalars alone no filter of three points makes a pseudoscalar
        return made(5)


def _symmetry(dynamics: FieldDynamics, test: FieldRuns) -> MetricResult:
    """A step in double precision against every symmetry of the square or cube."""
    exact = replace(dynamics, network=copy.deepcopy(dynamics.network).double())
    history, width = dynamics.history, test.states.shape[2]
    frames = test.states[:CHECKED, :history].astype(np.float64)
    items = frames.reshape(len(frames), -1, *frames.shape[3:])
    if test.fixed is not None:
        items = np.concatenate([items, test.fixed[:CHECKED].astype(np.float64)], 1)

    def step(fields: Array) -> Array:
        seen = torch.from_numpy(np.ascontiguousarray(fields))
        states = seen[:, : history * width].unflatten(1, (history, width))
        with torch.no_grad():
            return exact.step(states, seen[:, history * width :] if test.fixed is not None else None).numpy()

    before = FieldSymmetries(test.types * history + test.fixed_types, test.dim)
    after = FieldSymmetries(test.types, test.dim)
    return map_equivariance_error(step, items, before, after, n_elements=int(after.group.order or 1))


def _runs(n: int) -> str:
    return "1 run" if n == 1 else f"{n} runs"


def _steps(n: float) -> str:
    return "1 step" if n == 1 else f"{n:g} steps"


def _draw(found: FieldReport, kind: str, path: str) -> None:
    found.strips().savefig(path, format=kind, dpi=150, bbox_inches="tight")


def _page(found: FieldReport) -> str:
    from geodis.reports.html import figure, page, paragraph, section, table

    names = found.test.names
    strips = "".join(
        figure(found.strips(i), f"{names[i]}, one unseen run: truth, predicted, difference.")
        for i in range(min(DRAWN, len(names)))
    )
    axes = found.errors.plot(label="emulator")
    found.persistence.plot(axes, color="0.5", label="nothing moves")
    axes.legend(frameon=False)
    header = ("step", "relative MSE", "95 % interval", "VRMSE", "spectrum error", "nothing moves")
    rows = [
        (int(r["step"]), f"{r['relative_mse']:.2g}", _interval(r), f"{r['vrmse']:.2g}", f"{r['spectrum_error']:.2g}",
         f"{r['persistence']:.2g}")
        for r in found.rows
    ]  # fmt: skip
    reading = (
        "Relative MSE: squared error over the variance of the truth, 1 is what its mean makes. VRMSE: root of the "
        "squared error over the variance in space at that time. Spectrum error: relative error of the power in bands "
        "of wavelengths, which does not ask where a wave is."
    )
    figures = axes.get_figure()
    drawn = "" if figures is None else figure(figures, "Relative MSE at every step; thin lines are runs.")  # type: ignore[arg-type]
    return page(
        section("What was found", paragraph(found.sentence, kind="lead"))
        + section("Errors", table(header, rows) + paragraph(reading, kind="note") + drawn)
        + section("Pictures", strips)
        + section("The data", paragraph(f"{found.test!r}. Trained for {found.history.seconds:.0f} CPU seconds.")),
        "An emulator of fields",
    )


def _interval(row: dict[str, float]) -> str:
    ends = row["relative_mse_low"], row["relative_mse_high"]
    return "–" if not np.isfinite(ends).all() else f"{max(ends[0], 0.0):.2g} … {ends[1]:.2g}"
