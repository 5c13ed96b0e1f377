"""Certificate: "with confidence 95 % the error on unseen items is below δ", granted or refused with the reason."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

SIGNAL_FLOOR = 0.01  # an orbit signal below it: nothing moves, and not moving is no equivariance


@dataclass(frozen=True)
class Certificate:
    """Whether the error of all blocks is below `delta`.

    Attributes
    ----------
    granted : bool
    delta, level : float
        The claim.
    error, upper : float
        The estimate and its one-sided upper confidence bound at `level`.
    orbit_signal : float
        How far the group moves the coordinates, relative to the distance of items.
    reason : str
        Why it was refused; empty when granted.
    """

    granted: bool
    delta: float
    level: float
    error: float
    upper: float
    orbit_signal: float
    reason: str

    def __str__(self) -> str:
        """One sentence."""
        if self.granted:
            return (
                f"With confidence {100 * self.level:g} % the equivariance error on unseen items is below "
                f"{self.delta:g} (estimate {self.error:.3g}, upper bound {self.upper:.3g}; orbit signal "
                f"{self.orbit_signal:.3g})."
            )
        return f"No certificate for an error below {self.delta:g} at {100 * self.level:g} %: {self.reason}."

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(self).items()}


def certificate_of(
    delta: float, level: float, error: float, upper: float, signal: float, reason: str | None
) -> Certificate:
    """Grant when the upper bound is below delta and the orbit signal above its floor."""
    if reason is None:
        if not math.isfinite(upper):
            reason = "too few items or elements for an upper bound"
        elif not (math.isfinite(signal) and signal > SIGNAL_FLOOR):
            reason = f"the orbit signal {signal:.2g} is at its floor, the group moves nothing"
        elif upper >= delta:
            reason = f"the upper bound is {upper:.3g} (estimate {error:.3g})"
    return Certificate(reason is None, delta, level, error, upper, signal, reason or "")
