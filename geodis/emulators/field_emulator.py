"""An emulator of fields on a grid: one step learned by a network that commutes with the grid, then roll-outs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from geodis.actions.fields import check_types
from geodis.emulators.field_bound import FieldBound
from geodis.emulators.field_channels import scalar_components
from geodis.emulators.field_scale import FieldScale
from geodis.emulators.geometric_conv import components
from geodis.errors import DesignError, LengthError, ParameterError, ShapeError
from geodis.groups.options import count, positive
from geodis.linalg import Array, check_finite, to_numpy
from geodis.loop import Plan, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHUNK = 64


@final
@dataclass(frozen=True, eq=False)
class FieldDynamics:
    """(x_{t−H+1}, …, x_t, fixed fields) ↦ x_{t+1} = x_t + s·network(normalized): a fitted emulator.

    Attributes
    ----------
    network : nn.Module
    scale, step_scale, fixed_scale : FieldScale
        Units of states, of their changes in one step, and of the fixed fields (None without).
    history : int
        H, frames that a step looks at.
    conserved : tuple of int
        Components whose mean every step restores.
    bound : FieldBound or None
        What a roll-out keeps to.
    """

    network: nn.Module
    scale: FieldScale
    step_scale: FieldScale
    fixed_scale: FieldScale | None
    history: int
    conserved: tuple[int, ...]
    bound: FieldBound | None = None

    def step(self, frames: Tensor, fixed: Tensor | None = None) -> Tensor:
        """Frames `(batch, H, components, *grid)` → the next one `(batch, components, *grid)`."""
        seen = self.scale.normalized(frames).flatten(1, 2)
        if self.fixed_scale is not None and fixed is not None:
            seen = torch.cat([seen, self.fixed_scale.normalized(fixed)], 1)
        change = self.network(seen) * self.step_scale.size.to(seen)[:, *(None,) * self.scale.dim]
        if self.conserved:
            over = tuple(range(2, change.ndim))
            mean = change.mean(over, keepdim=True)
            kept = torch.zeros(change.shape[1], dtype=torch.bool, device=change.device)
            kept[list(self.conserved)] = True
            change = change - mean * kept[:, *(None,) * self.scale.dim]
        return frames[:, -1] + change

    def rollout(self, start: Any, n_steps: int, fixed: Any = None) -> Array:
        """Start `(runs, H, components, *grid)` → `(runs, n_steps + 1, components, *grid)`, the last start included.

        A run that leaves every bound is infinite from there on: no error, since a metric has to see it.
        """
        count(n_steps, "n_steps", 1)
        frames = torch.from_numpy(_floats(start, "start", self.scale, 2))
        still = None if fixed is None else torch.from_numpy(_floats(fixed, "fixed", self.fixed_scale, 1))
        with torch.no_grad():
            parts = [
                self._follow(frames[i : i + CHUNK], None if still is None else still[i : i + CHUNK], n_steps)
                for i in range(0, len(frames), CHUNK)
            ]
        return torch.cat(parts).numpy()

    def _follow(self, frames: Tensor, fixed: Tensor | None, n_steps: int) -> Tensor:
        self.network.eval()
        out = [frames[:, -1]]
        for _ in range(n_steps):
            after = self.step(frames, fixed)
            if self.bound is not None:
                after = self.bound(after)
            out.append(torch.where(after.isfinite(), after, torch.inf))
            frames = torch.cat([frames[:, 1:], after[:, None]], 1)
        return torch.stack(out, 1)


def _floats(fields: Any, what: str, scale: FieldScale | None, lead: int) -> Array:
    array = to_numpy(fields)
    if scale is None:
        raise DesignError(f"{what}: expected none, since the emulator was fitted without fixed fields.")
    width = components(scale.types, scale.dim)
    if array.ndim != lead + 1 + scale.dim or array.shape[lead] != width:
        axes = ("runs, history, " if lead == 2 else "runs, ") + f"{width}, *grid"
        raise ShapeError(what, f"({axes})", array.shape)
    check_finite(array, what)
    return array.astype(np.float32)


@final
class FieldEmulator(BaseEstimator):
    """Learn one step of fields on a grid from runs of a simulator, by any network (x, fixed) ↦ change of x.

    States are scaled in a way that no symmetry of the grid notices (`FieldScale`), and the network predicts the change
    of a step in units of its spread: with an equivariant network the whole emulator is equivariant, and one that has
    learned nothing yet is close to persistence.

    Parameters
    ----------
    network : nn.Module
        Fields of H times `types`, then `fixed_types` → fields of `types`, such as `GeometricResNet`. Trained in place.
    types : tuple of (order, parity, channels)
        Of a state.
    fixed_types : tuple of (order, parity, channels), optional
        Of what drives a run and does not change, such as a Coriolis parameter.
    history : int
        H, frames that a step looks at.
    noise : float
        Of training inputs, in units of the spread of a step: roll-outs then stay near what was learned.
    unrolled : int
        Steps that a training sample is followed for; gradients go through the last one only (push-forward).
    conserve : bool
        Whether the mean of every scalar stays what it is, as mass does.
    bound : float or None
        Roll-outs keep the power of every scale below this multiple of the largest in training (`FieldBound`); None
        lets them go.
    plan : Plan, optional
        Of the training; `geodis.loop`.
    batch_size : int
    validation_size : float
        Share of the runs that choose the best weights; none for a single run.
    random_state : int
    verbose : bool

    Attributes
    ----------
    dynamics_ : FieldDynamics
    history_ : History
        Of the training.

    References
    ----------
    Brandstetter, Worrall, Welling, "Message passing neural PDE solvers", ICLR 2022, arXiv:2202.03376 (push-forward).
    Sanchez-Gonzalez et al., "Learning to simulate complex physics with graph networks", ICML 2020, arXiv:2002.09405
    (noise).

    Examples
    --------
    >>> runs = np.random.default_rng(0).normal(size=(4, 3, 1, 8, 8)).cumsum(1).astype(np.float32)
    >>> from geodis.emulators import GeometricConv
    >>> smooth = GeometricConv(((0, 1, 1),), ((0, 1, 1),))
    >>> emulator = FieldEmulator(smooth, ((0, 1, 1),), plan=Plan(max_steps=5)).fit(runs)
    >>> emulator.rollout(runs[:, :1], 4).shape
    (4, 5, 1, 8, 8)
    """

    def __init__(
        self,
        network: nn.Module,
        types: Any,
        fixed_types: Any = None,
        *,
        history: int = 1,
        noise: float = 0.0,
        unrolled: int = 1,
        conserve: bool = False,
        bound: float | None = 4.0,
        plan: Plan | None = None,
        batch_size: int = 8,
        validation_size: float = 0.25,
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.network = network
        self.types = types
        self.fixed_types = fixed_types
        self.history = history
        self.noise = noise
        self.unrolled = unrolled
        self.conserve = conserve
        self.bound = bound
        self.plan = plan
        self.batch_size = batch_size
        self.validation_size = validation_size
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, runs: Any, fixed: Any = None, *, checkpoint: str | Path | None = None) -> FieldEmulator:
        """Learn from runs `(runs, times, components, *grid)` and fixed fields `(runs, components, *grid)`.

        Raises
        ------
        ShapeError, FiniteError, LengthError, ParameterError, DesignError
            For arrays that do not fit together, NaN, options out of range, runs shorter than history and unrolling.
        """
        types, states, still = self._checked(runs, fixed)
        self.dynamics_ = self._start(types, states, still)
        train_rows, held = self._split(len(states))
        rng_seed, span = self.random_state, self.history + self.unrolled

        def batch(step: int) -> tuple[Tensor, Tensor | None]:
            rng = np.random.default_rng([rng_seed, step])
            which = rng.choice(train_rows, self.batch_size)
            at = rng.integers(states.shape[1] - span + 1, size=self.batch_size)
            windows = torch.from_numpy(np.stack([states[i, t : t + span] for i, t in zip(which, at, strict=True)]))
            if self.noise:
                size = self.noise * self.dynamics_.step_scale.size.numpy()[:, *(None,) * self.dynamics_.scale.dim]
                windows[:, : self.history] += torch.from_numpy(
                    (size * rng.standard_normal(windows[:, : self.history].shape)).astype(np.float32)
                )
            return windows, None if still is None else torch.from_numpy(still[which])

        def loss(step: int) -> Tensor:
            windows, constant = batch(step)
            return self._missed(windows, constant)

        looked = self._looked(states[held], None if still is None else still[held], span) if len(held) else None
        self.history_ = train(
            self.network, loss, self.plan or Plan(max_steps=2000),
            evaluate=None if looked is None else lambda: -float(self._missed(*looked)),
            checkpoint=checkpoint, verbose=self.verbose, description="emulator",
        )  # fmt: skip
        return self

    def rollout(self, start: Any, n_steps: int, fixed: Any = None) -> Array:
        """As `FieldDynamics.rollout`."""
        check_is_fitted(self, "dynamics_")
        return self.dynamics_.rollout(start, n_steps, fixed)

    def predict(self, frames: Any, fixed: Any = None) -> Array:
        """The next state `(runs, components, *grid)` after frames `(runs, history, components, *grid)`."""
        return self.rollout(frames, 1, fixed)[:, 1]

    def _missed(self, windows: Tensor, fixed: Tensor | None) -> Tensor:
        """Mean squared error of the last of `unrolled` steps, in units of a step's spread."""
        frames = windows[:, : self.history]
        for ahead in range(self.unrolled):
            after = self.dynamics_.step(frames.detach(), fixed)
            frames = torch.cat([frames[:, 1:], after[:, None]], 1)
            target = windows[:, self.history + ahead]
        size = self.dynamics_.step_scale.size.to(after)[:, *(None,) * self.dynamics_.scale.dim]
        return ((after - target) / size).square().mean()

    def _looked(self, states: Array, still: Array | None, span: int) -> tuple[Tensor, Tensor | None]:
        """Windows of held-out runs at up to eight times, and their fixed fields."""
        at = np.unique(np.linspace(0, states.shape[1] - span, 8).astype(int))
        windows = torch.from_numpy(np.concatenate([states[:, t : t + span] for t in at]))
        return windows, None if still is None else torch.from_numpy(np.concatenate([still] * len(at)))

    def _split(self, n: int) -> tuple[Array, Array]:
        held = min(n - 1, round(self.validation_size * n))
        order = np.random.default_rng(self.random_state).permutation(n)
        return order[held:], order[:held]

    def _start(self, types: Any, states: Array, still: Array | None) -> FieldDynamics:
        dim = states.ndim - 3
        steps = FieldScale.of(np.diff(states, axis=1), types, dim)
        return FieldDynamics(
            self.network, FieldScale.of(states, types, dim), steps,
            None if still is None else FieldScale.of(still, self.fixed_types, dim), self.history,
            tuple(scalar_components(types, dim)) if self.conserve else (),
            None if self.bound is None else FieldBound.of(states, types, self.bound, dim),
        )  # fmt: skip

    def _checked(self, runs: Any, fixed: Any) -> tuple[Any, Array, Array | None]:
        for name in ("history", "unrolled", "batch_size"):
            count(getattr(self, name), name, 1)
        if not isinstance(self.noise, (int, float)) or not 0 <= self.noise < np.inf:
            raise ParameterError("noise", "a number ≥ 0", repr(self.noise))
        if self.bound is not None:
            positive(self.bound, "bound")
        if not 0 <= self.validation_size < 1:
            raise ParameterError("validation_size", "a share in [0, 1)", repr(self.validation_size))
        types, states = check_types(self.types), to_numpy(runs)
        if states.ndim not in (5, 6):
            raise ShapeError("runs", "(runs, times, components, *grid)", states.shape)
        check_finite(states, "runs")
        if states.shape[1] < self.history + self.unrolled:
            raise DesignError(
                f"runs: expected at least history + unrolled = {self.history + self.unrolled} times, got "
                f"{states.shape[1]}."
            )
        if (fixed is None) != (self.fixed_types is None):
            raise DesignError("fixed: expected fields if and only if `fixed_types` says what they are.")
        still = None if fixed is None else to_numpy(fixed).astype(np.float32)
        if still is not None:
            if len(still) != len(states):
                raise LengthError(runs=len(states), fixed=len(still))
            check_finite(still, "fixed")
        return types, states.astype(np.float32), still


