"""EditDisplay: codes before an edit, edited by the linear action, and those of the item that was really moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from geodis.errors import DesignError, LengthError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.orbits import Orbits
from geodis.palette import FAINT, FOUND, INK, LINE, NULL
from geodis.reports.edits import edited_nearest
from geodis.reports.plane import Plane, block_name, checked_block, codes_of, plane_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from geodis.coordinates import LatentCoordinates
    from geodis.reports.report import Report

SHOWN = 8  # edits that one picture holds
CHANNELS = 3  # of a picture in color
ROWS = ("before", "truth", "nearest to the edit")


@final
class EditDisplay:
    """Edits between two rows of the same item, for any group, in scikit-learn's convention for displays.

    `plot` draws arrows from the codes before to the edited ones, and a thin line on to the codes of the moved item.
    `plot_images` shows pictures, `to_frame` words: the item before, truly moved, and the one whose embedding is nearest
    (cosine) to the edited embedding.

    Parameters
    ----------
    before, edited, truth : ndarray (n, 2)
        Points in the plane of the block.
    source, target : ndarray (n,)
        Rows of the orbits: edited is `source`, moved to where `target` was seen.
    step : ndarray (n, p)
        The element between them.
    found : ndarray (n,), optional
        The row whose embedding is nearest to the edited one.
    images : ndarray (N, H, W) or (N, H, W, 3), optional
        Pictures of all rows of the orbits, gray or red, green and blue in [0, 1].
    texts : sequence of str, optional
        Words for all rows of the orbits.
    names : (str, str)
        Labels of the axes.
    title : str
    plane : bool
        Whether both axes have the same unit; a block of one row is drawn over the number of the edit.

    Attributes
    ----------
    before_, edited_, truth_ : PathCollection
        Points before, edited, and of the moved items.
    arrows_ : Quiver
    ax_, axes_, figure_
        Where it was drawn: `axes_` (3, n) by `plot_images`.

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
    >>> train, test = orbits.split(0.5)
    >>> display = EditDisplay.from_coordinates(LinearCoordinates(SO2()).fit_orbits(train).coordinates_, test)
    >>> bool(np.allclose(display.edited, display.truth, atol=1e-6))
    True
    """

    before_: Any
    edited_: Any
    truth_: Any
    arrows_: Any
    axes_: Any
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        before: Array,
        edited: Array,
        truth: Array,
        source: Array,
        target: Array,
        step: Array,
        *,
        found: Array | None = None,
        images: Array | None = None,
        texts: Sequence[str] | None = None,
        names: tuple[str, str] = ("", ""),
        title: str = "",
        plane: bool = True,
    ) -> None:
        self.before = before
        self.edited = edited
        self.truth = truth
        self.source = source
        self.target = target
        self.step = step
        self.found = found
        self.images = images
        self.texts = texts
        self.names = names
        self.title = title
        self.plane = plane

    @classmethod
    def from_coordinates(
        cls,
        coordinates: LatentCoordinates,
        orbits: Orbits,
        block: int = 0,
        *,
        images: Any = None,
        texts: Sequence[str] | None = None,
        n_edits: int = SHOWN,
        seed: int = 0,
    ) -> Self:
        """Of unseen embeddings: some pairs of rows, each of another item, as far as there are so many.

        Parameters
        ----------
        coordinates : LatentCoordinates
            All blocks edit; one is drawn.
        orbits : Orbits
            Embeddings that the coordinates were not fitted on.
        block : int
            Index into `coordinates.blocks`: the block that is drawn.
        images : array (N, H, W) or (N, C, H, W), optional
            Pictures of the orbits' rows; three channels are red, green and blue, of another number the first is shown.
        texts : sequence of str, optional
            Words for the orbits' rows.
        n_edits : int
            How many edits are shown.
        seed : int
            Seed of the choice.

        Raises
        ------
        ParameterError, ShapeError, LengthError
            For no such block, orbits of another group or dimension, images or texts that are not one a row.
        DesignError
            When no item has two rows.
        """
        checked_block(coordinates, block, "EditDisplay")
        codes = codes_of(coordinates, orbits, "EditDisplay")
        pictures = _images(images, len(orbits))
        if texts is not None and len(texts) != len(orbits):
            raise LengthError(texts=len(texts), orbits=len(orbits))
        source, target = _pairs(codes, n_edits, seed)
        step = _steps(codes, source, target)
        z = orbits.z.astype(np.float64)
        found = edited_nearest(coordinates, z, source, step)
        points = _points(coordinates, codes, block, source, target, step)
        return cls(
            *points[:3], source, target, step, found=found, images=pictures, texts=texts, names=points[3],
            title=block_name(coordinates, block), plane=coordinates.blocks[block].irrep.dim > 1,
        )  # fmt: skip

    @classmethod
    def from_estimator(cls, estimator: Any, Z: Any, params: Any, *, items: Any, **options: Any) -> Self:
        """Of embeddings `(N, D)`, elements `(N, p)` and items `(N,)`, sorted by item, under a fitted estimator.

        `options` are those of `from_coordinates`.

        Raises
        ------
        NotFittedError, GeodisError
            Before the fit; as `Orbits.from_arrays` and `from_coordinates`.
        """
        check_is_fitted(estimator, "coordinates_")
        orbits = Orbits.from_arrays(Z, params, items, estimator.group)
        return cls.from_coordinates(estimator.coordinates_, orbits, **options)

    @classmethod
    def from_report(cls, report: Report, block: int = 0, *, n_edits: int = SHOWN, seed: int = 0) -> Self:
        """Of the codes of a report's unseen items; it holds no embeddings, so that no nearest row is looked for.

        Raises
        ------
        ParameterError, DesignError
            For no such block, or no item with two rows.
        """
        checked_block(report.coordinates, block, "EditDisplay")
        source, target = _pairs(report.codes, n_edits, seed)
        step = _steps(report.codes, source, target)
        points = _points(report.coordinates, report.codes, block, source, target, step)
        return cls(
            *points[:3], source, target, step, names=points[3], title=block_name(report.coordinates, block),
            plane=report.coordinates.blocks[block].irrep.dim > 1,
        )  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the codes into `ax`, or into a new figure."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(4.6, 4.6))
        for edited, truth in zip(self.edited, self.truth, strict=True):
            ax.plot(*np.stack([edited, truth]).T, color=NULL, linewidth=1.0, zorder=2)
        self.arrows_ = ax.quiver(
            *self.before.T, *(self.edited - self.before).T, angles="xy", scale_units="xy", scale=1, color=FAINT,
            width=0.005, headwidth=5, zorder=1,
        )  # fmt: skip
        self.before_ = ax.scatter(
            self.before[:, 0], self.before[:, 1], s=34, facecolors="none", edgecolors=INK, label="before", zorder=3
        )
        self.edited_ = ax.scatter(self.edited[:, 0], self.edited[:, 1], s=34, color=FOUND, label="edited", zorder=3)
        self.truth_ = ax.scatter(
            self.truth[:, 0], self.truth[:, 1], s=44, color=NULL, marker="x", label="truly moved", zorder=4
        )
        if self.plane:
            points = np.concatenate([self.before, self.edited, self.truth])
            radius = 1.15 * (float(np.abs(points).max(initial=0.0)) or 1.0)
            ax.set(xlim=(-radius, radius), ylim=(-radius, radius), aspect="equal")
        ax.set_xlabel(self.names[0], fontsize=8)
        ax.set_ylabel(self.names[1], fontsize=8)
        ax.spines[:].set_color(LINE)
        ax.set_title(self.title, fontsize=10)
        ax.legend(fontsize="small", frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.1))
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)  # type: ignore[assignment]
        return self

    def plot_images(self, axes: Any = None) -> Self:
        """Draw three rows of pictures, one column an edit, into `axes` (3, n), or into a new figure.

        Raises
        ------
        ParameterError, ShapeError
            Without images, or for axes of another shape.
        """
        import matplotlib.pyplot as plt

        if self.images is None or self.found is None:
            raise ParameterError("EditDisplay.plot_images", "images, given to from_coordinates", "none")
        n = len(self.source)
        if axes is None:
            fig, axes = plt.subplots(3, n, figsize=(1.0 * n + 1.1, 3.4), squeeze=False)
            fig.subplots_adjust(wspace=0.08, hspace=0.25, left=1.1 / (n + 1.1), right=0.99)
        if np.shape(axes) != (3, n):
            raise ShapeError("EditDisplay.plot_images: axes", f"(3, {n})", np.shape(axes))
        low, high = float(self.images.min()), float(self.images.max())
        for line, name, rows in zip(axes, ROWS, (self.source, self.target, self.found), strict=True):
            for ax, row in zip(line, rows, strict=True):
                ax.imshow(self.images[row], cmap="gray", vmin=low, vmax=high)
                ax.set_xticks([])
                ax.set_yticks([])
                ax.spines[:].set_color(LINE)
            line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
        for ax, right in zip(axes[2], self.right, strict=True):
            ax.set_xlabel("✓" if right else "✗", fontsize=9)
        self.axes_, self.ax_, self.figure_ = axes, axes[0, 0], axes[0, 0].get_figure(root=True)
        return self

    @property
    def right(self) -> Array:
        """Whether the nearest row is the truly moved one."""
        if self.found is None:
            raise ParameterError("EditDisplay.right", "embeddings, as from_coordinates has them", "codes only")
        return np.asarray(self.found == self.target)

    def to_frame(self) -> pd.DataFrame:
        """One row an edit: before, element, truth, nearest, right; rows' numbers where there are no texts."""
        if self.found is None:
            raise ParameterError("EditDisplay.to_frame", "embeddings, as from_coordinates has them", "codes only")
        rows = pd.DataFrame({"before": self.source, "truth": self.target, "nearest": self.found})
        if self.texts is not None:
            rows = rows.map(self.texts.__getitem__)
        rows.insert(1, "element", [", ".join(f"{x:.3g}" for x in g) for g in self.step])
        return rows.assign(right=self.right)


