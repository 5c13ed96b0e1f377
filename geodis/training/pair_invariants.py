"""CARE's implicit loss: one transformation of all items keeps every pairwise inner product, so it acts by an isometry.

No group element need be known, only that the same one was applied to all items of a batch. The bilinear form decides
which group: the Euclidean one O(d), Minkowski's the Lorentz group O(1, d−1), the symplectic one Sp(d, R).

Why it suffices. By the first fundamental theorem of invariant theory (Weyl, 1946) every polynomial invariant of vectors
z_1 … z_n under the isometries of a non-degenerate B, symmetric or skew, is a polynomial in the numbers B(z_i, z_j). And
if two families have the same Gram matrix, one isometry carries the first to the second: for positive definite B always,
for others when one family spans R^d (then z_i ↦ y_i is well defined and keeps B). Without spanning it fails: a null
vector of Minkowski space and 0 have the same Gram matrix.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import like
from geodis.training.rows import alike, paired_rows

# Rows a column from which two d×d problems are faster than two n×n matrices (measured, one core: n ≈ 8d).
TALL = 8


def gram_loss(z: Any, gz: Any) -> Any:
    """(1/n²) Σ_{i,j} (⟨gz_i, gz_j⟩ − ⟨z_i, z_j⟩)²: zero exactly when one map of O(d) carries z to gz.

    Gupta et al. define L_equi = E_a E_{x,x'} [⟨f(ax'), f(ax)⟩ − ⟨f(x), f(x')⟩]², the same augmentation a for both
    items. Here `z` is f(x) and `gz` f(ax), the expectation over pairs is the mean over all n² ordered pairs, i = j
    included (their finite-sample form, Propositions 2 and 3, divided by n²), and that over a is the mean over leading
    dimensions. Their practical variant with a second augmentation a' in place of the identity is
    `gram_loss(f(a'x), f(ax))`.

    Parameters
    ----------
    z, gz : array (..., n, d)
        Embeddings of n items before and after one transformation of all of them. Leading dimensions: batches, each with
        a transformation of its own (the paper's splits).

    Returns
    -------
    scalar
        In fourth powers of the embedding's unit, in the input's kind, dtype and device.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For rows that do not fit together, none, or NaN in a numpy array. NaN in a tensor makes the loss NaN.

    Notes
    -----
    On the unit sphere the terms i = j vanish: the mean over i ≠ j is n/(n − 1) times this. The code that the authors
    published sums over j ≠ i, averages over i and doubles: 2n times this (n rows a split), so their weight .01 for 16
    rows is .32 here. Collapsed and invariant embeddings have loss 0 too: add a term that keeps content.

    Cost O(n²d), or O(nd²) when n > 8d, see `bilinear_loss`.

    References
    ----------
    S. Gupta, J. Robinson, D. Lim, S. Villar, S. Jegelka: Structuring representation geometry with rotationally
    equivariant contrastive learning, 2023, arXiv 2306.13924.

    Examples
    --------
    >>> import torch
    >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
    >>> quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    >>> gram_loss(z, z @ quarter.T).item(), gram_loss(z, 2 * z).item() > 1
    (0.0, True)
    """
    before, after = paired_rows(z, gz, "gram_loss: z, gz")
    return like(_mean_square(before, after, None), z, gz)


def bilinear_loss(z: Any, gz: Any, form: Any) -> Any:
    """(1/n²) Σ_{i,j} (B(gz_i, gz_j) − B(z_i, z_j))² with B(x, y) = xᵀ`form`y: zero when an isometry of B maps z to gz.

    Conversely, at zero and for z that span R^d and a non-degenerate symmetric or skew B, such an isometry exists and is
    unique (module docstring).

    Parameters
    ----------
    z, gz : array (..., n, d)
        As in `gram_loss`.
    form : array (d, d)
        B, for example `minkowski_form(d)`; it may need a gradient.

    Returns
    -------
    scalar
        In the input's kind, dtype and device.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For rows that do not fit together, none, a form of another size, or NaN in a numpy array.

    Notes
    -----
    The n×n difference E of the Gram matrices is formed as it stands when n ≤ 8d. For more rows ‖E‖ is read off a QR
    factorization [z gz] = Q[R₁ R₂]: E = Q(R₁BR₁ᵀ − R₂BR₂ᵀ)Qᵀ has the norm of the 2d×2d matrix in the middle. So memory
    is O(nd) and an exact zero comes out as (rounding)², of the order 1e-32‖z‖⁴ in float64, as from E. The well-known
    moments ‖zᵀz‖² + ‖yᵀy‖² − 2‖zᵀy‖² subtract numbers of the size of ‖z‖⁴ and stop at 1e-16‖z‖⁴, possibly below zero,
    so only their gradient is used: it subtracts vectors of the size of ‖z‖³, as that of E does, and it exists where
    [z gz] has no full rank, which is where training goes and where QR cannot be differentiated.

    References
    ----------
    S. Gupta et al., 2023, arXiv 2306.13924, §3.2 and appendix D; H. Weyl: The classical groups, 1946.

    Examples
    --------
    >>> import torch
    >>> from geodis.groups import Lorentz
    >>> z = torch.tensor([[1.0, 0.0, 0.0, 0.0], [2.0, 1.0, 0.0, 1.0]], dtype=torch.float64)
    >>> boost = torch.from_numpy(Lorentz().matrix([[0, 0, 0, 0.5, 0, 0]])[0])
    >>> moved = z @ boost.T
    >>> bilinear_loss(z, moved, minkowski_form(4)).item() < 1e-28, gram_loss(z, moved).item() > 0.1
    (True, True)
    """
    before, after = paired_rows(z, gz, "bilinear_loss: z, gz")
    (matrix,) = alike((form,), "bilinear_loss: form")
    d = before.shape[-1]
    if matrix.shape != (d, d):
        raise ShapeError("bilinear_loss: form", f"({d}, {d})", tuple(matrix.shape))
    return like(_mean_square(before, after, matrix.to(before)), z, gz)


def euclidean_form(d: int) -> Tensor:
    """⟨x, y⟩ = Σ x_k y_k as a matrix (d, d), float64; its isometries are O(d).

    Raises
    ------
    ParameterError
        Unless d is a positive integer.

    Examples
    --------
    >>> euclidean_form(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return torch.eye(_dimension(d, "euclidean_form: d", 1), dtype=torch.float64)


def minkowski_form(d: int) -> Tensor:
    """diag(+1, −1, …, −1) (d, d), float64, time first as in `geodis.groups.Lorentz`; its isometries are O(1, d − 1).

    Raises
    ------
    ParameterError
        Unless d is an integer of at least 2.

    Examples
    --------
    >>> minkowski_form(4).diagonal().tolist()
    [1.0, -1.0, -1.0, -1.0]
    """
    signs = -torch.ones(_dimension(d, "minkowski_form: d", 2), dtype=torch.float64)
    signs[0] = 1.0
    return torch.diag(signs)


def symplectic_form(d: int) -> Tensor:
    """[[0, I], [−I, 0]] (d, d), float64, positions then momenta; its isometries are Sp(d, R), d even.

    Raises
    ------
    ParameterError
        Unless d is a positive even integer.

    Examples
    --------
    >>> symplectic_form(2).tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    """
    half, odd = divmod(_dimension(d, "symplectic_form: d", 2), 2)
    if odd:
        raise ParameterError("symplectic_form: d", "an even dimension", d, "Positions and momenta come in pairs.")
    form = torch.zeros(d, d, dtype=torch.float64)
    form[:half, half:] = torch.eye(half)
    form[half:, :half] = -torch.eye(half)
    return form


def _mean_square(z: Tensor, y: Tensor, form: Tensor | None) -> Tensor:
    """The mean over batches of ‖y B yᵀ − z B zᵀ‖²/n²; B = I for None."""
    n, d = z.shape[-2:]
    if n <= TALL * d:
        return (_gram(y, form) - _gram(z, form)).square().mean()
    with torch.no_grad():
        triangle = torch.linalg.qr(torch.cat([z, y], dim=-1), mode="r").R
        value = (_gram(triangle[..., d:], form) - _gram(triangle[..., :d], form)).square().sum((-2, -1))
    moments = _moment(z, z, form) + _moment(y, y, form) - 2 * _moment(z, y, form)
    return ((value + (moments - moments.detach())) / n**2).mean()  # the value of one, the gradient of the other


def _gram(x: Tensor, form: Tensor | None) -> Tensor:
    return x @ (x if form is None else x @ form.mT).mT


def _moment(x: Tensor, y: Tensor, form: Tensor | None) -> Tensor:
    """⟨xBxᵀ, yByᵀ⟩ = ⟨BᵀCB, C⟩ through the d×d moment C = xᵀy."""
    c = x.mT @ y
    return (c.square() if form is None else (form.mT @ c @ form) * c).sum((-2, -1))


def _dimension(d: int, what: str, least: int) -> int:
    if isinstance(d, bool) or not isinstance(d, int) or d < least:
        raise ParameterError(what, f"an integer of at least {least}", d)
    return d
