"""Codes behind an injective nonlinear map: what linear coordinates cannot read and learned ones have to undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.groups.representation import Representation
from geodis.linalg import Array, to_numpy
from geodis.simulators.planted import PlantedBlock, planted, random_orthogonal

SOFTNESS = 0.5  # width of the bend, in standard deviations of the code


@dataclass(frozen=True, eq=False)
class Mixing:
    """M: R^p → R^D, x ↦ Q_L σ(… Q_1 σ(Q_0 x + b_0) + b_1 …): injective, smooth, undone exactly by `inverse`.

    Q_0 has orthonormal columns, the other Q are orthogonal and σ is a soft leaky rectifier,
    (1 + s)x/2 + (1 − s)√(x² + ε²)/2 with ε = .5, shifted and scaled to mean 0 and variance 1 under N(0, 1). Its slope
    varies by a factor below 1/s. So the condition number of M's derivative is below s^{−L} at every point.

    Attributes
    ----------
    matrices : tuple of ndarray
        Q_0 `(D, p)`, then Q_1, …, Q_L `(D, D)`.
    biases : tuple of ndarray (D,)
        b_0, …, b_{L−1}.
    slope : float
        s, between 0 and 1; 1 is a linear map.

    Examples
    --------
    >>> import numpy as np
    >>> mixing = random_mixing(5, 12, seed=0)
    >>> x = np.random.default_rng(0).normal(size=(100, 5))
    >>> mixing(x).shape, float(np.abs(mixing.inverse(mixing(x)) - x).max()) < 1e-12
    ((100, 12), True)
    """

    matrices: tuple[Array, ...]
    biases: tuple[Array, ...]
    slope: float

    @property
    def n_latent(self) -> int:
        """The dimension p of the codes."""
        return int(self.matrices[0].shape[1])

    @property
    def n_features(self) -> int:
        """The dimension D of the embeddings."""
        return int(self.matrices[0].shape[0])

    @property
    def condition(self) -> float:
        """The bound s^{−L} of the condition number of the derivative."""
        return float(self.slope ** -len(self.biases))

    def __call__(self, code: Any) -> Array:
        """Codes `(..., p)` → embeddings `(..., D)`."""
        x = self._rows(code, self.n_latent) @ self.matrices[0].T
        for matrix, bias in zip(self.matrices[1:], self.biases, strict=True):
            x = _bent(x + bias, self.slope) @ matrix.T
        return x

    def inverse(self, z: Any) -> Array:
        """Embeddings `(..., D)` on the image of M → codes `(..., p)`."""
        x = self._rows(z, self.n_features)
        for matrix, bias in zip(self.matrices[:0:-1], self.biases[::-1], strict=True):
            x = _straightened(x @ matrix, self.slope) - bias
        return x @ self.matrices[0]

    def _rows(self, x: Any, size: int) -> Array:
        rows = np.asarray(to_numpy(x), dtype=np.float64)
        if rows.ndim == 0 or rows.shape[-1] != size:
            raise ShapeError("mixing", f"(..., {size})", rows.shape)
        return rows


def random_mixing(
    n_latent: int, n_features: int, *, depth: int = 3, slope: float = 0.2, bias: float = 0.5, seed: int = 0
) -> Mixing:
    """A `Mixing` with Haar-random Q and normal biases of standard deviation `bias`.

    Parameters
    ----------
    n_latent, n_features : int
        p and D ≥ p.
    depth : int
        L, how many times it bends; 0 is linear.
    slope : float
        s in (0, 1]: the smaller, the less linear.
    bias : float
        Standard deviation of the biases. With unit codes and .5 the rectifiers bend near the middle of their inputs.
    seed : int

    Raises
    ------
    ParameterError
        For dimensions, depths or slopes outside these ranges.
    """
    for name, value, least in (("n_latent", n_latent, 1), ("n_features", n_features, n_latent), ("depth", depth, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ParameterError(f"mixing: {name}", f"an integer ≥ {least}", repr(value))
    if not 0 < slope <= 1:
        raise ParameterError("mixing: slope", "a number in (0, 1]", repr(slope))
    if not 0 <= bias < np.inf:
        raise ParameterError("mixing: bias", "a finite number ≥ 0", repr(bias))
    rng = np.random.default_rng(seed)
    matrices = [random_orthogonal(n_features, rng) for _ in range(depth + 1)]
    biases = tuple(bias * rng.normal(size=n_features) for _ in range(depth))
    return Mixing((matrices[0][:, :n_latent], *matrices[1:]), biases, float(slope))


@dataclass(frozen=True, eq=False)
class MixedCode:
    """Embeddings z_ij = M(⊕_b ρ_b(g_ij) c_i^b + t_b(g_ij)), flat rows sorted by item.

    Attributes
    ----------
    z : ndarray (N, D)
        The embeddings, N = n·m rows.
    params : ndarray (N, p)
        The group element of each row.
    items : ndarray (N,)
        The item of each row, 0 … n − 1.
    latent : ndarray (N, n_latent)
        The codes before M.
    blocks : tuple of PlantedBlock
        The copies in the order of the columns of `latent`.
    mixing : Mixing
    """

    z: Array
    params: Array
    items: Array
    latent: Array
    blocks: tuple[PlantedBlock, ...]
    mixing: Mixing


def mixed_codes(
    irreps: Sequence[tuple[Representation, int]], params: Any, mixing: Mixing, *, seed: int = 0
) -> MixedCode:
    """Plant z_ij = M(⊕ ρ(g_ij) c_i + t(g_ij)) with c_i ~ N(0, I): one group action, seen through a curved map.

    The same mixing with another seed shows other items of the same world.

    Parameters
    ----------
    irreps : sequence of (Representation, int)
        What to plant and how many copies of it; trivial ones are content.
    params : array (n, m, p)
        The elements at which each of n items is seen.
    mixing : Mixing
        M, with `n_latent` the sum of all dimensions.
    seed : int
        Seed of the contents c_i.

    Returns
    -------
    MixedCode

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For parameters that are not finite `(n, m, p)`, and for a mixing of another dimension.

    Examples
    --------
    >>> from geodis.groups import SO3
    >>> group = SO3()
    >>> mixing = random_mixing(8, 16, seed=0)
    >>> code = mixed_codes([(group.irrep("l=1"), 2), (group.irrep("l=0"), 2)], group.orbit(10, 4), mixing)
    >>> code.z.shape, code.latent.shape
    ((40, 16), (40, 8))
    """
    size = sum(rep.dim * copies for rep, copies in irreps)
    if size != mixing.n_latent:
        raise ParameterError("mixing", f"one of codes of dimension {size}", f"one of {mixing.n_latent}")
    plain = planted(irreps, params, n_features=size, noise=0.0, seed=seed)
    latent = plain.z @ plain.frame
    return MixedCode(mixing(latent), plain.params, plain.items, latent, plain.blocks, mixing)


def _bent(x: Array, s: float) -> Array:
    mean, deviation = _normalisation(s)
    return np.asarray((_rectified(x, s) - mean) / deviation)


def _straightened(y: Array, s: float) -> Array:
    mean, deviation = _normalisation(s)
    raw = mean + deviation * y
    # Of the roots of s x² − (1 + s)yx + y² = (1 − s)²ε²/4 the one below the asymptotes y = x and y = sx.
    return np.asarray(((1 + s) * raw - (1 - s) * np.sqrt(raw**2 + s * SOFTNESS**2)) / (2 * s))


def _rectified(x: Array, s: float) -> Array:
    return np.asarray(((1 + s) * x + (1 - s) * np.sqrt(x**2 + SOFTNESS**2)) / 2)


@cache
def _normalisation(s: float) -> tuple[float, float]:
    """Mean and standard deviation of the rectifier under N(0, 1)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    values, shares = _rectified(nodes, s), weights / weights.sum()
    mean = float(shares @ values)
    return mean, float(np.sqrt(shares @ (values - mean) ** 2))
