"""MetricEntry: what one must know of a metric before one believes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MetricEntry:
    """One metric of `geodis.metrics` in words; `CATALOGUE` holds one for each.

    Attributes
    ----------
    function : callable
        The metric.
    family : str
        What it is about.
    formula : str
        In words and unicode, as the docstring's first line.
    range : str
        Possible values, and which end is good.
    null : str
        What codes that know nothing score.
    pitfalls : str
        When not to believe it, or its published form.
    reference : str
        Where it was published; ``geodis`` for a definition of our own.

    Examples
    --------
    >>> MetricEntry(abs, "size", "|x|", "[0, ∞)", "0", "none", "geodis").name
    'abs'
    """

    function: Callable[..., Any]
    family: str
    formula: str
    range: str
    null: str
    pitfalls: str
    reference: str

    @property
    def name(self) -> str:
        """The function's name in `geodis.metrics`."""
        return self.function.__name__

    def to_dict(self) -> dict[str, str]:
        """Name and texts that `json.dumps` takes.

        Examples
        --------
        >>> MetricEntry(abs, "size", "|x|", "[0, ∞)", "0", "none", "geodis").to_dict()["null"]
        '0'
        """
        return {
            "name": self.name,
            "family": self.family,
            "formula": self.formula,
            "range": self.range,
            "null": self.null,
            "pitfalls": self.pitfalls,
            "reference": self.reference,
        }
