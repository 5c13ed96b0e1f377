"""D_LSBD of codes on tori: exact by FFT, as published and corrected for what the published formula misses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from geodis.errors import DesignError, LengthError, ParameterError, ShapeError
from geodis.groups.options import count
from geodis.groups.product import Product
from geodis.groups.so2 import SO2
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.cells import rounding
from geodis.metrics.grids import torus_grid
from geodis.metrics.irrep_energy import irrep_energy
from geodis.metrics.irrep_measures import PRESENT
from geodis.metrics.irrep_report import IrrepEnergy
from geodis.metrics.result import MetricResult, Status
from geodis.orbits import Orbits, as_embeddings, as_items
from geodis.statistics import check_level, clustered_t

STEPS = 200  # of the ascent towards the best planes; a few suffice where the factors' planes are apart
STILL = 1e-15  # gain below which it ends


@dataclass(frozen=True, eq=False)
class _Item:
    """One item's codes on its grid, (n_1, …, n_k, D), centred."""

    spread: Array

    @property
    def n_factors(self) -> int:
        return self.spread.ndim - 1

    def hat(self, factor: int) -> Array:
        """Mean of z e^{−ikθ_j} for every k: (n_j, D), complex."""
        others = tuple(a for a in range(self.n_factors) if a != factor)
        alone = self.spread.mean(axis=others)
        return np.asarray(np.fft.fft(alone, axis=0) / len(alone))


def d_lsbd(
    z: Any,
    params: Any,
    K: int = 10,
    *,
    items: Any = None,
    compat: Literal["paper", "corrected"] = "corrected",
    level: float = 0.95,
) -> MetricResult:
    """D_LSBD on a full grid of angles: 0 where each angle turns a plane of its own at a whole frequency.

    The corrected value is the share of the variance that no rotation of mutually orthogonal planes, one a factor,
    explains: 1 − max Σ_j |⟨w_j, ẑ(k_j)⟩|²/V over orthonormal frames w_j and |k_j| ≤ K, with the explained part counted
    only for the share of factors that are present. It sees what `d_lsbd_paper` does not, and `notes` name it:
    superposed factors, a factor with vanishing radius, ellipses, planes that are not orthogonal, energy outside the
    leading planes, interaction. See :doc:`/catalogue`.

    Parameters
    ----------
    z : array (N, D)
        Embeddings.
    params : array (N, k)
        Angles [rad] of the k factors; each item's rows form a full regular grid, in any order.
    K : int
        Largest frequency.
    items : array (N,), optional
        The item of each row; one item by default. The value is the mean over items.
    compat : {"paper", "corrected"}
        ``"paper"`` gives the published formula, with the same notes.
    level : float
        Confidence level of the interval over items.

    Returns
    -------
    MetricResult
        Lower is better; baselines: ``chance`` 1 and ``paper``. Status ``degenerate`` (NaN) for a constant, ``partial``
        where a factor is absent, ``insufficient`` for one item that is otherwise well.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, options outside their range.
    DesignError
        When the angles of an item are no full regular grid.

    References
    ----------
    Tonnaer, Perez Rey, Menkovski, Holenderski and Portegies, "Quantifying and Learning Linear Symmetry-Based
    Disentanglement", ICML 2022, arXiv:2011.06070.

    Examples
    --------
    >>> a, b = np.meshgrid(np.arange(8) * np.pi / 4, np.arange(8) * np.pi / 4)
    >>> angles = np.stack([a.ravel(), b.ravel()], axis=1)
    >>> superposed = np.cos(angles).sum(axis=1), np.sin(angles).sum(axis=1)
    >>> result = d_lsbd(np.stack(superposed, axis=1), angles, K=3)
    >>> round(result.value, 6), round(result.baselines["paper"], 6), result.notes[0]
    (0.5, 0.0, '1.000 overlap: factors move the same directions')
    """
    check_level(level)
    if compat not in ("paper", "corrected"):
        raise ParameterError("d_lsbd: compat", "'paper' or 'corrected'", repr(compat))
    rows, angles, labels = _checked(z, params, items, K)
    parts = _on_grids(rows, angles, labels)
    report = irrep_energy(_orbits(rows, angles, labels), n_null=0)
    n_items, m = len(parts), len(rows) // len(parts)
    if report.status == "degenerate":
        return MetricResult(
            "d_lsbd", math.nan, (math.nan, math.nan), "none", level, n_items, m, status="degenerate",
            notes=report.notes,
        )  # fmt: skip
    tolerance = rounding(rows)
    paper = np.array([_paper(part, K) for part in parts])
    corrected = np.array([_corrected(part, K, tolerance) for part in parts])
    per_item = paper if compat == "paper" else corrected
    known = bool(np.isfinite(per_item).all())
    interval = clustered_t(per_item if known else np.zeros(1), level)
    return MetricResult(
        "d_lsbd" if compat == "corrected" else "d_lsbd (paper)",
        float(per_item.mean()),
        (interval.low, interval.high),
        interval.method if known else "none",
        level,
        n_items,
        m,
        {"chance": 1.0, "paper": float(paper.mean()), "corrected": float(corrected.mean())},
        floor=tolerance / max(float(np.mean([_variance(part) for part in parts])), 1e-300),
        status=_status(report),
        notes=report.notes,
        per_item=per_item,
    )


