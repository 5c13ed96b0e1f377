"""The group element between two embeddings: its estimate, how sure it is, and what of it cannot be known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from scipy.stats import chi2, norm

from geodis.coordinates import Block, LatentCoordinates
from geodis.discovery.element_bound import (
    covariance,
    covariance_of_fit,
    inverse_information,
    model_of,
    noise_information,
)
from geodis.discovery.element_refinement import PairModel, PairState, refine
from geodis.discovery.element_start import starts
from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.groups import AbstractGroup
from geodis.linalg import Array, real_array, to_numpy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MISFIT = 1e-4  # p-value of the residual below which the codes are no pair
RIVAL = 9.21  # χ²: another element that is less likely by less than a factor of 100
APART = 0.05  # relative distance of matrices of elements that are different solutions
INFORMED = 4.0  # times the information that noise alone seems to have
FIRST_STEPS = 8
HOPELESS = 100.0  # χ² behind a candidate that fits
BATCH = 2048  # pairs at a time


@final
@dataclass(frozen=True, eq=False)
class ElementEstimate:
    """Maximum likelihood estimates of g with c₁ ≈ ρ(g)c₀, one a pair.

    Attributes
    ----------
    group : AbstractGroup
    params : ndarray (N, q)
    covariance : ndarray (N, k, k)
        Of ξ, ĝ = exp(ξ)g, from the Fisher information; infinite along what does not show. k = 0 for finite groups.
    information : ndarray (N, k, k)
    identifiable : ndarray (N,) of bool
        Whether the codes tell all k directions, by more than noise alone seems to: a single vector of SO(3) leaves the
        rotations about itself free.
    residual : ndarray (N,)
        χ² of the pair.
    dof : ndarray (N,)
        Degrees of freedom of the residual.
    rival : ndarray (N,)
        By how much χ² is worse at the next best of the other solutions that were found; infinite if there was none, or
        if directions are free.
    statuses : ndarray (N,) of str
        ``"ok"``, ``"stabiliser"`` (directions are free), ``"ambiguous"`` (another element is nearly as likely),
        ``"misfit"`` (p < 1e-4: no element takes one code to the other within the noise).
    """

    group: AbstractGroup
    params: Array
    covariance: Array
    information: Array
    identifiable: Array
    residual: Array
    dof: Array
    rival: Array
    statuses: Array

    @property
    def status(self) -> str:
        """The status of all pairs, or the most frequent one that is not ``"ok"`` if it holds for more than 5 %."""
        counts = Counter(self.statuses.tolist())
        n_ok = counts.pop("ok", 0)
        return "ok" if n_ok >= 0.95 * len(self.statuses) else counts.most_common(1)[0][0]

    @property
    def p_value(self) -> Array:
        """Chance of a residual as large, of the noise as stated `(N,)`."""
        return np.asarray(chi2.sf(self.residual, np.maximum(self.dof, 1)))

    @property
    def noise_ratio(self) -> float:
        """√(Σχ²/Σdof): 1 when the noise is as stated, 2 when it is twice as large; NaN without degrees of freedom."""
        return float(np.sqrt(self.residual.sum() / self.dof.sum())) if self.dof.sum() > 0 else float("nan")

    @property
    def probability(self) -> Array:
        """Of the estimate, against the next best solution, both held for equally likely before `(N,)`."""
        return np.asarray(1.0 / (1.0 + np.exp(-np.minimum(self.rival, 1400.0) / 2.0)))

    def interval(self, level: float = 0.95) -> Array:
        """Half widths of the intervals of the coordinates of ξ `(N, k)`, each on its own at this level."""
        if not 0.0 < level < 1.0:
            raise ParameterError("level", "a level between 0 and 1", level)
        return np.asarray(norm.isf((1.0 - level) / 2.0) * np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2)))

    def deviation(self, params: Any) -> Array:
        """ξ with ĝ = exp(ξ)g for elements g `(N, q)`: `(N, k)`."""
        return np.asarray(self.group.log(self.group.compose(self.params, self.group.inverse(params))))

    def covers(self, params: Any, level: float = 0.95) -> Array:
        """Whether each confidence region {ξᵀJξ ≤ χ²_k(level)} holds these elements `(N,)`.

        For a finite group: whether the estimate is this element.
        """
        if not 0.0 < level < 1.0:
            raise ParameterError("level", "a level between 0 and 1", level)
        if not self.group.tangent_dim:
            return np.asarray((self.params == np.asarray(params)).all(axis=1))
        xi = self.deviation(params)
        return np.asarray(
            np.einsum("ni,nij,nj->n", xi, self.information, xi) <= chi2.ppf(level, self.group.tangent_dim)
        )

    def free_directions(self, pair: int) -> Array:
        """Orthonormal directions of the algebra that the codes of one pair do not tell `(n, k)`."""
        values, vectors = np.linalg.eigh(self.information[pair])
        return np.asarray(vectors[:, values <= 1e-10 * max(values.max(initial=0.0), 1e-300)].T)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Half widths of the .95 intervals, sorted, one line a direction of the algebra."""
        from matplotlib import pyplot as plt

        from geodis import palette

        ax = ax if ax is not None else plt.subplots(figsize=(5, 3.2))[1]
        widths, colors = self.interval(), palette.wheel()
        for i in range(widths.shape[1]):
            color = colors(i / widths.shape[1])
            ax.plot(np.sort(widths[:, i]), np.linspace(0, 1, len(widths)), color=color, label=f"ξ{i + 1}")
        ax.set(xlabel="half width of the .95 interval", ylabel="share of pairs", title=f"status {self.status}")
        if widths.shape[1]:
            ax.legend(frameon=False)
        return ax

    def __repr__(self) -> str:
        widths = self.interval()
        finite = widths[np.isfinite(widths)]
        width = f"half widths ±{np.median(finite):.2g} in the median, " if finite.size else ""
        counts = ", ".join(f"{n} {name}" for name, n in Counter(self.statuses.tolist()).most_common())
        return f"ElementEstimate({self.group!r}: {len(self.params)} pairs, {width}{counts}; status {self.status})"


