"""VICReg: views agree, every coordinate varies, and no two coordinates vary together."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from geodis.errors import ShapeError
from geodis.linalg import like
from geodis.training.rows import Number, alike, enough_rows, paired_rows, positive


def alignment(a: Any, b: Any) -> Any:
    """s(a, b) = mean_i |a_i − b_i|²: zero when both views have the same code. Invariant under common isometries.

    Parameters
    ----------
    a, b : array (..., n, d)
        Codes of two views; row i of both is item i.

    Returns
    -------
    scalar
        In squared units of the code, in the input's kind, dtype and device.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For rows that do not fit together, none, or NaN in a numpy array.

    Examples
    --------
    >>> alignment([[0.0, 0.0]], [[3.0, 4.0]]).item()
    25.0
    """
    first, second = paired_rows(a, b, "alignment: a, b")
    return like((first - second).square().sum(-1).mean(), a, b)


def variance_hinge(z: Any, target: Number = 1.0, eps: float = 1e-4) -> Any:
    """v(z) = mean_k max(0, γ − √(Var z_k + ε)): zero when every coordinate varies by γ, about γ when all collapse.

    Invariant under translations, permutations and sign changes of coordinates, not under rotations: γ is asked of the
    given axes. Var divides by n − 1; ε > 0 keeps the gradient finite where a coordinate does not vary at all.

    Parameters
    ----------
    z : array (..., n, d)
        Codes, n ≥ 2. Leading dimensions are batches that are averaged.
    target : float
        γ > 0, a standard deviation.
    eps : float
        ε > 0, in squared units of the code.

    Returns
    -------
    scalar
        In the input's kind, dtype and device.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For another shape, fewer than two rows, γ or ε that is not positive, or NaN in a numpy array.

    References
    ----------
    A. Bardes, J. Ponce, Y. LeCun: VICReg, 2022, arXiv 2105.04906.

    Examples
    --------
    >>> import numpy as np
    >>> round(float(variance_hinge(np.ones((5, 2)))), 4)  # collapsed: γ − √ε
    0.99
    """
    rows = _rows(z, "variance_hinge: z")
    gamma = positive(target, "variance_hinge: target")
    spread = (rows.var(dim=-2) + positive(eps, "variance_hinge: eps")).sqrt()
    return like((gamma - spread).relu().mean(), z)


def covariance_penalty(z: Any) -> Any:
    """c(z) = (1/d) Σ_{k≠l} C_kl² with C the covariance (over n − 1): zero when no two coordinates vary together.

    Invariant under translations, permutations and sign changes of coordinates.

    Parameters
    ----------
    z : array (..., n, d)
        Codes, n ≥ 2. Leading dimensions are batches that are averaged.

    Returns
    -------
    scalar
        In fourth powers of the code's unit, in the input's kind, dtype and device.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For another shape, fewer than two rows, or NaN in a numpy array.

    References
    ----------
    A. Bardes, J. Ponce, Y. LeCun: VICReg, 2022, arXiv 2105.04906.

    Examples
    --------
    >>> import numpy as np
    >>> square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> [round(float(covariance_penalty(z)), 4) for z in (square, square[:, [0, 0]])]
    [0.0, 1.7778]
    """
    rows = _rows(z, "covariance_penalty: z")
    centred = rows - rows.mean(-2, keepdim=True)
    covariance = centred.mT @ centred / (rows.shape[-2] - 1)
    together = covariance - covariance.diagonal(dim1=-2, dim2=-1).diag_embed()
    return like((together.square().sum((-2, -1)) / rows.shape[-1]).mean(), z)


def vicreg(
    a: Any,
    b: Any,
    alignment_weight: float = 25.0,
    variance_weight: float = 25.0,
    covariance_weight: float = 1.0,
    target: Number = 1.0,
    eps: float = 1e-4,
) -> Any:
    """λ s(a, b) + µ [v(a) + v(b)] + ν [c(a) + c(b)]: agreement without collapse, with neither negatives nor norms.

    s is `alignment`, v `variance_hinge`, c `covariance_penalty`. Symmetric in a and b, invariant under reordering of
    items and under permutations and sign changes of coordinates. These are the paper's formulas; the code that its
    authors published divides s by d and v(a) + v(b) by 2, so their weights correspond to 25/d, 12.5 and 1 here.

    Parameters
    ----------
    a, b : array (..., n, d)
        Codes of two views, n ≥ 2; row i of both is item i.
    alignment_weight, variance_weight, covariance_weight : float
        λ, µ, ν.
    target, eps : float
        γ and ε of `variance_hinge`.

    Returns
    -------
    scalar
        In the input's kind, dtype and device.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For rows that do not fit together, fewer than two of them, γ or ε that is not positive, or NaN in a numpy array.

    References
    ----------
    A. Bardes, J. Ponce, Y. LeCun: VICReg: variance-invariance-covariance regularization for self-supervised learning,
    2022, arXiv 2105.04906.

    Examples
    --------
    >>> import torch
    >>> z = 2 * torch.eye(4).repeat(2, 1) - 0.5
    >>> shifted, collapsed = vicreg(z, z + 0.1), vicreg(torch.zeros(8, 4), torch.zeros(8, 4))
    >>> bool(shifted < collapsed)
    True
    """
    first, second = paired_rows(a, b, "vicreg: a, b", least=2)
    agree = alignment(first, second)
    vary = variance_hinge(first, target, eps) + variance_hinge(second, target, eps)
    together = covariance_penalty(first) + covariance_penalty(second)
    return like(alignment_weight * agree + variance_weight * vary + covariance_weight * together, a, b)


def _rows(z: Any, what: str) -> Tensor:
    (rows,) = alike((z,), what)
    if rows.ndim < 2 or not rows.shape[-1]:
        raise ShapeError(what, "(..., n, d)", tuple(rows.shape))
    enough_rows(rows, what, 2)
    return rows
