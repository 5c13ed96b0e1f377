"""Certificate: "with confidence 95 % the error on unseen items and elements is below δ", granted or refused."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from geodis.errors import FileFormatError
from geodis.files import write_atomically
from geodis.reports.certificate_schema import FORMAT, SCHEMA, VERSION, schema_violations

SIGNAL_FLOOR = 0.01  # an orbit signal below it: nothing moves, and not moving is no equivariance
SAME_ITEM = 0.9  # an item-specific error above it: other items predict a code about as well as its own

Cause = Literal["", "no block", "insufficient", "degenerate", "limited", "pose-only", "invariant", "bound"]


@dataclass(frozen=True)
class Certificate:
    """Whether the error of all blocks is below `delta`.

    Attributes
    ----------
    granted : bool
    delta, level : float
        The claim.
    error, upper : float
        The estimate and its one-sided upper confidence bound at `level`; NaN where there is none.
    orbit_signal : float
        How far the group moves the coordinates, relative to the distance of items.
    reason : str
        Why it was refused, in words; empty when granted.
    cause : str
        The same as a name: ``no block`` (that the group moves was kept), ``insufficient`` (too few items or elements),
        ``degenerate`` (nothing varies), ``limited`` (an invariant code would do well on these elements), ``pose-only``
        (one code for all items), ``invariant`` (the orbit signal is at its floor), ``bound`` (the upper bound is not
        below delta); empty when granted.
    metric : {"equivariance error", "error / identity"}
        What the error is relative to: the variance, or not acting (coordinates of limited designs).
    signal_lower : float
        The one-sided lower confidence bound of the orbit signal.
    item_error : float
        The error relative to the mismatch of different items; near 1 any other item predicts as well.
    worst_upper : float
        Crossed designs: an upper bound that holds for every tested element at once; NaN otherwise.
    worst_element : tuple of float or None
        The parameters of the element that has it.
    group : str
    design : {"crossed", "nested"}
        Whether items and elements (crossed), or clusters of items, are what the bound resamples.
    method : str
        How the bound was made.
    n_items, n_clusters, n_elements : int

    Examples
    --------
    >>> certificate = Certificate(True, 0.2, 0.95, 0.1, 0.15, 1.0, "", group="SO2()", n_items=30, n_elements=12)
    >>> print(certificate)
    With confidence 95 % the equivariance error on unseen items and elements of SO2() is below 0.2 (estimate 0.1, ...).
    >>> Certificate.from_json(certificate.to_json()).granted
    True
    """

    granted: bool
    delta: float
    level: float
    error: float
    upper: float
    orbit_signal: float
    reason: str
    cause: Cause = ""
    metric: str = "equivariance error"
    signal_lower: float = math.nan
    item_error: float = math.nan
    worst_upper: float = math.nan
    worst_element: tuple[float, ...] | None = None
    group: str = ""
    design: str = "nested"
    method: str = ""
    n_items: int = 0
    n_clusters: int = 0
    n_elements: int = 0

    def __str__(self) -> str:
        """One sentence."""
        if not self.granted:
            return f"No certificate for an error below {self.delta:g} at {100 * self.level:g} %: {self.reason}."
        relative = self.metric == "error / identity"
        unit = "error relative to not acting" if relative else "equivariance error"
        of_group = f" of {self.group}" if self.group else ""
        drawn = " drawn as the tested ones" if relative else ""
        facts = [f"estimate {self.error:.3g}, upper bound {self.upper:.3g}"]
        if math.isfinite(self.worst_upper):
            facts.append(f"below {self.worst_upper:.3g} at every tested element")
        facts.append(f"orbit signal {self.orbit_signal:.3g}")
        if self.item_error > SAME_ITEM:
            facts.append(f"but item-specific error {self.item_error:.2g}: any other item predicts as well")
        return (
            f"With confidence {100 * self.level:g} % the {unit} on unseen items and elements{of_group}{drawn} is below "
            f"{self.delta:g} ({'; '.join(facts)})."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, as `schema` says; NaN becomes None."""
        content = {"format": FORMAT, "version": VERSION, **asdict(self)}
        content["worst_element"] = None if self.worst_element is None else list(self.worst_element)
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in content.items()}

    @staticmethod
    def schema() -> dict[str, Any]:
        """The JSON schema (draft 2020-12) that `to_dict` follows."""
        return deepcopy(SCHEMA)

    def to_json(self, path: str | Path | None = None) -> str:
        """JSON text with a format and a version; also written to `path` if given."""
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        if path is not None:
            write_atomically(path, lambda temporary: _write(temporary, text))
        return text

    @classmethod
    def from_json(cls, source: str | Path) -> Certificate:
        """Read what `to_json` wrote: its text, or a path to it.

        Raises
        ------
        FileFormatError
            For a text that is not JSON, of another version, or that does not follow the schema.
        FileNotFoundError
            For a path without a file.
        """
        inline = isinstance(source, str) and source.lstrip().startswith("{")
        where = "certificate" if inline else source
        text = str(source) if inline else Path(source).read_text(encoding="utf-8")
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise FileFormatError(where, "JSON", str(error)) from error
        found = schema_violations(content)
        if found:
            raise FileFormatError(where, f"a certificate of version {VERSION}", "; ".join(found[:3]))
        worst = content.pop("worst_element")
        values: dict[str, Any] = {
            k: math.nan if v is None else v for k, v in content.items() if k not in ("format", "version")
        }
        return cls(**values, worst_element=None if worst is None else tuple(worst))


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="utf-8")
