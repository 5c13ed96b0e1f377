"""An invertible network as a lift: frozen, in double precision, so that edits of embeddings can be undone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from geodis.coordinates.invertible_network import AbstractInvertibleNetwork, build, describe
from geodis.coordinates.lift import AbstractInvertibleLift, AbstractLift
from geodis.coordinates.network_lift import BATCH, NetworkLift
from geodis.errors import ParameterError
from geodis.linalg import Array

FAR = 1e-13  # what is left of h by rounding where nothing is magnified, and a little more
CORRECTIONS = 4  # each is as good as rounding at its own place, the best of them better


@dataclass(frozen=True, eq=False, repr=False)
class FlowLift(AbstractInvertibleLift):
    """h = φ(z) with φ⁻¹(h) in closed form, `(N, D) → (N, D)`, computed in float64 whatever comes in.

    Weights are trained in float32, a subset of float64; double precision costs about twice as much and leaves the
    rounding of the rows themselves as the only error of a cycle.

    Attributes
    ----------
    network : AbstractInvertibleNetwork
        In evaluation mode, its parameters frozen.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.coordinates.flow_lift import FlowLift
    >>> from geodis.training import CouplingFlow
    >>> lift, z = FlowLift.of(CouplingFlow(5)), np.ones((4, 5))
    >>> bool(np.abs(lift.inverse(lift(z)) - z).max() < 1e-14)
    True
    """

    network: AbstractInvertibleNetwork
    kind: ClassVar[str] = "flow"

    @classmethod
    def of(cls, network: AbstractInvertibleNetwork) -> Self:
        """The frozen copy of an invertible network."""
        frozen = copy.deepcopy(network).cpu().double().eval().requires_grad_(False)
        return cls(network.n_features, network.n_features, frozen)

    def _lift(self, rows: Tensor) -> Tensor:
        return self._mapped(self.network, rows)

    def _inverse(self, rows: Tensor) -> Tensor:
        return self._mapped(self._undone, rows)

    def _undone(self, h: Tensor) -> Tensor:
        """φ⁻¹(h); of rows so far from the data that φ magnifies rounding, the best of a few corrections."""
        z = self.network.inverse(h)
        left = h - self.network(z)
        for _ in range(CORRECTIONS):
            if not (left.norm(dim=1) > FAR * h.norm(dim=1)).any():
                break
            tried = self.network.inverse(h + left)
            rest = h - self.network(tried)
            better = (rest.norm(dim=1) < left.norm(dim=1))[:, None]
            z, left = torch.where(better, tried, z), torch.where(better, rest, left)
        return z

    def _mapped(self, mapping: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        if next(self.network.parameters()).device != rows.device:
            self.network.to(rows.device)
        parts = [mapping(part) for part in rows.to(torch.float64).split(BATCH)]
        return torch.cat(parts).to(rows.dtype)

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Kinds and arguments of the layers, and their weights."""
        weights = {name: x.detach().cpu().numpy().copy() for name, x in self.network.state_dict().items()}
        return describe(self.network), weights

    @classmethod
    def from_state(cls, config: Mapping[str, Any], tensors: Mapping[str, Array]) -> Self:
        """The lift with these layers and weights.

        Raises
        ------
        ParameterError
            For layers that are not known or that the weights do not fit.
        """
        network = build(config).double()
        try:
            network.load_state_dict({name: torch.from_numpy(x.copy()) for name, x in tensors.items()})
        except RuntimeError as error:
            raise ParameterError("network", f"a {config['kind']} that these weights fit", str(error)) from error
        return cls.of(network)


def lift_of(network: nn.Module, n_features_in: int) -> AbstractLift:
    """The frozen lift of a trained network: one that can be undone where the network can."""
    if isinstance(network, AbstractInvertibleNetwork):
        return FlowLift.of(network)
    return NetworkLift.of(network, n_features_in)
