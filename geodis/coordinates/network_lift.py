"""A trained network as a lift: frozen, in evaluation mode, saved as a description and weights, without pickle."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from geodis.coordinates.lift import AbstractLift
from geodis.coordinates.network_spec import build, describable, describe
from geodis.errors import ParameterError
from geodis.linalg import Array

BATCH = 1024  # rows a forward pass


@dataclass(frozen=True, eq=False, repr=False)
class NetworkLift(AbstractLift):
    """h = network(z), `(N, D) → (N, F)`, in the network's own dtype; images come as flattened rows.

    Attributes
    ----------
    module : nn.Sequential
        The network, on the CPU, in evaluation mode, its parameters frozen.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.coordinates.network_lift import NetworkLift
    >>> from geodis.training import mlp
    >>> lift = NetworkLift.of(mlp(5, 3), 5)
    >>> lift(np.zeros((4, 5))).shape
    (4, 3)
    """

    module: nn.Sequential
    kind: ClassVar[str] = "network"

    @classmethod
    def of(cls, module: nn.Module, n_features_in: int) -> Self:
        """The frozen copy of a network that maps rows (N, D) to rows (N, F)."""
        own = copy.deepcopy(module)
        kept = _frozen(own if isinstance(own, nn.Sequential) else nn.Sequential(own))
        with torch.no_grad():
            out = kept(torch.zeros(1, n_features_in, dtype=_dtype(kept)))
        if out.ndim != 2:
            raise ParameterError("network", "one row of features an item", f"output of shape {tuple(out.shape)}")
        return cls(n_features_in, int(out.shape[1]), kept)

    def _lift(self, rows: Tensor) -> Tensor:
        if next(self.module.parameters()).device != rows.device:
            self.module.to(rows.device)
        x = rows.to(_dtype(self.module))
        return (
            torch.cat([self.module(part) for part in x.split(BATCH)]).to(rows.dtype)
            if len(x)
            else x.new_zeros((0, self.n_features), dtype=rows.dtype)
        )

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """The layers and their weights; of a network that ends in layers of the user's own only what stands before."""
        whole = describable(self.module)
        config = {
            "n_features_in": self.n_features_in,
            "n_features": self.n_features,
            "network": describe(self.module if whole else self.module[:-1]),
            "own": None if whole else type(self.module[-1]).__qualname__,
        }
        return config, {name: x.detach().cpu().numpy().copy() for name, x in self.module.state_dict().items()}

    @classmethod
    def from_state(
        cls, config: Mapping[str, Any], tensors: Mapping[str, Array], network: nn.Module | None = None
    ) -> Self:
        """The lift with these weights, in the layers that the file describes and, where it cannot, in `network`.

        Raises
        ------
        ParameterError
            For layers of the user's own when no network is given, or one that the weights do not fit.
        """
        if config["own"] is not None and network is None:
            raise ParameterError(
                "network", f"the network ({config['own']}) whose weights these are", None, "Give `network=` to load."
            )
        module = nn.Sequential(*build(config["network"]).children())
        if config["own"] is not None and network is not None:
            module = nn.Sequential(*module.children(), copy.deepcopy(network))
        try:
            module.load_state_dict({name: torch.from_numpy(x.copy()) for name, x in tensors.items()})
        except RuntimeError as error:
            what = config["own"] or "network"
            raise ParameterError("network", f"a {what} that these weights fit", str(error)) from error
        return cls(config["n_features_in"], config["n_features"], _frozen(module))


def _frozen(module: nn.Sequential) -> nn.Sequential:
    # One memory format, so that a network read from a file rounds as the one that was written.
    laid_out: nn.Sequential = module.cpu().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return laid_out.eval().requires_grad_(False)


def _dtype(module: nn.Module) -> torch.dtype:
    floating = [p.dtype for p in module.parameters() if p.is_floating_point()]
    return floating[0] if floating else torch.float32
