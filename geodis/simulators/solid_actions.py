"""How groups move solids: the pose, the hue and the light, each by itself or several at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from geodis.actions import AbstractAction
from geodis.errors import ParameterError
from geodis.groups import SO2, SO3
from geodis.groups.product import Product
from geodis.linalg import Array
from geodis.simulators.solids import Solids, joined


@final
class OutOfPlane(AbstractAction):
    """Turn solids about the image's vertical axis by θ [rad]: SO(2), out of the image plane.

    What faces the viewer moves to the right for θ > 0. The light and the camera stay.
    """

    def __init__(self) -> None:
        self.group = SO2()

    def __repr__(self) -> str:
        return "OutOfPlane()"

    def _act(self, params: Array, items: Any) -> Solids:
        return joined(items).rotated(about_vertical(params[:, 0]))


@final
class Orientation(AbstractAction):
    """Turn solids by a rotation vector in the camera's frame [rad]: SO(3). The light and the camera stay."""

    def __init__(self) -> None:
        self.group = SO3()

    def __repr__(self) -> str:
        return "Orientation()"

    def _act(self, params: Array, items: Any) -> Solids:
        return joined(items).rotated(self.group.irrep("l=1")(params))


@final
class Hue(AbstractAction):
    """Turn the hue circle by θ [rad]: SO(2). Seen by a `Renderer` whose colour is a `HueCircle`."""

    def __init__(self) -> None:
        self.group = SO2()

    def __repr__(self) -> str:
        return "Hue()"

    def _act(self, params: Array, items: Any) -> Solids:
        x = joined(items)
        return x.with_hues(x.hues + params[:, 0])


@final
class LightTurn(AbstractAction):
    """Turn the light around the viewing direction by θ [rad], counter-clockwise on the image: SO(2)."""

    def __init__(self) -> None:
        self.group = SO2()

    def __repr__(self) -> str:
        return "LightTurn()"

    def _act(self, params: Array, items: Any) -> Solids:
        x = joined(items)
        return x.with_lights(x.lights + params[:, 0])


@final
class FactorAction(AbstractAction):
    """Several actions that commute, at once: the direct product of their groups, parameters concatenated.

    Parameters
    ----------
    factors : sequence of AbstractAction
        Pairwise commuting actions on the same items: at most one that turns the pose, one for the hue, one for the
        light.

    Raises
    ------
    ParameterError
        For no factor, or two that move the same attribute.

    Examples
    --------
    >>> from geodis.simulators import Hue, LightTurn, OutOfPlane, solid_objects
    >>> action = FactorAction((OutOfPlane(), Hue(), LightTurn()))
    >>> action.group
    SO2() * SO2() * SO2()
    >>> moved = action.act([[0.1, 0.2, 0.3]], solid_objects(1))
    >>> float((moved.hues - solid_objects(1).hues)[0].round(3))
    0.2
    """

    def __init__(self, factors: Sequence[AbstractAction]) -> None:
        self.factors = tuple(factors)
        if not self.factors or not all(isinstance(factor, AbstractAction) for factor in self.factors):
            raise ParameterError("factors", "at least one action", factors)
        moved = [_MOVED.get(type(factor), type(factor)) for factor in self.factors]
        if len(set(moved)) < len(moved):
            raise ParameterError("factors", "actions that move different attributes", self)
        self.group = Product(*(factor.group for factor in self.factors))
        self.exact = all(factor.exact for factor in self.factors)

    def __repr__(self) -> str:
        return f"FactorAction({self.factors})"

    def _act(self, params: Array, items: Any) -> Solids:
        ends = np.cumsum([factor.group.n_params for factor in self.factors])[:-1]
        x = joined(items)
        for factor, own in zip(self.factors, np.split(params, ends, axis=1), strict=True):
            x = factor.act(own, x)
        return x


_MOVED: dict[type, str] = {OutOfPlane: "pose", Orientation: "pose", Hue: "hue", LightTurn: "light"}


def about_vertical(angles: Array) -> Array:
    """Rotations about the y axis: `(n,)` → `(n, 3, 3)`."""
    c, s = np.cos(angles), np.sin(angles)
    zero, one = np.zeros_like(c), np.ones_like(c)
    rows = ((c, zero, s), (zero, one, zero), (-s, zero, c))
    return np.stack([np.stack(row, -1) for row in rows], -2)
