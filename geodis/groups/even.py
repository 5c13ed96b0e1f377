"""Even functions of an angle θ as smooth functions of x = θ²: no square root is differentiated at zero.

Each is a power series where the closed form cancels and the closed form elsewhere. Both branches of the `where` see
safe arguments, because autograd multiplies the branch that is not taken by zero, and zero times infinity is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb, factorial

import torch
from scipy.special import zeta
from torch import Tensor

_SINC = [(-1.0) ** k / factorial(2 * k + 1) for k in range(8)]
_SINHC = [1.0 / factorial(2 * k + 1) for k in range(8)]
_SINC3 = [(-1.0) ** k / factorial(2 * k + 3) for k in range(11)]
_COTC = [2.0 * float(zeta(2 * k)) / (2 * torch.pi) ** (2 * k) for k in range(1, 13)]
_ASINHC = [(-1.0) ** k * comb(2 * k, k) / 4.0**k / (2 * k + 1) for k in range(10)]
_ASINC = [comb(2 * k, k) / 4.0**k / (2 * k + 1) for k in range(10)]
_ATANC = [(-1.0) ** k / (2 * k + 1) for k in range(10)]


def sinc(x: Tensor) -> Tensor:
    """sin(θ)/θ for x = θ², real or complex."""
    return _smooth(x, _SINC, 0.1, lambda t: torch.sin(t) / t)


def sinhc(x: Tensor) -> Tensor:
    """sinh(η)/η for x = η²."""
    return _smooth(x, _SINHC, 0.1, lambda t: torch.sinh(t) / t)


def versine(x: Tensor) -> Tensor:
    """(1 − cos θ)/θ² for x = θ²."""
    return 0.5 * sinc(x / 4) ** 2


def coversine(x: Tensor) -> Tensor:
    """(cosh η − 1)/η² for x = η²."""
    return 0.5 * sinhc(x / 4) ** 2


def sinc3(x: Tensor) -> Tensor:
    """(θ − sin θ)/θ³ for x = θ²."""
    return _smooth(x, _SINC3, 1.0, lambda t: (t - torch.sin(t)) / t**3)


def cotc(x: Tensor) -> Tensor:
    """(1 − (θ/2) cot(θ/2))/θ² for x = θ² < (2π)²."""
    return _smooth(x, _COTC, 1.0, lambda t: (1 - t / 2 * torch.cos(t / 2) / torch.sin(t / 2)) / t**2)


def asinhc(x: Tensor) -> Tensor:
    """asinh(s)/s for x = s²."""
    return _smooth(x, _ASINHC, 0.02, lambda t: torch.asinh(t) / t)


def arc_ratio(squared_sine: Tensor, cosine: Tensor) -> Tensor:
    """φ/sin φ for a point r(cos φ, sin φ) with r cos φ ≥ 0, times 1/r; from (r sin φ)² and r cos φ."""
    near = squared_sine < 0.02 * cosine**2
    small = torch.where(near, squared_sine, 0) / torch.where(near, cosine, 1) ** 2
    sine = torch.where(near, 1, squared_sine).sqrt()
    return torch.where(near, _horner(small, _ATANC) / torch.where(near, cosine, 1), torch.atan2(sine, cosine) / sine)


def complex_arc_ratio(squared_sine: Tensor, cosine: Tensor) -> Tensor:
    """φ/sin φ for a complex φ with Re cos φ ≥ 0, from sin²φ and cos φ."""
    near = squared_sine.abs() < 0.02
    sine = torch.where(near, 1, squared_sine).sqrt()
    plus, minus = cosine + 1j * sine, cosine - 1j * sine
    # φ/sin φ is even in φ: take the sign for which e^{iφ} does not cancel.
    exponential, sign = torch.where(plus.abs() >= minus.abs(), plus, minus), (plus.abs() >= minus.abs()) * 2.0 - 1.0
    closed = -1j * sign * torch.log(exponential) / sine
    return torch.where(near, _horner(torch.where(near, squared_sine, 0), _ASINC), closed)


def _smooth(x: Tensor, series: list[float], limit: float, closed: Callable[[Tensor], Tensor]) -> Tensor:
    near = x.abs() < limit
    return torch.where(near, _horner(torch.where(near, x, 0), series), closed(torch.where(near, 1, x).sqrt()))


def _horner(x: Tensor, coefficients: list[float]) -> Tensor:
    out = torch.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        out = out * x + c
    return out
