"""Do generators span a Lie algebra, and which one? Measures on matrices A `(k, d, d)`, through their span.

Every measure orthonormalizes the generators first (Frobenius inner product), so that no value depends on the basis of
the span. A Lie algebra is told by its structure constants, [A_i, A_j] = Σ_m c_ijm A_m, which do not change when the
space that the matrices act on is transformed; the spans do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import subspace_angles
from scipy.optimize import linear_sum_assignment

from geodis.errors import ParameterError, ShapeError
from geodis.groups.algebra import AlgebraInvariants as AlgebraInvariants
from geodis.groups.algebra import algebra_invariants, aligned, span_basis, span_residual, structure_constants
from geodis.groups.options import count
from geodis.linalg import Array
from geodis.metrics.result import MetricResult

OPEN = 0.1  # a closure residual above it: what is compared is hardly an algebra
N_RANDOM = 16  # random spans behind a baseline


def closure_residual(generators: Any, *, seed: int = 0) -> MetricResult:
    """√(Σ‖[A_i, A_j] − P[A_i, A_j]‖² / Σ‖[A_i, A_j]‖²), P onto the span: 0 if the generators close under brackets.

    A function of the span alone. It is 0, too, for generators that all commute (said in the notes).

    Parameters
    ----------
    generators : array (k, d, d)
        Matrices; dependent ones count once.
    seed : int
        Seed of the random spans of the baseline ``random``: as many skew matrices if all generators are skew, else
        as many arbitrary ones.

    Returns
    -------
    MetricResult
        Status ``insufficient`` for one independent generator: there is no bracket. No interval: nothing is drawn.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than matrices, NaN, all zero.

    Examples
    --------
    >>> heisenberg = np.zeros((3, 3, 3))
    >>> heisenberg[0, 0, 1] = heisenberg[1, 1, 2] = heisenberg[2, 0, 2] = 1.0
    >>> closure_residual(heisenberg).value, closure_residual(heisenberg[:2]).value
    (0.0, 1.0)
    """
    basis = span_basis(generators, "generators")
    k, d, _ = basis.shape
    if k < 2:
        return _result("closure_residual", math.nan, k, {}, ("one independent generator has no bracket",))
    value = span_residual(basis)
    skew = bool(np.abs(basis + np.swapaxes(basis, 1, 2)).max() < 1e-9)
    if math.isnan(value):
        return _result("closure_residual", 0.0, k, {}, ("all generators commute: the span is closed, and abelian",))
    return _result("closure_residual", value, k, {"random": _random_residual(k, d, skew, seed)}, ())


def structure_constant_error(generators: Any, reference: Any, *, n_starts: int = 6, seed: int = 0) -> MetricResult:
    """How far two Lie algebras are from being the same, whatever their bases and the spaces that they act on.

    With c·T the structure constants in the basis T, the larger of min_T ‖c·T − c'‖/‖c'‖ and min_T ‖c'·T − c‖/‖c‖ over
    invertible T, and of the two closure residuals. Both directions count, since an algebra may degenerate in the limit
    to one that is not its like (so(3) to the Heisenberg algebra), but never both ways. 0 if and only if both spans
    close and are isomorphic; at most 1, the value between any algebra and an abelian one of its dimension.

    Parameters
    ----------
    generators, reference : array (k, d, d), (k, d', d')
        Matrices, of any sizes; dependent ones count once.
    n_starts : int
        Starts of the search for T in each direction.
    seed : int
        Seed of the starts.

    Returns
    -------
    MetricResult
        `notes` tell the dimension, the dimension of the brackets and the Killing signature where they differ. Status
        ``partial`` where a span does not close. No interval: nothing is drawn.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than matrices, NaN, all zero, no start.

    Notes
    -----
    What it does not say: the search is local, so a value above 0 is an upper bound, and its size, unlike its zero,
    depends on the inner product of the matrices: it does not change with the basis of a span or an orthogonal change
    of the space, and does with another one.

    Examples
    --------
    >>> so3 = np.zeros((3, 3, 3))
    >>> for i, (a, b) in enumerate([(1, 2), (2, 0), (0, 1)]):
    ...     so3[i, a, b], so3[i, b, a] = -1.0, 1.0
    >>> change = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 3.0]])
    >>> structure_constant_error(change @ so3 @ np.linalg.inv(change), so3).value < 1e-6
    True
    """
    count(n_starts, "n_starts", 1)
    one, two = span_basis(generators, "generators"), span_basis(reference, "reference")
    baselines = {"abelian": 1.0}
    if len(one) != len(two):
        note = f"the algebras have dimensions {len(one)} and {len(two)}"
        return _result("structure_constant_error", 1.0, len(one), baselines, (note,))
    openness = [0.0 if math.isnan(r := span_residual(basis)) else r for basis in (one, two)]
    c, c_ref = structure_constants(one), structure_constants(two)
    rng = np.random.default_rng([seed, 19])
    distance = max(aligned(c, c_ref, n_starts, rng), aligned(c_ref, c, n_starts, rng))
    notes = _differences(one, two)
    if max(openness) > OPEN:
        notes = (f"closure residuals {openness[0]:.2g} and {openness[1]:.2g}: a span is no algebra", *notes)
    return _result("structure_constant_error", max(distance, *openness), len(one), baselines, notes)


def generator_span_angle(generators: Any, reference: Any, *, seed: int = 0) -> MetricResult:
    """The largest principal angle [rad] between two spans of matrices: 0 if they are the same, π/2 at worst.

    Spans of different dimensions are π/2 apart. The angle does not change with the bases of the spans or a common
    orthogonal change of the space; it does with any other change.

    Parameters
    ----------
    generators, reference : array (k, d, d)
        Matrices of one size; dependent ones count once.
    seed : int
        Seed of the baseline ``random``, the mean angle of the reference to random spans.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For matrices of different sizes, NaN, all zero.

    Examples
    --------
    >>> A = np.random.default_rng(0).normal(size=(3, 4, 4))
    >>> generator_span_angle(np.cumsum(A, axis=0), A).value < 1e-12
    True
    """
    one, two = span_basis(generators, "generators"), span_basis(reference, "reference")
    _same_size([one], [two])
    notes = _dimension_notes([one], [two])
    return _result("generator_span_angle", _angle(one, two), len(one), _random_angle([two], seed), notes)


def factor_span_angle(factors: Any, reference: Any, *, seed: int = 0) -> MetricResult:
    """Mean over factors of the largest principal angle [rad] to the span that each is matched with, at best.

    Parameters
    ----------
    factors, reference : sequence of array (k, d, d)
        One set of generators a factor, in any order. Factors in excess on either side count π/2.
    seed : int
        Seed of the baseline ``random``.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For no factor, matrices of different sizes, NaN, all zero.

    Examples
    --------
    >>> A = np.random.default_rng(0).normal(size=(3, 2, 4, 4))
    >>> factor_span_angle(A[::-1], A).value < 1e-12
    True
    """
    ones = [span_basis(g, "factors") for g in factors]
    twos = [span_basis(g, "reference") for g in reference]
    if not ones or not twos:
        raise ParameterError("factors, reference", "at least one set of generators each", (len(ones), len(twos)))
    _same_size(ones, twos)
    angles = np.array([[_angle(one, two) for two in twos] for one in ones])
    rows, columns = linear_sum_assignment(angles)
    excess = max(angles.shape) - len(rows)
    value = float(angles[rows, columns].sum() + excess * math.pi / 2) / max(angles.shape)
    notes = _dimension_notes([ones[i] for i in rows], [twos[j] for j in columns])
    if excess:
        notes = (f"{len(ones)} factors against {len(twos)}: {excess} have no counterpart", *notes)
    return _result("factor_span_angle", value, sum(map(len, ones)), _random_angle(twos, seed), notes)


def _random_residual(k: int, d: int, skew: bool, seed: int) -> float:
    rng = np.random.default_rng([seed, 23])
    found = []
    for _ in range(N_RANDOM):
        matrices = rng.normal(size=(k, d, d))
        found.append(span_residual(span_basis(matrices - np.swapaxes(matrices, 1, 2) if skew else matrices, "random")))
    return float(np.nan_to_num(found).mean())


def _differences(one: Array, two: Array) -> tuple[str, ...]:
    """Invariants in which two algebras of equal dimension differ, as sentences."""
    first, second = algebra_invariants(one), algebra_invariants(two)
    return tuple(
        f"{name}: {x} and {y}"
        for name, x, y in (
            ("dimension of the brackets", first.derived, second.derived),
            ("dimension of the center", first.center, second.center),
            ("Killing signature", first.killing, second.killing),
        )
        if x != y
    )


def _angle(one: Array, two: Array) -> float:
    if len(one) != len(two):
        return math.pi / 2
    # scipy takes small angles from sines: the arccosine of a cosine above 1 by rounding would be NaN.
    return float(subspace_angles(one.reshape(len(one), -1).T, two.reshape(len(two), -1).T).max())


def _random_angle(spans: list[Array], seed: int) -> dict[str, float]:
    rng = np.random.default_rng([seed, 29])
    found = [_angle(span_basis(rng.normal(size=span.shape), "random"), span) for span in spans for _ in range(N_RANDOM)]
    return {"random": float(np.mean(found))}


def _same_size(ones: list[Array], twos: list[Array]) -> None:
    sizes = {basis.shape[1] for basis in (*ones, *twos)}
    if len(sizes) > 1:
        raise ShapeError("generators and reference", "matrices of one size", sorted(sizes), "Spans live in one space.")


def _dimension_notes(ones: list[Array], twos: list[Array]) -> tuple[str, ...]:
    return tuple(
        f"spans of dimensions {len(a)} and {len(b)}" for a, b in zip(ones, twos, strict=True) if len(a) != len(b)
    )


def _result(name: str, value: float, k: int, baselines: dict[str, float], notes: tuple[str, ...]) -> MetricResult:
    """A number without interval: nothing is drawn."""
    insufficient, open_span = math.isnan(value), any("no algebra" in note for note in notes)
    return MetricResult(
        name, value, None, "none", 0.95, 0, k, baselines,
        status="insufficient" if insufficient else "partial" if open_span else "ok", notes=notes,
    )  # fmt: skip
