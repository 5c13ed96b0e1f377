"""Do generators span a Lie algebra, and which one? Measures on matrices A `(k, d, d)`, through their span.

Every measure orthonormalizes the generators first (Frobenius inner product), so that no value depends on the basis of
the span. A Lie algebra is told by its structure constants, [A_i, A_j] = Σ_m c_ijm A_m, which do not change when the
space that the matrices act on is transformed; the spans do.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import expm, subspace_angles
from scipy.optimize import linear_sum_assignment

from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.result import MetricResult

DEPENDENT = 1e-9  # singular values below this share of the largest count as none
COMMUTING = 1e-12  # brackets of unit generators below it are rounding
OPEN = 0.1  # a closure residual above it: what is compared is hardly an algebra
ALIGNED = 1e-9  # residual at which the search ends
STEPS = 120  # of the search, each start
N_RANDOM = 16  # random spans behind a baseline


class AlgebraInvariants(NamedTuple):
    """What does not change with the basis, exactly, for matrices that close; ranks up to a tolerance.

    Attributes
    ----------
    dim : int
        Linearly independent generators.
    derived : int
        Dimension of the span of all brackets.
    center : int
        Dimension of what commutes with everything.
    killing : (int, int, int)
        Positive, negative and zero eigenvalues of the Killing form tr(ad_i ad_j): so(3) has (0, 3, 0), sl(2) (2, 1, 0).
    """

    dim: int
    derived: int
    center: int
    killing: tuple[int, int, int]


def algebra_invariants(generators: Any, *, tolerance: float = 1e-6) -> AlgebraInvariants:
    """Dimensions and Killing signature of the algebra that generators span.

    Parameters
    ----------
    generators : array (k, d, d)
        Matrices.
    tolerance : float
        Singular values below this share of the largest count as zero; raise it for generators that were estimated.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than matrices, NaN, all zero, a tolerance outside (0, 1).

    Examples
    --------
    >>> so3 = np.array([[[0, 0, 0], [0, 0, -1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [-1, 0, 0]]], dtype=float)
    >>> bracket = so3[0] @ so3[1] - so3[1] @ so3[0]
    >>> algebra_invariants([*so3, bracket])
    AlgebraInvariants(dim=3, derived=3, center=0, killing=(0, 3, 0))
    """
    if not 0.0 < tolerance < 1.0:
        raise ParameterError("tolerance", "a share between 0 and 1", tolerance)
    basis = _basis(generators, "generators", tolerance)
    c, k = _constants(basis), len(basis)
    killing = np.linalg.eigvalsh(np.einsum("iam,jma->ij", c, c))
    scale = float(np.square(c).max())  # Killing form of the largest bracket
    signs = np.where(np.abs(killing) > tolerance * max(scale, COMMUTING**2), np.sign(killing), 0)
    return AlgebraInvariants(
        dim=k,
        derived=_rank(c.reshape(k * k, k), tolerance),
        center=k - _rank(c.reshape(k, k * k), tolerance),
        killing=(int((signs > 0).sum()), int((signs < 0).sum()), int((signs == 0).sum())),
    )


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
    basis = _basis(generators, "generators")
    k, d, _ = basis.shape
    if k < 2:
        return _result("closure_residual", math.nan, k, {}, ("one independent generator has no bracket",))
    value = _residual(basis)
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
    one, two = _basis(generators, "generators"), _basis(reference, "reference")
    baselines = {"abelian": 1.0}
    if len(one) != len(two):
        note = f"the algebras have dimensions {len(one)} and {len(two)}"
        return _result("structure_constant_error", 1.0, len(one), baselines, (note,))
    openness = [0.0 if math.isnan(r := _residual(basis)) else r for basis in (one, two)]
    c, c_ref = _constants(one), _constants(two)
    rng = np.random.default_rng([seed, 19])
    aligned = max(_aligned(c, c_ref, n_starts, rng), _aligned(c_ref, c, n_starts, rng))
    notes = _differences(one, two)
    if max(openness) > OPEN:
        notes = (f"closure residuals {openness[0]:.2g} and {openness[1]:.2g}: a span is no algebra", *notes)
    return _result("structure_constant_error", max(aligned, *openness), len(one), baselines, notes)


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
    one, two = _basis(generators, "generators"), _basis(reference, "reference")
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
    ones = [_basis(g, "factors") for g in factors]
    twos = [_basis(g, "reference") for g in reference]
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


def _basis(generators: Any, what: str, tolerance: float = DEPENDENT) -> Array:
    """An orthonormal basis of the span (k, d, d), in float64."""
    matrices = to_numpy(generators if not isinstance(generators, (list, tuple)) else np.array(generators))
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2] or matrices.size == 0:
        raise ShapeError(what, "(k, d, d)", matrices.shape)
    if matrices.dtype.kind not in "fiu":
        raise ParameterError(what, "real matrices", f"dtype {matrices.dtype}")
    numbers = matrices.astype(np.float64)
    check_finite(numbers, what)
    # Of one size first: a generator in other units is not a dependent one.
    sizes = np.sqrt(np.einsum("kab,kab->k", numbers, numbers))
    kept = numbers[sizes > 0] / sizes[sizes > 0, None, None]
    if len(kept) == 0:
        raise ParameterError(what, "a matrix that is not zero", "only zeros")
    _, values, rows = np.linalg.svd(kept.reshape(len(kept), -1), full_matrices=False)
    return rows[values > tolerance * values[0]].reshape(-1, *numbers.shape[1:])


def _brackets(basis: Array) -> Array:
    """[A_i, A_j]: (k, d, d) → (k, k, d, d)."""
    products = np.einsum("iab,jbc->ijac", basis, basis)
    return products - np.swapaxes(products, 0, 1)


def _constants(basis: Array) -> Array:
    """c_ijm of an orthonormal basis (k, k, k); rounding is zero."""
    c = np.einsum("ijab,mab->ijm", _brackets(basis), basis)
    return np.where(np.abs(c) > COMMUTING, c, 0.0)


def _residual(basis: Array) -> float:
    """The closure residual; NaN if everything commutes."""
    brackets = _brackets(basis)
    total = float(np.square(brackets).sum())
    if not total > COMMUTING**2 * len(basis) ** 2:
        return math.nan
    outside = brackets - np.einsum("ijm,mab->ijab", np.einsum("ijab,mab->ijm", brackets, basis), basis)
    return math.sqrt(float(np.square(outside).sum()) / total)


def _random_residual(k: int, d: int, skew: bool, seed: int) -> float:
    rng = np.random.default_rng([seed, 23])
    found = []
    for _ in range(N_RANDOM):
        matrices = rng.normal(size=(k, d, d))
        found.append(_residual(_basis(matrices - np.swapaxes(matrices, 1, 2) if skew else matrices, "random")))
    return float(np.nan_to_num(found).mean())


def _aligned(c: Array, target: Array, n_starts: int, rng: np.random.Generator) -> float:
    """The least ‖c·T − target‖/‖target‖ over T; 0 for an abelian target, which every algebra tends to."""
    k, size, own = len(c), float(np.linalg.norm(target)), float(np.linalg.norm(c))
    if size == 0.0 or own == 0.0:
        return 0.0 if size == 0.0 else 1.0
    best = 1.0
    for i in range(n_starts):
        turn = np.linalg.qr(rng.normal(size=(k, k)))[0]
        turn[0] *= (-1) ** i  # steps exp(X) never change the orientation, and qr gives one of them alone
        best = min(best, _descended(_in_basis(c * (size / own), turn), target) / size)
        if best < ALIGNED:
            break
    return best


def _descended(moved: Array, target: Array) -> float:
    """‖moved·T − target‖ after Levenberg-Marquardt steps T ← exp(X)T, X any matrix."""
    k, damping = len(moved), 1e-2
    eye = np.eye(k)
    cost = float(np.square(moved - target).sum())
    for _ in range(STEPS):
        slope = (
            np.einsum("ip,qjm->ijmpq", eye, moved)
            + np.einsum("jp,iqm->ijmpq", eye, moved)
            - np.einsum("qm,ijp->ijmpq", eye, moved)
        ).reshape(k**3, k * k)
        normal, gradient = slope.T @ slope, slope.T @ (moved - target).ravel()
        X = -np.linalg.solve(normal + damping * float(np.trace(normal)) * np.eye(k * k), gradient).reshape(k, k)
        tried = _in_basis(moved, expm(X)) if np.abs(X).max() < 1.0 else moved
        left = float(np.square(tried - target).sum())
        if damping > 1e6 or cost == 0.0:
            break
        if left < cost:
            done = cost - left < 1e-12 * cost
            moved, cost, damping = tried, left, max(damping / 4, 1e-12)
            if done:
                break
        else:
            damping *= 8
    return math.sqrt(cost)


def _in_basis(c: Array, T: Array) -> Array:
    """c·T, the structure constants in the basis Σ_a T_ia A_a."""
    return np.asarray(np.einsum("ia,jb,abn->ijn", T, T, c, optimize=True) @ np.linalg.inv(T))


def _rank(matrix: Array, tolerance: float) -> int:
    values = np.linalg.svd(matrix, compute_uv=False)
    return int((values > tolerance * max(float(values[0]), COMMUTING)).sum()) if values[0] > 0 else 0


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
    found = [_angle(_basis(rng.normal(size=span.shape), "random"), span) for span in spans for _ in range(N_RANDOM)]
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