def d_lsbd_paper(z: Any, params: Any, K: int = 10) -> float:
    """The published D_LSBD of one item, to rounding, without its search: lower is better, for what it sees.

    For factor j the mean over its own angle is taken off, the first two principal components c = p_1 + i p_2 are
    whitened to Σ|c|²/(N − 1) = 1, and D_j(k) = (N − 1)/N − |mean c e^{−ikθ_j}|²; the value is the mean over factors of
    the minimum over |k| ≤ K. It is 0 as well for superposed factors, factors of radius 1e-6, ellipses, planes that are
    not orthogonal and codes with most of their energy elsewhere: use `d_lsbd`, which names these.
    See :doc:`/catalogue`.

    Parameters
    ----------
    z : array (N, D)
        Embeddings of one item.
    params : array (N, k)
        Angles [rad] on a full regular grid, rows in any order.
    K : int
        Largest frequency.

    Raises
    ------
    GeodisError
        As `d_lsbd`; ParameterError where a factor moves the code along fewer than two directions, or not at all:
        whitening divides by zero there.

    Examples
    --------
    >>> angles = np.arange(12.0)[:, None] * np.pi / 6
    >>> circle = np.concatenate([np.cos(2 * angles), np.sin(2 * angles)], axis=1)
    >>> d_lsbd_paper(circle, angles) < 1e-12, d_lsbd_paper(circle, angles, K=1).__round__(3)
    (True, 0.917)
    """
    rows, angles, labels = _checked(z, params, None, K)
    value = _paper(_on_grids(rows, angles, labels)[0], K)
    if math.isnan(value):
        raise ParameterError("d_lsbd_paper: z", "a code that every factor moves in two directions", "one it does not")
    return value


# --- the two formulas -------------------------------------------------------------------------------------------------
def _paper(item: _Item, K: int) -> float:
    """The mean over factors of min_k D_j(k); NaN where nothing is left to whiten."""
    n = int(np.prod(item.spread.shape[:-1]))
    total = 0.0
    for j in range(item.n_factors):
        own = item.spread - item.spread.mean(axis=j, keepdims=True)
        flat = own.reshape(n, -1)
        _, s, vt = np.linalg.svd(flat, full_matrices=False)
        if len(s) < 2 or not s[1] > 0.0:
            return math.nan
        # λ = s²/(N − 1), and a whitened column is p/√(2λ).
        code = own @ (vt[:2].T / (s[:2] * math.sqrt(2.0 / (n - 1))))
        others = tuple(a for a in range(item.n_factors) if a != j)
        hat = np.fft.fft((code[..., 0] + 1j * code[..., 1]).mean(axis=others)) / own.shape[j]
        total += max(0.0, (n - 1) / n - float((np.abs(hat[np.arange(-K, K + 1) % len(hat)]) ** 2).max()))
    return total / item.n_factors


