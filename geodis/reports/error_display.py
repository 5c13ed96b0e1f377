"""ErrorDisplay: error against the size of the group element, beside all that it has to beat."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from geodis.metrics.by_size import code_error_by_size
from geodis.orbits import Orbits
from geodis.palette import CEILING, FLOOR, FOUND, INK, NULL, STILL
from geodis.reports.plane import block_name, checked_block, codes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from geodis.coordinates import LatentCoordinates
    from geodis.reports.report import Report

FLAT = 0.05  # smallest error, relative to the largest, below which the axis is logarithmic
ROUNDING = 1e-6  # errors below it are not worth decades of the axis


@final
class ErrorDisplay:
    """Error of moving codes by h, in bins of the size of h, in scikit-learn's convention for displays.

    Beside it stand the error of not acting, that of the same h applied to another item's code, and, from a report, two
    levels: the best free linear map, and what the action's own interpolation makes.

    Parameters
    ----------
    table : DataFrame
        What `geodis.metrics.error_by_size` returns.
    title : str
    group : str
        The group's name, for the axis.
    unit : str
        What the errors are shares of.
    ceiling, floor : float
        The levels; NaN for none.

    Attributes
    ----------
    errors_ : ErrorbarContainer
        The error with its intervals.
    identity_, other_ : Line2D
        Not acting; another item's code.
    ceiling_, floor_ : Line2D or None
    ax_, figure_
        Where it was drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import LinearCoordinates, Orbits
    >>> from geodis.groups import Cyclic
    >>> rng, step = np.random.default_rng(0), np.tile(np.arange(12.0), 40)
    >>> start = np.repeat(rng.uniform(0, 6.28, 40), 12) + np.pi / 6 * step
    >>> orbits = Orbits.from_arrays(
    ...     np.stack([np.cos(start), np.sin(start)], axis=1), step, np.repeat(np.arange(40), 12), Cyclic(12)
    ... )
    >>> train, test = orbits.split(0.5)
    >>> est = LinearCoordinates(Cyclic(12)).fit_orbits(train)
    >>> ErrorDisplay.from_coordinates(est.coordinates_, test).plot().ax_.get_xlabel()
    'size of the element of Cyclic(12) between the two'
    """

    errors_: Any
    identity_: Any
    other_: Any
    ceiling_: Any
    floor_: Any
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        table: pd.DataFrame,
        *,
        title: str = "",
        group: str = "the group",
        unit: str = "variance",
        ceiling: float = math.nan,
        floor: float = math.nan,
    ) -> None:
        self.table = table
        self.title = title
        self.group = group
        self.unit = unit
        self.ceiling = ceiling
        self.floor = floor

    @classmethod
    def from_coordinates(
        cls,
        coordinates: LatentCoordinates,
        orbits: Orbits,
        block: int | None = None,
        *,
        n_bins: int = 12,
        level: float = 0.95,
        seed: int = 0,
    ) -> Self:
        """Of embeddings that the coordinates were not fitted on; all acting blocks together, or one of them.

        Raises
        ------
        ParameterError, ShapeError, DesignError
            As `geodis.metrics.error_by_size`.
        """
        checked_block(coordinates, 0 if block is None else block, "ErrorDisplay")
        codes = codes_of(coordinates, orbits, "ErrorDisplay")
        table = code_error_by_size(codes, coordinates, block=block, n_bins=n_bins, level=level, seed=seed)
        return cls(table, title=_title(coordinates, block), group=repr(codes.group), unit=_unit(coordinates))

    @classmethod
    def from_estimator(
        cls, estimator: Any, Z: Any, params: Any, *, items: Any, clusters: Any = None, **options: Any
    ) -> Self:
        """Of embeddings `(N, D)`, elements `(N, p)` and items `(N,)` that a fitted `LinearCoordinates` has not seen.

        `options` are those of `from_coordinates`.

        Raises
        ------
        NotFittedError, GeodisError
            Before the fit; as `Orbits.from_arrays` and `from_coordinates`.
        """
        check_is_fitted(estimator, "coordinates_")
        orbits = Orbits.from_arrays(Z, params, items, estimator.group, clusters)
        return cls.from_coordinates(estimator.coordinates_, orbits, **options)

    @classmethod
    def from_report(cls, report: Report, block: int | None = None, *, n_bins: int = 12, seed: int = 0) -> Self:
        """Of the unseen items of a report, with its ceiling and floor; all acting blocks together, or one of them.

        Raises
        ------
        ParameterError, DesignError
            For no such block, no block that the group moves, or no item with two rows.
        """
        coordinates = report.coordinates
        checked_block(coordinates, 0 if block is None else block, "ErrorDisplay")
        row = len(report.rows) - 1 if block is None else block
        return cls(
            code_error_by_size(report.codes, coordinates, block=block, n_bins=n_bins, level=report.level, seed=seed),
            title=_title(coordinates, block),
            group=report.group,
            unit=_unit(coordinates),
            ceiling=float(report.rows.ceiling.iloc[row]),
            floor=floor_of(report, row),
        )

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw into `ax`, or into a new figure."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(6.0, 3.6))
        t, x = self.table, self.table["size"]
        (self.other_,) = ax.plot(x, t.other, color=NULL, marker="D", linestyle=":", label="another item's code")
        (self.identity_,) = ax.plot(x, t.identity, color=STILL, marker="s", linestyle="--", label="not acting")
        spread = np.nan_to_num(np.abs(np.stack([t.error - t.ci_low, t.ci_high - t.error]).astype(float)))
        self.errors_ = ax.errorbar(
            x, t.error, yerr=spread, color=FOUND, marker="o", capsize=3, ecolor=INK, label="moved linearly", zorder=3
        )
        self.ceiling_ = _level(ax, self.ceiling, CEILING, "-.", "best free linear map (all sizes)")
        self.floor_ = _level(ax, self.floor, FLOOR, (0, (6, 3)), "floor: interpolation alone")
        self._scale(ax)
        ax.set_xlim(0, None)
        ax.set_xlabel(f"size of the element of {self.group} between the two")
        ax.set_title(self.title, fontsize=10)
        ax.legend(fontsize="small", frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)  # type: ignore[assignment]
        return self

    def _scale(self, ax: Axes) -> None:
        """A logarithmic axis where a linear one would press the error, floor and ceiling onto the bottom."""
        ax.set_ylim(0, None)
        ax.set_ylabel(f"error / {self.unit}")
        drawn = self.table[["error", "identity", "other"]].to_numpy(dtype=float)
        if ROUNDING < np.nanmin(drawn) < FLAT * np.nanmax(drawn):
            ax.set_ylim(0.5 * np.nanmin([*drawn.ravel(), self.floor, self.ceiling]), 2 * np.nanmax(drawn))
            ax.set_yscale("log")


def floor_of(report: Report, row: int) -> float:
    """The discretisation floor of a row; NaN where it was not measured."""
    return float(report.details["floor"].iloc[row]) if "floor" in report.details else math.nan


def _level(ax: Axes, value: float, color: str, style: Any, label: str) -> Any:
    return ax.axhline(value, color=color, linestyle=style, label=label) if math.isfinite(value) else None


def _title(coordinates: LatentCoordinates, block: int | None) -> str:
    return "all acting blocks" if block is None else block_name(coordinates, block)


def _unit(coordinates: LatentCoordinates) -> str:
    return "error of not acting" if coordinates.limited else "variance"