def estimate_element(
    c0: Any, c1: Any, coordinates: LatentCoordinates, *, noise: Any = None, noise_after: Any = None
) -> ElementEstimate:
    """The g of each pair of codes with c₁ ≈ ρ(g)c₀, by maximum likelihood: `(N, p), (N, p) → N estimates`.

    Both codes are noisy and the clean one is eliminated (χ² = rᵀ(Σ₁ + ρΣ₀ρᵀ)⁻¹r): a closed form for each irrep or the
    best of a net starts Gauss–Newton on the group from several elements.

    Parameters
    ----------
    c0, c1 : array (N, p)
        Codes before and after, `coordinates.transform(z)`.
    coordinates : LatentCoordinates
    noise : float, array (n_blocks,) or array (p, p), optional
        Standard deviation of each entry, of each block's entries, or covariance. By default what the fit found: the
        share 1 − energy of each block's variance. Intervals are as good as this is; `noise_ratio` checks it.
    noise_after : optional
        The same for `c1`; like `noise` by default.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
    DesignError
        For coordinates without a block that the group moves.

    References
    ----------
    Wahba (1965), "A least squares estimate of satellite attitude".

    Examples
    --------
    >>> from geodis.groups import SO2
    >>> coordinates = exact_coordinates(SO2(), ["m=1", "m=2"])
    >>> c = np.array([[1.0, 0.0, 0.0, 0.5]])
    >>> found = estimate_element(c, coordinates.act(c, [[0.7]]), coordinates, noise=0.1)
    >>> found.params.round(6).tolist(), found.interval().round(3).tolist(), found.status
    ([[0.7]], [[0.196]], 'ok')
    """
    if not isinstance(coordinates, LatentCoordinates):
        raise ParameterError("coordinates", "LatentCoordinates", type(coordinates).__name__)
    before, after = (
        real_array(c0, "c0", ("N", coordinates.n_coordinates)),
        real_array(c1, "c1", ("N", coordinates.n_coordinates)),
    )
    if len(before) != len(after):
        raise LengthError(c0=len(before), c1=len(after))
    fitted = covariance_of_fit(coordinates, before, after) if noise is None else covariance(noise, coordinates, "noise")
    late = fitted if noise_after is None else covariance(noise_after, coordinates, "noise_after")
    model, columns = model_of(coordinates, fitted, late)
    before, after = before[:, columns], after[:, columns]
    parts = [
        _estimated(model, before[a : a + BATCH], after[a : a + BATCH]) for a in range(0, max(len(before), 1), BATCH)
    ]
    params, information, residual, rival = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _judged(model, params, information, residual, rival, len(columns))


def element_between(
    z0: Any, z1: Any, coordinates: LatentCoordinates, *, noise: Any = None, noise_after: Any = None
) -> ElementEstimate:
    """The same for embeddings `(N, D)`."""
    if not isinstance(coordinates, LatentCoordinates):
        raise ParameterError("coordinates", "LatentCoordinates", type(coordinates).__name__)
    c0, c1 = (np.asarray(coordinates.transform(to_numpy(z).astype(np.float64))) for z in (z0, z1))
    return estimate_element(c0, c1, coordinates, noise=noise, noise_after=noise_after)


