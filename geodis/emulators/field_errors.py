"""Errors of predicted fields at every lead time: relative MSE, VRMSE, power spectrum, and what should be conserved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd

from geodis.emulators.field_channels import channel_slices
from geodis.emulators.field_drifts import Quantity, conserved_drifts
from geodis.emulators.field_spectrum import isotropic_power
from geodis.errors import ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, to_numpy
from geodis.palette import FOUND, LINE
from geodis.statistics import Interval, check_level, clustered_t

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAFE = 1e-7  # added to the variance by The Well, for comparison with its tables
EMPTY = 1e-6  # share of the power below which a band says nothing


@final
@dataclass(frozen=True, repr=False, eq=False)
class FieldErrors:
    """What `field_errors` measured, one value a run and lead time, the start first.

    Attributes
    ----------
    relative_mse, vrmse : ndarray (runs, times)
    spectrum : ndarray (runs, times, bands)
        NaN where the truth has no power to speak of.
    drifts : dict of str to ndarray (runs, times)
        Of what should be conserved, predicted.
    true_drifts : dict of str to ndarray (runs, times)
        The same of the truth.
    level : float
        Of intervals over runs.
    """

    relative_mse: Array
    vrmse: Array
    spectrum: Array
    drifts: dict[str, Array]
    true_drifts: dict[str, Array]
    level: float

    def table(self, steps: Sequence[int] | None = None) -> pd.DataFrame:
        """Means over runs with ends of their t interval, one row a lead time; all but the start by default."""
        found = range(1, self.relative_mse.shape[1]) if steps is None else steps
        whole = {
            "relative_mse": self.relative_mse,
            "vrmse": self.vrmse,
            "spectrum_error": _over_bands(self.spectrum),
        } | {f"drift_{name}": np.abs(drift) for name, drift in self.drifts.items()}
        rows = []
        for step in found:
            row: dict[str, float] = {"step": step}
            for name, values in whole.items():
                low, high = over_runs(values[:, step], self.level)[:2]
                row |= {name: float(values[:, step].mean()), f"{name}_low": low, f"{name}_high": high}
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None, *, color: str = FOUND, label: str | None = None) -> Axes:
        """Relative MSE against the step, a thin line a run; the axes come back."""
        from matplotlib.figure import Figure

        axes = Figure(figsize=(5, 3.4)).subplots() if ax is None else ax
        steps = np.arange(1, self.relative_mse.shape[1])
        axes.axhline(1.0, color=LINE, lw=0.8)
        axes.semilogy(steps, self.relative_mse[:, 1:].T, color=color, lw=0.5, alpha=0.4)
        axes.semilogy(steps, self.relative_mse[:, 1:].mean(0), "o-", color=color, ms=3, label=label)
        axes.set(xlabel="step", ylabel="relative MSE")
        return axes

    def __repr__(self) -> str:
        runs, times = self.relative_mse.shape
        last = self.relative_mse[:, -1].mean()
        return f"FieldErrors({runs} runs, {times - 1} steps; relative MSE at the last {last:.2g})"


def field_errors(
    predicted: Any,
    truth: Any,
    types: Any,
    *,
    quantities: Mapping[str, Quantity] | None = None,
    bands: int = 4,
    level: float = 0.95,
) -> FieldErrors:
    """All errors of a roll-out `(runs, times, components, *grid)` against the truth, at every lead time.

    Parameters
    ----------
    predicted, truth : array (runs, times, components, *grid)
        The first time is the common start. A prediction that has left every bound may be infinite.
    types : tuple of (order, parity, channels)
        What the components are.
    quantities : mapping of str to callable, optional
        States `(runs, times, components, *grid)` → `(runs, times)`, such as an energy; see `conserved_drifts`.
    bands : int
        Of wavenumbers.
    level : float
        Of the intervals over runs.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For arrays that do not fit together, a truth that is not finite.

    Examples
    --------
    >>> truth = np.random.default_rng(0).normal(size=(4, 3, 1, 8, 8))
    >>> found = field_errors(truth + [[[[[0.0]]], [[[0.1]]], [[[0.2]]]]], truth, ((0, 1, 1),))
    >>> found.table().relative_mse.round(3).tolist()
    [0.01, 0.04]
    """
    check_level(level)
    return FieldErrors(
        relative_mse(predicted, truth, types),
        vrmse(predicted, truth, types),
        spectrum_error(predicted, truth, types, bands=bands),
        conserved_drifts(predicted, types, quantities),
        conserved_drifts(truth, types, quantities),
        level,
    )


def relative_mse(predicted: Any, truth: Any, types: Any) -> Array:
    """Mean (predicted − truth)² / mean (truth − its mean)², averaged over channels: `(runs, times)`.

    The numerator is a mean over the grid and the components of a channel's tensor, for each run and time. The
    denominator is the variance of the channel: a mean over grid, components, all runs and all times, about the mean of
    each component over all of these. 1 is what the mean of all truth would make; the same for all lead times, so that
    their errors can be compared. Channels that do not vary are left out.

    Raises
    ------
    ShapeError, FiniteError
        As `field_errors`.

    Examples
    --------
    >>> truth = np.random.default_rng(0).normal(size=(2, 1, 2, 8, 8))
    >>> relative_mse(0 * truth + truth.mean((0, 1, 3, 4), keepdims=True), truth, ((1, 1, 1),)).mean().round(6).item()
    1.0
    """
    found, true, parts = _checked(predicted, truth, types)
    ratios = []
    for part in parts:
        variance = true[:, :, part].var(axis=(0, 1, 3)).mean()
        if variance > 0:
            ratios.append(_squares(found[:, :, part], true[:, :, part]) / variance)
    return np.mean(ratios, axis=0) if ratios else np.full(true.shape[:2], np.nan)


def vrmse(predicted: Any, truth: Any, types: Any) -> Array:
    """√(⟨|predicted − truth|²⟩ / (⟨|truth − ⟨truth⟩|²⟩ + 1e-7)), averaged over channels: `(runs, times)`.

    ⟨·⟩ is the mean over the grid of one run at one time: 1 is what the right mean in space would make. The components
    of a tensor are one channel, so that rotations change nothing.

    Raises
    ------
    ShapeError, FiniteError
        As `field_errors`.

    References
    ----------
    Ohana et al., "The Well: a large-scale collection of diverse physics simulations for machine learning", NeurIPS
    2024, arXiv:2412.00568.

    Examples
    --------
    >>> truth = np.random.default_rng(0).normal(size=(2, 3, 1, 8, 8))
    >>> bool(np.allclose(vrmse(0 * truth + truth.mean((3, 4), keepdims=True), truth, ((0, 1, 1),)), 1.0))
    True
    """
    found, true, parts = _checked(predicted, truth, types)
    ratios = [
        np.sqrt(_squares(found[:, :, p], true[:, :, p]) / (true[:, :, p].var(axis=3).mean(2) + SAFE)) for p in parts
    ]
    return np.mean(ratios, axis=0)


def spectrum_error(predicted: Any, truth: Any, types: Any, *, bands: int = 4) -> Array:
    """|P_predicted − P_truth| / P_truth of the isotropic power in each band, averaged over channels.

    Bands are equally wide in the logarithm of the wavenumber, from one wave along the longest side to the shortest that
    the grid holds. Where the truth holds less than a millionth of a channel's power in a band, that channel says
    nothing there; a band where none says anything is NaN.

    Returns
    -------
    ndarray (runs, times, bands)

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        As `field_errors`.

    Examples
    --------
    >>> truth = np.random.default_rng(0).normal(size=(2, 3, 1, 16, 16))
    >>> bool(np.allclose(spectrum_error(2 * truth, truth, ((0, 1, 1),)), 3.0))
    True
    """
    bands = count(bands, "bands", 1)
    _, true, parts = _checked(predicted, truth, types)
    dim = to_numpy(truth).ndim - 3
    powers = [isotropic_power(to_numpy(fields), dim) for fields in (predicted, truth)]
    shells = np.arange(1, powers[0].shape[-1] + 1)
    edges = np.geomspace(0.5, shells[-1] + 0.5, bands + 1)
    errors = np.full((len(parts), *true.shape[:2], bands), np.nan)
    for channel, part in enumerate(parts):
        found, wanted = (power[:, :, part].sum(2) for power in powers)
        enough = EMPTY * wanted.sum(-1)
        for band in range(bands):
            inside = (shells > edges[band]) & (shells <= edges[band + 1])
            a, b = found[..., inside].sum(-1), wanted[..., inside].sum(-1)
            np.divide(np.abs(a - b), b, out=errors[channel, ..., band], where=(b > enough) & (b > 0))
    said = ~np.isnan(errors)
    total, number = np.where(said, errors, 0.0).sum(0), said.sum(0)
    return np.where(number, total / np.maximum(number, 1), np.nan)


def over_runs(values: Array, level: float) -> Interval:
    """The t interval of a mean over runs; NaN ends for one run, and where a run has left every bound."""
    if not np.isfinite(values).all():
        return Interval(math.nan, math.nan, level, "none: not finite", math.nan)
    return clustered_t(values, level)


# --- parts ------------------------------------------------------------------------------------------------------------
def _checked(predicted: Any, truth: Any, types: Any) -> tuple[Array, Array, list[slice]]:
    """Both as (runs, times, components, points) in float64, and the components of every channel."""
    found, true = to_numpy(predicted), to_numpy(truth)
    if found.shape != true.shape:
        raise ShapeError("predicted", f"{true.shape}, as the truth", found.shape)
    parts = channel_slices(true, "truth", types)
    check_finite(true, "truth")
    flat = [a.reshape(*a.shape[:3], -1).astype(np.float64) for a in (found, true)]
    return np.where(np.isnan(flat[0]), np.inf, flat[0]), flat[1], parts


def _squares(a: Array, b: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(((a - b) ** 2).mean((2, 3)))


def _over_bands(spectrum: Array) -> Array:
    """The mean of the bands that say something."""
    said = ~np.isnan(spectrum)
    return np.where(said, spectrum, 0.0).sum(-1) / np.maximum(said.sum(-1), 1)
