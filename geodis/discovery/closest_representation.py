"""Which representation do tangent fields belong to: real ones of SO(2), T² and SO(3), each with a frame.

A candidate is a list of skew generators J_a in a standard frame. Its start is a rotation Q into the space of the cloud:
for tori the invariant planes of the algebra, with the weights read off the integer relations between their phases; for
SO(3) the intertwiner X with B_a X = X J_a, in closed form, where B_a is the derived algebra in a standard basis.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import final

import numpy as np
from scipy.linalg import block_diag

from geodis.discovery.phase_relations import invariant_planes, lattices_of_weights, phase_relations
from geodis.discovery.tangent_fields import TangentFields
from geodis.discovery.torus_weights import Weights, canonical_weights, distinct, fits_within
from geodis.errors import ParameterError
from geodis.groups.so3 import haar_rotation_vectors
from geodis.groups.wigner import spin_generators
from geodis.linalg import Array

TURN = np.array([[0.0, -1.0], [1.0, 0.0]])
STARTS = 2  # of each group: the best and its rival
POINTS_A_PERIOD = 12  # of the grid of elements on a torus, at the highest weight
ROTATIONS = 1500  # elements of SO(3) from which a point's is sought, times l²


@final
@dataclass(frozen=True, eq=False)
class Candidate:
    """A real representation without trivial part, in its standard frame.

    Attributes
    ----------
    group : str
        ``"SO(2)"``, ``"T²"`` or ``"SO(3)"``.
    weights : tuple
        Canonical: ints for SO(2), two rows of ints for T², the spins l for SO(3).
    generators : ndarray (k, r, r)
        Skew. For tori exp(2πJ_a) = 1; for SO(3) [J_x, J_y] = J_z.
    grid : ndarray (m, k)
        Elements exp(Σ t_a J_a) spread over the group, fine enough to start the search for the nearest one.
    """

    group: str
    weights: tuple[int, ...] | Weights
    generators: Array
    grid: Array

    def elements(self, t: Array) -> Array:
        """ρ(t) = exp(Σ t_a J_a): (n, k) → (n, r, r)."""
        return skew_exp(np.einsum("na,aij->nij", t, self.generators))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Parameters (n, k) of Haar elements."""
        if self.group == "SO(3)":
            return haar_rotation_vectors(rng, n)
        return rng.uniform(0.0, 2 * np.pi, (n, len(self.generators)))


@final
@dataclass(frozen=True, eq=False)
class Start:
    """A candidate with the rotation (r, r) from its standard frame to the cloud's."""

    candidate: Candidate
    frame: Array


class AbstractCandidates(ABC):
    """A group, as the source of candidates for the fields tangent to a cloud."""

    @abstractmethod
    def starts(self, points: Array, fields: TangentFields, seed: int) -> list[Start]:
        """Candidates with frames for a cloud (n, r) about the origin, most likely first; none where none fits."""


@final
class CircleCandidates(AbstractCandidates):
    """SO(2) with distinct weights up to `max_weight`."""

    def __init__(self, max_weight: int = 4) -> None:
        self.max_weight = _at_least_one(max_weight)

    def starts(self, points: Array, fields: TangentFields, seed: int) -> list[Start]:
        """The best weights by the relations between phases, and the next best."""
        return _torus_starts(1, self.max_weight, points, fields, seed)

    def __repr__(self) -> str:
        return f"CircleCandidates(max_weight={self.max_weight})"


@final
class TorusCandidates(AbstractCandidates):
    """T² with weights that some basis of the torus brings to entries of at most `max_weight`."""

    def __init__(self, max_weight: int = 4) -> None:
        self.max_weight = _at_least_one(max_weight)

    def starts(self, points: Array, fields: TangentFields, seed: int) -> list[Start]:
        """The best lattice of weights by the relations between phases, and the next best."""
        return _torus_starts(2, self.max_weight, points, fields, seed)

    def __repr__(self) -> str:
        return f"TorusCandidates(max_weight={self.max_weight})"


@final
class RotationCandidates(AbstractCandidates):
    """SO(3) with spins up to `max_weight`; spin l at most 2l + 1 times, since an orbit spans no more copies."""

    def __init__(self, max_weight: int = 4) -> None:
        self.max_weight = _at_least_one(max_weight)

    def starts(self, points: Array, fields: TangentFields, seed: int) -> list[Start]:
        """The representations of this dimension, closest to the derived algebra first."""
        basis = rotation_basis(fields.derived())
        if basis is None:
            return []
        found = []
        for spins in spins_of_dimension(points.shape[1], self.max_weight):
            candidate = rotations(spins)
            frame, misfit = closest_frame(basis, candidate.generators)
            found.append((misfit, Start(candidate, frame)))
        return [start for _, start in sorted(found, key=lambda pair: pair[0])[:STARTS]]

    def __repr__(self) -> str:
        return f"RotationCandidates(max_weight={self.max_weight})"


