"""The type of an orbit from nothing but its points: SO(2), T² or SO(3), which representation, which frame.

1. The equations of the cloud: polynomials of degree 2, where these leave too much of degree 3, that are constant on it
   up to noise. They see the whole cloud at once; local tangents, which need dense sampling, only come after them.
2. The Lie algebra of rigid motions tangent to what the equations define, with its fixed point.
3. Candidates from that algebra: weights from integer relations between phases, spins from the closest intertwiner.
4. Frame, centre and orbit of each candidate by Gauss–Newton on one half of the points, scored on the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from sklearn.base import BaseEstimator

from geodis.discovery.closest_representation import (
    AbstractCandidates,
    CircleCandidates,
    RotationCandidates,
    TorusCandidates,
)
from geodis.discovery.local_tangents import local_tangents
from geodis.discovery.orbit_choice import Contender, chosen_of, confidence_over, contend, coverage
from geodis.discovery.orbit_fit import OrbitFit, fit_orbit, squared_distances
from geodis.discovery.orbit_representation import OrbitDistance, OrbitRepresentation, type_name
from geodis.discovery.tangent_fields import TangentFields, tangent_fields
from geodis.discovery.vanishing_polynomials import (
    VanishingPolynomials,
    gap_count,
    n_monomials,
    vanishing_polynomials,
)
from geodis.errors import ParameterError
from geodis.linalg import Array, real_array
from geodis.threads import one_blas_thread

MISFIT = 2.0  # times its noise that a cloud may be from its orbit
EXACT = 1e-3  # share of the radius below which a distance is no misfit, whatever the noise
UNFILLED = 1.25  # times the null's coverage from which on a cloud does not fill the orbit
KEPT = 500  # points that the result keeps
DEGREE, HIGHER = 2, 3  # of the equations: first, and where these leave too large an algebra


@final
class OrbitType(BaseEstimator):
    """Find the compact group whose orbit a point cloud is, its representation and its frame.

    The group acts by orthogonal maps about a fixed point, both unknown. What a cloud cannot tell: weights with a common
    divisor (the same orbit), planes with the same weight (the orbit spans one of them), planes without amplitude.

    Parameters
    ----------
    max_weight : int
        Largest weight of SO(2), entry of the weights of T² in a suitable basis, and spin of SO(3).
    candidates : sequence of AbstractCandidates, optional
        The groups to try; SO(2), T² and SO(3) up to `max_weight` by default.
    tolerance : float
        Largest noise, as a share of the root-mean-square radius: directions of less spread count as fixed, and a cloud
        farther than that from every orbit lies on none.
    level : float
        Confidence against the runner-up below which the type is undecided.
    random_state : int
        Seed of the halves and of the Haar draws behind the null of coverage.

    Attributes
    ----------
    representation_ : OrbitRepresentation
        The frozen result.
    fields_ : TangentFields or None
        The algebra that led to it, in units of the radius, in the principal frame of the cloud.

    References
    ----------
    Ennes, Tinarrage, LieDetect: detection of representation orbits of compact Lie groups from point clouds (2025).

    Examples
    --------
    >>> t = np.random.default_rng(0).uniform(0, 2 * np.pi, 200)
    >>> curve = np.stack([np.cos(t), np.sin(t), np.cos(3 * t), np.sin(3 * t)], axis=1)
    >>> found = OrbitType().fit(curve + 0.01 * np.random.default_rng(1).normal(size=curve.shape)).representation_
    >>> found.type, found.status
    ('SO(2) (1, 3)', 'ok')
    """

    def __init__(
        self,
        *,
        max_weight: int = 4,
        candidates: Sequence[AbstractCandidates] | None = None,
        tolerance: float = 0.08,
        level: float = 0.95,
        random_state: int = 0,
    ) -> None:
        self.max_weight = max_weight
        self.candidates = candidates
        self.tolerance = tolerance
        self.level = level
        self.random_state = random_state

    @one_blas_thread
    def fit(self, points: Any, y: Any = None) -> Self:
        """Find the type of a cloud (n, d).

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            For something else than points, NaN, options outside their range.
        """
        x = real_array(points, "points", ("n", "d"))
        families = self._families()
        for name, value in (("tolerance", self.tolerance), ("level", self.level)):
            if not 0.0 < value < 1.0:
                raise ParameterError(name, "a share between 0 and 1", value)
        self.n_features_in_ = x.shape[1]
        self.fields_: TangentFields | None = None
        ground = _Ground.of(x, self.tolerance)
        self.representation_ = self._representation(ground, families)
        return self

    def _families(self) -> tuple[AbstractCandidates, ...]:
        if self.candidates is None:
            return tuple(f(self.max_weight) for f in (CircleCandidates, TorusCandidates, RotationCandidates))
        if not len(self.candidates) or not all(isinstance(f, AbstractCandidates) for f in self.candidates):
            raise ParameterError("candidates", "at least one AbstractCandidates", self.candidates)
        return tuple(self.candidates)

    def _representation(self, ground: _Ground, families: Sequence[AbstractCandidates]) -> OrbitRepresentation:
        if ground.radius == 0.0:
            return _nothing(ground, "degenerate", None, np.nan)
        n, r = ground.points.shape
        if n < 2 * n_monomials(r, DEGREE):
            return _nothing(ground, "insufficient", None, np.nan)
        equations = vanishing_polynomials(ground.points, DEGREE, tolerance=self.tolerance)
        if not len(equations.coefficients):  # every orbit lies on a sphere about its fixed point
            return _nothing(ground, "no orbit", None, np.nan)
        contenders = self._contenders(ground.points, equations, families)
        if self.fields_ is None:
            return _nothing(ground, "no orbit", None, equations.noise)
        return self._judged(ground, self.fields_, contenders, equations.noise)

    def _contenders(
        self, points: Array, equations: VanishingPolynomials, families: Sequence[AbstractCandidates]
    ) -> list[Contender]:
        """Candidates from the first algebra of which one fits, else from the one of the nearest."""
        halves, found = _halves(len(points), self.random_state), list[Contender]()
        for fields in _algebras(points, equations, self.tolerance, self.random_state):
            about = points - fields.centre
            starts = [s for family in families for s in family.starts(about, fields, self.random_state)]
            tried = [contend(about, start, halves) for start in starts]
            if tried and (not found or _nearest(tried) < _nearest(found)):
                found, self.fields_ = tried, fields
            if tried and _fits(_nearest(tried), equations.noise, self.tolerance):
                break
        return found

    def _judged(
        self, ground: _Ground, fields: TangentFields, contenders: list[Contender], noise: float
    ) -> OrbitRepresentation:
        """The orbit that is chosen, fitted to all points, or none."""
        best, rival = chosen_of(contenders)
        rms = float(np.sqrt(best.mean_square))
        if not _fits(rms, noise, self.tolerance):
            return _nothing(ground, "no orbit", best, noise)
        about = ground.points - fields.centre
        fit = fit_orbit(about, best.start, best.grid)
        rng = np.random.default_rng([self.random_state, 11])
        reached, null, farthest = coverage(fit, about, rms, rng)
        confidence = confidence_over(best, rival)
        unfilled = reached > null.max() and reached > UNFILLED * null.mean()
        status = "undecided" if confidence < self.level else "partial" if unfilled else "ok"
        farthest = max(farthest, float(np.sqrt(squared_distances(fit, about, best.grid).max())))
        distance = _distance(ground, best, rival, noise)._replace(
            hausdorff=ground.radius * farthest,
            coverage=ground.radius * reached,
            coverage_null=ground.radius * float(null.mean()),
        )
        return _in_space(ground, fields, fit, distance, confidence, status)


@final
@dataclass(frozen=True, eq=False)
class _Ground:
    """A cloud in its span: points (n, r) of unit root-mean-square radius about their mean, and the way back."""

    points: Array
    basis: Array
    mean: Array
    radius: float
    cloud: Array

    @classmethod
    def of(cls, x: Array, tolerance: float) -> _Ground:
        """Directions of less spread than the tolerance, up to the largest gap, are left out."""
        mean = x.mean(axis=0)
        centred = x - mean
        radius = float(np.sqrt(np.square(centred).sum(axis=1).mean()))
        if radius <= 1e-12 * float(np.abs(x).max()):
            return cls(np.zeros((len(x), 0)), np.zeros((x.shape[1], 0)), mean, 0.0, x[:KEPT])
        values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
        spread = np.sqrt(np.maximum(values, 0.0)) / radius
        basis = vectors[:, gap_count(spread, tolerance, 1e-9) :]
        return cls(centred @ basis / radius, basis, mean, radius, x[:KEPT])


def _algebras(points: Array, equations: VanishingPolynomials, tolerance: float, seed: int) -> Iterator[TangentFields]:
    """Algebras tangent to a cloud: by its equations, by those of a higher degree, by local tangents."""
    n, r = points.shape
    yield tangent_fields(points, equations.gradients(points))
    if n >= 2 * n_monomials(r, HIGHER):
        more = vanishing_polynomials(points, HIGHER, tolerance=tolerance)
        yield tangent_fields(points, more.gradients(points))
    near = local_tangents(points, random_state=seed)
    if near.dimension < r:
        yield tangent_fields(points, near.normals)


def _halves(n: int, seed: int) -> tuple[Array, Array]:
    order = np.random.default_rng([seed, 3]).permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])


def _nearest(contenders: Sequence[Contender]) -> float:
    """The least root-mean-square distance."""
    return float(np.sqrt(min(c.mean_square for c in contenders)))


def _fits(rms: float, noise: float, tolerance: float) -> bool:
    """Whether a distance is within the tolerance and explained by noise, in units of the radius."""
    return rms < tolerance and (rms < EXACT or not rms > MISFIT * noise)


def _distance(ground: _Ground, best: Contender | None, rival: Contender | None, noise: float) -> OrbitDistance:
    across = max(1, ground.points.shape[1] - best.dimension) if best is not None else 1
    mean, rms = (np.nan, np.nan) if best is None else (np.sqrt(across * best.squared).mean(), best.mean_square**0.5)
    name = "" if rival is None else type_name(rival.candidate.group, _with_fixed(rival, ground))
    return OrbitDistance(
        mean=float(mean) * ground.radius,
        rms=float(rms) * ground.radius,
        noise=noise * ground.radius,
        hausdorff=np.nan,
        coverage=np.nan,
        coverage_null=np.nan,
        runner_up=np.nan if rival is None else float(np.sqrt(rival.mean_square)) * ground.radius,
        runner_up_type=name,
        radius=ground.radius,
    )


def _with_fixed(contender: Contender | OrbitFit, ground: _Ground) -> Any:
    """Weights, for SO(3) with a spin 0 for every fixed direction."""
    candidate, (d, r) = contender.candidate, ground.basis.shape
    return (*candidate.weights, *[0] * (d - r)) if candidate.group == "SO(3)" else candidate.weights


def _in_space(
    ground: _Ground, fields: TangentFields, fit: OrbitFit, distance: OrbitDistance, confidence: float, status: str
) -> OrbitRepresentation:
    frame = ground.basis @ fit.frame
    return OrbitRepresentation(
        group=fit.candidate.group,
        weights=_with_fixed(fit, ground),
        generators=np.einsum("dr,ars,es->ade", frame, fit.candidate.generators, frame, optimize=True),
        frame=frame,
        centre=ground.mean + ground.radius * (ground.basis @ (fields.centre + fit.centre)),
        point=ground.radius * fit.point,
        dimension=fit.dimension,
        distance=distance,
        confidence=confidence,
        status=status,
        cloud=ground.cloud,
    )


def _nothing(ground: _Ground, status: str, nearest: Contender | None, noise: float) -> OrbitRepresentation:
    """No orbit; distances are those of the nearest candidate."""
    d = len(ground.mean)
    return OrbitRepresentation(
        "none", (), np.zeros((0, d, d)), np.zeros((d, 0)), ground.mean, np.zeros(0), 0,
        _distance(ground, nearest, None, noise), np.nan, status, ground.cloud,
    )  # fmt: skip
