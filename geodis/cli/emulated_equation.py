"""What `geodis emulate equation` measures: an equation of fields on runs that its fit has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np

from geodis import __version__
from geodis.cli.emulated_field import FEW, LEADS
from geodis.emulators import FieldErrors, FieldLaw, FieldLibrary, SparseFieldLaw, field_errors
from geodis.errors import DesignError, ParameterError
from geodis.files import write_atomically
from geodis.formats import FieldRuns
from geodis.formats.field_runs import FieldVariable, Types

FORMAT, VERSION = "geodis.found_equation", 1


@final
@dataclass(frozen=True, eq=False)
class EquationReport:
    """An equation and its errors on unseen runs, beside those of nothing moving."""

    law: FieldLaw
    errors: FieldErrors
    persistence: FieldErrors
    n_test: int
    n_steps: int

    @property
    def rows(self) -> list[dict[str, float]]:
        """One a lead time."""
        steps = sorted({step for step in LEADS if step < self.n_steps} | {self.n_steps})
        found, still = self.errors.table(steps), self.persistence.table(steps)
        return [
            {"step": step, "relative_mse": float(a), "persistence": float(b)}
            for step, a, b in zip(steps, found.relative_mse, still.relative_mse, strict=True)
        ]

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        runs = "1 run" if self.n_test == 1 else f"{self.n_test} runs"
        parts = [
            f"after {row['step']:g} {row['relative_mse']:.2g} (nothing moves: {row['persistence']:.2g})"
            for row in (self.rows[0], self.rows[-1])
        ]
        return (
            f"On {runs} that the fit has not seen, the relative MSE is {', '.join(dict.fromkeys(parts))}. Of a step's "
            f"change the equation leaves {self.law.unexplained:.2g} unexplained."
        )

    def numbers(self) -> dict[str, Any]:
        """All of it for a JSON file; what is not finite is null."""
        return {
            "format": FORMAT, "version": VERSION, "geodis": __version__, "sentence": self.sentence,
            "equation": str(self.law).split("\n"), "unexplained": self.law.unexplained,
            "rows": [{name: value if np.isfinite(value) else None for name, value in r.items()} for r in self.rows],
        }  # fmt: skip

    def draw(self, path: Path) -> None:
        """The coefficients with their errors."""
        write_atomically(path, partial(_draw, self.law, path.suffix[1:].lower()))


def found_equation(data: FieldRuns, derivatives: str, test_size: float, seed: int, verbose: bool) -> EquationReport:
    """Fit on some runs, measure on the others.

    Raises
    ------
    DesignError, ParameterError
        For fewer than four runs, a grid that is not a square or cube, derivatives that are no numbers.
    """
    if len(data) < FEW:
        raise DesignError(f"FILE: expected at least {FEW} runs, to fit some and test on others; got {len(data)}.")
    if not data.square:
        raise DesignError("FILE: expected a square or a cube with equal steps along all axes.")
    library = FieldLibrary(
        _named(data.types, data.variables, data.dim), _named(data.fixed_types, data.fixed_variables, data.dim),
        derivatives=_numbers(derivatives), dim=data.dim,
    )  # fmt: skip
    n_test = min(max(1, round(test_size * len(data))), len(data) - 2)
    order = np.random.default_rng(seed).permutation(len(data))
    train, test = data.some(np.sort(order[n_test:])), data.some(np.sort(order[:n_test]))
    length = data.spacing[0] * data.states.shape[-1]
    estimator = SparseFieldLaw(
        library, interval=data.interval, length=length, random_state=seed, verbose=verbose
    ).fit(train.states, train.fixed)  # fmt: skip
    n_steps = test.states.shape[1] - 1
    ahead = estimator.rollout(test.states[:, 0], n_steps, test.fixed)
    still = np.broadcast_to(test.states[:, :1], test.states.shape)
    return EquationReport(
        estimator.law_, field_errors(ahead, test.states, data.types), field_errors(still, test.states, data.types),
        len(test), n_steps,
    )  # fmt: skip


def _named(types: Types, variables: tuple[FieldVariable, ...], dim: int) -> dict[str, tuple[int, int]]:
    """One name a tensor, that of its first component."""
    found, at = {}, 0
    for order, parity, channels in types:
        for _ in range(channels):
            found[variables[at].name] = (order, parity)
            at += dim**order
    return found


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ParameterError("--derivatives", "whole numbers, comma between, such as 2,1", repr(text)) from error


def _draw(law: FieldLaw, kind: str, path: str) -> None:
    law.plot().get_figure().savefig(path, format=kind, dpi=150, bbox_inches="tight")  # type: ignore[union-attr]
