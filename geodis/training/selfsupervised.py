"""Train an encoder without labels: views of items, an objective, one loop that resumes bit by bit."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from geodis.coordinates.network_spec import describable, describe
from geodis.coordinates.standardize import Standardize, standardize_all, standardize_each
from geodis.encoders import fingerprint
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array
from geodis.loop import Plan, train
from geodis.training.abstract_objective import AbstractObjective
from geodis.training.trained_encoder import TrainedEncoder, frozen
from geodis.training.views import AbstractViews

EVALUATED = 512  # held-out items on which progress is measured
MEASURED = 512  # items whose views tell mean and spread
APART = 2**40  # streams of random numbers that no step reaches


def train_encoder(
    network: nn.Module,
    views: AbstractViews,
    objective: AbstractObjective,
    plan: Plan | None = None,
    *,
    batch_items: int = 128,
    batch_elements: int = 2,
    held_out: float = 0.1,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    device: str = "cpu",
    verbose: bool = False,
) -> TrainedEncoder:
    """min_θ E[objective(f_θ(g_ij x_i), g_ij)]: every step draws items and elements, embeds, and goes downhill.

    Batch t of a seed is always the same, so that a run that was stopped and goes on from its checkpoint gives the same
    bits as one that was not. A share of the items is held out: progress is measured on them, and the weights that do
    best there come back.

    Parameters
    ----------
    network : nn.Module
        Views ``(N, *shape)`` → features (N, F), in float32, such as `convnet(64)` or `mlp(D, 64)`. It is copied, never
        changed. Inputs are standardised before it, by constants measured on the items that it sees.
    views : AbstractViews
        `ActionViews(items, action)` moves items on the spot, `GivenViews(views, params, group)` picks among given ones.
    objective : AbstractObjective
        `SimCLR`, `VICReg`, `CARE`, `Spectral`, a `Hybrid` of them, or one of yours.
    plan : Plan, optional
        How long and how fast; see `Plan`.
    batch_items, batch_elements : int
        Items a batch and views an item, 2 or more. Explicit objectives learn more from more views (8).
    held_out : float
        Share of the items that the network does not see.
    seed : int
        Of the split and the batches; the network comes with its own weights.
    checkpoint : path, optional
        Where the state is kept at every evaluation; an existing one is resumed.
    device : str
        Where to train; the result is on the CPU.
    verbose : bool
        Whether to show progress.

    Returns
    -------
    TrainedEncoder

    Raises
    ------
    ParameterError, ShapeError
        For a choice outside its range, or a network that does not map views to rows.
    FiniteError
        When the loss is NaN or infinite.
    FileFormatError
        For a checkpoint of another run.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.groups import SO2
    >>> from geodis.training import GivenViews, Plan, Spectral, mlp, train_encoder
    >>> rng, angle = np.random.default_rng(0), SO2().orbit(100, 8)
    >>> phase = angle + rng.uniform(0, 6.28, (100, 1, 1))
    >>> views = GivenViews(np.concatenate([np.exp(np.cos(phase)), np.exp(np.sin(phase))], -1), angle, SO2())
    >>> objective = Spectral.on(views, max_order=2, n_content=0)
    >>> trained = train_encoder(mlp(2, 4, width=64), views, objective, Plan(max_steps=60), batch_elements=8)
    >>> trained.initial < trained.score, trained(np.zeros((3, 2))).shape
    (True, (3, 4))
    """
    plan = Plan() if plan is None else plan
    _check(network, views, objective, batch_items, batch_elements, held_out)
    seen, held = _split(views.n_items, held_out, seed)
    whole = nn.Sequential(*_standardized(views, seen, seed), *_layers(copy.deepcopy(network)))
    whole.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(x: Tensor) -> Tensor:
        rows: Tensor = whole(x.flatten(0, 1).to(device))
        return rows.unflatten(0, x.shape[:2])

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng([seed, step])
        which = rng.choice(seen, min(batch_items, len(seen)), replace=False)
        x, params = views.draw(which, batch_elements, objective.chunks, rng)
        return objective(features(x), params.to(device))

    x, elements = views.draw(held[:EVALUATED], batch_elements, objective.chunks, np.random.default_rng([seed, APART]))

    def evaluate() -> float:
        return -float(objective(features(x), elements.to(device)))

    whole.eval()
    with torch.no_grad():
        _try(whole, x.flatten(0, 1)[:2].to(device))
        initial = evaluate()
    sizes = [batch_items, batch_elements, held_out, seed]
    key = None if checkpoint is None else _key(network, views, objective, sizes)
    history = train(
        whole, loss, plan, evaluate=evaluate, checkpoint=checkpoint, key=key, verbose=verbose,
        description="training the encoder",
    )  # fmt: skip
    about = f"{objective!r} on {views!r}, seed {seed}"
    return TrainedEncoder(frozen(whole), views.shape, history, initial, held, about)


def _split(n: int, share: float, seed: int) -> tuple[Array, Array]:
    """(seen, held-out) items, at least two of either."""
    order = np.random.default_rng([seed, APART + 1]).permutation(n)
    count = min(n - 2, max(2, round(share * n)))
    return np.sort(order[count:]), np.sort(order[:count])


def _standardized(views: AbstractViews, seen: Array, seed: int) -> list[nn.Module]:
    """Layers that centre and scale a view: features one by one, arrays by one mean and one spread."""
    x, _ = views.draw(seen[:MEASURED], 2, 0, np.random.default_rng([seed, APART + 2]))
    rows = x.reshape(-1, views.size).numpy()
    if len(views.shape) == 1:
        return [standardize_each(rows)]
    layer: Standardize = standardize_all(rows)
    return [nn.Flatten(), layer, nn.Unflatten(1, views.shape)]


def _layers(network: nn.Module) -> list[nn.Module]:
    """The parts of a sequence, so that layers keep short names."""
    return list(network) if type(network) is nn.Sequential else [network]


def _try(whole: nn.Module, x: Tensor) -> None:
    """Raise a named error unless the network maps views to one row each."""
    try:
        out = whole(x)
    except RuntimeError as error:
        raise ParameterError("network", f"one that takes views of shape {tuple(x.shape[1:])}", str(error)) from error
    if not isinstance(out, Tensor) or out.ndim != 2 or len(out) != len(x):
        got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise ShapeError("network: output", "(N, F), one row a view", got, "Pool or flatten.")


def _key(network: nn.Module, views: AbstractViews, objective: AbstractObjective, sizes: list[Any]) -> dict[str, str]:
    """What a checkpoint must agree with to be resumed."""
    layers = describe(network) if describable(network) else repr(network)
    start = [x.detach().cpu().numpy() for x in network.state_dict().values()]
    return {"network": str(layers), "objective": repr(objective), "start": fingerprint(start),
            "views": fingerprint(views.content()), "sizes": repr(sizes)}  # fmt: skip


def _check(
    network: nn.Module, views: AbstractViews, objective: AbstractObjective, batch_items: int, batch_elements: int,
    held_out: float,
) -> None:  # fmt: skip
    if not isinstance(network, nn.Module):
        raise ParameterError("network", "a torch module", type(network).__name__)
    kinds = {p.dtype for p in network.parameters()} - {torch.float32}
    if kinds:
        raise ParameterError("network", "parameters in float32", ", ".join(map(str, kinds)))
    if not isinstance(views, AbstractViews):
        raise ParameterError("views", "ActionViews(items, action) or GivenViews(…)", type(views).__name__)
    if not isinstance(objective, AbstractObjective):
        raise ParameterError("objective", "an objective such as CARE()", type(objective).__name__)
    for name, value in (("batch_items", batch_items), ("batch_elements", batch_elements)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 2:
            raise ParameterError(name, "an integer ≥ 2", repr(value))
    if not 0.0 < held_out < 1.0:
        raise ParameterError("held_out", "a share between 0 and 1", repr(held_out))
    if objective.chunks:
        views.check_shared()
