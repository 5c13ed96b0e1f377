"""What else could have predicted the codes: identity, mean, permuted labels, random operators, the best linear map.

All are mean squared errors over pairs of an item's elements, in the unit of the pair loss L.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from geodis.coordinates.pair_error import identity_error_cells, mismatch_cells, pair_error_cells
from geodis.errors import ParameterError
from geodis.linalg import Array
from geodis.metrics.best_linear import best_linear_of
from geodis.metrics.cells import OrbitCells, item_average
from geodis.orbits import Orbits
from geodis.statistics import permutation_p
from geodis.threads import one_blas_thread

Baseline = Literal["identity", "mean", "relabelled", "random_orthogonal", "best_linear"]
ALL: tuple[Baseline, ...] = ("identity", "mean", "relabelled", "random_orthogonal", "best_linear")
RANDOM_DRAWS = 10  # enough for a mean over n·m draws of an operator


class Baselines(NamedTuple):
    """Errors of the reference predictors, and the p-value of the observed error among permuted labels."""

    errors: dict[str, float]
    p_value: float | None


@one_blas_thread
def baseline_errors(
    data: OrbitCells,
    orbits: Orbits,
    observed: float,
    which: tuple[Baseline, ...] = ALL,
    *,
    center: bool = True,
    n_draws: int = 99,
    seed: int = 0,
    basis: Callable[[Any], Any] | None = None,
) -> Baselines:
    """Mean squared errors of the baselines in `which`, and p of the observed error against permuted labels.

    Parameters
    ----------
    data : OrbitCells
        Codes and operators.
    orbits : Orbits
        What they came from.
    observed : float
        The pair loss L of ρ.
    which : tuple of str
        Any of ``identity, mean, relabelled, random_orthogonal, best_linear``.
    center : bool
        Whether an offset is fitted, as for the observed error.
    n_draws : int
        Permutations of the labels.
    seed : int
        Seed of permutations, random operators and folds.
    basis : callable, optional
        See `best_linear_error`.

    Raises
    ------
    ParameterError
        For an unknown baseline or n_draws < 1.
    """
    check_baselines(which, n_draws)
    errors: dict[str, float] = {}
    p_value = None
    if "identity" in which:
        errors["identity"] = item_average([identity_error_cells(c) for c in data.codes])
    if "mean" in which:
        errors["mean"] = item_average(data.variation(center=True))
    if "relabelled" in which:
        null = relabelled_errors(data, center, n_draws, seed)
        errors["relabelled"] = float(null.mean())
        # Small errors are evidence. In units of the variance, so that errors that differ by rounding are ties.
        unit = max(item_average(data.variation(center=True)), 1e-300)
        p_value = permutation_p(-observed / unit, -null / unit)
    if "random_orthogonal" in which:
        errors["random_orthogonal"] = random_orthogonal_error(data, center, seed)
    if "best_linear" in which:
        errors["best_linear"] = best_linear_of(data, orbits, basis, seed=seed)
    return Baselines(errors, p_value)


def relabelled_errors(data: OrbitCells, center: bool, n_draws: int, seed: int) -> Array:
    """The pair loss L under null N1, `n_draws` times: labels permuted within each item, independently.

    Items of two elements exchange their label vectors across items instead: a swap within would only invert the step.
    """
    rng = np.random.default_rng(seed)
    errors = np.empty(n_draws)
    for b in range(n_draws):
        moved = [_permuted_labels(inverse.shape[:2], rng) for inverse in data.inverses]
        inverses = [inverse[index] for inverse, index in zip(data.inverses, moved, strict=True)]
        if center:
            us = data.offset_fit(inverses)[1]
        else:
            us = [np.einsum("nmab,nmb->nma", a, c) for a, c in zip(inverses, data.codes, strict=True)]
        operators = [None if data.orthogonal else r[i] for r, i in zip(data.operators, moved, strict=True)]
        cells = [pair_error_cells(u, r, data.orthogonal) for u, r in zip(us, operators, strict=True)]
        errors[b] = item_average(cells)
    return errors


def random_orthogonal_error(data: OrbitCells, center: bool, seed: int) -> float:
    """The pair loss L of independent Haar orthogonal operators, one for each element (each row of nested designs)."""
    rng = np.random.default_rng(seed)
    losses = []
    for _ in range(RANDOM_DRAWS):
        operators = []
        for c in data.codes:
            n, m, d = c.shape
            haar = haar_orthogonal(m if data.crossed else n * m, d, rng)
            operators.append(np.broadcast_to(haar, (n, m, d, d)) if data.crossed else haar.reshape(n, m, d, d))
        losses.append(item_average(data.with_operators(operators, True).pair_errors(center)))
    return float(np.mean(losses))


def shuffled_errors(data: OrbitCells, n_draws: int, seed: int) -> tuple[Array, Array]:
    """Identity error and mismatch (ρ = I) under null N0: rows shuffled over items, `n_draws` times."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([c.reshape(-1, c.shape[2]) for c in data.codes])
    stops = np.cumsum([c.shape[0] * c.shape[1] for c in data.codes])[:-1]
    within, between = np.empty(n_draws), np.empty(n_draws)
    for b in range(n_draws):
        pieces = np.split(rows[rng.permutation(len(rows))], stops)
        codes = [piece.reshape(c.shape) for piece, c in zip(pieces, data.codes, strict=True)]
        within[b] = item_average([identity_error_cells(c) for c in codes])
        between[b] = item_average(mismatch_cells(codes, crossed=data.crossed))
    return within, between


def haar_orthogonal(n: int, d: int, rng: np.random.Generator) -> Array:
    """N independent Haar-distributed orthogonal matrices, (n, d, d)."""
    q, r = np.linalg.qr(rng.normal(size=(n, d, d)))
    # Without the signs of R's diagonal, QR prefers some orthants.
    return q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]


def check_baselines(which: tuple[Baseline, ...], n_draws: int) -> None:
    """Raise unless `which` names baselines and n_draws counts."""
    unknown = [name for name in which if name not in ALL]
    if isinstance(which, str) or unknown:
        raise ParameterError("baselines", f"a tuple of {', '.join(ALL)}", repr(which))
    if isinstance(n_draws, bool) or not isinstance(n_draws, (int, np.integer)) or n_draws < 1:
        raise ParameterError("n_draws", "an integer ≥ 1", n_draws)


def _permuted_labels(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Array, Array]:
    """Index arrays (n, m) that permute labels within items, or label vectors across items where m = 2."""
    n, m = shape
    if m == 2:
        return np.broadcast_to(rng.permutation(n)[:, None], (n, m)), np.broadcast_to(np.arange(m), (n, m))
    return np.broadcast_to(np.arange(n)[:, None], (n, m)), rng.permuted(np.tile(np.arange(m), (n, 1)), axis=1)
