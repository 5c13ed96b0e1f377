"""Symplectic integrators with a fixed number of substeps, for any batch and any layout of the arrays."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from torch import Tensor

from geodis.errors import ParameterError, UnknownNameError

Field = Callable[[Tensor], Tensor]
Stepper = Callable[[Tensor, Tensor, Field, float, int], tuple[Tensor, Tensor]]

# Yoshida's triple jump: three leapfrogs of these lengths cancel the third-order error.
OUTER = 1.0 / (2.0 - 2.0 ** (1.0 / 3.0))
INNER = 1.0 - 2.0 * OUTER


def integrate(
    x: Tensor, v: Tensor, field: Field, span: float, substeps: int, integrator: str = "leapfrog"
) -> tuple[Tensor, Tensor]:
    r"""The state after a time `span` under x'' = field(x), by `substeps` equal symplectic steps; differentiable.

    ============  ==============================================  =====  ================
    integrator    a step of length h                              order  fields a step
    ============  ==============================================  =====  ================
    ``euler``     v += h a(x), then x += h v (semi-implicit)      1      1
    ``leapfrog``  half a kick, a drift, half a kick               2      1 (and 1 at the start)
    ``yoshida4``  three leapfrogs of lengths c h, (1−2c) h, c h   4      3 (and 1 at the start)
    ============  ==============================================  =====  ================

    Steps are maps built of additions and of `field`, so that they commute with every orthogonal map, translation and
    permutation that the field commutes with, and conserve the total momentum where the field does, to rounding. The
    last two are symmetric: a step with −h undoes them.

    Parameters
    ----------
    x, v : Tensor
        Positions and velocities, of one shape.
    field : callable
        Positions → accelerations, in that shape.
    span : float
        Time; negative goes backwards.
    substeps : int
        How many steps.
    integrator : {"euler", "leapfrog", "yoshida4"}

    Raises
    ------
    UnknownNameError, ParameterError
        For another integrator, or a number of substeps below one.

    References
    ----------
    .. [1] H. Yoshida, *Construction of higher order symplectic integrators*, Phys. Lett. A 150, 1990.

    Examples
    --------
    >>> import torch
    >>> x, v = integrate(torch.ones(1, dtype=torch.float64), torch.zeros(1), lambda x: -x, 3.141592653589793, 100)
    >>> round(float(x), 3)
    -1.0
    """
    if integrator not in INTEGRATORS:
        raise UnknownNameError("integrator", integrator, ", ".join(INTEGRATORS))
    if isinstance(substeps, bool) or not isinstance(substeps, int) or substeps < 1:
        raise ParameterError("substeps", "an integer ≥ 1", repr(substeps))
    return INTEGRATORS[integrator](x, v, field, span / substeps, substeps)


def _euler(x: Tensor, v: Tensor, field: Field, h: float, n: int) -> tuple[Tensor, Tensor]:
    for _ in range(n):
        v = v + h * field(x)
        x = x + h * v
    return x, v


def _leapfrog(x: Tensor, v: Tensor, field: Field, h: float, n: int) -> tuple[Tensor, Tensor]:
    # The half kicks of neighbouring steps are made as one: one force a step.
    v = v + (0.5 * h) * field(x)
    for step in range(n):
        x = x + h * v
        v = v + (h if step < n - 1 else 0.5 * h) * field(x)
    return x, v


def _yoshida4(x: Tensor, v: Tensor, field: Field, h: float, n: int) -> tuple[Tensor, Tensor]:
    drifts = (OUTER * h, INNER * h, OUTER * h)
    v = v + (0.5 * OUTER * h) * field(x)
    for step in range(n):
        for part, drift in enumerate(drifts):
            x = x + drift * v
            following = drifts[(part + 1) % 3] if part < 2 or step < n - 1 else 0.0
            v = v + (0.5 * (drift + following)) * field(x)
    return x, v


INTEGRATORS: MappingProxyType[str, Stepper] = MappingProxyType(
    {"euler": _euler, "leapfrog": _leapfrog, "yoshida4": _yoshida4}
)