def _pairs(codes: Orbits, n_edits: int, seed: int) -> tuple[Array, Array]:
    """Rows `(n,)` of one item before and after, items without repetition."""
    if isinstance(n_edits, bool) or not isinstance(n_edits, (int, np.integer)) or n_edits < 1:
        raise ParameterError("EditDisplay: n_edits", "an integer ≥ 1", n_edits)
    rng = np.random.default_rng(seed)
    several = np.flatnonzero(codes.sizes >= 2)
    if not len(several):
        raise DesignError("EditDisplay: expected an item with two rows at least, every item has one.")
    starts = np.cumsum([0, *codes.sizes[:-1]])
    chosen = np.sort(rng.choice(several, min(n_edits, len(several)), replace=False))
    rows = np.array([starts[i] + rng.choice(codes.sizes[i], 2, replace=False) for i in chosen])
    return rows[:, 0], rows[:, 1]


def _steps(codes: Orbits, source: Array, target: Array) -> Array:
    group = codes.group
    return np.asarray(group.compose(codes.params[target], group.inverse(codes.params[source])))


def _points(
    coordinates: LatentCoordinates, codes: Orbits, block: int, source: Array, target: Array, step: Array
) -> tuple[Array, Array, Array, tuple[str, str]]:
    mine = coordinates.blocks[block]
    plane = plane_of(codes.z[:, mine.columns], mine)
    moved = np.asarray(coordinates.act(codes.z[source], step))
    before, edited, truth = (_drawn(plane, c[:, mine.columns]) for c in (codes.z[source], moved, codes.z[target]))
    names = (plane.names[0], plane.names[1]) if len(plane.names) == 2 else ("edit", plane.names[0])
    return before, edited, truth, names


def _drawn(plane: Plane, codes: Array) -> Array:
    """Points of the plane; a block of one row is drawn over the number of the edit."""
    points = plane.points(codes)
    return points if points.shape[1] == 2 else np.column_stack([np.arange(len(points)), points])


def _images(images: Any, n: int) -> Array | None:
    """Gray pictures `(N, H, W)`, or colored ones `(N, H, W, 3)` scaled to [0, 1]."""
    if images is None:
        return None
    pictures = to_numpy(images)
    if pictures.ndim not in (3, 4) or pictures.dtype.kind not in "iufb" or 0 in pictures.shape:
        raise ShapeError("EditDisplay: images", "(N, H, W) or (N, C, H, W), numbers", pictures.shape)
    if len(pictures) != n:
        raise LengthError(images=len(pictures), orbits=n)
    check_finite(pictures, "EditDisplay: images")
    if pictures.ndim == 3:
        return pictures
    if pictures.shape[1] != CHANNELS:
        return pictures[:, 0]
    low, high = float(pictures.min()), float(pictures.max())
    return np.moveaxis((pictures - low) / (high - low or 1.0), 1, -1)