def pose(z: Any, coordinates: LatentCoordinates, reference: Any, *, noise: Any = None) -> ElementEstimate:
    """The pose of each embedding relative to one reference embedding: z ≈ g · reference, `(N, D), (D,) → N estimates`.

    The reference is as noisy as the others, and its error is common to all estimates.
    """
    rows, moved = np.atleast_2d(to_numpy(reference)), to_numpy(z)
    if len(rows) != 1:
        raise ShapeError("reference", "(D,) or (1, D)", rows.shape)
    return element_between(np.repeat(rows, len(moved), axis=0), moved, coordinates, noise=noise)


def exact_coordinates(group: AbstractGroup, names: Sequence[str]) -> LatentCoordinates:
    """Coordinates of codes that *are* sums of irreps, for codes that come from elsewhere and for planted ones.

    Examples
    --------
    >>> from geodis.groups import SO3
    >>> exact_coordinates(SO3(), ["l=1", "l=2"]).n_coordinates
    8
    """
    blocks, start = [], 0
    for name in names:
        rep = group.irrep(name)
        blocks.append(Block(rep, tuple(range(start, start + rep.dim)), 1.0, (1.0, 1.0)))
        start += rep.dim
    eye = np.eye(start)
    return LatentCoordinates(group, tuple(blocks), eye, eye, np.zeros(start), "ok", False, np.zeros(0, dtype=np.uint64))


# --- one batch --------------------------------------------------------------------------------------------------------
def _estimated(model: PairModel, c0: Array, c1: Array) -> tuple[Array, Array, Array, Array]:
    """The best of the refined candidates, and how much worse the next different one is."""
    candidates = starts(model, c0, c1)
    n, k = candidates.shape[:2]
    params, state = _refined(
        model, np.repeat(c0, k, axis=0), np.repeat(c1, k, axis=0), candidates.reshape(n * k, -1), k
    )
    params, state = params.reshape(n, k, -1), PairState(*(held.reshape(n, k, *held.shape[1:]) for held in state))
    best = np.argmin(state.chi2, axis=1)
    rows = np.arange(n)
    matrices = np.asarray(model.group.matrix(params)).reshape(n, k, -1)
    gap = np.linalg.norm(matrices - matrices[rows, best][:, None], axis=2)
    other = gap > APART * np.linalg.norm(matrices[rows, best], axis=1)[:, None]
    rival = np.where(other, state.chi2 - state.chi2[rows, best][:, None], np.inf).min(axis=1)
    return params[rows, best], state.information[rows, best], state.chi2[rows, best], rival


def _refined(model: PairModel, c0: Array, c1: Array, candidates: Array, k: int) -> tuple[Array, PairState]:
    """All candidates a few steps, then to the end those that may still be the best, k a pair."""
    params, state = refine(model, c0, c1, candidates, FIRST_STEPS)
    value = state.chi2.reshape(-1, k)
    best = value.min(axis=1, keepdims=True)
    fits = chi2.sf(best, max(c0.shape[1] - model.group.tangent_dim, 1)) > MISFIT
    going = np.flatnonzero(((value <= best + HOPELESS) | ~fits).ravel())
    params[going], finished = refine(model, c0[going], c1[going], params[going])
    for held, new in zip(state, finished, strict=True):
        held[going] = new
    return params, state


def _judged(
    model: PairModel, params: Array, information: Array, residual: Array, rival: Array, n_coordinates: int
) -> ElementEstimate:
    spread, ranks = inverse_information(information)
    identifiable = _informed(information, noise_information(model, params)) & (ranks == model.group.tangent_dim)
    rival = np.where(
        identifiable, rival, np.inf
    )  # along a free direction there is no other solution, but a line of them
    dof = n_coordinates - ranks
    misfit = chi2.sf(residual, np.maximum(dof, 1)) < MISFIT
    statuses = np.select(
        [misfit & (dof > 0), ~identifiable, rival < RIVAL], ["misfit", "stabiliser", "ambiguous"], "ok"
    )
    return ElementEstimate(model.group, params, spread, information, identifiable, residual, dof, rival, statuses)


def _informed(information: Array, of_noise: Array) -> Array:
    """Whether every direction has INFORMED times the information that noise seems to have."""
    k = information.shape[1]
    if k == 0:
        return np.ones(len(information), dtype=bool)
    return np.asarray(np.linalg.eigvalsh(information - INFORMED * of_noise)[:, 0] > 0.0)
