"""The power spectrum of a periodic box: how much density contrast each scale holds, and ratios of two boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy, to_tensor
from geodis.mesh import Modes, check_grid, paint
from geodis.palette import FAINT, FOUND, LINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@final
@dataclass(frozen=True, eq=False)
class PowerSpectrum:
    """P(k) in shells one fundamental wavenumber 2π/box wide, up to the Nyquist wavenumber.

    Attributes
    ----------
    k : ndarray (shells,)
        Mean wavenumber of the shell's modes [1/unit of the box].
    power : ndarray (shells,)
        Mean |δ(k)|² V/N⁶ [unit of the box cubed]; shot noise is not subtracted.
    n_modes : ndarray (shells,) of int
        Independent complex modes: the relative scatter of a Gaussian field's power is 1/√n_modes.
    box : float
        Length of the side.
    """

    k: Array
    power: Array
    n_modes: Array
    box: float

    def ratio(self, other: PowerSpectrum) -> Array:
        """P/P_other of each shell; the boxes and grids must be the same (`LengthError`, `ParameterError`)."""
        if len(self.k) != len(other.k):
            raise LengthError(this=len(self.k), other=len(other.k))
        if self.box != other.box:
            raise ParameterError("other", f"a spectrum of a box of side {self.box:g}", f"one of {other.box:g}")
        return self.power / other.power

    def plot(self, ax: Axes | None = None, *, color: str = FOUND, label: str | None = None) -> Axes:
        """P(k) on logarithmic axes, with the band of a Gaussian field's scatter."""
        axes = _axes(ax)
        scatter = self.power / np.sqrt(self.n_modes)
        axes.fill_between(self.k, np.maximum(self.power - scatter, 0.1 * self.power), self.power + scatter,
                          color=color, alpha=0.15, lw=0)  # fmt: skip
        axes.loglog(self.k, self.power, "o-", color=color, ms=3, lw=1.2, label=label)
        axes.set(xlabel="k [h/Mpc]", ylabel="P(k) [(Mpc/h)³]")
        return axes

    def plot_ratio(
        self, other: PowerSpectrum, ax: Axes | None = None, *, color: str = FOUND, label: str | None = None
    ) -> Axes:
        """P/P_other, with a line at one."""
        axes = _axes(ax)
        axes.axhline(1.0, color=LINE, lw=0.8)
        axes.axhspan(0.98, 1.02, color=FAINT, alpha=0.25, lw=0)
        axes.semilogx(self.k, self.ratio(other), "o-", color=color, ms=3, lw=1.2, label=label)
        axes.set(xlabel="k [h/Mpc]", ylabel="P(k) ratio")
        return axes

    def __repr__(self) -> str:
        return f"PowerSpectrum({len(self.k)} shells, k = {self.k[0]:.3g} … {self.k[-1]:.3g}, box={self.box:g})"


def power_spectrum(density: Any, box: float) -> PowerSpectrum:
    """P(k) of a density on a grid `(N, N, N)`: of its contrast ρ/ρ̄ − 1, or of itself where its mean vanishes.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For a grid that is no cube, NaN, or a box that is none.

    Examples
    --------
    >>> x = np.arange(8) / 8
    >>> wave = 1 + 0.2 * np.cos(2 * np.pi * x)[:, None, None] * np.ones((8, 8, 8))
    >>> spectrum = power_spectrum(wave, 1.0)  # 2 of the first shell's 18 modes hold .1² each
    >>> spectrum.n_modes.tolist()[0], round(float(spectrum.power[0] * spectrum.n_modes[0]), 6)
    (9, 0.01)
    """
    rho = to_tensor(density).detach().double()
    if rho.ndim != 3 or len(set(rho.shape)) != 1:
        raise ShapeError("density", "(N, N, N)", tuple(rho.shape))
    check_grid(len(rho), box)
    check_finite(to_numpy(rho), "density")
    mean, size = float(rho.mean()), float(rho.abs().mean())
    contrast = rho / mean - 1 if abs(mean) > 1e-9 * size else rho
    return _shells(Modes.of(len(rho), box, rho).to_modes(contrast), len(rho), box)


def particle_power(positions: Any, box: float, n_grid: int = 64) -> PowerSpectrum:
    """P(k) of particles of equal mass `(n, 3)`, painted cloud-in-cell on a grid whose window is divided out.

    Poisson noise V/n is not subtracted: particles that came from a lattice have less.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For other shapes, NaN, a grid or a box that is none.

    Examples
    --------
    >>> points = np.random.default_rng(0).random((20000, 3))
    >>> bool(abs(particle_power(points, 1.0, 16).power.mean() * 20000 - 1) < 0.1)  # white noise
    True
    """
    x = to_tensor(positions).detach().double()
    mass = paint(x, n_grid, box)
    modes = Modes.of(n_grid, box, mass)
    return _shells(modes.to_modes(mass / mass.mean() - 1) / modes.cloud_window(), n_grid, box)


def _shells(transform: Tensor, n_grid: int, box: float) -> PowerSpectrum:
    modes = Modes.of(n_grid, box, transform.real)
    turns = to_numpy(torch.sqrt(modes.squared)) / modes.unit
    # The half plane stands for itself and its mirror image, but for the planes that are their own.
    own = np.zeros(turns.shape[-1], dtype=bool)
    own[0] = True
    own[-1] |= n_grid % 2 == 0
    weight = np.broadcast_to(np.where(own, 1.0, 2.0), turns.shape).ravel()
    shell = np.rint(turns).astype(int).ravel()
    last = n_grid // 2

    def total(values: Array) -> Array:
        return np.bincount(shell, weight * values.ravel(), minlength=last + 1)[1 : last + 1]

    number = total(np.ones(turns.shape))
    power = total(to_numpy(transform.abs() ** 2)) / number * (box**3 / n_grid**6)
    return PowerSpectrum(total(turns) / number * modes.unit, power, np.rint(number / 2).astype(int), float(box))


def _axes(ax: Axes | None) -> Axes:
    from matplotlib.figure import Figure

    return Figure(figsize=(5, 3.4)).subplots() if ax is None else ax
