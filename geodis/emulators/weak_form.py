"""Equations of motion in integrated form: what trajectories say of a vector field without being differentiated.

For ż = Σ_k c_k f_k(z) and data z_j = z(t_j) + noise, z_j − a = Σ_k c_k ∫_{t_0}^{t_j} f_k(z(t)) dt with a free start a,
linear in c. The integrals are those of the polynomial through the values at all nodes of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.polynomial import legendre

from geodis.errors import DesignError, ParameterError
from geodis.linalg import Array, check_finite, to_numpy

BLOCK = 256  # windows whose rows are formed at once
NODES = 10  # points a window: polynomials of degree 9 follow a period of about five intervals to 1e-4


def integration_matrix(times: Any) -> Array:
    """S with (S f)_j = ∫_{t_0}^{t_j} f dt for the polynomial through f at all n times: `(n, n)`.

    Exact for polynomials of degree < n, without the ill-conditioned powers of t: Legendre's polynomials are integrated.

    Examples
    --------
    >>> t = np.array([0.0, 0.5, 1.0, 2.0])
    >>> (integration_matrix(t) @ (3 * t**2)).round(12).tolist()
    [0.0, 0.125, 1.0, 8.0]
    """
    t = ascending(times)
    middle, half = (t[0] + t[-1]) / 2, (t[-1] - t[0]) / 2
    x = (t - middle) / half
    n = len(t)
    integrals = np.stack([legendre.legval(x, legendre.legint(np.eye(n)[k], lbnd=-1)) for k in range(n)], axis=1)
    return np.asarray(half * np.linalg.solve(legendre.legvander(x, n - 1).T, integrals.T).T)


def highest_difference(times: Any) -> Array:
    """The unit vector u with u·p = 0 for all polynomials p of degree < n − 1 on n times.

    White noise of standard deviation σ gives u·z of standard deviation σ; a smooth signal gives next to nothing. So
    √(mean (u·z)²) is an estimate of the noise that knows no model, too large by what polynomials of degree n − 2 miss.

    Examples
    --------
    >>> bool(abs(highest_difference([0.0, 1.0, 2.0]) @ [1.0, -2.0, 1.0]) > 2.4)
    True
    """
    t = ascending(times)
    x = 2 * (t - t[0]) / (t[-1] - t[0]) - 1
    basis, _ = np.linalg.qr(legendre.legvander(x, len(t) - 1))
    return basis[:, -1]


def window_starts(n_times: int, nodes: int) -> list[int]:
    """Where windows of `nodes` times begin that share their ends; the last ones may overlap more.

    Examples
    --------
    >>> window_starts(19, 10), window_starts(21, 10)
    ([0, 9], [0, 9, 11])
    """
    if n_times < nodes:
        raise DesignError(
            f"Expected trajectories of at least {nodes} times, got {n_times}. Choose fewer nodes, or sample longer."
        )
    starts = [k * (nodes - 1) for k in range((n_times - 1) // (nodes - 1))]
    last = n_times - nodes
    return starts if starts[-1] == last else [*starts, last]


def ascending(times: Any) -> Array:
    """At least two ascending numbers, as float64."""
    t = to_numpy(times).astype(np.float64)
    if t.ndim != 1 or len(t) < 2 or (np.diff(t) <= 0).any():
        raise ParameterError("times", "at least two ascending numbers (T,)", np.asarray(t).tolist())
    check_finite(t, "times")
    return t


@final
@dataclass(frozen=True, eq=False)
class Windows:
    """Stretches of trajectories with the same number of nodes, which may have different time steps.

    Attributes
    ----------
    states : ndarray (W, nodes, vectors, d)
    constants : dict of str to ndarray (W,) or (W, d)
    run : ndarray (W,)
        The trajectory that a window belongs to.
    times : tuple of ndarray (nodes,)
        One a kind of window.
    kind : ndarray (W,)
        Which of the times a window has.
    scale : ndarray (W, vectors)
        Root mean square of the positions, and of the momenta, in a window: deviations are measured in it, so that
        results do not depend on units, not even where every run has its own.
    roughness : ndarray (W,)
        Root mean square of u·z, in units of `scale`: see `highest_difference`.
    """

    states: Array
    constants: dict[str, Array]
    run: Array
    times: tuple[Array, ...]
    kind: Array
    scale: Array
    roughness: Array

    def __len__(self) -> int:
        return len(self.states)

    def of_kind(self, kind: int, block: int) -> list[Array]:
        """Indices of the windows of a kind, in blocks."""
        index = np.flatnonzero(self.kind == kind)
        return [index[k : k + block] for k in range(0, len(index), block)]

    def constants_of(self, index: Array) -> dict[str, Array]:
        """The constants of some windows."""
        return {name: value[index] for name, value in self.constants.items()}


def windows_of(states: Array, constants: dict[str, Array], times: Array, nodes: int) -> Windows:
    """Trajectories `(n, T, vectors, d)`, constants `(n,)` or `(n, d)` → windows of `nodes` times that share their ends.

    Raises
    ------
    DesignError
        For trajectories with fewer times, or a run in which all positions or all momenta are zero.
    """
    starts = window_starts(len(times), nodes)
    kinds: list[Array] = []
    of_start = []
    for start in starts:
        t = times[start : start + nodes] - times[start]
        same = [k for k, other in enumerate(kinds) if np.allclose(t, other, rtol=1e-9, atol=0.0)]
        of_start.append(same[0] if same else len(kinds))
        kinds += [] if same else [t]
    cut = np.concatenate([states[:, start : start + nodes] for start in starts])
    run = np.tile(np.arange(len(states)), len(starts))
    kind = np.repeat(of_start, len(states))
    half = states.shape[2] // 2
    parts = [np.sqrt(np.square(cut[:, :, piece]).mean(axis=(1, 2, 3))) for piece in (slice(half), slice(half, None))]
    if min(part.min() for part in parts) == 0.0:
        raise DesignError("Expected positions and momenta that are not all zero in any window: leave out resting runs.")
    scale = np.repeat(np.stack(parts, axis=1), half, axis=1)
    rough = np.empty(len(cut))
    for k, t in enumerate(kinds):
        u = np.einsum("j,wjvd->wvd", highest_difference(t), cut[kind == k]) / scale[kind == k][..., None]
        rough[kind == k] = np.sqrt(np.square(u).mean(axis=(1, 2)))
    return Windows(cut, {name: v[run] for name, v in constants.items()}, run, tuple(kinds), kind, scale, rough)


def weak_rows(fields: Array, states: Array, times: Array, scale: Array) -> tuple[Array, Array]:
    """Rows A `(W, nodes·vectors·d, terms)` and y `(W, nodes·vectors·d)` with A c = y for ż = Σ c_k f_k.

    Fields `(terms, W, nodes, vectors, d)` at the nodes; the free start of every window is projected out.
    """
    moved = np.einsum("js,kwsvd->kwjvd", integration_matrix(times), fields, optimize=True)
    rows = [_centred(x, axis) / scale[:, None, :, None] for x, axis in ((moved, 2), (states, 1))]
    w = len(states)
    return np.moveaxis(rows[0].reshape(len(fields), w, -1), 0, -1), rows[1].reshape(w, -1)


def _centred(rows: Array, axis: int) -> Array:
    return rows - rows.mean(axis=axis, keepdims=True)
