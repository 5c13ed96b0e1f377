"""The smooth universe and its linear structure: flat ΛCDM, growth to second order, the power spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, final

import numpy as np
from scipy import integrate

from geodis.errors import FiniteError, ParameterError
from geodis.linalg import Array, to_numpy

EARLIEST, LATEST = 1e-4, 10.0  # scale factors between which growth is tabulated
CMB = 2.7255 / 2.7  # temperature of the microwave background [2.7 K]
KM_S = 100.0  # km/s per Mpc/h of the Hubble flow today


@final
@dataclass(frozen=True)
class FlatLambdaCDM:
    """A flat universe of matter and a cosmological constant; lengths in Mpc/h, time in 1/H₀, radiation neglected.

    Parameters
    ----------
    matter : float
        Ω_m today, 0 < Ω_m ≤ 1; 1 is the Einstein–de Sitter universe.
    baryons : float
        Ω_b today, of Ω_m; enters the power spectrum alone.
    hubble : float
        h = H₀ / (100 km/s/Mpc); enters the power spectrum alone.
    tilt : float
        n_s, of the primordial spectrum.
    sigma8 : float
        Root mean square of the linear density contrast in spheres of 8 Mpc/h today.

    Raises
    ------
    ParameterError
        For parameters outside their ranges.

    Examples
    --------
    >>> cosmology = FlatLambdaCDM()
    >>> [round(float(x), 4) for x in (cosmology.growth(0.5), cosmology.growth_rate(1.0), cosmology.sigma(8.0))]
    [0.6118, 0.5128, 0.8]
    """

    matter: float = 0.3
    baryons: float = 0.05
    hubble: float = 0.7
    tilt: float = 0.96
    sigma8: float = 0.8

    def __post_init__(self) -> None:
        ranges = {"matter": (0, 1), "baryons": (0, self.matter), "hubble": (0, 2), "tilt": (0, 3), "sigma8": (0, 10)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            known = isinstance(value, (int, float, np.floating)) and not isinstance(value, bool)
            if not known or not low <= value <= high or (value == 0 and name != "baryons"):
                raise ParameterError(name, f"a number in ({low}, {high:g}]", repr(value))

    def expansion(self, a: Any) -> Array:
        """E(a) = H/H₀ = √(Ω_m a⁻³ + 1 − Ω_m)."""
        return np.sqrt(self.matter * _factor(a) ** -3 + 1 - self.matter)

    def matter_share(self, a: Any) -> Array:
        """Ω_m(a) = Ω_m a⁻³ / E²."""
        return self.matter * _factor(a) ** -3 / self.expansion(a) ** 2

    def growth(self, a: Any) -> Array:
        """D₁(a): how linear density contrasts have grown, D₁(1) = 1."""
        return _growth(self.matter, a).first

    def growth_rate(self, a: Any) -> Array:
        """f₁ = d ln D₁ / d ln a."""
        return _growth(self.matter, a).first_rate

    def second_growth(self, a: Any) -> Array:
        """D₂(a) of second-order displacements, ≈ −3/7 D₁² (exact for Ω_m = 1) [1]_.

        References
        ----------
        .. [1] F. R. Bouchet, S. Colombi, E. Hivon, R. Juszkiewicz, "Perturbative Lagrangian approach to gravitational
           instability", A&A 296, 1995 (arXiv astro-ph/9406013).
        """
        return _growth(self.matter, a).second

    def second_growth_rate(self, a: Any) -> Array:
        """f₂ = d ln |D₂| / d ln a."""
        return _growth(self.matter, a).second_rate

    def power(self, k: Any) -> Array:
        """The linear power spectrum today P(k) [(Mpc/h)³] at k [h/Mpc]: k^n_s T² with the no-wiggle fit of [1]_.

        0 at k = 0. Scaled so that `sigma(8.0)` is `sigma8`.

        References
        ----------
        .. [1] D. J. Eisenstein, W. Hu, *Baryonic features in the matter transfer function*, ApJ 496, 1998, eqs. 26,
           28–31 (arXiv astro-ph/9709112).
        """
        return _amplitude(self) * _shape(self, np.asarray(to_numpy(k), dtype=np.float64))

    def sigma(self, radius: float) -> float:
        """Root mean square linear density contrast today in spheres of a radius [Mpc/h]."""
        return float(np.sqrt(_amplitude(self) * _variance(self, radius)))

    def velocity_unit(self, a: float) -> float:
        """Peculiar velocity [km/s] of a momentum p = a² dx/d(H₀t) of 1 Mpc/h: 100/a."""
        return KM_S / float(_factor(a))


class _Growth(NamedTuple):
    first: Array
    first_rate: Array
    second: Array
    second_rate: Array


def _growth(matter: float, a: Any) -> _Growth:
    t = np.log(_factor(a))
    solved = _solution(float(matter))
    now = solved(0.0)[0]
    g1, d1, g2, d2 = solved(t)
    # Solved as g₁ = D₁/a and g₂ = D₂/a², which are nearly constant while matter dominates.
    return _Growth(g1 * np.exp(t) / now, 1 + d1 / g1, g2 * np.exp(2 * t) / now**2, 2 + d2 / g2)


@cache
def _solution(matter: float) -> Any:
    """D″ + (2 + H′/H) D′ = 3/2 Ω_m(a) (D₁ for the first order, D₂ − D₁² for the second) in ln a, from the EdS limit."""

    def slopes(t: float, y: Array) -> Array:
        share = matter / (matter + (1 - matter) * np.exp(3 * t))
        drag, pull = 2 - 1.5 * share, 1.5 * share
        g1, d1, g2, d2 = y
        first = pull * g1 - drag * (d1 + g1) - 2 * d1 - g1
        second = pull * (g2 - g1**2) - drag * (d2 + 2 * g2) - 4 * d2 - 4 * g2
        return np.array([d1, first, d2, second])

    span = (np.log(EARLIEST), np.log(LATEST))
    start = [1.0, 0.0, -3 / 7, 0.0]
    return integrate.solve_ivp(slopes, span, start, "DOP853", dense_output=True, rtol=1e-11, atol=1e-13).sol


@cache
def _amplitude(cosmology: FlatLambdaCDM) -> float:
    return cosmology.sigma8**2 / _variance(cosmology, 8.0)


def _variance(cosmology: FlatLambdaCDM, radius: float) -> float:
    """∫ dlnk k³ P W² / 2π² of the unscaled spectrum, W the transform of a sphere."""
    log_k = np.linspace(np.log(1e-5), np.log(1e3 / radius), 8193)
    k = np.exp(log_k)
    x = k * radius
    # The difference cancels for small x: its series there.
    window = np.where(x < 0.02, 1 - x**2 / 10, 3 * (np.sin(x) - x * np.cos(x)) / np.maximum(x, 1e-3) ** 3)
    return float(integrate.simpson(k**3 * _shape(cosmology, k) * window**2, x=log_k) / (2 * np.pi**2))


def _shape(cosmology: FlatLambdaCDM, k: Array) -> Array:
    if not np.isfinite(k).all():
        raise FiniteError("k", int((~np.isfinite(k)).sum()))
    matter, h = cosmology.matter, cosmology.hubble
    density, baryons, share = matter * h**2, cosmology.baryons * h**2, cosmology.baryons / matter
    sound = h * 44.5 * np.log(9.83 / density) / np.sqrt(1 + 10 * baryons**0.75)  # Mpc/h
    damped = 1 - 0.328 * np.log(431 * density) * share + 0.38 * np.log(22.3 * density) * share**2
    q = k * CMB**2 / (matter * h * (damped + (1 - damped) / (1 + (0.43 * k * sound) ** 4)))
    slow = np.log(2 * np.e + 1.8 * q)
    transfer = slow / (slow + (14.2 + 731 / (1 + 62.5 * q)) * q**2)
    return np.where(k > 0, np.abs(k) ** cosmology.tilt, 0.0) * transfer**2


def _factor(a: Any) -> Array:
    """A scale factor within the table."""
    a = np.asarray(to_numpy(a), dtype=np.float64)
    if not ((a >= EARLIEST) & (a <= LATEST)).all():
        raise ParameterError("a", f"scale factors in [{EARLIEST:g}, {LATEST:g}]", a)
    return a