def torus(weights: Array) -> Candidate:
    """T^k on m planes with the columns of W (k, m): plane j turns by Σ_a t_a W_aj."""
    W = np.atleast_2d(np.asarray(weights, dtype=int))
    generators = np.stack([block_diag(*(w * TURN for w in row)) for row in W])
    axes = [_circle(int(np.abs(row).max())) for row in W]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(W))
    rows = canonical_weights(W)
    return Candidate("SO(2)" if len(W) == 1 else "T²", rows[0] if len(W) == 1 else rows, generators, grid)


def rotations(spins: tuple[int, ...]) -> Candidate:
    """⊕ D^l of SO(3), real."""
    generators = np.stack([block_diag(*(spin_generators(degree)[a] for degree in spins)) for a in range(3)])
    return Candidate(
        "SO(3)", spins, generators, haar_rotation_vectors(np.random.default_rng(0), ROTATIONS * max(spins) ** 2)
    )


def spins_of_dimension(r: int, largest: int) -> Iterator[tuple[int, ...]]:
    """All (l₁ ≥ l₂ ≥ …) with 1 ≤ l ≤ `largest`, Σ(2l + 1) = r and every l at most 2l + 1 times.

    Examples
    --------
    >>> list(spins_of_dimension(8, 4))
    [(2, 1)]
    """
    degrees = range(largest, 0, -1)
    for count in range(1, r // 3 + 1):
        for spins in combinations_with_replacement(degrees, count):
            if sum(2 * degree + 1 for degree in spins) == r and all(spins.count(d) <= 2 * d + 1 for d in spins):
                yield spins


def rotation_basis(algebra: Array) -> Array | None:
    """B_a with [B_x, B_y] = B_z, cyclically, of three orthonormal skew matrices that nearly close; None for others.

    The Frobenius product is invariant, so that orthonormal B have structure constants s·ε_abc and only s is wanted.
    """
    if len(algebra) != 3:
        return None
    bracket = algebra[0] @ algebra[1] - algebra[1] @ algebra[0]
    size = float(np.einsum("ij,ij->", bracket, algebra[2]))
    return algebra / size if abs(size) > 0.5 * float(np.linalg.norm(bracket)) > 0.0 else None


def closest_frame(basis: Array, generators: Array) -> tuple[Array, float]:
    """The rotation Q with B_a Q ≈ Q J_a, and √(Σ‖B_a Q − Q J_a‖²/Σ‖J_a‖²).

    Minimisers X of the linear problem are the intertwiners, as many as the representation has endomorphisms; the polar
    factor of one in general position is the frame, up to the orthogonal part of the commutant.
    """
    r = basis.shape[1]
    eye = np.eye(r)
    rows = np.concatenate([np.kron(B, eye) - np.kron(eye, J.T) for B, J in zip(basis, generators, strict=True)])
    _, sizes, right = np.linalg.svd(rows)
    n_free = max(1, int((sizes < 0.3 * np.sqrt(np.square(generators).sum() / r)).sum()))
    best, least = eye, np.inf
    for X in _combinations(right[-n_free:].reshape(n_free, r, r)):
        u, _, vt = np.linalg.svd(X)
        misfit = float(np.linalg.norm(basis @ (u @ vt) - (u @ vt) @ generators))
        if misfit < least:
            best, least = u @ vt, misfit
    return best, least / float(np.linalg.norm(generators))


def skew_exp(skew: Array) -> Array:
    """The exponential of skew matrices (n, r, r), by halving, a series and squaring: orthogonal to rounding."""
    size = float(np.abs(skew).sum(axis=-1).max(initial=0.0))
    halvings = max(0, int(np.ceil(np.log2(max(size, 1e-300) / 0.25))))
    x = skew / 2**halvings
    out = term = np.broadcast_to(np.eye(skew.shape[-1]), skew.shape)
    for k in range(1, 10):
        term = term @ x / k
        out = out + term
    for _ in range(halvings):
        out = out @ out
    return np.asarray(out)


def _torus_starts(k: int, largest: int, points: Array, fields: TangentFields, seed: int) -> list[Start]:
    if points.shape[1] % 2 or points.shape[1] < 2 * k or not len(fields.matrices):
        return []
    frame = invariant_planes(fields.matrices, seed)
    relations = phase_relations(points @ frame, 3 * largest)
    found: list[Start] = []
    for W in lattices_of_weights(relations, k):
        known = {start.candidate.weights for start in found}
        if distinct(W) and fits_within(W, largest) and (start := Start(torus(W), frame)).candidate.weights not in known:
            found.append(start)
        if len(found) == STARTS:
            break
    return found


def _combinations(matrices: Array) -> list[Array]:
    """A few elements in general position of a span."""
    rng = np.random.default_rng(0)
    return [np.einsum("a,aij->ij", c, matrices) for c in rng.standard_normal((8, len(matrices)))]


def _circle(weight: int) -> Array:
    n = POINTS_A_PERIOD * max(1, weight)
    return 2 * np.pi * np.arange(n) / n


def _at_least_one(max_weight: int) -> int:
    if isinstance(max_weight, bool) or int(max_weight) != max_weight or max_weight < 1:
        raise ParameterError("max_weight", "an integer of at least 1", max_weight)
    return int(max_weight)
