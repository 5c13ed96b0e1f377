"""MetricResult: a number with its interval, baselines and status."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from geodis.linalg import Array

Status = Literal["ok", "degenerate", "insufficient", "pose-only", "partial"]


@dataclass(frozen=True, eq=False)
class MetricResult:
    """A measured value with what is needed to judge it.

    Attributes
    ----------
    name : str
        The metric.
    value : float
        The estimate; NaN where the status says that there is none.
    ci : (float, float) or None
        Confidence interval at `level`; NaN ends where the design cannot give one, None where none applies.
    ci_method : str
        How the interval was made.
    level : float
        Its confidence level.
    n_items, n_group : int
        Items, and elements an item (the largest number, for ragged orbits; draws from the group, for group laws).
    baselines : dict of str to float
        The same metric of reference predictors: chance, identity, mean, relabelled, random_orthogonal, best_linear.
    floor : float or None
        The value that rounding alone can produce.
    skill : float or None
        0 at the better of the identity and mean baselines, 1 at the best linear map on unseen items.
    lower_is_better : bool
        Which way the metric points.
    status : {"ok", "degenerate", "insufficient", "pose-only", "partial"}
        ``degenerate``: codes without variation; ``insufficient``: one item or one element; ``pose-only``: the code is
        the same for all items; ``partial``: not all of a block is there.
    notes : tuple of str
        What else the reader must know.
    per_item : ndarray (n_items,) or None
        Contributions of the items; their mean is the value.
    per_g : ndarray (n_group,) or None
        Contributions of the elements of a crossed design, whose mean is the value; for group laws, of the draws.
    p_value : float or None
        p-value against the label-permuted null.

    Examples
    --------
    >>> print(MetricResult("error", 0.1, (0.05, 0.15), "two-way t", 0.95, 20, 8, {"identity": 0.9}))
    error = 0.1 [0.05, 0.15] (95 % two-way t; 20 items × 8 elements; identity 0.9; ok)
    """

    name: str
    value: float
    ci: tuple[float, float] | None
    ci_method: str
    level: float
    n_items: int
    n_group: int
    baselines: dict[str, float] = field(default_factory=dict)
    floor: float | None = None
    skill: float | None = None
    lower_is_better: bool = True
    status: Status = "ok"
    notes: tuple[str, ...] = ()
    per_item: Array | None = field(default=None, repr=False)
    per_g: Array | None = field(default=None, repr=False)
    p_value: float | None = None

    def __str__(self) -> str:
        """One line: value, interval, design, baselines, status."""
        interval = "" if self.ci is None else f" [{self.ci[0]:.3g}, {self.ci[1]:.3g}]"
        parts = [f"{100 * self.level:g} % {self.ci_method}"] if self.ci is not None else []
        parts.append(f"{self.n_items} items × {self.n_group} elements")
        if self.baselines:
            parts.append(", ".join(f"{name} {value:.3g}" for name, value in self.baselines.items()))
        if self.skill is not None:
            parts.append(f"skill {self.skill:.3g}")
        if self.p_value is not None:
            parts.append(f"p = {self.p_value:.3g}")
        return f"{self.name} = {self.value:.3g}{interval} ({'; '.join([*parts, self.status])})"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists that `json.dumps` takes; NaN and infinity become None.

        Examples
        --------
        >>> MetricResult("error", float("nan"), None, "", 0.95, 1, 8, status="insufficient").to_dict()["value"] is None
        True
        """
        return {
            "name": self.name,
            "value": _plain(self.value),
            "ci": None if self.ci is None else [_plain(end) for end in self.ci],
            "ci_method": self.ci_method,
            "level": self.level,
            "n_items": self.n_items,
            "n_group": self.n_group,
            "baselines": {name: _plain(value) for name, value in self.baselines.items()},
            "floor": _plain(self.floor),
            "skill": _plain(self.skill),
            "lower_is_better": self.lower_is_better,
            "status": self.status,
            "notes": list(self.notes),
            "per_item": _plain_list(self.per_item),
            "per_g": _plain_list(self.per_g),
            "p_value": _plain(self.p_value),
        }


def _plain(x: float | None) -> float | None:
    return None if x is None or not math.isfinite(x) else float(x)


def _plain_list(x: Array | None) -> list[float | None] | None:
    return None if x is None else [_plain(value) for value in np.asarray(x).tolist()]
