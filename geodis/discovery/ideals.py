"""A Lie algebra with noisy structure constants as the direct sum of an abelian part and indecomposable, named ideals.

The centroid, the maps D with D[x, y] = [Dx, y], holds the projections onto the ideals of a direct sum. With noise the
maps that almost do so propose a split, and what the split drops from the structure constants decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from geodis.discovery.known_algebras import KnownAlgebra, other_algebras, plane_flow, simple_algebra
from geodis.groups.algebra import (
    centre_dimension,
    corrected,
    descended,
    in_basis,
    killing_signature,
    room_around,
    span_of_brackets,
)
from geodis.linalg import Array

TRIES = 24  # draws from the centroid, each of which may separate what another merges
MERGED = 1e-3  # eigenvalues of a unit map closer than this count as one
N_STARTS = 16  # of a comparison with one algebra
FIRST, LAST = 20, 60  # steps of each start, and of the best ones again
CONTINUED = 4
SMALLEST_ANGLE = 0.02  # [rad] between two ideals


def abelian_part(c: Array, tolerance: float) -> tuple[Array, Array]:
    """Orthonormal rows (m, k), (a, k): an ideal that holds all brackets, and an abelian complement in the centre.

    Parameters
    ----------
    c : array (k, k, k)
        Structure constants.
    tolerance : float
        Singular values of c up to here count as none.
    """
    k = len(c)
    left, sizes, _ = np.linalg.svd(c.reshape(k, k * k))
    centre = left[:, sizes <= tolerance].T
    derived = span_of_brackets(c, tolerance)
    if len(derived) == 0:
        return np.empty((0, k)), np.eye(k)
    apart = centre - centre @ derived.T @ derived
    kept = max(tolerance, 1e-9)
    sines, rows = np.linalg.svd(apart, full_matrices=False)[1:] if len(centre) else (np.empty(0), np.empty((0, k)))
    # The centre is known up to tolerance/(the smallest bracket kept): less than that apart is the same.
    smallest = float(np.linalg.svd(c.reshape(k * k, k), compute_uv=False)[len(derived) - 1])
    out = rows[sines > min(4 * kept / smallest, 0.5)]
    abelian = _row_space(centre @ out.T @ out) if len(out) else np.empty((0, k))
    abelian = abelian[: len(out)]
    return _completed(derived, abelian), abelian


def series(c: Array, tolerance: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Dimensions of the derived series (each the brackets of the one before) and of the lower central series."""
    return _dimensions(c, tolerance, central=False), _dimensions(c, tolerance, central=True)


def restricted(c: Array, rows: Array) -> Array:
    """Structure constants of the span of orthonormal rows (m, k), what leaves it dropped."""
    return np.asarray(np.einsum("ia,jb,abn,mn->ijm", rows, rows, c, rows, optimize=True))


def indecomposable(c: Array, tolerance: float, seed: int = 0) -> list[Array]:
    """Orthonormal rows (m_b, k) of ideals whose direct sum misses c by at most `tolerance`, none of which splits.

    Parameters
    ----------
    c : array (k, k, k)
        Structure constants of an algebra without an abelian summand.
    tolerance : float
        The Frobenius norm that a split may drop.
    seed : int
        Of the draws from the centroid.
    """
    halves = _split(c, tolerance, np.random.default_rng([seed, 41]))
    if halves is None:
        return [np.eye(len(c))]
    return [inner @ rows for rows in halves for inner in indecomposable(restricted(c, rows), tolerance, seed)]


def summed(blocks: list[Array], rows: list[Array]) -> Array:
    """The direct sum of blocks (m_b, m_b, m_b) with bases `rows` (m_b, k), in the basis that the rows refer to."""
    k = sum(map(len, blocks))
    total, at = np.zeros((k, k, k)), 0
    for block in blocks:
        m = len(block)
        total[at : at + m, at : at + m, at : at + m] = block
        at += m
    return in_basis(total, np.linalg.inv(np.concatenate(rows)))


@final
@dataclass(frozen=True, eq=False)
class Summand:
    """An ideal: its rows (m, k), its name, and the exact structure constants nearest to it."""

    rows: Array
    name: str
    aliases: tuple[str, ...]
    exact: Array
    rivals: tuple[tuple[str, float], ...] = ()
    parameters: tuple[tuple[str, float, float], ...] = ()
    rigid: bool = False


