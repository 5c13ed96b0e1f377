"""Galilei boosts: a cloud of moving points seen from a frame that moves at another constant velocity."""

from __future__ import annotations

from typing import final

import numpy as np

from geodis.actions.points import AbstractPointAction
from geodis.errors import ParameterError
from geodis.groups import Translation
from geodis.linalg import Array


@final
class GalileiAction(AbstractPointAction):
    """Shifts a and boosts u of clouds at time t: x ↦ x + a + u t, v ↦ v + u; everything else stays.

    Of an emulator's input t = 0, of its output t = Δt: a map that commutes with both follows Galilei's principle.

    Parameters
    ----------
    dim : int
        The dimension d of space.
    time : float
        When the cloud is seen, in the unit in which velocities are lengths per time.
    vectors, scalars : int
        What a point holds: its position, its velocity, further d-vectors that stay, then other numbers.
    spread : float
        Standard deviation of sampled shifts and velocities.

    Raises
    ------
    ParameterError
        For options out of range, fewer than two vectors, a time that is no finite number, items that are no floats.
    ShapeError
        In `act`, for items with another number of channels.

    Examples
    --------
    >>> cloud = np.array([[[0.0, 1.0]]])  # in one dimension: a position and a velocity
    >>> GalileiAction(1, time=2.0).act([[10.0, 3.0]], cloud).tolist()
    [[[16.0, 4.0]]]
    """

    def __init__(self, dim: int, time: float = 0.0, vectors: int = 2, scalars: int = 0, spread: float = 1.0) -> None:
        super().__init__(dim, vectors, scalars)
        if self.vectors < 2:
            raise ParameterError("vectors", "at least two: positions and velocities", vectors)
        if isinstance(time, bool) or not isinstance(time, (int, float)) or not np.isfinite(time):
            raise ParameterError("time", "a finite number", repr(time))
        self.time = float(time)
        self.group = Translation(2 * self.dim, spread=spread)

    def _move(self, params: Array, items: Array) -> Array:
        shift, boost = params[:, None, : self.dim], params[:, None, self.dim :]
        moved = items.astype(np.float64)
        moved[..., : self.dim] += shift + boost * self.time
        moved[..., self.dim : 2 * self.dim] += boost
        return moved

    def __repr__(self) -> str:
        return f"GalileiAction({self.dim}, time={self.time:g}, {self._options()}, group={self.group!r})"
