"""Which lift, if any: candidates compared on unseen items by how much of the embedding's motion they foretell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.base import clone
from tqdm import tqdm

from geodis.coordinates.energy import orbit_energy
from geodis.coordinates.latent import LatentCoordinates
from geodis.coordinates.lift import AbstractLift, AbstractLiftSpec
from geodis.coordinates.linear import LinearCoordinates
from geodis.errors import DesignError, ParameterError
from geodis.linalg import Array
from geodis.orbits import Orbits
from geodis.threads import one_blas_thread

LINEAR = "linear"
RIDGE = 1e-3  # of the decoder, in units of the mean variance of a predicted change of code
PARTNERS = 4  # rows of its item that every row is moved to
Candidate = AbstractLiftSpec | AbstractLift | None
MEASURES = ("n_features", "n_blocks", "score", "energy", "motion")
COLUMNS = ["lift", *MEASURES, "motion_se", "chosen"]


@dataclass(frozen=True, eq=False)
class LiftChoice:
    """The lift that was chosen among candidates, with what each was worth on unseen items.

    Attributes
    ----------
    name : str
        The candidate chosen; ``"linear"`` for no lift.
    lift : AbstractLiftSpec, AbstractLift or None
        The same, for `LinearCoordinates(..., lift=choice.lift)`.
    table : DataFrame
        One row a candidate, the simplest first, with means over folds of unseen items. `n_features`: F; `n_blocks`:
        kept blocks that the group moves; `score`: Σ d_b max(0, energy_b) over them; `energy`: their mean energy,
        weighted by d_b (0 without any); `motion`: the share of the embedding's motion that they foretell, with its
        standard error `motion_se`; `chosen`.
    folds : DataFrame
        The same, a row a candidate and fold.
    """

    name: str
    lift: Candidate
    table: pd.DataFrame = field(repr=False)
    folds: pd.DataFrame = field(repr=False)


@one_blas_thread
def select_lift(
    orbits: Orbits,
    candidates: Sequence[Candidate] | Mapping[str, Candidate],
    *,
    estimator: LinearCoordinates | None = None,
    n_folds: int = 5,
    seed: int = 0,
    verbose: bool = False,
) -> LiftChoice:
    """The simplest lift that is as good as the best: everything, the lift too, is fitted on other items than judged.

    The *motion* of a candidate is 1 − E|Δz − B(ρ(g) − 1)c|²/E|Δz|² for steps Δz = z(g·x) − z(x) within unseen items:
    how much of them is foretold by acting on the coordinates, decoded by the best linear map B of the fitted items. The
    sum of energies would not do for a choice: squares of an exact m=1 code are an exact m=2 code, so that any lift adds
    blocks to a linear code without adding information. The candidate with the fewest features is chosen whose motion is
    within one standard error (over folds) of the largest.

    Parameters
    ----------
    orbits : Orbits
        Embeddings of items under group elements.
    candidates : sequence or mapping of lifts
        Specs such as ``Polynomial(2)``, or frozen lifts, which must not have been trained on these items; None is no
        lift, which is always among the candidates. A mapping names them.
    estimator : LinearCoordinates, optional
        Settings of the fits (orders, energies, ridge); ``LinearCoordinates(orbits.group)`` by default.
    n_folds : int
        Folds of items (of clusters).
    seed : int
        Seed of the folds.
    verbose : bool
        Whether to show a progress bar.

    Returns
    -------
    LiftChoice

    Raises
    ------
    ParameterError
        For something else than orbits, lifts, an estimator of their group, fewer than 2 folds.
    DesignError
        For fewer than 2 clusters, or items of one element only.

    References
    ----------
    One standard error: Breiman, Friedman, Olshen and Stone, "Classification and regression trees", 1984, §3.4.3.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import Orbits
    >>> from geodis.coordinates import Polynomial, select_lift
    >>> from geodis.groups import SO2
    >>> rng = np.random.default_rng(0)
    >>> angle = SO2().orbit(60, 12).reshape(-1, 1)
    >>> turn = angle + np.repeat(rng.uniform(0, 6.28, (60, 1)), 12, axis=0)
    >>> x, y = np.cos(turn), np.sin(turn)
    >>> z = np.hstack([x, y + 2 * x**2]) @ rng.normal(size=(2, 4)) + 0.02 * rng.normal(size=(720, 4))
    >>> choice = select_lift(Orbits.from_arrays(z, angle, np.repeat(np.arange(60), 12), SO2()), [Polynomial(2)])
    >>> choice.table["motion"].round(1).tolist(), choice.lift
    ([0.7, 1.0], Polynomial(degree=2, interaction_only=False, n_components=None))
    """
    named, fits = _named(candidates), _estimator(orbits, estimator)
    parts = _folds(orbits, n_folds, seed)
    rows = []
    with tqdm(total=len(named) * len(parts), desc="comparing lifts", disable=not verbose) as bar:
        for f, (train, test) in enumerate(parts):
            for name, lift in named.items():
                fitted = clone(fits).set_params(lift=lift).fit_orbits(train).coordinates_
                rows.append({"lift": name, "fold": f} | _judged(fitted, train, test, seed))
                bar.update()
    folds = pd.DataFrame(rows)
    table = folds.groupby("lift", sort=False)[list(MEASURES)].mean()
    table["motion_se"] = folds.groupby("lift", sort=False)["motion"].std(ddof=1) / math.sqrt(len(parts))
    table = table.sort_values("n_features", kind="stable").reset_index()
    name = _simplest(table)
    return LiftChoice(name, named[name], table.assign(chosen=table["lift"] == name)[COLUMNS], folds)


def _simplest(table: pd.DataFrame) -> str:
    """The first name within one standard error of the largest motion."""
    best = table.loc[table["motion"].idxmax()]
    near = table[table["motion"] >= best["motion"] - best["motion_se"]]
    return str(near["lift"].iloc[0])


def _judged(coordinates: LatentCoordinates, train: Orbits, test: Orbits, seed: int) -> dict[str, float]:
    """What a fit is worth on unseen items."""
    energies = orbit_energy(test, coordinates).blocks
    acting = [(b.irrep.dim, e) for b, e in zip(coordinates.blocks, energies, strict=True) if not b.irrep.trivial]
    dims = sum(d for d, _ in acting)
    return {
        "n_features": coordinates.n_lifted,
        "n_blocks": len(acting),
        "score": float(sum(d * max(0.0, e) for d, e in acting)),
        "energy": float(sum(d * e for d, e in acting) / dims) if dims else 0.0,
        "motion": _motion(coordinates, train, test, seed) if dims else 0.0,
    }


def _motion(coordinates: LatentCoordinates, train: Orbits, test: Orbits, seed: int) -> float:
    """1 − E|Δz − B(ρ(g) − 1)c|²/E|Δz|² on the test items, B from the others."""
    (known, moved), (unseen, truth) = (
        _changes(coordinates, o, np.random.default_rng([seed, 8])) for o in (train, test)
    )
    square = known.T @ known
    ridge = RIDGE * np.trace(square) / len(square)
    decoder = np.linalg.solve(square + max(ridge, 1e-300) * np.eye(len(square)), known.T @ moved)
    total = float((truth**2).sum())
    return 1.0 - float(((truth - unseen @ decoder) ** 2).sum()) / total if total > 0 else 0.0


def _changes(coordinates: LatentCoordinates, orbits: Orbits, rng: np.random.Generator) -> tuple[Array, Array]:
    """`((ρ(g) − 1)c, Δz)` of steps from every row to others of its item: (S, p), (S, D)."""
    z = orbits.z.astype(np.float64)
    codes = np.asarray(coordinates.transform(z))
    starts = np.cumsum(orbits.sizes) - orbits.sizes
    size, start = (np.repeat(x, orbits.sizes) for x in (orbits.sizes, starts))
    source = np.repeat(np.flatnonzero(size > 1), PARTNERS)
    offset = rng.integers(1, size[source])
    target = start[source] + (source - start[source] + offset) % size[source]
    step = orbits.group.compose(orbits.params[target], orbits.group.inverse(orbits.params[source]))
    return np.asarray(coordinates.act(codes[source], step)) - codes[source], z[target] - z[source]


# --- input ------------------------------------------------------------------------------------------------------------
def _named(candidates: Sequence[Candidate] | Mapping[str, Candidate]) -> dict[str, Candidate]:
    if isinstance(candidates, Mapping):
        named = dict(candidates)
    elif isinstance(candidates, Sequence) and not isinstance(candidates, str):
        named = {LINEAR if lift is None else repr(lift): lift for lift in candidates}
    else:
        raise ParameterError("select_lift: candidates", "a sequence or mapping of lifts", type(candidates).__name__)
    for name, lift in named.items():
        if lift is not None and not isinstance(lift, (AbstractLift, AbstractLiftSpec)):
            raise ParameterError(
                f"select_lift: candidate {name!r}", "a lift, such as Polynomial(2), or None", repr(lift)
            )
    if all(lift is not None for lift in named.values()):
        if LINEAR in named:
            raise ParameterError("select_lift: candidates", f"no lift of the name {LINEAR!r}", repr(named[LINEAR]))
        named = {LINEAR: None} | named
    return named


def _estimator(orbits: Orbits, estimator: LinearCoordinates | None) -> LinearCoordinates:
    if not isinstance(orbits, Orbits):
        raise ParameterError("select_lift: orbits", "Orbits", type(orbits).__name__)
    if estimator is None:
        return LinearCoordinates(orbits.group)
    if not isinstance(estimator, LinearCoordinates) or estimator.group != orbits.group:
        raise ParameterError("select_lift: estimator", f"LinearCoordinates of {orbits.group!r}", repr(estimator))
    return estimator


def _folds(orbits: Orbits, n_folds: int, seed: int) -> list[tuple[Orbits, Orbits]]:
    """`(train, test)` with whole clusters held out, each once."""
    if isinstance(n_folds, bool) or not isinstance(n_folds, (int, np.integer)) or n_folds < 2:
        raise ParameterError("select_lift: n_folds", "an integer ≥ 2", repr(n_folds))
    if (orbits.sizes < 2).all():
        raise DesignError("select_lift: expected items with two elements at least, every item has one.")
    clusters = np.random.default_rng([seed, 9]).permutation(np.unique(orbits.clusters))
    if len(clusters) < 2:
        raise DesignError(
            "select_lift: expected at least 2 items (or clusters), got one: there is nothing to hold out."
        )
    parts = []
    for held in np.array_split(clusters, min(n_folds, len(clusters))):
        out = np.isin(orbits.clusters, held)
        parts.append(tuple(orbits.select(np.unique(orbits.items[mine])) for mine in (~out, out)))
    return [(train, test) for train, test in parts]