def named_ideals(c: Array, rows: Array, wide: float, sharp: float, seed: int) -> list[Summand]:
    """The indecomposable ideals, the largest first, each with its name ("" where there is none)."""
    exact = _semisimple(c, wide, sharp)
    if exact is None:
        ideals = indecomposable(c, wide, seed)
        parts = [_summand(restricted(c, inner), inner @ rows, wide, sharp, seed) for inner in ideals]
    else:
        ideals = indecomposable(exact, 1e-7 * float(np.linalg.norm(exact)), seed)
        parts = [_simple(restricted(exact, inner), inner @ rows) for inner in ideals]
    return sorted(parts, key=lambda part: (-len(part.rows), part.name))


def _summand(c: Array, rows: Array, wide: float, sharp: float, seed: int) -> Summand:
    """One indecomposable ideal."""
    exact = _semisimple(c, wide, sharp)
    if exact is not None:
        return _simple(exact, rows)
    if len(c) == 3 and len(span_of_brackets(c, sharp)) == 2:
        return _three_dimensional(c, rows, sharp)
    return _compared(c, rows, wide, sharp, seed)


def _simple(exact: Array, rows: Array) -> Summand:
    known = simple_algebra(exact)
    return Summand(rows, known.name if known else "", known.aliases if known else (), exact, rigid=True)


def _semisimple(c: Array, wide: float, sharp: float) -> Array | None:
    """The exact semisimple algebra beside c, if one is near and no other kind is."""
    if len(c) < 3 or len(span_of_brackets(c, sharp)) < len(c):
        return None
    exact = corrected(c)
    if exact is None or float(np.linalg.norm(exact - c)) > wide or killing_signature(exact, 1e-12)[2]:
        return None
    return exact if room_around(exact) >= sharp else None


def _compared(c: Array, rows: Array, wide: float, sharp: float, seed: int) -> Summand:
    """The algebra of the catalogue that c is one of, within `wide`.

    Ranks and signs only grow under small changes: an algebra must have those that c shows beyond the noise. Of two that
    are near the one with fewer is meant, and the room around it decides; only equals are rivals.
    """
    shape, shown = (len(span_of_brackets(c, sharp)), centre_dimension(c, sharp)), killing_signature(c, sharp)
    possible = [
        known for known in other_algebras(len(c))
        if (known.invariants.derived, known.invariants.center) == shape
        and all(own >= least for own, least in zip(known.invariants.killing[:2], shown[:2], strict=True))
    ]  # fmt: skip
    possible.sort(key=lambda known: known.invariants.killing[2], reverse=True)
    rng, best, rivals = np.random.default_rng([seed, 43]), None, []
    for known in possible:
        if best is not None and known.invariants != best[0].invariants:
            continue
        exact, far = _fitted(known, c, wide, rng)
        rivals.append((known.name, far))
        if far <= wide and (best is None or far < best[2]):
            best = (known, exact, far)
    if best is None:
        return Summand(rows, "", (), c, tuple(rivals))
    return Summand(rows, best[0].name, best[0].aliases, best[1], tuple(r for r in rivals if r[0] != best[0].name))


def _fitted(known: KnownAlgebra, c: Array, enough: float, rng: np.random.Generator) -> tuple[Array, float]:
    """The algebra `known` in the basis that brings it nearest to c, and the distance left."""
    k, target = len(c), known.constants
    start = target * (float(np.linalg.norm(c)) / float(np.linalg.norm(target)))
    found: list[tuple[Array, float]] = []
    for i in range(N_STARTS):
        turn = np.linalg.qr(rng.normal(size=(k, k)))[0]
        turn[0] *= (-1) ** i  # steps of the descent never change the orientation
        found.append(descended(in_basis(start, turn), c, FIRST))
        if found[-1][1] <= enough:
            return found[-1]
    found.sort(key=lambda one: one[1])
    for i, (moved, _) in enumerate(found[:CONTINUED]):
        found[i] = descended(moved, c, LAST)
        if found[i][1] <= enough:
            return found[i]
    return min(found, key=lambda one: one[1])


def _three_dimensional(c: Array, rows: Array, sharp: float) -> Summand:
    """R ⋉ R²: [J, P] = NP, told by the eigenvalues of N up to their common scale."""
    plane = span_of_brackets(c, sharp)
    rest = np.linalg.svd(plane)[2][2:]
    moved = in_basis(c, np.concatenate([plane, rest]))
    N = moved[2, :2, :2]
    clean = np.zeros_like(moved)
    clean[2, :2, :2], clean[:2, 2, :2] = N, -N
    half, error = float(np.trace(N)) / 2, sharp
    square = float(np.linalg.det(N)) - half**2  # of the imaginary part; negative for real eigenvalues
    name, aliases, parameters = plane_flow(half, square, error, float(np.linalg.norm(N)))
    if abs(half) <= error:
        clean[2, :2, :2] = N - half * np.eye(2)
        clean[:2, 2, :2] = -clean[2, :2, :2]
    exact = in_basis(clean, np.concatenate([plane, rest]).T)
    return Summand(rows, name, aliases, exact, (), parameters)


