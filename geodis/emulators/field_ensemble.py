"""Several emulators of the same fields: their mean, their spread, and intervals that hold what they promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from geodis.emulators.field_calibration import (
    EnsembleReport,
    FieldCalibration,
    ensemble_report,
    extended,
    mean_and_spread,
    raw_factor,
)
from geodis.emulators.field_channels import channel_slices
from geodis.emulators.field_emulator import FieldEmulator
from geodis.errors import DesignError, LengthError, ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, to_numpy
from geodis.statistics import check_level


@final
@dataclass(frozen=True, repr=False, eq=False)
class FieldForecast:
    """Roll-outs of all members from the same starts.

    Attributes
    ----------
    members : ndarray (members, runs, times, components, *grid)
        The start first.
    types : tuple of (order, parity, channels)
    calibration : FieldCalibration or None

    Examples
    --------
    >>> members = np.random.default_rng(0).normal(size=(4, 1, 2, 1, 8, 8))
    >>> forecast = FieldForecast(members, ((0, 1, 1),), None)
    >>> low, high = forecast.interval(0.9)
    >>> bool((low < forecast.mean).all()), forecast
    (True, FieldForecast(4 members, 1 runs, 1 steps, not calibrated))
    """

    members: Array
    types: tuple[tuple[int, int, int], ...]
    calibration: FieldCalibration | None

    @property
    def mean(self) -> Array:
        """Over members `(runs, times, components, *grid)`."""
        return mean_and_spread(self.members)[0]

    @property
    def spread(self) -> Array:
        """Standard deviation over members `(runs, times, components, *grid)`, not calibrated."""
        return mean_and_spread(self.members)[1]

    def interval(self, level: float = 0.9) -> tuple[Array, Array]:
        """Ends of intervals at a level, each `(runs, times, components, *grid)`.

        Calibrated where runs were held out for it; lead times beyond theirs take the last factor. Otherwise the t
        interval for one more draw of a Gaussian whose draws the members are, which ensembles of networks seldom are.

        Raises
        ------
        ParameterError
            For a level outside (0, 1), of a calibrated forecast outside [.05, .99].
        """
        check_level(level)
        mean, spread = mean_and_spread(self.members)
        width = np.empty(spread.shape[1:3])
        for channel, part in enumerate(channel_slices(mean, "members", self.types)):
            width[:, part] = (
                raw_factor(len(self.members), level)
                if self.calibration is None
                else extended(self.calibration.factor(level), len(width))[:, channel, None]
            )
        with np.errstate(invalid="ignore"):
            half = np.nan_to_num(width[(..., *(None,) * (spread.ndim - 3))] * spread, nan=np.inf, posinf=np.inf)
            return np.where(np.isfinite(half), mean - half, -np.inf), np.where(np.isfinite(half), mean + half, np.inf)

    def report(self, truth: Any, level: float = 0.9) -> EnsembleReport:
        """`ensemble_report` against the truth `(runs, times, components, *grid)` of runs that no fit has seen."""
        return ensemble_report(self.members, truth, self.types, calibration=self.calibration, level=level)

    def __repr__(self) -> str:
        m, runs, times = self.members.shape[:3]
        said = "not calibrated" if self.calibration is None else "calibrated"
        return f"FieldForecast({m} members, {runs} runs, {times - 1} steps, {said})"


@final
class FieldEnsemble(BaseEstimator):
    """Several emulators, each with another seed and another part of the runs; their spread made as wide as their error.

    Nothing makes the spread of networks as wide as their error: trained alike, they may err alike. So some runs are
    held out of all training, and on them is measured how many spreads the truth is away, at every lead time. The
    promise is one over runs like these; few of them make it a rough one.

    Parameters
    ----------
    member : callable
        seed → an unfitted `FieldEmulator` with its own network.
    n_members : int
        Two or more.
    subset : float
        Share of the training runs that a member sees, drawn without repetition (a run that is there twice would lie on
        both sides of the member's own validation).
    calibration_size : float
        Share of the runs held out for the calibration; 0 calibrates nothing.
    random_state : int
    verbose : bool

    Attributes
    ----------
    members_ : tuple of FieldDynamics
    calibration_ : FieldCalibration or None
    held_ : ndarray
        Numbers of the runs that calibrated.

    References
    ----------
    Lakshminarayanan, Pritzel, Blundell, "Simple and scalable predictive uncertainty estimation using deep ensembles",
    NeurIPS 2017, arXiv:1612.01474. Angelopoulos, Bates, "A gentle introduction to conformal prediction and
    distribution-free uncertainty quantification", 2021, arXiv:2107.07511 (errors in units of a spread).

    Examples
    --------
    >>> from geodis.emulators import GeometricConv
    >>> from geodis.loop import Plan
    >>> runs = np.random.default_rng(0).normal(size=(8, 3, 1, 8, 8)).cumsum(1).astype(np.float32)
    >>> kind, plan = ((0, 1, 1),), Plan(max_steps=5)
    >>> ensemble = FieldEnsemble(
    ...     lambda seed: FieldEmulator(GeometricConv(kind, kind, seed=seed), kind, plan=plan, random_state=seed),
    ...     n_members=3,
    ... )
    >>> ensemble.fit(runs[:6]).rollout(runs[6:, :1], 4)
    FieldForecast(3 members, 2 runs, 4 steps, calibrated)
    """

    def __init__(
        self,
        member: Callable[[int], FieldEmulator],
        n_members: int = 5,
        *,
        subset: float = 0.8,
        calibration_size: float = 0.25,
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.member = member
        self.n_members = n_members
        self.subset = subset
        self.calibration_size = calibration_size
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, runs: Any, fixed: Any = None) -> FieldEnsemble:
        """Learn from runs `(runs, times, components, *grid)` and fixed fields `(runs, components, *grid)`.

        Raises
        ------
        ParameterError, DesignError, LengthError
            For options out of range, a member that is no emulator or shares its network with another, too few runs.
        """
        states = to_numpy(runs)
        self._check(states)
        still = None if fixed is None else to_numpy(fixed)
        if still is not None and len(still) != len(states):
            raise LengthError(runs=len(states), fixed=len(still))
        rng = np.random.default_rng(self.random_state)
        order, n_held = rng.permutation(len(states)), round(self.calibration_size * len(states))
        n_held = max(1, n_held) if self.calibration_size else 0
        self.held_, rest = np.sort(order[:n_held]), order[n_held:]
        if not len(rest):
            raise DesignError(f"Expected runs to train on beside {n_held} to calibrate with, got {len(states)} in all.")
        emulators: list[FieldEmulator] = []
        for number in tqdm(range(self.n_members), desc="members", disable=not self.verbose):
            emulator = self.member(self.random_state + number)
            _check_member(emulator, emulators)
            rows = np.sort(rng.permutation(rest)[: max(1, round(self.subset * len(rest)))])
            emulators.append(emulator.fit(states[rows], None if still is None else still[rows]))
        self.members_ = tuple(emulator.dynamics_ for emulator in emulators)
        self.calibration_ = None
        if n_held:
            history = self.members_[0].history
            seen = states[self.held_]
            driven = None if still is None else still[self.held_]
            ahead = self.rollout(seen[:, :history], states.shape[1] - history, driven)
            self.calibration_ = FieldCalibration.of(ahead.members, seen[:, history - 1 :], ahead.types)
        return self

    def rollout(self, start: Any, n_steps: int, fixed: Any = None) -> FieldForecast:
        """All members from starts `(runs, history, components, *grid)`, the last start included."""
        check_is_fitted(self, "members_")
        members = np.stack([dynamics.rollout(start, n_steps, fixed) for dynamics in self.members_])
        return FieldForecast(members, self.members_[0].scale.types, self.calibration_)

    def _check(self, states: Array) -> None:
        count(self.n_members, "n_members", 2)
        if states.ndim not in (5, 6):
            raise ShapeError("runs", "(runs, times, components, *grid)", states.shape)
        if not 0 < self.subset <= 1:
            raise ParameterError("subset", "a share in (0, 1]", repr(self.subset))
        if not 0 <= self.calibration_size < 1:
            raise ParameterError("calibration_size", "a share in [0, 1)", repr(self.calibration_size))


def _check_member(emulator: Any, others: list[FieldEmulator]) -> None:
    if not isinstance(emulator, FieldEmulator):
        raise ParameterError("member", "a function seed → FieldEmulator", type(emulator).__name__)
    if any(emulator.network is other.network for other in others):
        raise ParameterError("member", "an emulator with a new network at every call", "the same network twice")
