"""Two particles in, two out: the lepton scattering of the equivariance benchmarks, and a physical one on shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.groups import Lorentz
from geodis.groups.options import count, positive
from geodis.linalg import Array, check_finite, to_numpy

ETA = np.array([1.0, -1.0, -1.0, -1.0])  # signature (+,−,−,−)
ELECTRON, MUON = 0.000510999, 0.105658375  # GeV (Particle Data Group 2022)


class Scattering(NamedTuple):
    """Momenta and amplitudes of many events.

    Attributes
    ----------
    momenta : ndarray (n, 4, 4)
        Energy-momenta (E, p_x, p_y, p_z) of the electron and the muon before, then of both after.
    amplitude : ndarray (n,)
        What is to be predicted: a Lorentz scalar.
    """

    momenta: Array
    amplitude: Array


def random_scattering(n: int, *, seed: int | Sequence[int] = 0) -> Scattering:
    """The electron–muon task of the equivariance benchmarks: four free momenta N(0, 1)/4 and 4 L_e : L_μ.

    L_e^{ab} = p_1^a p_3^b − (p_1·p_3 − p_1·p_1) η^{ab}, L_μ alike of p_2 and p_4: a polynomial of degree 2 in the ten
    Minkowski products. The momenta are on no mass shell and none is conserved; see `elastic_scattering`.

    Raises
    ------
    ParameterError
        For a number below one.

    References
    ----------
    Finzi, Welling, Wilson, "A practical method for constructing equivariant multilayer perceptrons for arbitrary
    matrix groups", ICML 2021, arXiv:2104.09459.

    Examples
    --------
    >>> events = random_scattering(100)
    >>> events.momenta.shape, bool(np.allclose(events.amplitude, benchmark_amplitude(events.momenta)))
    ((100, 4, 4), True)
    """
    rng = np.random.default_rng(seed)
    p = rng.standard_normal((count(n, "n", 1), 4, 4)) / 4
    return Scattering(p, benchmark_amplitude(p))


def benchmark_amplitude(momenta: Any) -> Array:
    """4 L_e : L_μ of momenta `(..., 4, 4)`, as `random_scattering` says.

    Examples
    --------
    >>> benchmark_amplitude(np.ones((1, 4, 4)) * [1.0, 0.0, 0.0, 0.0]).tolist()  # all four at rest: 4 (p·p)²
    [4.0]
    """
    p = _momenta(momenta)
    electron = _current(p[..., 0, :], p[..., 2, :])
    muon = _current(p[..., 1, :], p[..., 3, :])
    return 4 * np.einsum("...ab,a,b,...ab->...", electron, ETA, ETA, muon)


def elastic_scattering(
    n: int,
    *,
    masses: tuple[float, float] = (ELECTRON, MUON),
    momentum: tuple[float, float] = (0.1, 1.0),
    largest_cosine: float = 0.5,
    rapidity: float = 1.0,
    seed: int | Sequence[int] = 0,
) -> Scattering:
    """Electron and muon scatter as in nature: on shell, momentum conserved, seen from a random frame; units GeV, c = 1.

    In the frame of the centre of momentum both have momentum k, uniform between two bounds, and the electron is
    deflected by an angle of uniform cosine in [−1, `largest_cosine`]. Then a boost and a rotation. The amplitude is
    that of `muon_amplitude`: not a polynomial, it diverges where nothing is exchanged.

    Parameters
    ----------
    n : int
        Events.
    masses : (float, float)
        Of the electron and the muon.
    momentum : (float, float)
        Bounds of k.
    largest_cosine : float
        Below 1: at 1 the amplitude is infinite.
    rapidity : float
        Largest rapidity of the frame.
    seed : int or sequence of int
        Seed.

    Raises
    ------
    ParameterError
        For options out of range.

    Examples
    --------
    >>> p = elastic_scattering(50).momenta
    >>> bool(np.allclose(p[:, 0] + p[:, 1], p[:, 2] + p[:, 3]))
    True
    """
    count(n, "n", 1)
    electron, muon = (positive(m, "masses") for m in masses)
    low, high = (positive(k, "momentum") for k in momentum)
    if low > high:
        raise ParameterError("momentum", "a lower bound, then an upper one", momentum)
    if not -1.0 <= largest_cosine < 1.0:
        raise ParameterError("largest_cosine", "a number in [−1, 1)", largest_cosine)
    rng = np.random.default_rng(seed)
    k, cosine = rng.uniform(low, high, n), rng.uniform(-1.0, largest_cosine, n)
    before = k[:, None] * np.array([0.0, 0.0, 1.0])
    after = k[:, None] * np.stack([np.sqrt(1 - cosine**2), np.zeros(n), cosine], axis=1)
    momenta = np.stack(
        [_on_shell(before, electron), _on_shell(-before, muon), _on_shell(after, electron), _on_shell(-after, muon)],
        axis=1,
    )
    frames = Lorentz(positive(rapidity, "rapidity"))
    params = frames.sample(n, seed=int(rng.integers(2**31)))
    momenta = momenta @ np.swapaxes(np.asarray(frames.matrix(params)), -1, -2)
    return Scattering(momenta, muon_amplitude(momenta))


def muon_amplitude(momenta: Any) -> Array:
    """⟨|M|²⟩/e⁴ of e μ → e μ at tree level, spins averaged: momenta `(..., 4, 4)` → `(...)`.

    8 [(p_1·p_2)(p_3·p_4) + (p_1·p_4)(p_2·p_3) − M² p_1·p_3 − m² p_2·p_4 + 2m²M²] / ((p_1 − p_3)²)², m² = p_1·p_1 and
    M² = p_2·p_2.

    References
    ----------
    D. Griffiths, *Introduction to Elementary Particles*, 2nd edition 2008, §7.7.

    Examples
    --------
    >>> amplitude = elastic_scattering(1000).amplitude
    >>> bool((amplitude > 0).all())
    True
    """
    p = _momenta(momenta)
    g = (p * ETA) @ np.swapaxes(p, -1, -2)
    exchanged = p[..., 0, :] - p[..., 2, :]
    t = (exchanged * ETA * exchanged).sum(-1)
    m2, M2 = g[..., 0, 0], g[..., 1, 1]
    above = g[..., 0, 1] * g[..., 2, 3] + g[..., 0, 3] * g[..., 1, 2] - M2 * g[..., 0, 2] - m2 * g[..., 1, 3]
    return 8 * (above + 2 * m2 * M2) / t**2


def _current(p: Array, q: Array) -> Array:
    """p^a q^b − (p·q − p·p) η^{ab}."""
    products = ((p * ETA) * (q - p)).sum(-1)
    return p[..., :, None] * q[..., None, :] - products[..., None, None] * np.diag(ETA)


def _on_shell(p: Array, mass: float) -> Array:
    return np.concatenate([np.sqrt((p**2).sum(-1, keepdims=True) + mass**2), p], axis=-1)


def _momenta(momenta: Any) -> Array:
    p = to_numpy(momenta).astype(np.float64)
    if p.ndim < 2 or p.shape[-2:] != (4, 4):
        raise ShapeError("momenta", "(..., 4 particles, 4 components)", p.shape)
    check_finite(p, "momenta")
    return p
