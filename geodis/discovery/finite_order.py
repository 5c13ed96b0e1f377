"""The order of a noisy operator: the least n with Mⁿ = I within its noise, if the noise lets one n be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from geodis.discovery.nearest_finite import RootFrame, nearest_root, root_frame
from geodis.discovery.noise_size import NoiseSize, jackknife_draws, size_of_draws
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, real_array, to_numpy
from geodis.palette import FOUND, LINE, NULL
from geodis.statistics import check_level

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROUNDING = 1e-11  # of the largest singular value: the noise of an entry when none is given
GENEROUS = 6.0  # standard errors of an eigenvalue that the first look lets pass

CANDIDATES = 3  # orders that are named where none is decided


class Cluster(NamedTuple):
    """Eigenvalues that are one n-th root of unity.

    Attributes
    ----------
    root : int
        k of e^{2πik/n}, 0 ≤ k ≤ n/2; conjugates are not listed.
    size : int
        How many eigenvalues.
    phase, modulus : float
        Phase [rad] and modulus of their mean.
    half_width : float
        A rotation of the cluster by more than this [rad] would have been seen; 0 for a simple real eigenvalue, whose
        phase noise cannot change.
    p_value : float
        Of "the cluster is this root, but for noise".
    chance : float
        Bound on the probability that a random phase fits some order up to the cluster's own; 0 where it is not free.
    decided : bool
        `chance` is small, and no other order up to `max_order` has a root within the half width.
    """

    root: int
    size: int
    phase: float
    modulus: float
    half_width: float
    p_value: float
    chance: float
    decided: bool


@final
@dataclass(frozen=True, repr=False)
class FiniteOrder:
    """The order that was found, with the evidence of each cluster of eigenvalues.

    Parameters
    ----------
    order : int or None
        The least n that fits; None unless it is decided.
    status : str
        ``"ok"``: all phases are decided. ``"partial"``: some are, and give n; the others only agree with it, so a part
        of the operator may be of no finite order. ``"undecided"``: an order fits, but others, or chance, would too.
        ``"none"``: no order up to `max_order` fits.
    candidates : tuple of int
        Orders that fit, leaving out multiples of those before: the decided one, or up to three.
    clusters : tuple of Cluster
        For the first candidate.
    defect : float
        ‖Mⁿ − I‖/‖I‖ of the operator as given, for the first candidate; NaN if none.
    max_order : int
        Orders up to this one were tried.
    level : float
        Level of the tests.
    """

    order: int | None
    status: str
    candidates: tuple[int, ...]
    clusters: tuple[Cluster, ...]
    defect: float
    max_order: int
    level: float

    def plot(self, ax: Axes | None = None) -> Axes:
        """Mean eigenvalues of the clusters on the unit circle, with the roots of the first candidate."""
        from matplotlib import pyplot as plt

        axes = plt.subplots(figsize=(3.6, 3.6))[1] if ax is None else ax
        turn = np.linspace(0.0, 2.0 * np.pi, 200)
        axes.plot(np.cos(turn), np.sin(turn), color=LINE, lw=0.8)
        if self.candidates:
            roots = 2.0 * np.pi * np.arange(self.candidates[0]) / self.candidates[0]
            axes.plot(np.cos(roots), np.sin(roots), "o", mfc="none", color=NULL, label=f"order {self.candidates[0]}")
        for c in self.clusters:
            for sign in (1.0, -1.0):
                axes.plot(c.modulus * np.cos(c.phase), sign * c.modulus * np.sin(c.phase), "x", color=FOUND)
        axes.set_aspect("equal")
        axes.set(xlabel="Re λ", ylabel="Im λ", title=str(self.status))
        return axes

    def __repr__(self) -> str:
        said = f"order={self.order}" if self.order else f"candidates={self.candidates}"
        return f"FiniteOrder({said}, status={self.status!r}, defect={self.defect:.3g})"


def finite_order(
    operator: Any,
    *,
    noise: Any = None,
    second_moment: Any = None,
    max_order: int = 32,
    level: float = 0.95,
    attenuation: float = 0.0,
    slack: float = 0.0,
) -> FiniteOrder:
    """The least n ≤ `max_order` with Mⁿ = I within the noise of M, if it can be told from other orders and chance.

    For every n, eigenvalues are grouped by nearest root; M on the invariant subspace of each group is compared with
    the root times the identity, so that phases, moduli and Jordan blocks all count. An order that fits is claimed only
    where a random phase would hardly have fitted any order so far, Σ_{m≤n} φ(m) w/π ≤ 1 − level with w the half width,
    and where no root of another order ≤ `max_order` lies within w: an irrational rotation gets none.

    Parameters
    ----------
    operator : array (D, D)
        A real matrix M.
    noise : float or array (K, D, D), optional
        Standard error of an entry of M, or the K leave-one-part-out fits of M (`TransformationFamily.fold_operators`)
        for the jackknife. None: M is exact to rounding.
    second_moment : array (D, D), optional
        Mean of z zᵀ over the data: deviations are then measured as displacements of data, |(M − root) z|, so that
        directions in which there are hardly any data do not hide the others. The identity by default.
    max_order : int
        Largest order tried.
    level : float
        A true order is refused with probability at most 1 − level, a phase that has none is given one with at most
        that. Few folds leave the noise open, and orders ``"undecided"``: ten or twenty decide more than five.
    attenuation : float
        Moduli in [1 − attenuation, 1] count as 1: ridge fits from noisy points are too short by such a factor.
    slack : float
        A systematic error of the operator that is not in its noise, relative to it: an embedding that a group nearly
        maps into itself has one, and then no order would fit once data are many. It widens `half_width`, so that
        claims become harder.

    Returns
    -------
    FiniteOrder

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than a real square matrix, NaN, options outside their range.

    Notes
    -----
    What it does not say: a plane that turns by less than w is taken for one that stands still.

    Examples
    --------
    >>> def turn(angle):
    ...     return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    >>> noise = 1e-3 * np.random.default_rng(0).normal(size=(2, 2))
    >>> finite_order(turn(2 * np.pi * 3 / 8) + noise, noise=1e-3).order
    8
    >>> finite_order(turn(1.0)), finite_order(turn(2 * np.pi * 3 / 8) + noise, noise=0.1).status
    (FiniteOrder(candidates=(), status='none', defect=nan), 'undecided')
    """
    M = real_array(operator, "finite_order: operator", ("D", "D"))
    _check(max_order, attenuation, slack)
    check_level(level)
    options = _Options(max_order, level, attenuation, slack)
    errors = _errors(M, noise, second_moment)
    values, widths = _first_look(M, errors)
    found: list[tuple[int, tuple[Cluster, ...]]] = []
    for n in range(1, max_order + 1):
        if not any(n % m == 0 for m, _ in found) and _may_fit(values, widths + slack, n, attenuation):
            clusters = _clusters(M, errors, n, options)
            found += [(n, clusters)] if clusters else []
        if len(found) == CANDIDATES or (found and _status(*found[0]) != "undecided"):
            break
    if not found:
        return FiniteOrder(None, "none", (), (), math.nan, max_order, level)
    n, clusters = found[0]
    status = _status(n, clusters)
    eye = np.eye(len(M))
    defect = float(np.linalg.norm(np.linalg.matrix_power(M, n) - eye) / np.linalg.norm(eye))
    order = n if status != "undecided" else None
    return FiniteOrder(order, status, tuple(m for m, _ in found), clusters, defect, max_order, level)


# --- the noise --------------------------------------------------------------------------------------------------------
class _Errors(NamedTuple):
    """Draws of the error of M `(K, D, D)`, or one deviation for all entries; sizes are ‖E L‖, L the metric's root."""

    draws: Array
    deviation: float
    weight: Array

    def size(self, projector: Array) -> NoiseSize:
        """The law of ‖Π E Π L‖² for a projector Π."""
        right, parts = projector @ self.weight, 2 if np.iscomplexobj(projector) else 1
        whites = [float(np.linalg.norm(A) ** 2) for A in (projector, right)]
        fourth = [float(np.linalg.norm(A @ A.conj().T) ** 2) for A in (projector, right)]
        mean = self.deviation**2 * whites[0] * whites[1]
        if not len(self.draws):
            return NoiseSize(mean, self.deviation**4 * fourth[0] * fourth[1] / parts, math.inf)
        return size_of_draws((projector @ self.draws @ right).reshape(len(self.draws), -1), least=mean)


