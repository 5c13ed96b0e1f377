"""Interchange interventions: give one item the block of another inside a network, and read what the network says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from geodis.coordinates.latent import LatentCoordinates
from geodis.coordinates.lift import AbstractInvertibleLift
from geodis.encoders.modules import as_input, evaluating
from geodis.errors import LengthError, NotInvertibleError, ParameterError, ShapeError, UnknownNameError
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.result import MetricResult, Status
from geodis.orbits import as_items
from geodis.statistics import check_level, clustered_t

Swap = Callable[[Tensor], Tensor]


def interchange_accuracy(
    module: nn.Module,
    layer: str,
    coordinates: LatentCoordinates,
    block: int,
    base: Any,
    source: Any,
    expected: Any,
    *,
    readout: Callable[[Tensor], Any] | None = None,
    clusters: Any = None,
    n_random: int = 19,
    level: float = 0.95,
    seed: int = 0,
) -> MetricResult:
    """Share of pairs where a base with the source's block at a layer makes the network say what it should.

    The activation h of the base becomes h + P(A h' − A h), with h' the source's and A, P the block's rows and columns;
    then the network runs on. The expected answers come from the causal model that is tested: if the block alone holds
    the angle, the answer is the source's angle with everything else of the base. With a lift that can be undone, φ(h)
    is replaced so, and the network runs on from φ⁻¹ of it.

    Parameters
    ----------
    module : nn.Module
        Takes one tensor `(batch, ...)`.
    layer : str
        A name from `module.named_modules()` whose output, flattened, is the embedding of the coordinates.
    coordinates : LatentCoordinates
        Fitted on that embedding.
    block : int
        The block that is swapped.
    base, source : array (N, ...)
        Inputs of the module, pair by pair.
    expected : array (N,)
        The counterfactual answers.
    readout : callable, optional
        Output of the module → answers (N,); the index of the largest entry by default.
    clusters : array (N,), optional
        What is drawn independently; each pair by default.
    n_random : int
        Random subspaces of the block's dimension.
    level : float
        Confidence level of the interval over clusters.
    seed : int
        Seed of the random subspaces.

    Returns
    -------
    MetricResult
        Higher is better. Baselines: ``identity`` (no swap: pairs whose answer does not change inflate every accuracy),
        ``chance`` (the answers dealt to other pairs), ``random_subspace``, ``whole_layer`` (all of h' in place of h:
        the source's own answers). `skill` is 0 at the best of the first three and 1 for all pairs.

    Raises
    ------
    UnknownNameError, ParameterError, ShapeError, LengthError, FiniteError
        For an unknown layer or block, a layer of another width, pairs of unequal number, NaN.
    NotInvertibleError
        For coordinates of a lift that cannot be undone.

    References
    ----------
    Geiger, Lu, Icard and Potts, "Causal abstractions of neural networks", NeurIPS 2021, arXiv:2106.02997.

    Examples
    --------
    >>> from geodis import Block
    >>> from geodis.groups import Cyclic
    >>> sign = Block(Cyclic(2).irrep("k=1"), (0,), 1.0, (1.0, 1.0))
    >>> nobody, eye = np.zeros(0, dtype=np.uint64), np.eye(2)
    >>> first = LatentCoordinates(Cyclic(2), (sign,), eye[:1], eye[:, :1], np.zeros(2), "ok", False, nobody)
    >>> net = nn.Sequential(nn.Identity(), nn.Identity())
    >>> x = np.random.default_rng(0).normal(size=(2, 64, 2))
    >>> read = lambda h: (h[:, 0] > 0).int() + 2 * (h[:, 1] > 0).int()
    >>> should = (x[1, :, 0] > 0) + 2 * (x[0, :, 1] > 0)
    >>> result = interchange_accuracy(net, "0", first, 0, x[0], x[1], should, readout=read)
    >>> result.value, result.baselines["identity"] < 0.7
    (1.0, True)
    """
    check_level(level)
    count(n_random, "n_random", 1)
    part = _block(coordinates, block)
    lift = _invertible(part)
    hooked = _layer(module, layer)
    answers = as_items(expected)
    labels = np.arange(len(answers)) if clusters is None else as_items(clusters)
    x, y = as_input(base, module), as_input(source, module)
    if not len(x) == len(y) == len(answers) == len(labels):
        raise LengthError(base=len(x), source=len(y), expected=len(answers), clusters=len(labels))
    if len(answers) == 0:
        raise ParameterError("expected", "at least one pair", "none")
    read = readout or _largest
    run = _Run(module, hooked, read, x)
    donors = run.activation(y)
    rest = run.activation(x)
    if rest.shape != donors.shape or rest.flatten(1).shape[1] != coordinates.n_features:
        raise ShapeError(f"layer {layer!r}", f"(batch, {coordinates.n_features}) when flattened", tuple(rest.shape))

    def right(analysis: Array, synthesis: Array) -> Array:
        swap = _subspace_swap(donors.flatten(1), analysis, synthesis, lift)
        return np.asarray(run.answers(swap) == answers)

    hits = right(part.analysis, part.synthesis)
    plain = run.answers(lambda h: h) == answers
    rng = np.random.default_rng(seed)
    frames = [np.linalg.qr(rng.normal(size=(coordinates.n_features, len(part.analysis))))[0] for _ in range(n_random)]
    baselines = {
        "identity": float(plain.mean()),
        "chance": _chance(run.answers(lambda h: h), answers),
        "random_subspace": float(np.mean([right(q.T, q).mean() for q in frames])),
        "whole_layer": float((run.answers(lambda h: donors.flatten(1)) == answers).mean()),
    }
    return _result(hits, plain, labels, baselines, level)


def _result(hits: Array, plain: Array, labels: Array, baselines: dict[str, float], level: float) -> MetricResult:
    _, cluster = np.unique(labels, return_inverse=True)
    per_cluster = np.bincount(cluster, hits) / np.bincount(cluster)
    interval = clustered_t(per_cluster, level)
    value = float(hits.mean())
    floor = max(baselines[name] for name in ("identity", "chance", "random_subspace"))
    status: Status = "ok" if len(per_cluster) > 1 else "insufficient"
    notes = []
    if plain.all():
        status = "degenerate" if status == "ok" else status
        notes.append("every pair has the expected answer without a swap: nothing is tested")
    elif plain.any():
        notes.append(f"{int(plain.sum())} of {len(plain)} pairs have the expected answer without a swap")
    ends = (max(interval.low, 0.0), min(interval.high, 1.0)) if math.isfinite(interval.low) else (math.nan, math.nan)
    return MetricResult(
        "interchange_accuracy",
        math.nan if plain.all() else value,
        (math.nan, math.nan) if plain.all() else ends,
        interval.method,
        level,
        len(per_cluster),
        len(hits),
        baselines,
        skill=(value - floor) / (1.0 - floor) if floor < 1.0 else None,
        lower_is_better=False,
        status=status,
        notes=tuple(notes),
        per_item=per_cluster,
    )


class _Run:
    """A network whose layer can be read and replaced on the way."""

    def __init__(self, module: nn.Module, hooked: nn.Module, read: Callable[[Tensor], Any], x: Tensor) -> None:
        self.module, self.hooked, self.read, self.x = module, hooked, read, x

    def activation(self, x: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def keep(h: Tensor) -> Tensor:
            seen.append(h)
            return h

        self._forward(x, keep)
        if not seen:
            raise ParameterError("layer", "a layer that runs in the forward pass", "one that does not")
        return seen[-1]

    def answers(self, swap: Swap) -> Array:
        """What the network says of the bases with the layer replaced."""
        out = self.read(self._forward(self.x, lambda h: swap(h.flatten(1)).reshape(h.shape).to(h.dtype)))
        answers = as_items(out)
        if len(answers) != len(self.x):
            raise ShapeError("readout(output)", f"({len(self.x)},)", answers.shape)
        return answers

    def _forward(self, x: Tensor, change: Swap) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor):
                raise ParameterError("layer", "one tensor as output", type(output).__name__)
            return change(output.clone())

        handle = self.hooked.register_forward_hook(hook)
        try:
            with evaluating(self.module), torch.no_grad():
                return self.module(x)
        finally:
            handle.remove()


def _subspace_swap(donors: Tensor, analysis: Array, synthesis: Array, lift: AbstractInvertibleLift | None) -> Swap:
    if lift is not None:
        plain = _subspace_swap(lift(donors.to(torch.float64)), analysis, synthesis, None)
        return lambda h: lift.inverse(plain(lift(h.to(torch.float64)))).to(h.dtype)

    def swap(h: Tensor) -> Tensor:
        a, p = (torch.as_tensor(m, dtype=torch.float64, device=h.device) for m in (analysis, synthesis))
        moved = (donors.to(torch.float64) - h.to(torch.float64)) @ a.T @ p.T
        return h + moved.to(h.dtype)

    return swap


def _chance(said: Array, expected: Array) -> float:
    """How often what was said of one pair is what was expected of any pair."""
    kinds = np.unique(np.concatenate([said, expected]))
    return float(sum((said == kind).mean() * (expected == kind).mean() for kind in kinds))


def _largest(output: Any) -> Array:
    scores = to_numpy(output)
    if scores.ndim != 2:
        raise ShapeError("output of the module", "(N, classes)", scores.shape, "Pass readout= for other outputs.")
    check_finite(scores, "output of the module")
    return np.asarray(scores.argmax(axis=1))


def _block(coordinates: Any, block: Any) -> LatentCoordinates:
    if not isinstance(coordinates, LatentCoordinates):
        raise ParameterError("interchange_accuracy: coordinates", "LatentCoordinates", type(coordinates).__name__)
    if isinstance(block, bool) or not isinstance(block, (int, np.integer)):
        raise ParameterError("interchange_accuracy: block", f"an index below {len(coordinates.blocks)}", block)
    return coordinates.only(int(block))


def _invertible(coordinates: LatentCoordinates) -> AbstractInvertibleLift | None:
    if coordinates.lift is not None and not isinstance(coordinates.lift, AbstractInvertibleLift):
        raise NotInvertibleError("interchange_accuracy", coordinates.lift)
    return coordinates.lift


def _layer(module: Any, layer: Any) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise ParameterError("interchange_accuracy: module", "an nn.Module", type(module).__name__)
    layers = {name: child for name, child in module.named_modules() if name}
    if layer not in layers:
        raise UnknownNameError("layer", layer, ", ".join(layers) or "none (the module has no layers)")
    return layers[layer]
