"""From parallel symmetric tensors to factors: simple ideals of a small Jordan algebra, then subspaces at each point.

Parallel tensors are closed under S∘T = (ST + TS)/2, with structure constants that are the same at every point. The
algebra is a sum of simple ideals, one for each factor of the de Rham decomposition: the numbers R for an irreducible
curved factor, Sym²(R^k) for the flat one. Its idempotents are the projectors onto the factors, with coefficients that
hold for all points at once, so that labels cannot swap between points and nothing is clustered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from geodis.discovery.parallel_transport import polar
from geodis.linalg import Array

CENTRAL = 0.2  # a commutator of multiplications this small is noise; in Sym²(R^k) it is of order 1
N_DRAWS = 64  # generic elements tried: the one whose eigenvalues lie farthest apart is used
ROUNDS = 20  # of the joint diagonalization at each point


@final
@dataclass(frozen=True, eq=False)
class FactorAlgebra:
    """The factors of an algebra of parallel tensors.

    Parameters
    ----------
    coefficients : array (m, c + 1)
        Projector f is Σ_k coefficients[f, k] H_k, H_0 the metric.
    traces : array (m,)
        Traces of the projectors: integers but for noise, the factors' dimensions.
    ideals : array (m,)
        Dimensions of the ideals: 1 for a factor that holonomy makes irreducible, k(k+1)/2 for a flat one.
    closure : float
        Share of the products H_i∘H_j (in squares, over all points) that is outside the span: 0 for parallel tensors.
    """

    coefficients: Array
    traces: Array
    ideals: Array
    closure: float

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The factors' dimensions."""
        return tuple(int(d) for d in np.rint(self.traces))

    @property
    def defect(self) -> float:
        """How far traces, ideals and closure are from what a product allows; below about .1 for a clear product."""
        d = np.rint(self.traces)
        allowed = np.where(np.abs(self.ideals - 1) < np.abs(self.ideals - d * (d + 1) / 2), 1, d * (d + 1) / 2)
        wrong = 1.0 if (d < 1).any() else 0.0
        return float(max(np.abs(self.traces - d).max(), np.abs(self.ideals / allowed - 1).max(), self.closure, wrong))

    @property
    def flat(self) -> tuple[bool, ...]:
        """Which factors are flat: lines and circles, and those on which any tensor is parallel."""
        return tuple(bool(d == 1 or j > 1.5) for d, j in zip(self.dimensions, self.ideals, strict=True))


def factor_algebra(fields: Array, weights: Array, seed: int = 0) -> FactorAlgebra:
    """The factors that parallel tensor fields span.

    Parameters
    ----------
    fields : array (c, n, d, d)
        Parallel tensors without trace, orthogonal under the weights, of mean square norm d; c may be 0.
    weights : array (n,)
        The points' weights.
    seed : int
        Seed of the generic elements.
    """
    d = fields.shape[2]
    constants, closure = _constants(_with_metric(fields), weights / weights.sum())
    central = _centre(constants)
    idempotents = _idempotents(constants, central, np.random.default_rng(seed))
    order = np.lexsort((np.arange(len(idempotents)), -np.rint(idempotents[:, 0] * d)))
    chosen = idempotents[order]
    ideals = np.einsum("fi,ijj->f", chosen, constants)
    return FactorAlgebra(chosen, chosen[:, 0] * d, ideals, closure)


def point_subspaces(algebra: FactorAlgebra, fields: Array) -> tuple[Array, ...]:
    """Orthonormal bases (n, d, d_f) of the factors in each point's frame.

    They maximise Σ_f tr(V_fᵀ P_f V_f) over orthogonal V = [V_1 … V_m], P_f the point's projectors before rounding.
    """
    projectors = np.tensordot(algebra.coefficients, _with_metric(fields), axes=1)
    return split_projectors(projectors, algebra.dimensions)


def split_projectors(projectors: Array, dimensions: tuple[int, ...]) -> tuple[Array, ...]:
    """The same from approximate projectors (m, n, d, d) that sum to the identity."""
    ends = np.cumsum(dimensions)
    labels = np.arange(len(dimensions))[::-1]
    # Eigenvalues m−1, …, 0 in the order of the factors: exact for two, a start for more.
    V = np.linalg.eigh(np.tensordot(labels.astype(float), projectors, axes=1))[1][..., ::-1]
    blocks = np.repeat(np.arange(len(dimensions)), dimensions)
    for _ in range(ROUNDS if len(dimensions) > 2 else 0):
        # Ascent on a convex function (the shift makes it one) by its linearization over orthogonal matrices.
        pulled = np.concatenate([(P + np.eye(len(blocks))) @ V[..., blocks == f] for f, P in enumerate(projectors)], 2)
        V = polar(pulled)
    return tuple(np.split(V, ends[:-1], axis=2))


def _with_metric(fields: Array) -> Array:
    """The fields, headed by the metric (c + 1, n, d, d)."""
    n, d = fields.shape[1:3]
    return np.concatenate([np.broadcast_to(np.eye(d), (1, n, d, d)), fields])


def _constants(basis: Array, weights: Array) -> tuple[Array, float]:
    """t_ijk = mean tr(H_i∘H_j · H_k)/d, symmetric in all indices, and the share of products outside the span."""
    size, d = len(basis), basis.shape[2]
    dual = basis.reshape(size, -1) * np.repeat(weights, d * d) / d
    constants, missed, whole = np.zeros((size,) * 3), 0.0, 0.0
    for i in range(size):
        for j in range(i, size):
            product = basis[i] @ basis[j]
            product = (product + np.swapaxes(product, 1, 2)) / 2
            constants[i, j] = constants[j, i] = dual @ product.ravel()
            if i > 0:  # products with the metric are inside by definition
                outside = product - np.tensordot(constants[i, j], basis, axes=1)
                missed += float(weights @ np.square(outside).sum(axis=(1, 2)))
                whole += float(weights @ np.square(product).sum(axis=(1, 2)))
    return constants, missed / whole if whole else 0.0


def _centre(constants: Array) -> Array:
    """An orthonormal basis (c + 1, m) of the elements whose multiplication commutes with all others."""
    products = np.einsum("ajk,bkl->abjl", constants, constants)
    commutators = products - products.swapaxes(0, 1)
    _, sizes, rows = np.linalg.svd(commutators.reshape(len(constants), -1).T, full_matrices=False)
    # The identity is in every centre, whatever the noise.
    return np.asarray(rows[(sizes < CENTRAL) | (sizes <= sizes[-1])].T)


def _idempotents(constants: Array, central: Array, rng: np.random.Generator) -> Array:
    """The centre's minimal idempotents (m, c + 1): eigenvectors of a generic element's multiplication, rescaled."""
    within = np.einsum("ijk,ia,jb,kc->abc", constants, central, central, central)
    best, vectors = -1.0, np.eye(len(within))
    for draw in rng.normal(size=(N_DRAWS, len(within))):
        values, tried = np.linalg.eigh(np.tensordot(draw / np.linalg.norm(draw), within, axes=1))
        apart = float(np.diff(values).min(initial=np.inf))
        if apart > best:
            best, vectors = apart, tried
    sizes = np.einsum("abc,af,bf,cf->f", within, vectors, vectors, vectors)
    safe = np.where(np.abs(sizes) > 1e-9, sizes, 1e-9)
    return np.asarray((central @ vectors / safe).T)
