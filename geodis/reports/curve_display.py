"""ExtrapolationDisplay and RolloutDisplay: errors on steps that a fit has not seen, and of steps taken many times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import pandas as pd

from geodis.errors import ParameterError
from geodis.metrics.extrapolation import Extrapolation, extrapolation_error
from geodis.metrics.rollout import Rollout, rollout_error
from geodis.metrics.splits import StepSplit
from geodis.palette import CEILING, FOUND, INK, LINE, NULL, STILL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@final
class ExtrapolationDisplay:
    """Relative error in bins of the size of the step, unseen steps apart, in scikit-learn's convention for displays.

    Filled markers are unseen steps, hollow ones seen; unseen sizes are shaded. Beside the error stand that of not
    acting and that of another item's code.

    Parameters
    ----------
    curve : Extrapolation
        What `extrapolation_error` or `extrapolation_curve` returns.
    title : str

    Attributes
    ----------
    seen_, unseen_ : ErrorbarContainer or None
        The errors with their intervals.
    identity_, other_ : Line2D
        Not acting; another item's code.
    ax_, figure_
        Where it was drawn.

    Examples
    --------
    >>> from geodis import Orbits
    >>> from geodis.groups import SO2
    >>> from geodis.metrics import extrapolation_curve
    >>> G = SO2()
    >>> g = G.orbit(30, 12, seed=0).reshape(-1, 1)
    >>> x = np.repeat(np.random.default_rng(0).normal(size=(30, 2)), 12, axis=0)
    >>> orbits = Orbits.from_arrays(np.einsum("nab,nb->na", G.irrep("m=1")(g), x), g, np.repeat(np.arange(30), 12), G)
    >>> off = lambda h: G.irrep("m=1")(1.1 * h)
    >>> curve = extrapolation_curve(orbits, off, unseen=lambda h: np.abs(h[:, 0]) > 1.6)
    >>> ExtrapolationDisplay.from_curve(curve).plot().ax_.get_ylabel()
    'error / spread of the codes'
    """

    seen_: Any
    unseen_: Any
    identity_: Any
    other_: Any
    ax_: Axes
    figure_: Figure

    def __init__(self, curve: Extrapolation, *, title: str = "") -> None:
        self.curve = curve
        self.title = title

    @classmethod
    def from_curve(cls, curve: Extrapolation, *, title: str = "") -> Self:
        """Of errors that were measured.

        Raises
        ------
        ParameterError
            For something else than an `Extrapolation`.
        """
        if not isinstance(curve, Extrapolation):
            raise ParameterError("ExtrapolationDisplay: curve", "Extrapolation", type(curve).__name__)
        return cls(curve, title=title)

    @classmethod
    def from_split(cls, split: StepSplit, estimator: Any, *, title: str = "", **options: Any) -> Self:
        """Of an estimator fitted on one part of a split and judged on the other; `options` of `extrapolation_error`.

        Raises
        ------
        ParameterError, GeodisError
            For something else than a `StepSplit`; as `extrapolation_error`.
        """
        if not isinstance(split, StepSplit):
            raise ParameterError("ExtrapolationDisplay: split", "StepSplit", type(split).__name__)
        curve = extrapolation_error(split.train, split.test, estimator, unseen=split.unseen, **options)
        return cls(curve, title=title)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw into `ax`, or into a new figure."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(6.0, 3.6))
        table = self.curve.table
        new = table.unseen.to_numpy(dtype=bool)
        for low, high in zip(table.low[new], table.high[new], strict=True):
            ax.axvspan(low, high, color=LINE, alpha=0.4, linewidth=2, zorder=0)
        (self.other_,) = _line(ax, table, "size", "other", NULL, "D", ":", "another item's code")
        (self.identity_,) = _line(ax, table, "size", "identity", STILL, "s", "--", "not acting")
        self.seen_ = _errors(ax, table[~new], "size", "white", "seen steps")
        self.unseen_ = _errors(ax, table[new], "size", FOUND, "unseen steps (shaded)")
        ax.set_xlabel(f"size of the step in {self.curve.group}")
        _finish(ax, self.title)
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)  # type: ignore[assignment]
        return self


@final
class RolloutDisplay:
    """Relative error against the number of steps, in scikit-learn's convention for displays.

    Beside the one-step operator applied again and again stand, where it was given, an operator for all steps at once,
    not moving, and another item's code.

    Parameters
    ----------
    rollout : Rollout
        What `rollout_error` returns.
    title : str

    Attributes
    ----------
    errors_ : ErrorbarContainer
        The error with its intervals.
    direct_, identity_, other_ : Line2D or None
        An operator for all steps at once; not moving; another item's code.
    ax_, figure_
        Where it was drawn.

    Examples
    --------
    >>> turn = lambda a: np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    >>> x = np.random.default_rng(0).normal(size=(40, 2))
    >>> codes = np.stack([x @ turn(0.3 * k).T for k in range(6)], axis=1)
    >>> RolloutDisplay.from_codes(codes, turn(0.32)).plot().ax_.get_xlabel()
    'steps'
    """

    errors_: Any
    direct_: Any
    identity_: Any
    other_: Any
    ax_: Axes
    figure_: Figure

    def __init__(self, rollout: Rollout, *, title: str = "") -> None:
        self.rollout = rollout
        self.title = title

    @classmethod
    def from_rollout(cls, rollout: Rollout, *, title: str = "") -> Self:
        """Of errors that were measured.

        Raises
        ------
        ParameterError
            For something else than a `Rollout`.
        """
        if not isinstance(rollout, Rollout):
            raise ParameterError("RolloutDisplay: rollout", "Rollout", type(rollout).__name__)
        return cls(rollout, title=title)

    @classmethod
    def from_codes(cls, codes: Any, operator: Any, *, title: str = "", **options: Any) -> Self:
        """Of codes `(n, K + 1, d)` and a one-step operator; `options` are those of `rollout_error`.

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            As `rollout_error`.
        """
        return cls(rollout_error(codes, operator, **options), title=title)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw into `ax`, or into a new figure."""
        import matplotlib.pyplot as plt
        from matplotlib.ticker import MaxNLocator

        if ax is None:
            _, ax = plt.subplots(figsize=(6.0, 3.6))
        table = self.rollout.table
        (self.other_,) = _line(ax, table, "steps", "other", NULL, "D", ":", "another item's code")
        (self.identity_,) = _line(ax, table, "steps", "identity", STILL, "s", "--", "not moving")
        (self.direct_,) = _line(ax, table, "steps", "direct", CEILING, "^", "-.", "one operator for all steps")
        growth = self.rollout.growth
        label = "one step, repeated" + (f" (∝ steps^{growth:.2f})" if math.isfinite(growth) else "")
        self.errors_ = _errors(ax, table, "steps", FOUND, label)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("steps")
        _finish(ax, self.title)
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)  # type: ignore[assignment]
        return self


def _errors(ax: Axes, table: pd.DataFrame, x: str, face: str, label: str) -> Any:
    """Points with intervals; None where there is nothing to draw."""
    if table.empty:
        return None
    spread = np.nan_to_num(np.abs(np.stack([table.error - table.ci_low, table.ci_high - table.error]).astype(float)))
    return ax.errorbar(
        table[x], table.error, yerr=spread, color=FOUND, marker="o", markerfacecolor=face, capsize=3, ecolor=INK,
        label=label, zorder=3,
    )  # fmt: skip


def _line(ax: Axes, table: pd.DataFrame, x: str, column: str, color: str, marker: str, style: str, label: str) -> Any:
    """A line through what is known; (None,) where nothing is."""
    if not np.isfinite(table[column].to_numpy(dtype=float)).any():
        return (None,)
    return ax.plot(table[x], table[column], color=color, marker=marker, linestyle=style, label=label)


def _finish(ax: Axes, title: str) -> None:
    ax.set_xlim(0, None)
    ax.set_ylim(0, None)
    ax.set_ylabel("error / spread of the codes")
    ax.set_title(title, fontsize=10)
    ax.legend(fontsize="small", frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