def centroid(c: Array, tolerance: float) -> Array:
    """Unit maps D (n, k, k), rows to rows, that miss D[x, y] = [Dx, y] by at most `tolerance`."""
    k, eye = len(c), np.eye(len(c))
    # The Gram matrix of D ↦ D[x, y] − [Dx, y], term by term: the map itself has k⁵ entries.
    mixed = np.einsum("bja,qjp->apbq", c, c, optimize=True)
    gram = (
        np.einsum("ija,ijb,pq->apbq", c, c, eye, optimize=True)
        - mixed
        - mixed.transpose(2, 3, 0, 1)
        + np.einsum("ab,pjr,qjr->apbq", eye, c, c, optimize=True)
    )
    values, vectors = np.linalg.eigh(gram.reshape(k * k, k * k))
    small = np.sqrt(np.maximum(values, 0.0)) <= max(tolerance, 1e-7 * float(np.linalg.norm(c)))
    return np.asarray(vectors.T[small].reshape(-1, k, k))


def _split(c: Array, tolerance: float, rng: np.random.Generator) -> list[Array] | None:
    """The two ideals of the split that drops least, if that is within the tolerance."""
    maps = centroid(c, 4 * tolerance)
    best: tuple[float, list[Array]] | None = None
    for _ in range(TRIES if len(maps) > 1 else 0):
        halves = _halves(np.einsum("n,nab->ab", rng.normal(size=len(maps)), maps))
        if halves is None:
            continue
        dropped = float(np.linalg.norm(summed([restricted_in(c, halves, b) for b in (0, 1)], halves) - c))
        if dropped <= tolerance and (best is None or dropped < best[0]):
            best = (dropped, halves)
    return None if best is None else best[1]


def restricted_in(c: Array, halves: list[Array], which: int) -> Array:
    """The constants of one of two complementary spans, the other's share of each bracket dropped (not projected)."""
    m = len(halves[0])
    moved = in_basis(c, np.concatenate(halves))
    part = slice(0, m) if which == 0 else slice(m, None)
    return np.asarray(moved[part, part, part])


def _halves(D: Array) -> list[Array] | None:
    """The two spectral subspaces of D on either side of the widest gap between real parts of its eigenvalues."""
    values, vectors = np.linalg.eig(D.T)  # rows are mapped: x ↦ xD
    order = np.sort(values.real)
    gaps = np.diff(order)
    at = int(np.argmax(gaps))
    if gaps[at] < MERGED:
        return None
    low = values.real <= (order[at] + order[at + 1]) / 2
    halves = [_row_space(np.concatenate([v.real.T, v.imag.T])) for v in (vectors[:, low], vectors[:, ~low])]
    sizes = (int(low.sum()), int((~low).sum()))
    halves = [rows[:n] for rows, n in zip(halves, sizes, strict=True)]
    if any(len(rows) != n for rows, n in zip(halves, sizes, strict=True)):
        return None
    smallest = float(np.linalg.svd(np.concatenate(halves), compute_uv=False)[-1])
    return halves if smallest > SMALLEST_ANGLE / 2 else None


def _row_space(matrix: Array) -> Array:
    """Orthonormal rows, the strongest first."""
    _, sizes, rows = np.linalg.svd(matrix, full_matrices=False)
    return np.asarray(rows[sizes > 1e-9 * max(float(sizes[0]), 1e-300)])


def _completed(derived: Array, abelian: Array) -> Array:
    """Orthonormal rows that hold `derived` and complement `abelian`."""
    k = derived.shape[1]
    both = np.concatenate([derived, abelian])
    beyond = np.linalg.svd(both)[2][len(both) :] if len(both) < k else np.empty((0, k))
    return np.asarray(np.linalg.qr(np.concatenate([derived, beyond]).T)[0].T)


def _dimensions(c: Array, tolerance: float, *, central: bool) -> tuple[int, ...]:
    whole = np.eye(len(c))
    rows, found = whole, [len(c)]
    while True:
        images = np.einsum("ia,jb,abn->ijn", whole if central else rows, rows, c, optimize=True)
        rows = span_of_brackets(images, tolerance) if len(rows) else rows
        if len(rows) >= found[-1]:
            return tuple(found)
        found.append(len(rows))