def _errors(M: Array, noise: Any, second_moment: Any) -> _Errors:
    rounding, weight, none = ROUNDING * float(np.linalg.norm(M, 2)), _weight(M, second_moment), np.zeros((0, *M.shape))
    if noise is None:
        return _Errors(none, rounding, weight)
    given = to_numpy(noise).astype(np.float64)
    check_finite(given, "finite_order: noise")
    if given.ndim == 0:
        if given < 0.0:
            raise ParameterError("noise", "a standard error ≥ 0, or fits without one part", float(given))
        return _Errors(none, max(float(given), rounding), weight)
    if given.ndim != 3 or given.shape[1:] != M.shape or len(given) < 2:
        raise ShapeError("finite_order: noise", f"a number, or (K, {len(M)}, {len(M)}) with K ≥ 2", given.shape)
    return _Errors(jackknife_draws(given), rounding, weight)


def _weight(M: Array, second_moment: Any) -> Array:
    """L with L Lᵀ = the second moment, of mean square 1."""
    if second_moment is None:
        return np.eye(len(M))
    S = real_array(second_moment, "finite_order: second_moment", ("D", "D"))
    values, axes = np.linalg.eigh((S + S.T) / 2)
    if len(S) != len(M) or values[0] < -ROUNDING * abs(values[-1]) or not values[-1] > 0.0:
        raise ParameterError(
            "second_moment", f"a positive matrix of size {len(M)}", f"{S.shape}, least {values[0]:.3g}"
        )
    return np.asarray(axes * np.sqrt(np.maximum(values, 0.0) / values.mean()))


