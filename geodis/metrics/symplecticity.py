"""Does a map keep the symplectic form of phase space: J Ω Jᵀ against Ω."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, real_array, to_numpy
from geodis.metrics.baselines import haar_orthogonal
from geodis.metrics.result import MetricResult, Status
from geodis.metrics.row_items import item_means, row_items
from geodis.statistics import check_level, clustered_t

DRAWS = 256  # Haar matrices behind the baseline


def symplecticity_error(
    jacobians: Any, *, form: Any = None, items: Any = None, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """Root mean square of ‖JΩJᵀ − Ω‖_F/‖Ω‖_F over Jacobians J: 0 if the map is symplectic, 1 for J = 0.

    Parameters
    ----------
    jacobians : array (2k, 2k) or (n, 2k, 2k)
        Of a linear map, or of a map at n points.
    form : array (2k, 2k), optional
        Ω, skew-symmetric and invertible; positions first, then momenta, [[0, I], [−I, 0]], by default.
    items : array (n,), optional
        What is drawn independently, for the interval; each point by default.
    level : float
        Confidence level of the item-clustered interval of the mean square; none for a single matrix.
    seed : int
        Seed of the baseline.

    Returns
    -------
    MetricResult
        The baseline ``random_orthogonal`` is that of Haar matrices scaled to the same mean square (√2 at scale 1 for
        2k > 2, and for 2k = 2, where rotations are symplectic and reflections at 2, too). The identity is symplectic
        and scores 0. The notes hold the scale c that brings JΩJᵀ nearest to cΩ: coordinates in other units are
        symplectic up to c. Status ``degenerate`` where the map is zero everywhere.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For matrices that are not square of even size, NaN, a form that is not skew or has no inverse.

    References
    ----------
    Botev et al., "Which priors matter? Benchmarking models for learning latent dynamics", NeurIPS 2021 data sets and
    benchmarks, arXiv:2111.05458 (the score SyMetric, there as a yes or no).

    Examples
    --------
    >>> shear = np.array([[1.0, 0.5], [0.0, 1.0]])
    >>> symplecticity_error(shear).value, symplecticity_error(2.0 * shear).value
    (0.0, 3.0)
    """
    check_level(level)
    J = _stack(jacobians)
    omega = _form(form, J.shape[1])
    index = row_items(items, len(J))
    single = len(J) == 1
    scale = math.sqrt(float((J**2).sum(axis=(1, 2)).mean()) / J.shape[1])
    n_items, n_group = (0, 1) if single else (int(index.max()) + 1, int(np.bincount(index).max()))
    moved = J @ omega @ np.swapaxes(J, 1, 2)
    squares = _relative(moved, omega)
    per_item = item_means(squares, index)
    value = math.sqrt(float(per_item.mean()))
    haar = scale * haar_orthogonal(DRAWS, J.shape[1], np.random.default_rng(seed))
    chance = math.sqrt(float(_relative(haar @ omega @ np.swapaxes(haar, 1, 2), omega).mean()))
    best = float(np.einsum("nab,ab->", moved, omega)) / len(J) / float((omega**2).sum())
    status: Status = "ok" if scale > 0.0 else "degenerate"
    interval = clustered_t(per_item, level)
    ci = None if single else (_root(interval.low), _root(interval.high))
    return MetricResult(
        "symplecticity_error", value, ci, "none" if single else interval.method, level, n_items, n_group,
        {"random_orthogonal": chance}, floor=64.0 * float(np.finfo(np.float64).eps) * scale**2,
        skill=1.0 - value / chance if chance > 0.0 else None, status=status,
        notes=(f"JΩJᵀ is nearest to cΩ at c = {best:.6g}",), per_item=None if single else np.sqrt(per_item),
    )  # fmt: skip


def symplectic_form(dim: int) -> Array:
    """Ω = [[0, I], [−I, 0]] for positions first, then momenta: (dim, dim).

    Examples
    --------
    >>> symplectic_form(2).tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    """
    if dim < 2 or dim % 2:
        raise ParameterError("dimension of phase space", "an even number ≥ 2", dim)
    half = dim // 2
    return np.block([[np.zeros((half, half)), np.eye(half)], [-np.eye(half), np.zeros((half, half))]])


def _relative(moved: Array, omega: Array) -> Array:
    return np.asarray(((moved - omega) ** 2).sum(axis=(1, 2)) / (omega**2).sum())


def _root(x: float) -> float:
    return math.nan if math.isnan(x) else math.sqrt(max(x, 0.0))


def _stack(jacobians: Any) -> Array:
    matrices = to_numpy(jacobians)
    if matrices.ndim not in (2, 3) or 0 in matrices.shape or matrices.shape[-1] != matrices.shape[-2]:
        raise ShapeError("jacobians", "(2k, 2k) or (n, 2k, 2k)", matrices.shape)
    if matrices.shape[-1] % 2:
        raise ShapeError("jacobians", "an even number 2k of rows", matrices.shape, "Phase space has even dimension.")
    if matrices.dtype.kind not in "fiub":
        raise ParameterError("jacobians", "real numbers", f"dtype {matrices.dtype}")
    matrices = matrices.astype(np.float64)
    check_finite(matrices, "jacobians")
    return matrices[None] if matrices.ndim == 2 else matrices


def _form(form: Any, dim: int) -> Array:
    if form is None:
        return symplectic_form(dim)
    omega = real_array(form, "form", (dim, dim))
    size = float(np.linalg.norm(omega))
    if np.linalg.norm(omega + omega.T) > 1e-10 * size or np.linalg.matrix_rank(omega) < dim:
        raise ParameterError("form", "a skew-symmetric matrix with an inverse", "another one")
    return omega