def draw_fields(truth: Any, predicted: Any, component: int = 0, times: Sequence[int] = (0, 1, 5, 10, 20)) -> Figure:
    """Strips of one run `(times, components, N, N)`: the truth, the prediction, and their difference.

    Examples
    --------
    >>> figure = draw_fields(np.zeros((3, 1, 8, 8)), np.ones((3, 1, 8, 8)), times=(0, 2))
    >>> len(figure.axes)
    6
    """
    from matplotlib.figure import Figure

    true, found = (to_numpy(x)[:, component] for x in (truth, predicted))
    shown = [t for t in times if t < min(len(true), len(found))]
    figure = Figure(figsize=(1.6 * len(shown), 5.0), layout="constrained")
    axes = figure.subplots(3, len(shown), squeeze=False)
    size = float(np.abs(true[shown]).max()) or 1.0
    for column, t in enumerate(shown):
        for row, field in enumerate((true[t], found[t], found[t] - true[t])):
            axes[row, column].imshow(np.clip(field, -size, size), cmap="RdBu_r", vmin=-size, vmax=size)
            axes[row, column].set(xticks=[], yticks=[])
        axes[0, column].set_title(f"t = {t}")
    for row, name in enumerate(("truth", "predicted", "difference")):
        axes[row, 0].set_ylabel(name)
    return figure
