"""Equivariant prediction: the code of gx is ρ(g) times the code of x, for operators ρ(g) that depend on g alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import like
from geodis.training.rows import alike, paired_rows

Normaliser = Callable[[Tensor, Tensor, Tensor], Tensor]


def by_energy(c: Tensor, gc: Tensor, predicted: Tensor) -> Tensor:
    """|c(gx)|² + |ρ(g)c(x)|² (N,): the loss is then 0 for exact prediction, 1 at chance, 2 for the opposite sign.

    It is 1 − λ, one minus the energy of theory §1 and §5, for codes whose fixed point is 0: non-trivial blocks.
    """
    return gc.square().sum(-1) + predicted.square().sum(-1)


def by_motion(c: Tensor, gc: Tensor, predicted: Tensor) -> Tensor:
    """|c(gx) − c(x)|² + |c(gx) − ρ(g)c(x)|² (N,): the loss is then ν of theory §5, in [0, 1], ½ for standing still.

    The error ratio of theory §9 is ν/(1 − ν). A code that does not move has ν = 1, whatever its size: invariance pays
    nothing.
    """
    return (gc - c).square().sum(-1) + (gc - predicted).square().sum(-1)


def absolute(c: Tensor, gc: Tensor, predicted: Tensor) -> Tensor:
    """One (N,): the loss is then the mean squared error, in squared units of the code. Shrinking the code lowers it."""
    return torch.ones_like(gc[..., 0])


def prediction_loss(c: Any, gc: Any, rho: Any, normaliser: Normaliser = by_energy, weights: Any = None) -> Any:
    """Σ ω |c(gx) − ρ(g)c(x)|² / Σ ω s: zero exactly when every pair lies on an orbit of ρ.

    s is the row's size that `normaliser` returns: `by_energy`, `by_motion`, `absolute` or a function of yours. The
    first two do not change with the scale of the code, so collapse is not rewarded: where all sizes are zero, the loss
    is 1 without a gradient. It is unchanged under c ↦ Ec for every orthogonal E that commutes with ρ, and, for
    orthogonal ρ, under (c, gc, ρ) ↦ (gc, c, ρ⁻¹).

    Parameters
    ----------
    c, gc : array (..., n, d)
        Codes of items before and after their element acted. Every row is a pair.
    rho : array (..., n, d, d) or (d, d)
        ρ(g) of each pair, as `irrep(params)` returns it, or one operator for all; it may need a gradient.
    normaliser : callable
        (c, gc, ρc) → sizes (..., n), non-negative.
    weights : array (..., n), optional
        ω ≥ 0, for example `noise_weights(rho)`.

    Returns
    -------
    scalar
        In the input's kind, dtype and device.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For arrays that do not fit together, none, or NaN in a numpy array. NaN in a tensor makes the loss NaN.

    Notes
    -----
    A batch of orbits c (n, m, d) at operators ρ_j becomes pairs by broadcasting: `c[:, :, None]`, `c[:, None]` and
    ρ_k ρ_j⁻¹, or, cheaper, by comparing `canonical_codes(c, rho)` with their mean.

    References
    ----------
    Linear operators of known elements as prediction targets: R. Quessard, T. Barrett, W. Clements, 2020,
    arXiv 2002.06991; H. Keurti et al., 2023, arXiv 2207.12067.

    Examples
    --------
    >>> import torch
    >>> from geodis.groups import SO2
    >>> angles = torch.tensor([[0.3], [1.0], [2.0]], dtype=torch.float64)
    >>> rho = SO2().irrep("m=1")(angles)
    >>> c = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], dtype=torch.float64)
    >>> gc = (rho @ c[..., None])[..., 0]
    >>> prediction_loss(c, gc, rho).item(), prediction_loss(c, -gc, rho).item()
    (0.0, 2.0)
    >>> prediction_loss(c, c, rho, by_motion).item()  # an invariant code
    1.0
    """
    before, after, operators, omega = _pairs(c, gc, rho, weights, "prediction_loss")
    return like(_ratio(before, after, operators, normaliser, omega), c, gc)


def pair_prediction_loss(c: Any, gc: Any, rho: Any, normaliser: Normaliser = by_energy) -> Any:
    """`prediction_loss` over both directions, c(x) → c(gx) by ρ(g) and c(gx) → c(x) by ρ(g)⁻¹, each weighted by ω.

    For an orthogonal ρ it equals the one direction. For others the directions differ, since an
    operator that stretches also stretches the error: ω(ρ) = 2/(1 + ‖ρ‖²_F/d) and ω(ρ⁻¹) weigh it down (theory §5).
    Unchanged under (c, gc, ρ) ↦ (gc, c, ρ⁻¹).

    Parameters
    ----------
    c, gc, rho, normaliser
        As in `prediction_loss`; ρ invertible.

    Returns
    -------
    scalar
        In the input's kind, dtype and device.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        As `prediction_loss`, and for a singular operator.

    Examples
    --------
    >>> import torch
    >>> from geodis.groups import Scaling
    >>> rho = Scaling().irrep("a=1")(torch.tensor([[0.5], [-1.0]], dtype=torch.float64))
    >>> c = torch.ones(2, 1, dtype=torch.float64)
    >>> pair_prediction_loss(c, rho[..., 0] * c, rho).item() < 1e-30
    True
    """
    before, after, operators, _ = _pairs(c, gc, rho, None, "pair_prediction_loss")
    inverse = _inverse(operators, "pair_prediction_loss: rho")
    there, back = noise_weights(operators), noise_weights(inverse)
    loss = _ratio(
        torch.stack([before, after]),
        torch.stack([after, before]),
        torch.stack([operators, inverse]),
        normaliser,
        torch.stack([there, back]),
    )
    return like(loss, c, gc)


def noise_weights(rho: Any) -> Any:
    """ω(ρ) = 2/(1 + ‖ρ‖²_F/d), the inverse variance of c' − ρc for codes with white noise; 1 for orthogonal ρ.

    Parameters
    ----------
    rho : array (..., d, d)
        Operators.

    Returns
    -------
    array (...)
        Weights in (0, 2], in the input's kind, dtype and device.

    Raises
    ------
    ShapeError, FiniteError
        For matrices that are not square, or NaN in a numpy array.

    Examples
    --------
    >>> import numpy as np
    >>> noise_weights(np.array([np.eye(2), 3 * np.eye(2)]))
    array([1. , 0.2])
    """
    (operators,) = alike((rho,), "noise_weights: rho")
    if operators.ndim < 2 or operators.shape[-1] != operators.shape[-2] or not operators.shape[-1]:
        raise ShapeError("noise_weights: rho", "(..., d, d)", tuple(operators.shape))
    return like(2.0 / (1.0 + operators.square().sum((-2, -1)) / operators.shape[-1]), rho)


def canonical_codes(c: Any, rho: Any) -> Any:
    """The action undone: u = ρ(g)⁻¹c is equal over an item's views exactly when c is equivariant.

    Parameters
    ----------
    c : array (..., n, d)
        Codes c(gx).
    rho : array (..., n, d, d) or (d, d)
        ρ(g) of each row, invertible.

    Returns
    -------
    array (..., n, d)
        In the input's kind, dtype and device.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For arrays that do not fit together, a singular operator, or NaN in a numpy array.

    Examples
    --------
    >>> import torch
    >>> quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    >>> canonical_codes(torch.tensor([[0.0, 2.0]]), quarter).tolist()
    [[2.0, 0.0]]
    """
    codes, _, operators, _ = _pairs(c, c, rho, None, "canonical_codes")
    return like(_acted(_inverse(operators, "canonical_codes: rho"), codes), c)


def _ratio(c: Tensor, gc: Tensor, rho: Tensor, normaliser: Normaliser, omega: Tensor | None) -> Tensor:
    predicted = _acted(rho, c)
    errors, sizes = (gc - predicted).square().sum(-1), normaliser(c, gc, predicted)
    if omega is not None:
        errors, sizes = errors * omega, sizes * omega
    error, size = errors.sum(), sizes.sum()
    nothing = size == 0
    return torch.where(nothing, torch.ones_like(error), error / size.masked_fill(nothing, 1.0))


def _acted(rho: Tensor, c: Tensor) -> Tensor:
    return (rho @ c[..., None])[..., 0]


def _inverse(rho: Tensor, what: str) -> Tensor:
    try:
        return torch.linalg.inv(rho)
    except torch.linalg.LinAlgError:
        raise ParameterError(what, "invertible operators", "a singular one") from None


def _pairs(c: Any, gc: Any, rho: Any, weights: Any, what: str) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    before, after = paired_rows(c, gc, f"{what}: c, gc")
    d = before.shape[-1]
    (operators,) = alike((rho,), f"{what}: rho")
    if operators.shape not in ((d, d), (*before.shape, d)):
        raise ShapeError(f"{what}: rho", f"({d}, {d}) or {(*before.shape, d)}", tuple(operators.shape))
    operators = operators.to(before).expand(*before.shape, d)
    if weights is None:
        return before, after, operators, None
    (omega,) = alike((weights,), f"{what}: weights")
    if omega.shape != before.shape[:-1]:
        raise ShapeError(f"{what}: weights", str(tuple(before.shape[:-1])), tuple(omega.shape))
    return before, after, operators, omega.to(before)
