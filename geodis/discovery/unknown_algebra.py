"""UnknownAlgebra: the generators of an unknown continuous group from batches of pairs that share an unknown element."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from tqdm import tqdm

from geodis.discovery.algebra_name import AlgebraName, name_algebra
from geodis.discovery.batch_moments import BatchMoments, checked_pairs
from geodis.discovery.batch_operators import (
    BatchOperators,
    completed,
    enough_pairs,
    fit_operators,
    noise_draws,
    spanned,
    translation_p,
)
from geodis.discovery.commutant import LARGEST, Commutant
from geodis.discovery.discovered_algebra import DiscoveredAlgebra
from geodis.discovery.generator_count import CERTAIN, GeneratorCount, count_generators, enough, moved
from geodis.discovery.generator_likelihood import SpanFit, in_basis
from geodis.discovery.generator_orbit import OrbitFit, on_orbit
from geodis.discovery.generator_span import NoiseEdge, Whitening, centred_spectrum, closure, noise_edge, orthonormal
from geodis.discovery.real_logarithm import real_logarithm
from geodis.discovery.span_uncertainty import HeldOut, bootstrap_angles, held_out
from geodis.errors import NoRealLogarithmError, ParameterError
from geodis.groups.options import count
from geodis.linalg import Array
from geodis.statistics import check_level
from geodis.threads import one_blas_thread

FEWEST = 4  # batches: two halves of two
N_DRAWS = 20  # of noise: they only give the mean and spread of an extreme value
TRANSLATES = 1e-3  # p-value below which offsets are believed
WITHOUT = 0.2  # share of batches without a logarithm from which on the rest is not trusted
NOISE_MOST = 0.5  # rad: an angle that a name can be looked for with


class Pairs(NamedTuple):
    """Pairs in the directions that they span, of the batches that determine an operator."""

    z: Array
    gz: Array
    labels: Array
    frame: Array  # (q, D)
    small: int  # batches left out


class UnknownAlgebra(BaseEstimator):
    """The Lie algebra of a group that nobody names, from pairs (z, gz) in batches that share one element g each.

    Each batch has an operator M_b with gz ≈ M_b z. The logarithms of all operators span the algebra, up to noise:

    1. weighted principal directions of the logarithms; as many as noise alone does not reach, found by two halves of
       the batches alike (`generator_count`),
    2. maximum likelihood of generators and elements on the batches' moments, free of the bias of logarithms
       (`generator_likelihood`),
    3. the same for generators that are one conjugate of elements of their double commutant (`generator_orbit`): with
       several copies of an irrep, k generators fix the common coordinates k-fold,
    4. a bootstrap over batches, whose angle is handed to `name_algebra` as the noise.

    Parameters
    ----------
    level : float
        Confidence of tests and intervals.
    max_generators : int
        Largest number of generators that is tried.
    source_noise : float
        Variance of the noise in z over that in gz: 0 if z is exact, 1 if both are codes of one encoder. Taken for 0,
        noise in z shrinks all operators by about (noise/extent)².
    affine : bool or None
        Whether translations are fitted; None lets a test decide (strictly: p < .001).
    shared_coordinates : bool
        Whether step 3 is taken, where commutants show a clear gap (up to 48 coordinates).
    random_state : int
        Seed of the bootstraps and splits.
    verbose : bool
        Whether to show progress.

    Attributes
    ----------
    algebra_ : DiscoveredAlgebra
        The frozen result.
    status_ : str
        Its status.

    Notes
    -----
    What all batches have in common is no evidence of a family: noise in z, and pairs that are not matched, shrink all
    operators alike. A group of which only one element was seen is not found.

    Rotations beyond π have other logarithms than the element that made them; such batches are left out as outliers
    when they are few.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> angle, z = rng.uniform(-1, 1, size=12), rng.normal(size=(12, 30, 2))
    >>> turn = np.moveaxis(np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), 2, 0)
    >>> gz = np.einsum("bij,bnj->bni", turn, z) + 0.02 * rng.normal(size=z.shape)
    >>> found = UnknownAlgebra().fit(z.reshape(-1, 2), gz.reshape(-1, 2), batches=np.repeat(range(12), 30)).algebra_
    >>> found.name, found.status, np.abs(found.generators[0] * np.sqrt(2)).round(1).tolist()
    ('abelian(1)', 'ok', [[0.0, 1.0], [1.0, 0.0]])
    """

    def __init__(
        self,
        *,
        level: float = 0.95,
        max_generators: int = 16,
        source_noise: float = 0.0,
        affine: bool | None = None,
        shared_coordinates: bool = True,
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.level = level
        self.max_generators = max_generators
        self.source_noise = source_noise
        self.affine = affine
        self.shared_coordinates = shared_coordinates
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, Z: Any, gZ: Any, *, batches: Any) -> Self:
        """Find the generators.

        Parameters
        ----------
        Z, gZ : array (N, D)
            Embeddings before and after.
        batches : array (N,)
            Labels: pairs with one label share one unknown element.

        Raises
        ------
        ShapeError, LengthError, FiniteError, ParameterError
            For other shapes or lengths, NaN, options out of range.
        """
        self._check_options()
        self.algebra_ = self._fitted(*checked_pairs(Z, gZ, batches))
        self.status_ = self.algebra_.status
        return self

    @one_blas_thread
    def _fitted(self, z: Array, gz: Array, batches: Array) -> DiscoveredAlgebra:
        pairs, moments = _prepared(z, gz, batches, affine=self.affine is not False)
        if len(moments.labels) < FEWEST:
            note = f"{len(moments.labels)} batches have more pairs than unknowns a row; {FEWEST} are needed"
            return _nothing(pairs, self.level, "insufficient", (note,))
        operators, p_translation = self._operators(moments)
        whiten = Whitening.of(operators)
        index = np.searchsorted(operators.labels, pairs.labels)
        draws = noise_draws(pairs.z, pairs.gz, index, operators, N_DRAWS, seed=self.random_state)
        p_moves = moved(operators, whiten, draws)
        if p_moves >= 1.0 - self.level:
            return _unmoved(pairs, operators, whiten, draws, p_moves, p_translation, self.level)
        kept, logarithms = _logarithms(operators, self.verbose)
        without = len(kept) - int(kept.sum())
        if kept.sum() < FEWEST or without > len(kept) / 2:
            note = f"{without} of {len(kept)} operators have no real logarithm: no one-parameter groups"
            return _nothing(pairs, self.level, "undecided", (note,))
        operators, draws = operators.take(kept), draws[:, kept]
        most = min(self.max_generators, len(logarithms) // 2 - 1)
        counted = count_generators(operators, whiten, draws, logarithms, p_moves, self.level, max(most, 1))
        skipped = {"too few pairs": pairs.small, "no real logarithm": without}
        if counted.fit is None:
            note = "batches differ beyond the noise, in no direction that both halves of them find"
            empty = _nothing(pairs, self.level, "undecided", (note,))
            return _with_spectrum(empty, counted, skipped, p_translation)
        return self._described(counted.fit, pairs, operators.take(counted.used), whiten, draws[:, counted.used],
                               logarithms[counted.used], counted, skipped, p_translation)  # fmt: skip

    def _operators(self, moments: BatchMoments) -> tuple[BatchOperators, float]:
        """Affine or linear operators, by the test or by order, and the p-value of "no batch translates"."""
        if self.affine is False:
            return fit_operators(moments, affine=False, source_noise=self.source_noise), np.nan
        operators = fit_operators(moments, affine=True, source_noise=self.source_noise)
        p = translation_p(operators)
        if self.affine or p < TRANSLATES:
            return operators, p
        return fit_operators(moments, affine=False, source_noise=self.source_noise), p

    def _described(
        self, fit: SpanFit, pairs: Pairs, operators: BatchOperators, whiten: Whitening, draws: Array,
        logarithms: Array, counted: GeneratorCount, skipped: dict[str, int], p_translation: float,
    ) -> DiscoveredAlgebra:  # fmt: skip
        """The result for at least one generator."""
        fit, orbit = self._refined(fit, operators, whiten, draws, counted.p_more)
        p_more = enough(whiten, draws, fit) if orbit.found else counted.p_more
        angles = bootstrap_angles(fit, whiten, orbit, seed=self.random_state)
        tail = (1.0 - self.level) / 2.0
        low, middle, high = (float(v) for v in np.quantile(angles, [tail, 0.5, 1.0 - tail]))
        scored = np.isin(pairs.labels, operators.labels)
        outside = held_out(
            pairs.z[scored], pairs.gz[scored], pairs.labels[scored], operators, logarithms, counted.k,
            source_noise=self.source_noise, seed=self.random_state,
        )  # fmt: skip
        fit = in_basis(fit, orthonormal(fit.rows))
        inside = completed(fit.rows)
        name = _named(inside, whiten, high)
        skipped = {**skipped, "outlying": int((~counted.used).sum())}
        status, notes = _verdict(counted, p_more, high, outside, name, skipped, len(operators.labels))
        return DiscoveredAlgebra(
            _embedded(inside, pairs.frame), fit.elements, operators.labels, skipped, operators.affine, p_translation,
            operators.centre @ pairs.frame, counted.spectrum, counted.edge, counted.p_moves, p_more,
            counted.replication, middle, (low, high), name, closure(inside),
            orbit.first if orbit.first.dim else None, orbit.found, outside, self.level, status, notes,
        )  # fmt: skip

    def _refined(
        self, fit: SpanFit, operators: BatchOperators, whiten: Whitening, draws: Array, p_more: float
    ) -> tuple[SpanFit, OrbitFit]:
        """Step 3, given up where it leaves more than noise although the free fit does not."""
        empty = Commutant(np.zeros((0, *whiten.right.shape)), np.zeros(0), 1.0, "undecided")
        free = OrbitFit(fit, empty, empty, np.zeros((0, *fit.rows.shape[1:])), None)
        if not self.shared_coordinates or len(whiten.right) > LARGEST:
            return fit, free
        noise = float(np.median(bootstrap_angles(fit, whiten, free, seed=self.random_state)))
        orbit = on_orbit(operators, whiten, fit, noise)
        if orbit.found and min(p_more, CERTAIN) > enough(whiten, draws, orbit.fit):
            return fit, free
        return orbit.fit, orbit

    def _check_options(self) -> None:
        check_level(self.level)
        count(self.max_generators, "max_generators", 1)
        number = isinstance(self.source_noise, (int, float)) and not isinstance(self.source_noise, bool)
        if not (number and 0.0 <= self.source_noise < np.inf):
            raise ParameterError("source_noise", "a ratio of variances of at least 0", self.source_noise)
        if self.affine not in (None, True, False):
            raise ParameterError("affine", "True, False or None", self.affine)


def _prepared(z: Array, gz: Array, batches: Array, *, affine: bool) -> tuple[Pairs, BatchMoments]:
    """Rows in the directions that the pairs span, without batches that have too few."""
    moments = BatchMoments.of(z, gz, batches)
    frame = spanned(moments)
    if len(frame) < z.shape[1]:
        z, gz, moments = z @ frame.T, gz @ frame.T, moments.projected(frame)
    usable = enough_pairs(moments, affine=affine)
    kept = np.isin(batches, moments.labels[usable])
    pairs = Pairs(z[kept], gz[kept], batches[kept], frame, int((~usable).sum()))
    return pairs, moments.take(usable)


def _logarithms(operators: BatchOperators, verbose: bool) -> tuple[Array, Array]:
    """Which operators have a real logarithm (B,), and the upper rows of those (B', D, p)."""
    kept, found = np.zeros(len(operators.labels), dtype=bool), []
    for b, M in enumerate(tqdm(operators.square, desc="logarithms", disable=not verbose)):
        try:
            found.append(real_logarithm(M)[: len(operators.noise)])
        except NoRealLogarithmError:
            continue
        kept[b] = True
    return kept, np.array(found)


def _named(inside: Array, whiten: Whitening, noise: float) -> AlgebraName:
    """The name, looked for where the points are white: there no direction is small by its unit."""
    white = np.linalg.inv(whiten.right) @ inside @ whiten.right
    return name_algebra(orthonormal(white), noise=min(noise, NOISE_MOST))


def _embedded(inside: Array, frame: Array) -> Array:
    """Generators on the embedding from those on the directions `frame` (q, D); nothing moves the others."""
    q, d = frame.shape
    if q == d:
        return inside
    extra = inside.shape[-1] - q
    full = np.zeros((q + extra, d + extra))
    full[:q, :d] = frame
    full[q:, d:] = np.eye(extra)
    return np.asarray(full.T @ inside @ full)


def _verdict(
    counted: GeneratorCount, p_more: float, high: float, outside: HeldOut, name: AlgebraName, skipped: dict[str, int],
    n_used: int,
) -> tuple[str, tuple[str, ...]]:  # fmt: skip
    """Status and reasons."""
    doubts = []
    if not counted.decided or p_more < CERTAIN:
        doubts.append(f"more is left than noise leaves (p = {p_more:.2g}), in no direction that halves agree on")
    lost = skipped["no real logarithm"] + skipped["outlying"]
    if lost > WITHOUT * (n_used + lost):
        doubts.append(f"{lost} batches have no logarithm in this span")
    if not outside.model < 1.0:
        doubts.append("on pairs that fitted nothing the operators are no better than the identity")
    if high > NOISE_MOST:
        doubts.append(f"the span may be off by {high:.2g} rad")
    if name.status != "ok":
        doubts.append(f"the algebra has no sure name: {name.status}")
    return ("undecided", tuple(doubts)) if doubts else ("ok", tuple(name.notes))


def _unmoved(
    pairs: Pairs, operators: BatchOperators, whiten: Whitening, draws: Array, p_moves: float, p_translation: float,
    level: float,
) -> DiscoveredAlgebra:  # fmt: skip
    """No differences between batches: nothing moves, or all batches moved by one element."""
    rows = operators.operators - np.eye(*operators.operators.shape[1:])
    together = float(np.linalg.norm(whiten(rows.mean(axis=0))))
    chance = np.linalg.norm(whiten(draws.mean(axis=1)), axis=1)
    still = together <= max(float(chance.max()) * 1.2, 1.2 * np.sqrt(rows[0].size / len(rows)))
    status, note = (
        ("degenerate", "no batch moves its points beyond the noise")
        if still
        else ("undecided", "all batches have one operator within the noise: one element, or pairs that are not matched")
    )
    empty = _nothing(pairs, level, status, (note,))
    counted = GeneratorCount(
        None, np.ones(len(rows), dtype=bool), centred_spectrum(whiten(rows)), noise_edge(draws, whiten), p_moves,
        p_moves, np.nan, True,
    )  # fmt: skip
    return _with_spectrum(empty, counted, empty.skipped, p_translation)


def _nothing(pairs: Pairs, level: float, status: str, notes: tuple[str, ...]) -> DiscoveredAlgebra:
    """No generator."""
    d, nan = pairs.frame.shape[1], float("nan")
    return DiscoveredAlgebra(
        np.zeros((0, d, d)), np.zeros((0, 0)), np.zeros(0), {"too few pairs": pairs.small}, False, nan, np.zeros(d),
        np.zeros(0), NoiseEdge(nan, nan), nan, nan, nan, nan, (nan, nan), None, nan, None, False,
        HeldOut(nan, nan, 0), level, status, notes,
    )  # fmt: skip


def _with_spectrum(
    empty: DiscoveredAlgebra, counted: GeneratorCount, skipped: dict[str, int], p_translation: float
) -> DiscoveredAlgebra:
    return replace(
        empty, spectrum=counted.spectrum, edge=counted.edge, p_moves=counted.p_moves, p_more=counted.p_more,
        replication=counted.replication, skipped=skipped, translation_p=p_translation,
    )  # fmt: skip
