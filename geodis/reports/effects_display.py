"""EffectsDisplay: a graph of what else moves when one factor is moved, and the section of a page that says it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from geodis.coordinates import LatentCoordinates
from geodis.errors import ParameterError
from geodis.metrics.cross_effects import Reembedding, cross_effects
from geodis.metrics.effect_matrix import CrossEffects
from geodis.orbits import Orbits
from geodis.palette import FAINT, FOUND, INK, NULL, SOFT
from geodis.reports.html import figure, paragraph, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THINNEST, WIDEST = 0.8, 4.2  # points, for effects of 0 and of 1
ROOM = 1.45  # of the drawing, around a circle of radius 1
TITLE = "What else moves when I move this"


@final
class EffectsDisplay:
    """Factors as nodes, effects of moving one on another as arrows, in scikit-learn's convention for displays.

    An arrow stands for an effect whose interval excludes that of no edit; it is dashed where any displacement as large
    does as much, and its width grows with the effect. Nodes that were moved are filled.

    Parameters
    ----------
    effects : CrossEffects
        What is drawn.

    Attributes
    ----------
    nodes_ : PathCollection
    arrows_ : list of FancyArrowPatch
        One an edge of `effects.graph()`, in its order.
    labels_ : list of Text
        The effects on the arrows.
    ax_, figure_
        Where it was drawn.

    Examples
    --------
    >>> one = np.array([[1.0, 0.2], [0.0, 1.0]])
    >>> yes, no = one > 0, one < 0
    >>> effects = CrossEffects(
    ...     ("hue", "angle"), ("hue", "angle"), one, one, one, 0 * one, 0 * one, yes, yes, np.zeros(2), 0.95, 9, 9, "ok"
    ... )
    >>> [text.get_text() for text in EffectsDisplay(effects).plot().labels_]
    ['0.20']
    """

    nodes_: Any
    arrows_: list[Any]
    labels_: list[Any]
    ax_: Axes
    figure_: Figure

    def __init__(self, effects: CrossEffects) -> None:
        self.effects = effects

    @classmethod
    def from_effects(cls, effects: CrossEffects) -> Self:
        """Of what `geodis.metrics.cross_effects` found.

        Raises
        ------
        ParameterError
            For something else.
        """
        if not isinstance(effects, CrossEffects):
            raise ParameterError("EffectsDisplay: effects", "CrossEffects", type(effects).__name__)
        return cls(effects)

    @classmethod
    def from_coordinates(
        cls,
        coordinates: LatentCoordinates,
        orbits: Orbits,
        reembed: Reembedding | None = None,
        *,
        level: float = 0.95,
        seed: int = 0,
    ) -> Self:
        """Of embeddings that the coordinates were not fitted on; see `geodis.metrics.cross_effects`.

        Raises
        ------
        GeodisError
            As `cross_effects`.
        """
        return cls(cross_effects(orbits, coordinates, reembed, level=level, seed=seed))

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw into `ax`, or into a new figure."""
        import matplotlib.pyplot as plt
        from matplotlib.patches import FancyArrowPatch

        if ax is None:
            _, ax = plt.subplots(figsize=(5.4, 4.6))
        graph = self.effects.graph()
        places = _circle(list(graph.nodes))
        xy = np.array(list(places.values()))
        filled = [FOUND if name in self.effects.sources else "white" for name in places]
        self.nodes_ = ax.scatter(xy[:, 0], xy[:, 1], s=420, c=filled, edgecolors=INK, zorder=3)
        for name, (x, y) in places.items():
            side = "center" if abs(x) < 0.3 else "left" if x > 0 else "right"
            ax.annotate(
                name, (x, y), (16 * x, 20 * y), textcoords="offset points", ha=side, va="center", color=INK, fontsize=10
            )
        self.arrows_, self.labels_ = [], []
        for source, target, edge in graph.edges(data=True):
            color = NULL if edge["specific"] else SOFT
            arrow = FancyArrowPatch(
                places[source], places[target], arrowstyle="-|>", mutation_scale=16, shrinkA=12, shrinkB=12,
                connectionstyle="arc3,rad=0.16", color=color, linestyle="-" if edge["specific"] else (0, (4, 3)),
                linewidth=THINNEST + (WIDEST - THINNEST) * min(1.0, edge["effect"]), zorder=2,
            )  # fmt: skip
            self.arrows_.append(ax.add_patch(arrow))
            x, y = _beside(places[source], places[target])
            text = ax.annotate(
                f"{edge['effect']:.2f}", (x, y), ha="center", va="center", fontsize=9, color=INK, zorder=4,
                bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": FAINT, "linewidth": 0.5},
            )  # fmt: skip
            self.labels_.append(text)
        ax.set_xlim(-ROOM, ROOM)
        ax.set_ylim(-ROOM, ROOM)
        ax.set_aspect("equal")
        ax.axis("off")
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)  # type: ignore[assignment]
        return self


def effects_section(effects: CrossEffects) -> tuple[str, str]:
    """The title and HTML of a section "what else moves when I move this", for `Report.to_html(sections=[...])`.

    Raises
    ------
    ParameterError
        For something else than `CrossEffects`.

    Examples
    --------
    >>> one, true = np.eye(1), np.ones((1, 1), dtype=bool)
    >>> alone = CrossEffects(
    ...     ("angle",), ("angle",), one, one, one, 0 * one, 0 * one, true, true, np.zeros(1), 0.95, 9, 9, "ok"
    ... )
    >>> effects_section(alone)[0]
    'What else moves when I move this'
    """
    display = EffectsDisplay.from_effects(effects)
    parts = [paragraph(effects.summary, kind="lead")]
    if effects.status != "degenerate":
        parts.append(
            figure(
                display.plot().figure_,
                "Filled: factors that were moved by the group. An arrow leads to what else moved, with its size in "
                "the movement of the source (in standard deviations); dashed where any edit as large does as much.",
                effects.summary,
            )
        )
    header = ["moved", *effects.targets, "missed by"]
    rows = [
        [name, *(_span(effects, i, j) for j in range(len(effects.targets))), effects.miss[i]]
        for i, name in enumerate(effects.sources)
    ]
    note = (
        "Root mean square movement of each column when the row's factor is moved by steps of its own orbit, relative "
        f"to the movement that was wanted, with {100 * effects.level:g} % intervals over items. The factor's own "
        "column is what came about of it; missed by: how far from the wanted place it landed."
    )
    return TITLE, "".join(parts) + table(header, rows) + paragraph(note, kind="note")


def _span(effects: CrossEffects, i: int, j: int) -> str:
    value, low, high = effects.effect[i, j], effects.low[i, j], effects.high[i, j]
    if not math.isfinite(value):
        return "–"
    return f"{value:.3f}" if not math.isfinite(low) else f"{value:.3f} ({low:.3f} – {high:.3f})"


def _circle(names: list[str]) -> dict[str, tuple[float, float]]:
    """Places on a circle from the top on, clockwise."""
    turns = 2 * np.pi * np.arange(len(names)) / max(1, len(names))
    return {name: (float(np.sin(t)), float(np.cos(t))) for name, t in zip(names, turns, strict=True)}


def _beside(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    """Not quite halfway along an arrow that bends to its right, so that two opposite ones keep apart."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    return start[0] + 0.42 * dx + 0.08 * dy, start[1] + 0.42 * dy - 0.08 * dx
