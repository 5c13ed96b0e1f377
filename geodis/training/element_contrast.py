"""Contrast between elements: a code from which it can be read which element lies between two views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.linalg import like
from geodis.training.rows import Number, alike, enough_rows, positive


def element_contrast(c: Sequence[Any], gc: Sequence[Any], rho: Sequence[Any], temperature: Number = 0.05) -> Any:
    """Which of the batch's elements carried c_i to c'_i, as a classification: low when the codes tell it.

    With s_ij = Σ_ρ Σ_k ⟨c'_i,ρk, ρ(g_j) c_i,ρk⟩ / (|c_i||c'_i|) over all copies k of all irreps ρ,
    L = mean_i −log [ exp(s_ii/τ) / Σ_j exp(s_ij/τ) ].

    An exact code can still leave the element open: copies s_k·v of a single vector v with invariant factors s_k are
    equivariant, and none of them sees a rotation about v (theory §10). All g_j then score as high as g_i when they
    agree on v, and L says so. It does not change under orthogonal maps of the copies or with the scale of a row. At
    chance L = log n.

    Parameters
    ----------
    c, gc : sequence of array (n, k, d)
        Codes before and after: for every irrep, its k copies; row i of all is item i. n ≥ 2.
    rho : sequence of array (n, d, d)
        For every irrep the orthogonal matrices ρ(g_i).
    temperature : float or tensor ()
        τ > 0.

    Returns
    -------
    scalar
        In the input's kind, dtype and device.

    Raises
    ------
    LengthError, ShapeError, ParameterError, FiniteError
        For sequences of different lengths, arrays that do not fit together, fewer than two rows, no irrep, a
        temperature that is not positive, or NaN in a numpy array.

    References
    ----------
    The score is that of Wahba's problem (1965); the classification that of A. van den Oord, Y. Li, O. Vinyals, 2018,
    arXiv 1807.03748.

    Examples
    --------
    >>> import torch
    >>> from geodis.groups import SO3
    >>> rho = SO3().irrep("l=1")(torch.from_numpy(SO3().sample(50, seed=0)))
    >>> vectors = torch.randn(50, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> turned = vectors @ rho.mT
    >>> round(element_contrast([vectors], [turned], [rho]).item(), 1)
    0.2
    >>> one = vectors[:, :1] * torch.ones(1, 3, 1)  # three copies of one vector
    >>> round(element_contrast([one], [one @ rho.mT], [rho]).item(), 1)
    0.7
    """
    what = "element_contrast: c, gc, rho"
    if not len(c) == len(gc) == len(rho):
        raise LengthError(c=len(c), gc=len(gc), rho=len(rho))
    if not c:
        raise ParameterError(what, "at least one irrep", "none")
    tensors = alike((*c, *gc, *rho), what)
    before, after, operators = (tensors[k * len(c) : (k + 1) * len(c)] for k in range(3))
    for x, y, matrices in zip(before, after, operators, strict=True):
        _check(x, y, matrices, what)
    scale = positive(temperature, "element_contrast: temperature")
    agreement = sum(
        (_agreement(x, y, matrices) for x, y, matrices in zip(before, after, operators, strict=True)),
        torch.zeros((), dtype=before[0].dtype, device=before[0].device),
    )
    scores = agreement / (_norms(before) * _norms(after))[:, None] / scale
    return like((scores.logsumexp(dim=1) - scores.diagonal()).mean(), *c, *gc)


def _agreement(x: Tensor, y: Tensor, rho: Tensor) -> Tensor:
    """Σ_k ⟨y_ik, ρ_j x_ik⟩: (n, n)."""
    moments = y.mT @ x
    return moments.flatten(1) @ rho.flatten(1).mT


def _norms(codes: Sequence[Tensor]) -> Tensor:
    """|c_i| over all irreps (n,), 1 for a row of zeros."""
    squares = torch.stack([x.square().sum((1, 2)) for x in codes]).sum(0)
    return torch.where(squares > 0, squares, torch.ones_like(squares)).sqrt()


def _check(x: Tensor, y: Tensor, rho: Tensor, what: str) -> None:
    if x.ndim != 3 or x.shape[1] < 1 or x.shape[2] < 1:
        raise ShapeError(what, "codes (n, k copies, d)", tuple(x.shape))
    if y.shape != x.shape:
        raise ShapeError(what, f"{tuple(x.shape)} twice", tuple(y.shape))
    if rho.shape != (len(x), x.shape[2], x.shape[2]):
        raise ShapeError(what, f"operators {(len(x), x.shape[2], x.shape[2])}", tuple(rho.shape))
    enough_rows(x.flatten(1), what, 2)
