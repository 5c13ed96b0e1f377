"""The springy double pendulum in space: two masses on two springs, with the gravity vector as an input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, final

import numpy as np
from scipy.integrate import solve_ivp

from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.groups.options import count, positive
from geodis.linalg import Array, check_finite, to_numpy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

START = np.array([[0.0, 0.0, -1.5], [0.0, 0.0, -3.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])  # m, m, kg m/s, kg m/s
START_SD = np.array([[0.2], [0.2], [0.4], [0.4]])
ROUNDING = 1e-13  # the least relative tolerance of the solver; the absolute one does the work
PARAMETERS = ("m1", "m2", "k1", "k2", "l1", "l2")
STATES = ("q1", "q2", "p1", "p2")


@final
@dataclass(frozen=True, eq=False, repr=False)
class SpringyPendulum:
    """H = |p₁|²/2m₁ + |p₂|²/2m₂ + ½k₁(|q₁| − l₁)² + k₂(|q₁ − q₂| − l₂)² − m₁ g·q₁ − m₂ g·q₂, for n pendulums.

    The second spring has no ½, as in the published data [1]_. States are `(n, ..., 4, 3)`: q₁, q₂ [m], p₁, p₂
    [kg m/s]. H is invariant under O(3) where gravity turns along, and under every change of units.

    Attributes
    ----------
    masses : ndarray (n, 2)
        [kg].
    stiffness : ndarray (n, 2)
        [kg/s²].
    lengths : ndarray (n, 2)
        At rest [m].
    gravity : ndarray (n, 3)
        The vector of the acceleration [m/s²].

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For other shapes, NaN, or masses, stiffness and lengths that are not positive.

    References
    ----------
    .. [1] Villar, Yao, Hogg, Blum-Smith, Dumitrascu, Dimensionless machine learning, JMLR 24 (2023), arXiv 2204.00887.

    Examples
    --------
    >>> one = np.ones((1, 2))
    >>> pendulum = SpringyPendulum(one, one, one, np.array([[0.0, 0.0, -9.81]]))
    >>> hanging = np.array([[[0.0, 0.0, -1.0], [0.0, 0.0, -2.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    >>> pendulum.energy(hanging).round(2).tolist()
    [-29.43]
    """

    masses: Array
    stiffness: Array
    lengths: Array
    gravity: Array

    def __post_init__(self) -> None:
        n = len(self.masses)
        for name in ("masses", "stiffness", "lengths", "gravity"):
            value, width = getattr(self, name), 3 if name == "gravity" else 2
            if not isinstance(value, np.ndarray) or value.shape != (n, width):
                raise ShapeError(name, f"({n}, {width})", getattr(value, "shape", type(value).__name__))
            check_finite(value, name)
            if width == 2 and (value <= 0).any():
                raise ParameterError(name, "positive numbers", value.min())

    def __len__(self) -> int:
        return len(self.masses)

    def __repr__(self) -> str:
        return f"SpringyPendulum(n={len(self)})"

    def energy(self, states: Any) -> Array:
        """H [kg m²/s²] of states `(n, ..., 4, 3)`: `(n, ...)`."""
        q, p = _halves(self._states(states))
        m, k, rest, g = self._spread(q.ndim - 2)
        kinetic = ((p**2).sum(-1) / m).sum(-1) / 2
        stretch = np.linalg.norm(_springs(q), axis=-1) - rest
        return np.asarray(kinetic + (k * stretch**2).sum(-1) - (m * (q * g).sum(-1)).sum(-1))

    def flow(self, states: Any) -> Array:
        """dq/dt = ∂H/∂p and dp/dt = −∂H/∂q: `(n, ..., 4, 3)` → the same shape.

        A spring of length zero, whose direction is undefined, pulls with no force.
        """
        return self._flow(self._states(states))

    def simulate(self, start: Any, times: Any, *, tolerance: float = 1e-9) -> Array:
        """States at `times` from those at times[0]: `(n, 4, 3)`, `(T,)` → `(n, T, 4, 3)`.

        Explicit Runge–Kutta steps of order 8 (Dormand, Prince, Prince 1980), all runs with the same steps. States are
        measured in units of their own pendulum, l and √(mk)·l, so that steps do not depend on units or on directions.

        Parameters
        ----------
        start : array (n, 4, 3)
            States at the first time.
        times : array (T,)
            Ascending [s].
        tolerance : float
            Error of a step, in every run, in those units. (The published data were made with 1e-7.)

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            For other shapes, NaN, times that do not ascend, a tolerance that is not positive.
        """
        first, at = self._states(start), to_numpy(times).astype(np.float64)
        if first.ndim != 3:
            raise ShapeError("start", f"({len(self)}, 4, 3)", first.shape)
        if at.ndim != 1 or not len(at) or (np.diff(at) <= 0).any():
            raise ParameterError("times", "ascending numbers (T,)", at.tolist())
        check_finite(at, "times")
        if not np.isfinite(tolerance) or tolerance <= ROUNDING:
            raise ParameterError("tolerance", f"a number above {ROUNDING}", tolerance)
        scale = self._scale()

        def slope(_: float, flat: Array) -> Array:
            return np.asarray(self._flow(flat.reshape(first.shape) * scale) / scale).ravel()

        # The solver averages the error over runs; divided by √n its tolerance holds for each of them.
        limits = {"rtol": ROUNDING, "atol": tolerance / np.sqrt(max(len(self), 1))}
        out = [first / scale]
        for begin, end in pairwise(at):
            done = solve_ivp(slope, (begin, end), out[-1].ravel(), method="DOP853", t_eval=[end], **limits)
            if not done.success:
                raise FiniteError(f"states at time {end:g}", 1, f"The solver stopped: {done.message}")
            out.append(done.y[:, -1].reshape(first.shape))
        return np.stack(out, axis=1) * scale[:, None]

    def _flow(self, states: Array) -> Array:
        q, p = _halves(states)
        m, k, rest, g = self._spread(q.ndim - 2)
        arrows = _springs(q)
        size = np.linalg.norm(arrows, axis=-1, keepdims=True)
        # ∂/∂arrow of k(|arrow| − l)², with nothing where the arrow has no direction.
        pull = 2 * k[..., None] * (arrows - rest[..., None] * arrows / np.where(size > 0, size, 1.0))
        force = m[..., None] * g - pull
        force[..., 0, :] += pull[..., 1, :]  # the second spring, q₂ − q₁, pulls its two ends in opposite directions
        return np.concatenate([p / m[..., None], force], axis=-2)

    def _spread(self, axes: int) -> tuple[Array, Array, Array, Array]:
        """Masses, half the stiffness of ½k₁ and all of k₂, lengths `(n, 1…, 2)`, gravity `(n, 1…, 1, 3)`."""
        ones = (1,) * (axes - 1)
        k = self.stiffness * np.array([0.5, 1.0])
        shaped = [x.reshape(len(self), *ones, 2) for x in (self.masses, k, self.lengths)]
        return shaped[0], shaped[1], shaped[2], self.gravity.reshape(len(self), *ones, 1, 3)

    def _scale(self) -> Array:
        """The size of a state by units: l and √(mk)·l, `(n, 4, 1)`."""
        return np.concatenate([self.lengths, np.sqrt(self.masses * self.stiffness) * self.lengths], axis=1)[..., None]

    def _states(self, states: Any) -> Array:
        array = to_numpy(states).astype(np.float64)
        if array.ndim < 3 or array.shape[-2:] != (4, 3) or len(array) != len(self):
            raise ShapeError("states", f"({len(self)}, ..., 4, 3)", array.shape, "q1, q2, p1, p2 of every pendulum.")
        check_finite(array, "states")
        return array


@final
@dataclass(frozen=True, eq=False, repr=False)
class PendulumRuns:
    """Trajectories of springy pendulums.

    Attributes
    ----------
    pendulum : SpringyPendulum
        n of them.
    states : ndarray (n, T, 4, 3)
        q₁, q₂ [m], p₁, p₂ [kg m/s].
    times : ndarray (T,)
        [s].

    Raises
    ------
    ShapeError, LengthError, FiniteError
        For arrays that do not fit together, or NaN.
    """

    pendulum: SpringyPendulum
    states: Array
    times: Array

    def __post_init__(self) -> None:
        if self.states.ndim != 4 or self.states.shape[2:] != (4, 3):
            raise ShapeError("states", "(n, T, 4, 3)", self.states.shape)
        if self.states.shape[:2] != (len(self.pendulum), len(self.times)):
            raise LengthError(pendulum=len(self.pendulum), runs=len(self.states), times=len(self.times))
        check_finite(self.states, "states")

    def __len__(self) -> int:
        return len(self.states)

    def __repr__(self) -> str:
        return f"PendulumRuns({len(self)} runs, {len(self.times)} times)"

    def inputs(self) -> dict[str, Array]:
        """Everything by name: q1, q2, p1, p2 `(n, T, 3)`, g `(n, 1, 3)`, m1, m2, k1, k2, l1, l2 `(n, 1)`."""
        named = {name: self.states[:, :, i] for i, name in enumerate(STATES)}
        numbers = np.concatenate([self.pendulum.masses, self.pendulum.stiffness, self.pendulum.lengths], axis=1)
        named |= {name: numbers[:, i : i + 1] for i, name in enumerate(PARAMETERS)}
        return named | {"g": self.pendulum.gravity[:, None]}

    def chunks(self, length: int, seed: int | Sequence[int] = 0) -> PendulumRuns:
        """One random stretch of each run: it is cut into T // length pieces, and one of them is taken."""
        size = count(length, "length", 2, len(self.times))
        first = size * np.random.default_rng(seed).integers(0, len(self.times) // size, len(self))
        index = first[:, None] + np.arange(size)
        states = np.take_along_axis(self.states, index[..., None, None], axis=1)
        return PendulumRuns(self.pendulum, states, self.times[:size] - self.times[0])

    def plot(self, run: int = 0, axes: Axes | None = None) -> Axes:
        """The paths of both masses of one run, seen from the side (x and z); the axes come back."""
        from matplotlib.figure import Figure

        ax = Figure(figsize=(4, 4)).subplots() if axes is None else axes
        for mass in (0, 1):
            path = self.states[run, :, mass]
            ax.plot(path[:, 0], path[:, 2], "-", lw=0.9, color=f"C{mass}", label=f"mass {mass + 1}")
            ax.plot(path[-1, 0], path[-1, 2], "o", ms=5, color=f"C{mass}")
        ax.plot(0.0, 0.0, "k+")
        ax.set_aspect("equal")
        ax.set(xlabel="x [m]", ylabel="z [m]")
        ax.legend()
        return ax


def random_pendulums(n: int, *, low: float = 1.0, high: float = 2.0, seed: int | Sequence[int] = 0) -> SpringyPendulum:
    """Masses, stiffness, lengths and |g| independent and uniform in [low, high], gravity in a uniform direction.

    Examples
    --------
    >>> bool(np.linalg.norm(random_pendulums(50).gravity, axis=1).max() < 2.0)
    True
    """
    runs, least, most = count(n, "n", 1), positive(low, "low"), positive(high, "high")
    if least >= most:
        raise ParameterError("low and high", "low < high", (low, high))
    rng = np.random.default_rng(seed)
    masses, stiffness, lengths = rng.uniform(least, most, (3, runs, 2))
    arrow = rng.standard_normal((runs, 3))
    gravity = rng.uniform(least, most, (runs, 1)) * arrow / np.linalg.norm(arrow, axis=1, keepdims=True)
    return SpringyPendulum(masses, stiffness, lengths, gravity)


def springy_pendulum(
    n: int,
    n_times: int = 60,
    *,
    interval: float = 0.2,
    low: float = 1.0,
    high: float = 2.0,
    kg: Any = 1.0,
    seed: int | Sequence[int] = 0,
    tolerance: float = 1e-9,
) -> PendulumRuns:
    """The published data: random pendulums from q₁ ~ N((0,0,−1.5), .2²), q₂ ~ N((0,0,−3), .2²), p ~ N(0, .4²).

    Parameters
    ----------
    n : int
        Runs.
    n_times : int
        Times a run, the start included; the published test has 60.
    interval : float
        Between them [s].
    low, high : float
        Range of masses, stiffness, lengths and |g|.
    kg : float or array (n,)
        What all that is measured in kg (masses, stiffness, momenta) is multiplied by: the published test draws it from
        U(3, 7) for its second experiment.
    seed : int or sequence of int
        Seed of everything random.
    tolerance : float
        Of `SpringyPendulum.simulate`.

    Raises
    ------
    ParameterError, ShapeError
        For options outside their ranges.

    Examples
    --------
    >>> runs = springy_pendulum(3, 5)
    >>> runs, runs.states.shape
    (PendulumRuns(3 runs, 5 times), (3, 5, 4, 3))
    """
    runs, steps = count(n, "n", 1), count(n_times, "n_times", 1)
    mass = np.asarray(kg, dtype=np.float64)
    if mass.shape not in ((), (runs,)):
        raise ShapeError("kg", f"() or ({runs},)", mass.shape)
    if not np.isfinite(mass).all() or (mass <= 0).any():
        raise ParameterError("kg", "positive numbers", mass.min())
    streams = np.random.SeedSequence(seed).spawn(2)
    drawn = random_pendulums(runs, low=low, high=high, seed=streams[0].generate_state(4).tolist())
    factor = np.broadcast_to(mass, (runs,))[:, None]
    pendulum = SpringyPendulum(drawn.masses * factor, drawn.stiffness * factor, drawn.lengths, drawn.gravity)
    start = START + START_SD * np.random.default_rng(streams[1]).standard_normal((runs, 4, 3))
    start[:, 2:] *= factor[..., None]
    times = positive(interval, "interval") * np.arange(steps)
    return PendulumRuns(pendulum, pendulum.simulate(start, times, tolerance=tolerance), times)


def _halves(states: Array) -> tuple[Array, Array]:
    return states[..., :2, :], states[..., 2:, :]


def _springs(q: Array) -> Array:
    """The arrows q₁ and q₂ − q₁."""
    return np.stack([q[..., 0, :], q[..., 1, :] - q[..., 0, :]], axis=-2)
