"""The training loop: steps of a loss, evaluations, the best weights, checkpoints that resume bit by bit."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from geodis.errors import FileFormatError, FiniteError, ParameterError
from geodis.files import read_safetensors, write_atomically

FORMAT = "geodis.training"
VERSION = 1


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    Attributes
    ----------
    max_steps : int
        Steps at most; the learning rate falls to zero along a cosine until then.
    max_seconds : float or None
        CPU seconds of this process at most; the cosine follows whichever limit is nearer. Runs of equal cost are
        compared with it, but two such runs never take quite the same number of steps.
    learning_rate, weight_decay : float
        Of AdamW.
    warmup : float
        Share of the training in which the learning rate rises.
    clip : float
        Largest norm of the gradient.
    evaluate_every : int
        Steps between evaluations on held-out items.
    patience : int or None
        Evaluations without progress before the training stops; None never stops.
    """

    max_steps: int = 1000
    max_seconds: float | None = None
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup: float = 0.05
    clip: float = 10.0
    evaluate_every: int = 50
    patience: int | None = 10

    def check(self) -> None:
        """Raise `ParameterError` for a choice outside its range."""
        whole = {"max_steps": self.max_steps, "evaluate_every": self.evaluate_every}
        for name, value in whole.items() | ({"patience": self.patience} if self.patience is not None else {}).items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ParameterError(name, "an integer ≥ 1", repr(value))
        limits = {"learning_rate": (0, 10), "weight_decay": (0, 10), "warmup": (0, 1), "clip": (0, math.inf)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not low <= value <= high:
                raise ParameterError(name, f"a number in [{low}, {high}]", repr(value))
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise ParameterError("max_seconds", "a positive number or None", repr(self.max_seconds))


@dataclass(frozen=True)
class History:
    """What a training did.

    Attributes
    ----------
    losses : tuple of float
        The loss of every step.
    evaluations : tuple of (int, float)
        (step, score on held-out items), larger is better.
    best_step : int
        After how many steps the returned weights were reached.
    seconds : float
        CPU seconds.
    status : str
        ``"finished"``, ``"stopped early"`` or ``"out of time"``.
    """

    losses: tuple[float, ...]
    evaluations: tuple[tuple[int, float], ...]
    best_step: int
    seconds: float
    status: str

    def plot(self, ax: Any = None) -> Any:
        """Losses and evaluations against the step; the axes come back."""
        from matplotlib.figure import Figure

        axes = Figure(figsize=(6, 3.5)).subplots() if ax is None else ax
        axes.plot(range(1, len(self.losses) + 1), self.losses, lw=0.8, label="loss")
        if self.evaluations:
            twin = axes.twinx()
            twin.plot(*zip(*self.evaluations, strict=True), "o-", color="C1", ms=3, label="score on held-out items")
            twin.set_ylabel("score on held-out items")
            axes.axvline(self.best_step, color="0.7", lw=0.8)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        return axes


@dataclass
class _Progress:
    """What a checkpoint holds beside tensors."""

    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    evaluations: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    best_score: float = -math.inf
    since_best: int = 0


def train(
    modules: nn.Module,
    loss: Callable[[int], Tensor],
    plan: Plan,
    *,
    evaluate: Callable[[], float] | None = None,
    checkpoint: str | Path | None = None,
    key: Mapping[str, Any] | None = None,
    verbose: bool = False,
    description: str = "training",
) -> History:
    """Minimise `loss(step)` over the parameters of `modules`, which end with the weights that evaluated best.

    A step must depend on its number only (draw the batch from a generator seeded with it): a run that was stopped and
    goes on from its checkpoint then gives the same numbers, bit by bit, as one that was not.

    Parameters
    ----------
    modules : nn.Module
        Everything that learns.
    loss : callable
        step → scalar tensor.
    plan : Plan
    evaluate : callable, optional
        → score on held-out items, larger is better; called without gradients, in evaluation mode. Without it the last
        weights are kept.
    checkpoint : path, optional
        Where to keep the state, written at every evaluation; an existing one is resumed.
    key : mapping, optional
        What identifies the run (settings, data); a checkpoint of another one is refused.
    verbose : bool
        Whether to show a progress bar.
    description : str
        Its title.

    Returns
    -------
    History

    Raises
    ------
    FiniteError
        When the loss is NaN or infinite.
    FileFormatError
        For a checkpoint of another run, program or version.
    """
    plan.check()
    parameters = [p for p in modules.parameters() if p.requires_grad]
    if not parameters:
        raise ParameterError("train: modules", "at least one parameter that learns", "none")
    optimizer = torch.optim.AdamW(parameters, lr=plan.learning_rate, weight_decay=plan.weight_decay)
    mark = json.dumps([asdict(plan), dict(key or {})], sort_keys=True, default=str)
    state, best = _resumed(checkpoint, modules, optimizer, mark)
    began = time.process_time() - state.seconds
    status = "finished"
    with tqdm(total=plan.max_steps, initial=state.step, desc=description, disable=not verbose) as bar:
        while state.step < plan.max_steps:
            state.seconds = time.process_time() - began
            if plan.max_seconds is not None and state.seconds >= plan.max_seconds:
                status = "out of time"
                break
            if plan.patience is not None and state.since_best >= plan.patience:
                status = "stopped early"
                break
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate * _schedule(_share(state, plan), plan.warmup)
            state.losses.append(_step(modules, loss, optimizer, parameters, state.step, plan.clip))
            state.step += 1
            bar.update()
            if state.step % plan.evaluate_every == 0 or state.step == plan.max_steps:
                best = _evaluated(modules, evaluate, state, best)
                bar.set_postfix(loss=f"{state.losses[-1]:.3f}", best=f"{state.best_score:.3f}", refresh=False)
                state.seconds = time.process_time() - began
                _keep(checkpoint, modules, optimizer, best, state, mark)
    if status == "out of time" and (not state.evaluations or state.evaluations[-1][0] != state.step):
        best = _evaluated(modules, evaluate, state, best)
    if evaluate is not None and best:
        modules.load_state_dict(best)
    modules.eval()
    seconds = time.process_time() - began
    return History(
        tuple(state.losses), tuple(state.evaluations), state.best_step if evaluate else state.step, seconds, status
    )


def _step(
    modules: nn.Module,
    loss: Callable[[int], Tensor],
    optimizer: torch.optim.Optimizer,
    parameters: Iterable[nn.Parameter],
    step: int,
    clip: float,
) -> float:
    modules.train()
    optimizer.zero_grad(set_to_none=True)
    value = loss(step)
    if not torch.isfinite(value):
        raise FiniteError(f"the loss at step {step}", 1, "Lower the learning rate, or scale the input.")
    value.backward()
    nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()
    return float(value.detach())


def _evaluated(
    modules: nn.Module, evaluate: Callable[[], float] | None, state: _Progress, best: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The best weights so far."""
    if evaluate is None:
        return best
    modules.eval()
    with torch.no_grad():
        score = float(evaluate())
    state.evaluations.append((state.step, score))
    if score > state.best_score:
        state.best_score, state.best_step, state.since_best = score, state.step, 0
        return {name: x.detach().clone() for name, x in modules.state_dict().items()}
    state.since_best += 1
    return best


def _share(state: _Progress, plan: Plan) -> float:
    done = state.step / plan.max_steps
    return done if plan.max_seconds is None else max(done, min(1.0, state.seconds / plan.max_seconds))


def _schedule(share: float, warmup: float) -> float:
    """Learning rate at a share of the training: a linear rise, then a cosine to zero."""
    if share < warmup:
        return (share + 1e-3) / (warmup + 1e-3)
    return 0.5 * (1.0 + math.cos(math.pi * (share - warmup) / max(1e-9, 1.0 - warmup)))


# --- checkpoints ------------------------------------------------------------------------------------------------------
def _keep(
    path: str | Path | None,
    modules: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
    state: _Progress,
    mark: str,
) -> None:
    if path is None:
        return
    tensors = {f"model.{name}": x for name, x in modules.state_dict().items()}
    tensors |= {f"best.{name}": x for name, x in best.items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(x) for name, x in values.items()}
    copies = {name: x.detach().cpu().contiguous().clone() for name, x in tensors.items()}
    meta = {"format": FORMAT, "version": str(VERSION), "run": mark, "progress": json.dumps(asdict(state))}
    write_atomically(path, lambda temporary: save_file(copies, temporary, metadata=meta))


def _resumed(
    path: str | Path | None, modules: nn.Module, optimizer: torch.optim.Optimizer, mark: str
) -> tuple[_Progress, dict[str, Tensor]]:
    if path is None or not Path(path).exists():
        return _Progress(), {}
    meta, arrays = read_safetensors(path, FORMAT, VERSION)
    if meta.get("run") != mark:
        raise FileFormatError(path, "a checkpoint of this very run", "one of other settings or data")
    tensors = {name: torch.from_numpy(x) for name, x in arrays.items()}
    progress = json.loads(meta["progress"])
    progress["evaluations"] = [tuple(pair) for pair in progress["evaluations"]]
    modules.load_state_dict(_under(tensors, "model."))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, x in _under(tensors, "optimizer.").items():
        index, _, what = name.partition(".")
        moments.setdefault(int(index), {})[what] = x
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return _Progress(**progress), _under(tensors, "best.")


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
