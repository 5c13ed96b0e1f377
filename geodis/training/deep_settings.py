"""What DeepCoordinates start from: settings looked through, and the network on rows of the data's size."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from geodis.coordinates.invertible_network import AbstractInvertibleNetwork, on_principal_axes
from geodis.coordinates.standardize import standardize_all, standardize_each
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array
from geodis.training.networks import mlp


def starting_network(
    network: nn.Module | None, z: Array, n_features: int, seed: int, assigned: bool = False
) -> nn.Module:
    """A copy of `network` behind a standardization of the rows, or a perceptron with `n_features` outputs.

    Where copies are assigned, a network of one's own must have as many outputs, too.

    Raises
    ------
    ShapeError
        When the network does not take rows of this width to rows of features.
    """
    if network is None:
        return nn.Sequential(standardize_each(z), *mlp(z.shape[1], n_features, seed=seed))
    if isinstance(network, AbstractInvertibleNetwork):
        return on_principal_axes(network, z)
    width = _probe(network, z)
    if assigned and width != n_features:
        raise ShapeError("network", f"(N, {n_features}) features: the copies and n_content", f"(N, {width})")
    # Convolutions are faster in this memory format.
    whole = nn.Sequential(standardize_all(z), copy.deepcopy(network))
    laid_out: nn.Module = whole.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return laid_out


def _probe(network: nn.Module, z: Array) -> int:
    """How many features two rows get from a copy; torch's own errors do not say what geodis asks of a network."""
    trial = copy.deepcopy(network).eval()
    rows = torch.as_tensor(z[:2], dtype=next((p.dtype for p in trial.parameters()), torch.float32))
    wanted, advice = (
        f"rows (N, {z.shape[1]}) → features (N, F)",
        "Begin an image network with nn.Unflatten(1, (C, H, W)).",
    )
    try:
        with torch.no_grad():
            out = trial(rows.to(next((p.device for p in trial.parameters()), torch.device("cpu"))))
    except (RuntimeError, ValueError) as error:
        raise ShapeError(
            "network", f"rows (N, {z.shape[1]}) → features (N, F)", f"an error: {error}", advice
        ) from error
    if not isinstance(out, torch.Tensor) or out.ndim != 2 or len(out) != len(rows):
        got = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
        raise ShapeError("network", wanted, got, advice)
    return int(out.shape[1])


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise `ParameterError` for options of `DeepCoordinates` out of their range."""
    network, copies = settings["network"], settings["copies"]
    for name, low in (("n_features", 1), ("n_content", 0), ("max_order", 1)):
        value = settings[name]
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
            raise ParameterError(name, f"an integer ≥ {low}", repr(value))
    n_features, n_content = settings["n_features"], settings["n_content"]
    if network is None and copies is None and n_content >= n_features:
        raise ParameterError("n_content", f"fewer than n_features = {n_features}", n_content)
    leading = network.n_leading if isinstance(network, AbstractInvertibleNetwork) else None
    if leading is not None and n_content >= leading:
        raise ParameterError("n_content", f"fewer than the {leading} leading outputs; 0 is enough", n_content)
    if leading is not None and copies is not None:
        raise ParameterError("copies", "None with a network that can be inverted", copies, "It keeps all directions.")
    if network is not None and not isinstance(network, nn.Module):
        raise ParameterError("network", "a torch module or None", type(network).__name__)
    if copies is not None and settings["irreps"] is not None:
        raise ParameterError("irreps and copies", "one of them", "both", "`copies` says which irreps are rewarded.")
    if not 0.0 < settings["held_out"] < 1.0:
        raise ParameterError("held_out", "a share between 0 and 1", repr(settings["held_out"]))
    for name in ("content", "elements"):
        if not settings[name] >= 0.0:
            raise ParameterError(name, "a weight ≥ 0", repr(settings[name]))
    if not settings["temperature"] > 0.0:
        raise ParameterError("temperature", "a positive number", repr(settings["temperature"]))
