"""An emulator of interacting bodies: a pair law that can be read, an integrator, and what validation says of both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import nn

from geodis.emulators.body_samples import BodySamples
from geodis.emulators.dynamics_choice import Candidate, choose_dynamics
from geodis.emulators.integrators import INTEGRATORS
from geodis.emulators.nbody_dynamics import NBodyDynamics, Rollout
from geodis.emulators.nbody_residual import train_networks
from geodis.emulators.pairwise_law import CAPS, PairwiseLaw
from geodis.errors import DesignError, ParameterError
from geodis.loop import Plan

SUBSTEPS = (50, 100, 200, 500, 1000)


@final
class NBodyEmulator(BaseEstimator):
    r"""States of bodies (x, v) ↦ states a time later, by a learned pair law and a symplectic integrator.

    *Inductive bias:* the bodies obey a second-order equation with a central pair law of the form of `PairwiseLaw`, and
    one step of the data is a flow of it, discretised or not. Where that is so the numbers of the law come out to many
    digits from few systems, and the discretisation of the data is found too; where it is not, a residual network that
    commutes with O(d) learns the rest. Nothing but the error on validation systems chooses the integrator, the number
    of substeps, the kind of cap, or whether the network stays; the law's numbers are fitted to training systems,
    robustly (`polish_law`), since after a close encounter errors are chaotic and say nothing.

    Parameters
    ----------
    law : PairwiseLaw
        Says which scalars there are; it is copied. Its own cap is not used, `cap` is.
    integrator : str or sequence of str
        Names of `integrate`; of several validation chooses.
    substeps : int or sequence of int
        Steps of the integrator between two states.
    cap : str or sequence of str
        Of ``"none"``, ``"radial"``, ``"component"``. The last, for data of simulators that clamp components, depends on
        the axes: *the emulator then commutes with signed permutations of them only*; hence it is no default.
    softening : bool
        Whether ε is learned, else it is 0.
    residual : nn.Module, optional
        (x, v, scalars) → (Δx, Δv), such as `VectorResidual`; it is trained in place.
    plan : Plan, optional
        Of the gradient steps for the residual network and the law's correction.
    batch_size : int
        Of these steps.
    validation_size : float
        Share of the systems that `fit` sets apart where none are given.
    random_state : int
        Seed of every draw.
    verbose : bool
        Whether to show progress bars.

    Attributes
    ----------
    dynamics_ : NBodyDynamics
        The fitted map: called by `predict` and `rollout`, saved as one file.
    candidates_ : tuple of Candidate
        Every choice with its validation error, best first.
    validation_mse_ : float
        Of `dynamics_`, on the validation systems.
    history_ : History or None
        Of the networks' training.
    network_kept_ : bool
        Whether networks were trained and lowered the validation error.
    seconds_ : float
        CPU seconds of `fit`.

    Examples
    --------
    >>> from geodis.simulators import star_planets
    >>> runs = star_planets(80, seed=0)
    >>> x, v, s = runs.positions, runs.velocities, runs.scalars
    >>> emulator = NBodyEmulator(PairwiseLaw(positive=["m"]), integrator="euler", substeps=(50, 100), cap="none")
    >>> emulator.fit(x[:, 0], v[:, 0], s, x[:, 1], span=0.1).dynamics_
    a_i = Σ_j −1 m_j (x_i − x_j) (r²)^(−1.5); euler × 100 over 0.1
    """

    def __init__(
        self,
        law: PairwiseLaw | None = None,
        *,
        integrator: str | Sequence[str] = ("leapfrog", "euler", "yoshida4"),
        substeps: int | Sequence[int] = SUBSTEPS,
        cap: str | Sequence[str] = ("none", "radial"),
        softening: bool = True,
        residual: nn.Module | None = None,
        plan: Plan | None = None,
        batch_size: int = 64,
        validation_size: float = 0.2,
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.law = law
        self.integrator = integrator
        self.substeps = substeps
        self.cap = cap
        self.softening = softening
        self.residual = residual
        self.plan = plan
        self.batch_size = batch_size
        self.validation_size = validation_size
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        x: Any,
        v: Any,
        scalars: Any,
        target_x: Any,
        target_v: Any = None,
        *,
        span: float = 1.0,
        validation: Sequence[Any] | None = None,
        checkpoint: str | Path | None = None,
    ) -> NBodyEmulator:
        """Learn from states (n, bodies, d), scalars (n, bodies, k) and positions a time `span` later.

        Parameters
        ----------
        x, v, scalars, target_x : array
        target_v : array, optional
            Velocities a time `span` later: more to learn from, where they are known.
        span : float
            Time between the states, in the unit of the velocities.
        validation : sequence, optional
            (x, v, scalars, target_x) of systems that choose; else a share of the given ones is set apart.
        checkpoint : path, optional
            Where the networks' training keeps its state; an existing one is resumed.

        Raises
        ------
        ShapeError, FiniteError, ParameterError, DesignError
            For arrays that do not fit together, NaN, unknown options, or too few systems.
        """
        began = time.process_time()
        law = PairwiseLaw() if self.law is None else self.law
        integrators, substeps, caps = self._choices()
        every = BodySamples.of(law, x, v, scalars, target_x, target_v, span)
        train, valid = self._split(every) if validation is None else (every, _given(law, validation, span))
        self.candidates_: tuple[Candidate, ...] = choose_dynamics(
            law,
            train,
            valid,
            integrators=integrators,
            substeps=substeps,
            caps=caps,
            softening=self.softening,
            seed=self.random_state,
            verbose=self.verbose,
        )
        best = self.candidates_[0]
        self.dynamics_, self.validation_mse_ = best.dynamics, best.mse
        self.history_, self.network_kept_ = None, False
        if self.residual is not None or law.correction is not None:
            chosen = best.dynamics
            trained = train_networks(
                NBodyDynamics(chosen.law, chosen.span, chosen.integrator, chosen.substeps, self.residual),
                train,
                valid,
                self.plan or Plan(),
                batch_size=self.batch_size,
                seed=self.random_state,
                checkpoint=checkpoint,
                verbose=self.verbose,
            )
            self.dynamics_, self.history_, self.network_kept_ = trained.dynamics, trained.history, trained.kept
            if trained.kept:
                self.validation_mse_ = -max(score for _, score in trained.history.evaluations)
        self.seconds_ = time.process_time() - began
        return self

    def predict(self, x: Any, v: Any, scalars: Any) -> tuple[Any, Any]:
        """Positions and velocities (n, bodies, d) a time `span` later; arrays or tensors like the input."""
        check_is_fitted(self, "dynamics_")
        return self.dynamics_.predict(x, v, scalars)

    def rollout(self, x: Any, v: Any, scalars: Any, n_steps: int) -> Rollout:
        """`n_steps` predictions one after the other, with momentum, angular momentum and energy monitored."""
        check_is_fitted(self, "dynamics_")
        return self.dynamics_.rollout(x, v, scalars, n_steps)

    def score(self, x: Any, v: Any, scalars: Any, target_x: Any) -> float:
        """Minus the mean squared error of a coordinate."""
        predicted, _ = self.predict(x, v, scalars)
        return -float(np.square(np.asarray(predicted) - np.asarray(target_x)).mean())

    def _choices(self) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]]:
        integrators = (self.integrator,) if isinstance(self.integrator, str) else tuple(self.integrator)
        caps = (self.cap,) if isinstance(self.cap, str) else tuple(self.cap)
        substeps = (self.substeps,) if isinstance(self.substeps, int) else tuple(self.substeps)
        for name, given, known in (("integrator", integrators, INTEGRATORS), ("cap", caps, CAPS)):
            if not given or not set(given) <= set(known):
                raise ParameterError(name, f"some of {', '.join(known)}", repr(getattr(self, name)))
        if not substeps or any(isinstance(k, bool) or not isinstance(k, int) or k < 1 for k in substeps):
            raise ParameterError("substeps", "integers ≥ 1", repr(self.substeps))
        if not 0 < self.validation_size < 1:
            raise ParameterError("validation_size", "a share between 0 and 1", repr(self.validation_size))
        return integrators, substeps, caps

    def _split(self, every: BodySamples) -> tuple[BodySamples, BodySamples]:
        n_valid = max(1, round(self.validation_size * every.n))
        if every.n - n_valid < 2:
            raise DesignError(f"{every.n} systems are too few to fit some and choose by others: give ten or more.")
        order = torch.randperm(every.n, generator=torch.Generator().manual_seed(self.random_state))
        return every.rows(order[n_valid:]), every.rows(order[:n_valid])


def _given(law: PairwiseLaw, validation: Sequence[Any], span: float) -> BodySamples:
    if len(validation) != 4:
        raise ParameterError("validation", "(x, v, scalars, target_x)", f"{len(validation)} arrays")
    x, v, scalars, target_x = validation
    return BodySamples.of(law, x, v, scalars, target_x, None, span)
