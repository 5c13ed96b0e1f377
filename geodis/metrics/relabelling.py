"""Do the operators belong to *their* elements? The error against the same under permuted labels, with exact p."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np

from geodis.linalg import Array
from geodis.metrics.baselines import check_baselines, relabelled_errors
from geodis.metrics.cells import Operator, OrbitCells, item_average, orbit_cells
from geodis.metrics.evaluate import evaluate
from geodis.metrics.result import MetricResult
from geodis.orbits import Orbits
from geodis.statistics import check_level

TIE = 1e-10  # of the codes' variance: errors this close are equal but for rounding


def relabelling_test(
    orbits: Orbits, rho: Operator, *, n_draws: int = 999, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """Is the error L/2T smaller than under other labels of the elements? The p-value is exact at any sample size.

    Crossed orbits get common relabellings, the same for all items: the null is that the names of the elements mean
    nothing, so that the items' codes could change places between elements. Nested orbits are relabelled within each
    item: the null is that a code does not depend on its element.

    Parameters
    ----------
    orbits : Orbits
        Codes c as z.
    rho : callable
        Params (N, p) → matrices (N, d, d).
    n_draws : int
        Random relabellings; all m! of them are enumerated instead where that is fewer (crossed orbits).
    level : float
        Confidence level of the interval of the error.
    seed : int
        Seed of the relabellings.

    Returns
    -------
    MetricResult
        `value` is the error L/2T and ``relabelled`` its mean under the null. An invariant code has p = 1 whatever ρ.
        The notes tell the smallest p that the design allows.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        As `equivariance_error`.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.groups import Cyclic
    >>> from geodis.orbits import Orbits
    >>> G = Cyclic(8)
    >>> rho, k = G.irrep("k=1"), np.tile(np.arange(8.0), 30)[:, None]
    >>> x = np.repeat(np.random.default_rng(0).normal(size=(30, 2)), 8, axis=0)
    >>> z = np.einsum("nab,nb->na", rho(k), x)
    >>> relabelling_test(Orbits.from_arrays(z, k, np.repeat(np.arange(30), 8), G), rho).p_value
    0.001
    """
    check_level(level)
    check_baselines((), n_draws)
    data = orbit_cells(orbits, rho)
    if not data.codes:
        return evaluate("relabelling_test", data, [], [], level=level)
    variation = data.variation(center=True)
    spread = item_average(variation)
    errors: dict[str, float] = {}
    p_value: float | None = None
    notes: tuple[str, ...] = ()
    above = data.pair_errors(center=True)
    if spread > data.tolerance and data.n_items >= 2:
        null, exhaustive = _null(data, n_draws, seed)
        slack = TIE * spread
        smaller = int(np.count_nonzero(null <= item_average(above) + slack))
        p_value = smaller / len(null) if exhaustive else (1 + smaller) / (1 + len(null))
        floor = 1 / len(null) if exhaustive else 1 / (1 + len(null))
        errors["relabelled"] = float(null.mean())
        which = "one relabelling of the elements for all items" if data.crossed else "labels permuted within items"
        notes = (f"{which}; the smallest p is {floor:.2g}",)
    return evaluate(
        "relabelling_test", data, above, [2.0 * v for v in variation], level=level, errors=errors, varying=spread,
        p_value=p_value, notes=notes,
    )  # fmt: skip


def _null(data: OrbitCells, n_draws: int, seed: int) -> tuple[Array, bool]:
    """Pair losses L under relabellings, and whether these are all that there are."""
    if not data.crossed:
        return relabelled_errors(data, True, n_draws, seed), False
    m = data.n_elements
    # m! passes n_draws for m ≥ 20 whatever n_draws is; no factorial of a large m is needed.
    exhaustive = m < 20 and math.factorial(m) <= n_draws + 1
    if exhaustive:
        orders = np.array(list(permutations(range(m))))
    else:
        orders = np.random.default_rng(seed).permuted(np.tile(np.arange(m), (n_draws, 1)), axis=1)
    if data.orthogonal:
        return common_losses(data, orders), exhaustive
    losses = [item_average(data.with_operators([data.operators[0][:, o]], False).pair_errors(True)) for o in orders]
    return np.array(losses), exhaustive


def common_losses(data: OrbitCells, orders: Array) -> Array:
    """The pair loss L of crossed codes with element k read as element orders[·, k], ρ orthogonal: (B, m) → (B,).

    With u = ρ⁻¹c and c centred, min_b Σ|u − ū|² = Σ|c|² − Σ|ū|² − hᵀ(I − PᵀP)⁺h (a mean over items each), where P is
    the mean of ρ⁻¹ and h = Pᵀū averaged over items: P is the same under every relabelling, and ū is linear in the
    codes, so that items enter through their second moment alone.
    """
    codes, rho = data.codes[0], data.operators[0][0]
    n, m, d = codes.shape
    flat = (codes - codes.mean(axis=(0, 1))).reshape(n, m * d)
    total = float((flat**2).sum()) / (n * m)
    # ū = Σ_k ρ_kᵀc_k/m; |ū|² needs F with FᵀF = mean_i c_i c_iᵀ only.
    factor = flat / math.sqrt(n) if n <= m * d else _root(flat.T @ flat / n)
    mean_code = flat.mean(axis=0)
    mean_inverse = rho.mean(axis=0).T
    values, vectors = np.linalg.eigh(np.eye(d) - mean_inverse.T @ mean_inverse)
    seen = values > 1e-10  # directions that ρ does not move have no offset to find
    solver = (vectors[:, seen] / values[seen]) @ vectors[:, seen].T
    losses = np.empty(len(orders))
    for b, order in enumerate(orders):
        back = rho[order].reshape(m * d, d) / m
        h = mean_inverse.T @ (mean_code @ back)
        kept = float(((factor @ back) ** 2).sum()) + float(h @ solver @ h)
        losses[b] = 2.0 * m / (m - 1) * (total - kept)
    return losses


def _root(second: Array) -> Array:
    """F with FᵀF = second."""
    values, vectors = np.linalg.eigh(second)
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