def _first_look(M: Array, errors: _Errors) -> tuple[Array, Array]:
    """Eigenvalues and generous half widths: infinite ones where eigenvectors are nearly parallel."""
    values, right = np.linalg.eig(M)
    left = np.linalg.pinv(right).conj().T
    size = np.linalg.norm(left, axis=0)
    if len(errors.draws):
        moved = np.einsum("ai,kab,bi->ki", left.conj(), errors.draws, right)
        deviation = np.sqrt(np.square(np.abs(moved)).sum(axis=0))
    else:
        deviation = errors.deviation * size
    # The eigenvectors of a cluster are those of its noise: their conditions say little, so let more pass.
    return values, GENEROUS * np.sqrt(len(M)) * np.maximum(deviation, errors.deviation) * np.maximum(1.0, size)


def _may_fit(values: Array, widths: Array, n: int, attenuation: float) -> bool:
    roots = np.exp(2j * np.pi * nearest_root(values, n) / n)
    scale = np.clip(np.real(values * roots.conj()), 1.0 - attenuation, 1.0)
    return bool((np.abs(values - scale * roots) <= widths).all())


# --- clusters of eigenvalues ------------------------------------------------------------------------------------------
class _Options(NamedTuple):
    max_order: int
    level: float
    attenuation: float
    slack: float


def _clusters(M: Array, errors: _Errors, n: int, options: _Options) -> tuple[Cluster, ...]:
    """The clusters for order n; none if one of them does not fit."""
    frame = root_frame(M, n)
    upper = [c for c in range(len(frame.roots)) if 2 * frame.roots[c] <= n]
    alpha = (1.0 - options.level) / len(upper)
    found: list[Cluster] = []
    for c in upper:
        found.append(_cluster(M, errors, frame, c, n, alpha, options))
        if found[-1].p_value < alpha:
            return ()
    return tuple(found)


def _cluster(
    M: Array, errors: _Errors, frame: RootFrame, c: int, n: int, alpha: float, options: _Options
) -> Cluster:  # fmt: skip
    k, X, Y = int(frame.roots[c]), frame.frames[c], frame.duals[c]
    mean, root = complex(np.trace(Y.conj().T @ M @ X)) / X.shape[1], np.exp(2j * np.pi * k / n)
    scale = min(max(float(np.real(mean * np.conj(root))), 1.0 - options.attenuation), 1.0)
    projector = X @ Y.conj().T
    noise = errors.size(projector)
    off = float(np.linalg.norm((M @ projector - scale * root * projector) @ errors.weight))
    turned = float(np.linalg.norm(projector @ errors.weight)) * scale  # the size of a rotation of the cluster, a radian
    half = min(math.sqrt(noise.exceeded(alpha)) / max(turned, ROUNDING) + options.slack, math.pi)
    unexplained = max(off - options.slack * turned, 0.0)
    # A simple real eigenvalue keeps its phase under noise, and a cluster at 1 says nothing of the order.
    free = (k > 0 or n == 1) and (np.iscomplexobj(X) or X.shape[1] > 1)
    m, phase = n // math.gcd(k, n), abs(float(np.angle(mean)))
    chance = min(1.0, _totients(m) * half / math.pi)
    apart = abs(phase - 2 * math.pi * k / n) + half < 2 * math.pi / (m * options.max_order)
    return Cluster(
        k, X.shape[1], phase, abs(mean), half if free else 0.0, noise.p_value(unexplained**2), chance if free else 0.0,
        not free or bool(apart and chance <= 1.0 - options.level),
    )  # fmt: skip


def _status(n: int, clusters: tuple[Cluster, ...]) -> str:
    if all(c.decided for c in clusters):
        return "ok"
    told = [n // math.gcd(c.root, n) for c in clusters if c.decided]
    return "partial" if math.lcm(*told) == n and n > 1 else "undecided"


def _totients(n: int) -> int:
    """Σ_{m ≤ n} φ(m): the number of fractions in [0, 1) with denominators up to n."""
    return sum(1 for m in range(1, n + 1) for k in range(m) if math.gcd(k, m) == 1)


def _check(max_order: Any, attenuation: float, slack: float) -> None:
    if isinstance(max_order, bool) or not isinstance(max_order, (int, np.integer)) or max_order < 1:
        raise ParameterError("max_order", "a whole number of at least 1", max_order)
    for name, share in (("attenuation", attenuation), ("slack", slack)):
        if not 0.0 <= share < 1.0:
            raise ParameterError(name, "a share in [0, 1)", share)
