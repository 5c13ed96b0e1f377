"""Errors of predicting one element of an orbit from another, in O(n m d²) by sums instead of pairs.

Codes come as stacks: c (n, m, d) for n items at m elements, with ρ (n, m, d, d) the operator of each row. A pair
(j → k) of one item predicts c_k by ρ(g_k)ρ(g_j)⁻¹c_j, and with the canonical codes u = ρ⁻¹(c − t) its error is
|ρ_k(u_k − u_j)|². Every function returns *cells* (n, m), one number a row, for the statistics of crossed designs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite


def canonical(c: Array, rho: Array, t: Array | None = None, orthogonal: bool = True) -> Array:
    """Undo the action, row by row: u = ρ⁻¹(c − t).

    Parameters
    ----------
    c : ndarray (n, m, d)
        Codes.
    rho : ndarray (n, m, d, d)
        The operator of each row.
    t : ndarray (n, m, d), optional
        Translations of an affine action c ↦ ρc + t.
    orthogonal : bool
        Whether ρᵀρ = I: then the inverse is the transpose.

    Returns
    -------
    ndarray (n, m, d)
        The canonical codes: equal within an item if and only if the code is equivariant.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, or a singular ρ.

    Examples
    --------
    >>> import numpy as np
    >>> quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> canonical(np.array([[[0.0, 2.0]]]), quarter[None, None])
    array([[[2., 0.]]])
    """
    codes = _codes(c, "canonical: c")
    matrices = _operators(rho, codes, "canonical: rho")
    if t is not None:
        shift = _codes(t, "canonical: t")
        if shift.shape != codes.shape:
            raise ShapeError("canonical: t", str(codes.shape), shift.shape)
        codes = codes - shift
    if orthogonal:
        return np.einsum("nmba,nmb->nma", matrices, codes)
    try:
        return np.linalg.solve(matrices, codes[..., None])[..., 0]
    except np.linalg.LinAlgError:
        raise ParameterError("canonical: rho", "invertible matrices", "a singular one") from None


def pair_error_cells(u: Array, rho: Array | None = None, orthogonal: bool = True) -> Array:
    """Error of predicting each element from the item's others: e_ik = mean_{j≠k} |ρ_k(u_ik − u_ij)|².

    The mean over cells is the pair loss L. An item of one element has no pair: its cell is NaN.

    Parameters
    ----------
    u : ndarray (n, m, d)
        Canonical codes.
    rho : ndarray (n, m, d, d), optional
        The operator of each row; may be left out if orthogonal.
    orthogonal : bool
        Whether ρᵀρ = I: then |ρ_k x| = |x|.

    Returns
    -------
    ndarray (n, m)

    Raises
    ------
    ShapeError, FiniteError
        For arrays that do not fit together, or NaN.

    Notes
    -----
    Theory §1. With u centred on the item mean (differences do not see it, and sums of squares then do not cancel)
    the sum over j is m|ρ_k u_k|² + tr(ρ_k (Σ_j u_j u_jᵀ) ρ_kᵀ).

    Examples
    --------
    >>> import numpy as np
    >>> pair_error_cells(np.array([[[0.0], [1.0], [3.0]]]))
    array([[5. , 2.5, 6.5]])
    """
    codes = _codes(u, "pair_error_cells: u")
    m = codes.shape[1]
    if m < 2:
        return np.full(codes.shape[:2], np.nan)
    v = codes - codes.mean(axis=1, keepdims=True)
    if orthogonal:
        squares = np.einsum("nma,nma->nm", v, v)
        return (m * squares + squares.sum(axis=1, keepdims=True)) / (m - 1)
    if rho is None:
        raise ParameterError("pair_error_cells: rho", "the operators (n, m, d, d), as ρ is not orthogonal", "None")
    matrices = _operators(rho, codes, "pair_error_cells: rho")
    second = np.einsum("nma,nmb->nab", v, v)
    return (m * _moved_squares(matrices, v) + _moved_trace(matrices, second[:, None])) / (m - 1)


def identity_error_cells(c: Array) -> Array:
    """Error of predicting each element by another one unchanged: mean_{j≠k} |c_ik − c_ij|² (I of theory §1).

    Parameters
    ----------
    c : ndarray (n, m, d)
        Codes.

    Returns
    -------
    ndarray (n, m)
        NaN where the item has one element.

    Examples
    --------
    >>> import numpy as np
    >>> identity_error_cells(np.array([[[0.0], [2.0]]]))
    array([[4., 4.]])
    """
    return pair_error_cells(c, orthogonal=True)


def variation_cells(c: Array, mean: Array) -> Array:
    """Squared distance of each code to the mean: |c_ij − mean|²; its mean over cells is T of theory §1.

    Parameters
    ----------
    c : ndarray (n, m, d)
        Codes.
    mean : ndarray (d,)
        Where the codes are centred.

    Returns
    -------
    ndarray (n, m)

    Examples
    --------
    >>> import numpy as np
    >>> variation_cells(np.array([[[0.0], [2.0]]]), np.array([1.0]))
    array([[1., 1.]])
    """
    codes = _codes(c, "variation_cells: c")
    centre = np.asarray(mean, dtype=np.float64)
    if centre.shape != codes.shape[2:]:
        raise ShapeError("variation_cells: mean", str(codes.shape[2:]), centre.shape)
    v = codes - centre
    return np.einsum("nma,nma->nm", v, v)


def mismatch_cells(
    us: Sequence[Array], rhos: Sequence[Array] | None = None, orthogonal: bool = True, crossed: bool = False
) -> list[Array]:
    """Error of predicting each element from *other* items: mean over i ≠ i' and j of |ρ_i'k(u_i'k − u_ij)|².

    The mean over items of the mean over an item's cells is D_item of theory §1, the error of a code that knows nothing
    of its item. Items weigh the same, whatever their number of elements. Where all items share their elements, pairs at
    the same element are left out, as they are from L: otherwise a code that depends on the element alone would have
    L/D_item = m/(m − 1), not 1.

    Parameters
    ----------
    us : sequence of ndarray (n_s, m_s, d)
        Canonical codes of the stacks, one stack for each orbit size.
    rhos : sequence of ndarray (n_s, m_s, d, d), optional
        The operators; may be left out if orthogonal.
    orthogonal : bool
        Whether ρᵀρ = I.
    crossed : bool
        Whether all items share their elements, in one stack.

    Returns
    -------
    list of ndarray (n_s, m_s)
        All NaN if there is only one item.

    Raises
    ------
    ShapeError, FiniteError, LengthError, ParameterError
        For no stack, arrays that do not fit together, or NaN.

    Examples
    --------
    >>> import numpy as np
    >>> mismatch_cells([np.array([[[0.0], [1.0]], [[4.0], [4.0]]])])
    [array([[16. ,  9. ],
           [12.5, 12.5]])]
    """
    stacks = [_codes(u, "mismatch_cells: u") for u in us]
    if not stacks or len({u.shape[2] for u in stacks}) > 1:
        raise ShapeError("mismatch_cells: us", "stacks (n, m, d) of one d", [u.shape for u in stacks])
    if rhos is not None and len(rhos) != len(stacks):
        raise LengthError(us=len(stacks), rhos=len(rhos))
    n = sum(len(u) for u in stacks)
    if n < 2:
        return [np.full(u.shape[:2], np.nan) for u in stacks]
    # Differences do not see a common centre; without it 1e-12 of noise on a constant code would cancel away.
    centre = item_mean(stacks)
    centred = [u - centre for u in stacks]
    # Items are compared through their means, so the sums below are over items of means over elements.
    means = [v.mean(axis=1) for v in centred]
    total = np.sum([mean.sum(axis=0) for mean in means], axis=0)
    matrices = None
    if orthogonal:
        cells = _mismatch_orthogonal(centred, means, total, n)
    elif rhos is None:
        raise ParameterError("mismatch_cells: rhos", "the operators, as ρ is not orthogonal", "None")
    else:
        matrices = [_operators(rho, u, "mismatch_cells: rho") for rho, u in zip(rhos, stacks, strict=True)]
        cells = _mismatch_general(centred, matrices, means, total, n)
    m = stacks[0].shape[1]
    if not crossed or len(stacks) > 1 or m < 2:
        return cells
    same = _same_element(centred[0], None if matrices is None else matrices[0])
    return [np.maximum(m * cells[0] - same, 0.0) / (m - 1)]


def item_mean(stacks: Sequence[Array]) -> Array:
    """Mean over items of each item's mean: stacks of (n_s, m_s, d) → (d,).

    Examples
    --------
    >>> import numpy as np
    >>> item_mean([np.array([[[0.0]]]), np.array([[[1.0], [3.0]]])])
    array([1.])
    """
    per_item = np.concatenate([np.asarray(u, dtype=np.float64).mean(axis=1) for u in stacks])
    return per_item.mean(axis=0)


def _mismatch_orthogonal(us: list[Array], means: list[Array], total: Array, n: int) -> list[Array]:
    squares = [np.einsum("nma,nma->nm", u, u) for u in us]
    all_squares = sum(float(s.mean(axis=1).sum()) for s in squares)
    cells = []
    for u, mean, s in zip(us, means, squares, strict=True):
        others = (total - mean) / (n - 1)
        other_squares = (all_squares - s.mean(axis=1)) / (n - 1)
        cells.append(s - 2.0 * np.einsum("nma,na->nm", u, others) + other_squares[:, None])
    return [np.maximum(cell, 0.0) for cell in cells]  # a sum of squares; rounding may leave −1e-33


def _mismatch_general(us: list[Array], rhos: list[Array], means: list[Array], total: Array, n: int) -> list[Array]:
    seconds = [np.einsum("nma,nmb->nab", u, u) / u.shape[1] for u in us]
    all_seconds = np.sum([second.sum(axis=0) for second in seconds], axis=0)
    cells = []
    for u, rho, mean, second in zip(us, rhos, means, seconds, strict=True):
        others = (total - mean) / (n - 1)
        # |ρ(u_k − u_j)|² summed over the others = |ρ(u_k − o)|² + tr ρ Cov(others) ρᵀ, o their mean: nothing cancels.
        spread = (all_seconds - second) / (n - 1) - np.einsum("na,nb->nab", others, others)
        cells.append(_moved_squares(rho, u - others[:, None]) + _moved_trace(rho, spread[:, None]))
    return [np.maximum(cell, 0.0) for cell in cells]


def _same_element(u: Array, rho: Array | None) -> Array:
    """Mean over i' ≠ i of |ρ_k(u_ik − u_i'k)|², all items at the same elements: (n, m, d) → (n, m)."""
    codes = u if rho is None else np.einsum("nmab,nmb->nma", rho, u)
    n = len(codes)
    centred = codes - codes.mean(axis=0)
    squares = np.einsum("nma,nma->nm", centred, centred)
    return (n * squares + squares.sum(axis=0)) / (n - 1)


def _moved_squares(rho: Array, v: Array) -> Array:
    """|ρv|²: (n, m, d, d), (n, m, d) → (n, m)."""
    moved = np.einsum("nmab,nmb->nma", rho, v)
    return np.einsum("nma,nma->nm", moved, moved)


def _moved_trace(rho: Array, second: Array) -> Array:
    """Tr ρPρᵀ: (n, m, d, d), (n, 1, d, d) → (n, m)."""
    return np.einsum("nmab,nmab->nm", rho @ second, rho)


def _codes(c: Array, what: str) -> Array:
    codes = np.asarray(c)
    if codes.ndim != 3 or 0 in codes.shape:
        raise ShapeError(what, "(n, m, d)", codes.shape, "One stack: n items at m elements each.")
    codes = codes.astype(np.float64, copy=False)
    check_finite(codes, what)
    return codes


def _operators(rho: Array, codes: Array, what: str) -> Array:
    matrices = np.asarray(rho)
    if matrices.shape != (*codes.shape, codes.shape[2]):
        raise ShapeError(what, str((*codes.shape, codes.shape[2])), matrices.shape, "One (d, d) matrix a row.")
    matrices = matrices.astype(np.float64, copy=False)
    check_finite(matrices, what)
    return matrices