def _corrected(item: _Item, K: int, tolerance: float) -> float:
    """1 − (share of factors present)·(energy of the best mutually orthogonal planes)/V of one item; 1 if still."""
    variance = _variance(item)
    if not variance > tolerance:
        return 1.0
    leading = []
    energies = []
    for j in range(item.n_factors):
        hat = item.hat(j)
        # z is real, so that −k says the same as k.
        power = (np.abs(hat) ** 2).sum(axis=1)
        energies.append(float(power[1:].sum()))
        seen = np.arange(1, min(K, len(hat) // 2) + 1)
        best = int(seen[power[seen].argmax()]) if len(seen) else 0
        # At the Nyquist frequency k and −k are one: half of it belongs to either.
        leading.append(hat[best] / (math.sqrt(2.0) if 2 * best == len(hat) else 1.0))
    present = [e > PRESENT * sum(energies) for e in energies]
    explained = _planes([h for h, here in zip(leading, present, strict=True) if here])
    return 1.0 - min(1.0, explained / variance) * sum(present) / len(present)


def _planes(hats: list[Array]) -> float:
    """Maximum of Σ_j |⟨u_j + i v_j, ẑ_j⟩|² over frames (u_1, v_1, …) with orthonormal columns.

    The objective is convex in the frame, so that replacing the frame by the polar factor of the gradient never
    decreases it.
    """
    if not hats:
        return 0.0
    # Dimensions in which nothing happens change nothing; with too few there are no frames.
    missing = max(0, 2 * len(hats) - len(hats[0]))
    hats = [np.pad(h, (0, missing)) for h in hats]
    frame = _polar(np.concatenate([_circular(h) for h in hats], axis=1))
    value = -1.0
    for _ in range(STEPS):
        along = [frame[:, 2 * j] @ h - 1j * (frame[:, 2 * j + 1] @ h) for j, h in enumerate(hats)]
        new = float(sum(abs(a) ** 2 for a in along))
        if new - value <= STILL * new:
            return new
        value = new
        # d|a|²/du = 2 Re(ā ẑ), d|a|²/dv = 2 Re(−i ā ẑ)
        gradients = [a.conj() * h for a, h in zip(along, hats, strict=True)]
        frame = _polar(np.stack([column for g in gradients for column in (g.real, g.imag)], axis=1))
    return value


def _circular(h: Array) -> Array:
    """The orthonormal pair (u, v) with the largest |⟨u + iv, h⟩|: the polar factor of (Re h, ±Im h)."""
    pair = np.stack([h.real, -h.imag], axis=1)
    if np.abs(pair).max() == 0.0:
        return np.eye(len(h))[:, :2]
    turned = pair * [1.0, -1.0]
    return _polar(turned)


def _polar(a: Array) -> Array:
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    return np.asarray(u @ vt)


def _variance(item: _Item) -> float:
    return float((item.spread**2).sum()) / int(np.prod(item.spread.shape[:-1]))


# --- input ------------------------------------------------------------------------------------------------------------
def _checked(z: Any, params: Any, items: Any, K: Any) -> tuple[Array, Array, Array]:
    count(K, "d_lsbd: K", 1)
    rows = as_embeddings(z)
    angles = to_numpy(params).astype(np.float64) if to_numpy(params).dtype.kind in "iuf" else None
    if angles is None:
        raise ParameterError("d_lsbd: params", "angles [rad] as real numbers", f"dtype {to_numpy(params).dtype}")
    if angles.ndim == 1:
        angles = angles[:, None]
    if angles.ndim != 2 or angles.shape[1] == 0:
        raise ShapeError("d_lsbd: params", "(N, k) angles", angles.shape)
    check_finite(angles, "d_lsbd: params")
    labels = np.zeros(len(rows)) if items is None else as_items(items)
    if not len(rows) == len(angles) == len(labels):
        raise LengthError(z=len(rows), params=len(angles), items=len(labels))
    return rows, angles, labels


def _on_grids(rows: Array, angles: Array, labels: Array) -> list[_Item]:
    parts = []
    for label in np.unique(labels):
        own = labels == label
        grid = torus_grid(angles[own] / (2 * np.pi))
        if grid is None:
            raise DesignError(
                f"D_LSBD needs a full regular grid of {angles.shape[1]} angles for every item, and the "
                f"{int(own.sum())} rows of item {label} form none. `irrep_energy` takes other designs."
            )
        z = rows[own].astype(np.float64)
        parts.append(_Item(grid.spread(z - z.mean(axis=0))))
    return parts


def _orbits(rows: Array, angles: Array, labels: Array) -> Orbits:
    k = angles.shape[1]
    return Orbits.from_arrays(rows, angles, labels, SO2() if k == 1 else Product(*[SO2()] * k))


def _status(report: IrrepEnergy) -> Status:
    absent = any(not f.share > PRESENT for f in report.factors)
    return "partial" if absent else report.status
