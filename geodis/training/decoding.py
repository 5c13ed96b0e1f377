"""Edits of the input itself: encode → act → decode, with a decoder trained on moved pairs."""

from __future__ import annotations

import copy
from math import prod
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from geodis.coordinates import LatentCoordinates
from geodis.coordinates.network_lift import NetworkLift
from geodis.encoders import fingerprint
from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.loop import History, Plan, train
from geodis.orbits import Orbits, as_items, as_params
from geodis.training.decoded_coordinates import DecodedCoordinates, Encode
from geodis.training.decoder_network import deconvnet
from geodis.training.networks import mlp

EVALUATED = 512  # pairs on which progress is measured
FEWEST = 10  # items: below it none are held out


def fit_decoder(
    coordinates: LatentCoordinates,
    X: Any,
    y: Any = None,
    *,
    items: Any = None,
    encoder: Encode | None = None,
    network: nn.Module | None = None,
    plan: Plan | None = None,
    batch_rows: int = 128,
    held_out: float = 0.1,
    seed: int = 0,
    device: str = "cpu",
    checkpoint: str | Path | None = None,
    verbose: bool = False,
) -> tuple[DecodedCoordinates, History]:
    """A decoder x ≈ D(c) of coordinates, trained so that D(ρ(h)c(gx)) ≈ hgx: with it, inputs can be edited.

    Half of each batch is pairs of one item, with the step between them; the other half is reconstruction, h = 1. The
    coordinates stay as they are. What they do not hold is lost: `DecodedCoordinates.cycle_error` says how much.

    Parameters
    ----------
    coordinates : LatentCoordinates
        Of embeddings under `encoder`, or of the flattened inputs themselves.
    X : array (N, ...)
        Inputs: images or fields (N, C, H, W), (N, H, W), or rows (N, D).
    y : array (N, p), optional
        Their group parameters; without them the decoder learns to reconstruct and items are not used.
    items : array (N,), optional
        The item of each row; every row is an item of its own by default.
    encoder : callable, optional
        Inputs (N, ...) → embeddings (N, D), such as `geodis.encode(model)`; the inputs flattened by default.
    network : nn.Module, optional
        Coordinates (N, p) → inputs (N, ...), copied; by default `deconvnet` for images with sides of at least 8,
        `mlp` for others.
    plan : Plan, optional
        How long and how fast to train.
    batch_rows : int
        Rows a step.
    held_out : float
        Share of the items on which progress is measured.
    seed : int
        Of the batches, the held-out items and the default network.
    device : str
        Where the decoder is trained.
    checkpoint : path, optional
        Where the state of the training is kept, and resumed from.
    verbose : bool
        Whether to show progress.

    Returns
    -------
    (DecodedCoordinates, History)
        The frozen result; the history's evaluations are minus the relative error of decoded edits on held-out items.

    Raises
    ------
    ParameterError, ShapeError, LengthError, FiniteError
        For inputs without numbers or rows, lengths that differ, coordinates without columns or of other embeddings, a
        network that makes something of another size.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import LinearCoordinates
    >>> from geodis.groups import SO2
    >>> from geodis.training import Plan, fit_decoder
    >>> angle = SO2().orbit(40, 12, seed=0).reshape(-1, 1)
    >>> phase = angle + np.repeat(np.arange(40.0)[:, None], 12, axis=0)
    >>> x, items = np.hstack([np.cos(phase), np.sin(phase)]), np.repeat(np.arange(40), 12)
    >>> c = LinearCoordinates(SO2()).fit(x, angle, items=items).coordinates_
    >>> decoded, history = fit_decoder(c, x, angle, items=items, plan=Plan(max_steps=200))
    >>> bool(decoded.cycle_error(x) < 0.02)
    True
    """
    inputs = _inputs(X)
    _check(coordinates, batch_rows, held_out, network)
    params = coordinates.group.identity(len(inputs)) if y is None else as_params(y, coordinates.group)
    labels = np.arange(len(inputs)) if items is None or y is None else as_items(items)
    if not len(inputs) == len(params) == len(labels):
        raise LengthError(X=len(inputs), y=len(params), items=len(labels))
    shape = inputs.shape[1:]
    module = _network(network, coordinates.n_coordinates, shape, seed)
    made = _width(module, coordinates.n_coordinates)
    if made != prod(shape):
        raise ShapeError("what the decoder makes of a row", f"{prod(shape)} numbers, as of {shape}", made)
    centre, scale = float(inputs.mean()), max(float(inputs.std()), 1e-12)
    start = DecodedCoordinates(
        coordinates, NetworkLift.of(module, coordinates.n_coordinates), shape, centre, scale, encoder
    )
    codes = start.encode(inputs).astype(np.float64)
    rows = ((inputs.reshape(len(inputs), -1) - centre) / scale).astype(np.float32)
    orbits = Orbits.from_arrays(np.hstack([codes, rows]), params, labels, coordinates.group)
    seen, unseen = (orbits, orbits) if orbits.n_items < FEWEST else orbits.split(held_out, seed=seed)
    pairs, held = (_Pairs(part, coordinates, device) for part in (seen, unseen))
    module.to(device)

    def error(rows_and_targets: tuple[Tensor, Tensor]) -> Tensor:
        c, target = rows_and_targets
        return (module(c).reshape(len(c), -1) - target).square().mean()

    history = train(
        module,
        lambda step: error(pairs(np.random.default_rng([seed, step]), batch_rows)),
        Plan() if plan is None else plan,
        evaluate=lambda: -float(error(held(np.random.default_rng(seed), EVALUATED))),
        checkpoint=checkpoint,
        key=_key(orbits, batch_rows, seed) if checkpoint is not None else None,
        verbose=verbose,
        description="training the decoder",
    )
    decoder = NetworkLift.of(module, coordinates.n_coordinates)
    return DecodedCoordinates(coordinates, decoder, shape, centre, scale, encoder), history


