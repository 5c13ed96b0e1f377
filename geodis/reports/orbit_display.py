"""OrbitDisplay: the orbits of some items in the plane of a block, colored by the group element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self, final

import numpy as np
from sklearn.utils.validation import check_is_fitted

from geodis.errors import LengthError, ParameterError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.by_size import row_sizes
from geodis.orbits import Orbits
from geodis.palette import FAINT, INK, LINE, ramp, wheel
from geodis.reports.plane import block_name, checked_block, codes_of, plane_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

    from geodis.coordinates import LatentCoordinates
    from geodis.reports.report import Report

ITEMS = 40  # drawn in a plane
FEW_ITEMS = 8  # the same where no line follows the elements
APART = 0.3  # spread of the elements' mean points, relative to all points, from which on they are drawn
CLOSING = 1.5  # largest gap of a closed orbit, relative to the largest one between its elements
CROWDED = 0.15  # distance of two names, relative to the picture's radius, within which they become one
NAMED = 16  # elements of a crossed design that are named without being asked


class Shades(NamedTuple):
    """What the colors say: values `(N,)`, after which they are the same again (None for a ramp), and in words."""

    values: Array
    period: float | None
    label: str


@final
class OrbitDisplay:
    """Points of orbits with lines that join those of one item, in scikit-learn's convention for displays.

    Build it with `from_coordinates`, `from_estimator` or `from_report`. A block of two rows is drawn as it is, a larger
    one in its first two principal directions, a block of one row against the colored value. Where the group has one
    parameter, the lines follow it; otherwise they join the points with their mean.

    Parameters
    ----------
    points : ndarray (N, 2)
        Where each row is drawn.
    items : ndarray (N,)
        Rows of one item are joined.
    shades : Shades
        The color of each row.
    names : (str, str)
        Labels of the axes.
    title : str
    lines : sequence of ndarray (k, 2)
        What joins each item's points.
    means : ndarray (m, 2), optional
        Mean points of the elements of a crossed design.
    labels : sequence of str, optional
        The names of these elements.
    path : ndarray (k, 2), optional
        The line through the means, where the elements follow each other.
    plane : bool
        Whether both axes have the same unit.

    Attributes
    ----------
    scatter_ : PathCollection
        The points.
    lines_ : LineCollection
        The lines.
    means_ : Line2D or None
        Mean codes of a crossed design.
    colorbar_ : Colorbar or None
    ax_, figure_
        Where it was drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import LinearCoordinates, Orbits
    >>> from geodis.groups import SO2
    >>> angle = SO2().orbit(40, 12).reshape(-1, 1)
    >>> start = np.repeat(np.random.default_rng(0).uniform(0, 6.28, (40, 1)), 12, axis=0)
    >>> orbits = Orbits.from_arrays(
    ...     np.hstack([np.cos(angle + start), np.sin(angle + start)]), angle, np.repeat(np.arange(40), 12), SO2()
    ... )
    >>> est = LinearCoordinates(SO2()).fit_orbits(orbits)
    >>> OrbitDisplay.from_coordinates(est.coordinates_, orbits).plot().ax_.get_title()
    'm=1'
    """

    scatter_: Any
    lines_: Any
    means_: Any
    colorbar_: Colorbar | None
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        points: Array,
        items: Array,
        shades: Shades,
        *,
        names: tuple[str, str],
        title: str = "",
        lines: Sequence[Array] = (),
        means: Array | None = None,
        labels: Sequence[str] | None = None,
        path: Array | None = None,
        plane: bool = True,
    ) -> None:
        self.points = points
        self.items = items
        self.shades = shades
        self.names = names
        self.title = title
        self.lines = lines
        self.means = means
        self.labels = labels
        self.path = path
        self.plane = plane

    @classmethod
    def from_coordinates(
        cls,
        coordinates: LatentCoordinates,
        orbits: Orbits,
        block: int = 0,
        *,
        colour: Any = None,
        labels: Sequence[str] | None = None,
        max_items: int | None = None,
        title: str | None = None,
    ) -> Self:
        """Of embeddings under coordinates.

        Parameters
        ----------
        coordinates : LatentCoordinates
            Where the block comes from.
        orbits : Orbits
            Embeddings of items under the coordinates' group.
        block : int
            Index into `coordinates.blocks`.
        colour : int or array (N,), optional
            Which parameter is shown as color, or a value a row. By default the parameter of a group that has one, the
            size of the element of the others.
        labels : sequence of str, optional
            Names of the elements of a crossed design; by default their parameters, where there are few and their mean
            points are apart.
        max_items : int, optional
            Items that are drawn, evenly spaced; by default 40, and 8 for groups of several parameters.
        title : str, optional
            The block's name by default.

        Raises
        ------
        ParameterError, ShapeError, LengthError, FiniteError
            For no such block, orbits of another group or dimension, colors or labels that fit no row or element.
        """
        checked_block(coordinates, block, "OrbitDisplay")
        codes = codes_of(coordinates, orbits, "OrbitDisplay")
        return cls._of_codes(coordinates, codes, block, colour, labels, max_items, title)

    @classmethod
    def from_estimator(cls, estimator: Any, Z: Any, params: Any, *, items: Any, block: int = 0, **options: Any) -> Self:
        """Of embeddings `(N, D)`, elements `(N, p)` and items `(N,)` under a fitted `LinearCoordinates`.

        `options` are those of `from_coordinates`.

        Raises
        ------
        NotFittedError, GeodisError
            Before the fit; as `Orbits.from_arrays` and `from_coordinates`.
        """
        check_is_fitted(estimator, "coordinates_")
        orbits = Orbits.from_arrays(Z, params, items, estimator.group)
        return cls.from_coordinates(estimator.coordinates_, orbits, block, **options)

    @classmethod
    def from_report(cls, report: Report, block: int = 0, *, colour: Any = None, labels: Any = None) -> Self:
        """Of the unseen items of a report, with the block's error in the title."""
        checked_block(report.coordinates, block, "OrbitDisplay")
        error = float(report.rows.value.iloc[block])
        title = f"{block_name(report.coordinates, block)}   error {error:.3f}"
        return cls._of_codes(report.coordinates, report.codes, block, colour, labels, None, title)

    @classmethod
    def _of_codes(
        cls,
        coordinates: LatentCoordinates,
        codes: Orbits,
        block: int,
        colour: Any,
        labels: Sequence[str] | None,
        max_items: int | None,
        title: str | None,
    ) -> Self:
        most = (ITEMS if codes.group.n_params == 1 else FEW_ITEMS) if max_items is None else max_items
        if isinstance(most, bool) or not isinstance(most, (int, np.integer)) or most < 1:
            raise ParameterError("OrbitDisplay: max_items", "an integer ≥ 1", max_items)
        mine = coordinates.blocks[block]
        shades = _shades(codes, colour)
        own = codes.z[:, mine.columns]
        plane = plane_of(own, mine)
        points, names = plane.points(own), plane.names
        if points.shape[1] == 1:
            points, names = np.column_stack([shades.values, points]), (shades.label, plane.names[0])
        chosen = codes.labels[:: -(-codes.n_items // most)]
        shown = np.isin(codes.items, chosen)
        period = codes.group.periods[0] if mine.irrep.dim > 1 else None
        lines = [_line(points[codes.items == x], codes.params[codes.items == x], period) for x in chosen]
        means, named = _means(codes, points, labels)
        joined = means is not None and codes.group.n_params == 1
        return cls(
            points[shown],
            codes.items[shown],
            shades._replace(values=shades.values[shown]),
            names=(names[0], names[1]),
            title=block_name(coordinates, block) if title is None else title,
            lines=lines,
            means=means,
            labels=named,
            path=_line(means, codes.params[: len(means)], period) if joined and means is not None else None,
            plane=mine.irrep.dim > 1,
        )

    def plot(self, ax: Axes | None = None, *, colorbar: bool = False) -> Self:
        """Draw into `ax`, or into a new figure; `colorbar` explains the colors beside it."""
        import matplotlib.pyplot as plt
        from matplotlib.collections import LineCollection

        if ax is None:
            _, ax = plt.subplots(figsize=(4.4, 4.4))
        low, high = self.limits
        values = np.mod(self.shades.values, high) if self.shades.period else self.shades.values
        self.lines_ = ax.add_collection(LineCollection(list(self.lines), colors=FAINT, linewidths=0.5, alpha=0.45))
        cmap = wheel() if self.shades.period else ramp()
        self.scatter_ = ax.scatter(
            self.points[:, 0], self.points[:, 1], c=values, cmap=cmap, vmin=low, vmax=high, s=12, linewidths=0, zorder=2
        )
        self.means_ = None if self.means is None else self._draw_means(ax, self.means)
        self._frame(ax)
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)  # type: ignore[assignment]
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(self.scatter_, ax=ax, label=self.shades.label, fraction=0.046)
        return self

    @property
    def limits(self) -> tuple[float, float]:
        """The values at both ends of the color map."""
        if self.shades.period is not None:
            return 0.0, self.shades.period
        low, high = float(self.shades.values.min()), float(self.shades.values.max())
        return low, high if high > low else low + 1.0

    def _draw_means(self, ax: Axes, means: Array) -> Any:
        if self.path is not None:
            ax.plot(*self.path.T, color=INK, linewidth=1.3, zorder=3)
        (line,) = ax.plot(*means.T, color=INK, linestyle="none", marker="o", markersize=3.5, zorder=3)
        return line

    def _frame(self, ax: Axes) -> None:
        if self.plane:
            radius = 1.15 * (float(np.abs(self.points).max(initial=0.0)) or 1.0)
            if self.labels is not None and self.means is not None:
                _annotate(self.means, self.labels, radius / 1.15, ax)
                radius *= 1.04
            ax.set(xlim=(-radius, radius), ylim=(-radius, radius), aspect="equal")
            ax.set_xticks([])
            ax.set_yticks([])
        ax.set_xlabel(self.names[0], fontsize=8)
        ax.set_ylabel(self.names[1], fontsize=8)
        ax.spines[:].set_color(LINE)
        ax.set_title(self.title, fontsize=10)


def _shades(codes: Orbits, colour: Any) -> Shades:
    group = codes.group
    if colour is None and group.n_params > 1:
        return Shades(row_sizes(codes), None, f"size of the element of {group!r}")
    if colour is None or isinstance(colour, (int, np.integer)):
        index = 0 if colour is None else int(colour)
        if isinstance(colour, bool) or not 0 <= index < group.n_params:
            raise ParameterError("OrbitDisplay: colour", f"a parameter 0 … {group.n_params - 1} of {group!r}", colour)
        which = f"parameter {index + 1} of " if group.n_params > 1 else "element of "
        return Shades(codes.params[:, index], group.periods[index], f"{which}{group!r}")
    values = to_numpy(colour)
    if values.ndim != 1 or values.dtype.kind not in "iufb":
        raise ParameterError("OrbitDisplay: colour", "a parameter's index or numbers (N,)", colour)
    if len(values) != len(codes):
        raise LengthError(colour=len(values), orbits=len(codes))
    check_finite(values, "OrbitDisplay: colour")
    return Shades(values.astype(np.float64), None, "color")


def _line(points: Array, params: Array, period: float | None) -> Array:
    """Along the parameter if there is one, closed after a full period; otherwise from the mean to each point."""
    if params.shape[1] > 1:
        mean = np.broadcast_to(points.mean(axis=0), points.shape)
        return np.stack([mean, points], axis=1).reshape(-1, 2)
    order = np.argsort(params[:, 0], kind="stable")
    values, path = params[order, 0], points[order]
    gap = np.diff(values).max(initial=0.0)
    closed = period is not None and period - np.ptp(values) <= CLOSING * gap
    return np.concatenate([path, path[:1]]) if closed else path


def _means(codes: Orbits, points: Array, labels: Sequence[str] | None) -> tuple[Array | None, list[str] | None]:
    """Mean points of the elements of a crossed design, and their names."""
    if not codes.crossed:
        if labels is not None:
            raise ParameterError("OrbitDisplay: labels", "none for items that do not share their elements", labels)
        return None, None
    means = points.reshape(codes.n_items, -1, 2).mean(axis=0)
    if labels is not None:
        if len(labels) != len(means):
            raise LengthError(labels=len(labels), elements=len(means))
        return means, [str(label) for label in labels]
    if means[:, 1].std() < APART * points[:, 1].std():
        return None, None
    if len(means) > NAMED:
        return means, None
    return means, [", ".join(f"{x:.3g}" for x in element) for element in codes.params[: len(means)]]


def _annotate(means: Array, labels: Sequence[str], radius: float, ax: Axes) -> None:
    """Names outside all dots, in the direction of the mean point, with a thin line to it; those that meet share one."""
    places: list[Array] = []
    names: list[str] = []
    for name, point in zip(labels, means, strict=True):
        place = 1.06 * radius * point / max(float(np.linalg.norm(point)), 1e-12)
        ax.plot(*np.stack([point, 0.93 * place]).T, color=INK, linewidth=0.5, alpha=0.5, zorder=3)
        near = [i for i, other in enumerate(places) if np.linalg.norm(place - other) < CROWDED * radius]
        if near:
            names[near[0]] += f", {name}"
        else:
            places.append(place)
            names.append(name)
    for name, place in zip(names, places, strict=True):
        ax.annotate(name, (place[0], place[1]), ha="center", va="center", fontsize=9, fontweight="bold", zorder=4)