@final
class _Pairs:
    """Draws of codes and the rows that they are to be decoded into."""

    def __init__(self, orbits: Orbits, coordinates: LatentCoordinates, device: str) -> None:
        p = coordinates.n_coordinates
        self.codes = np.asarray(orbits.z[:, :p])
        self.rows = torch.as_tensor(orbits.z[:, p:], dtype=torch.float32, device=device)
        self.params, self.coordinates, self.device = np.asarray(orbits.params), coordinates, device
        self.sizes = np.repeat(orbits.sizes, orbits.sizes)  # of the item of each row
        self.starts = np.repeat(np.cumsum(orbits.sizes) - orbits.sizes, orbits.sizes)

    def __call__(self, rng: np.random.Generator, n: int) -> tuple[Tensor, Tensor]:
        """`(codes (n, p), rows (n, D))`: the first half moved to another element, the others where they are."""
        at = rng.integers(len(self.codes), size=n)
        to = self.starts[at] + (rng.random(n) * self.sizes[at]).astype(int)
        to[n // 2 :] = at[n // 2 :]
        group = self.coordinates.group
        step = group.compose(self.params[to], group.inverse(self.params[at]))
        moved = self.coordinates.act(self.codes[at], step)
        return torch.as_tensor(moved, dtype=torch.float32, device=self.device), self.rows[torch.from_numpy(to)]


def _key(orbits: Orbits, batch_rows: int, seed: int) -> dict[str, Any]:
    rows = fingerprint([orbits.z, orbits.params, orbits.items])  # codes and inputs
    return {"rows": rows, "batch_rows": batch_rows, "seed": seed}


def _inputs(X: Any) -> Array:
    inputs = to_numpy(X)
    if inputs.dtype.kind not in "fiub":
        raise ParameterError("fit_decoder: X", "real numbers", f"dtype {inputs.dtype}")
    if inputs.ndim < 2 or not inputs.size:
        raise ShapeError("fit_decoder: X", "(N ≥ 1, ...)", inputs.shape)
    floats = inputs if inputs.dtype.kind == "f" else inputs.astype(np.float64)
    check_finite(floats, "fit_decoder: X")
    return floats


def _check(coordinates: Any, batch_rows: Any, held_out: Any, network: Any) -> None:
    if not isinstance(coordinates, LatentCoordinates):
        raise ParameterError("coordinates", "LatentCoordinates, such as est.coordinates_", type(coordinates).__name__)
    if coordinates.n_coordinates == 0:
        raise ParameterError("coordinates", "at least one column", "none: no block was kept")
    if isinstance(batch_rows, bool) or not isinstance(batch_rows, int) or batch_rows < 2:
        raise ParameterError("batch_rows", "an integer ≥ 2", repr(batch_rows))
    if not isinstance(held_out, float) or not 0.0 < held_out < 1.0:
        raise ParameterError("held_out", "a share between 0 and 1", repr(held_out))
    if network is not None and not isinstance(network, nn.Module):
        raise ParameterError("network", "a torch module or None", type(network).__name__)


def _network(network: nn.Module | None, n: int, shape: tuple[int, ...], seed: int) -> nn.Module:
    if network is None:
        image = (1, *shape) if len(shape) == 2 else shape
        if len(image) == 3 and min(image[1:]) >= 8:
            channels, height, width = image
            network = deconvnet(n, (channels, height, width), seed=seed)
        else:
            network = mlp(n, prod(shape), seed=seed)
    return nn.Sequential(copy.deepcopy(network), nn.Flatten())


def _width(module: nn.Module, n: int) -> int:
    return NetworkLift.of(module, n).n_features
