"""Lifts in files: the kinds that a file of coordinates may hold, an explicit list, and how they lie there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from geodis.coordinates.flow_lift import FlowLift
from geodis.coordinates.lift import AbstractLift
from geodis.coordinates.lifts import FourierLift, NystroemLift, PolynomialLift
from geodis.coordinates.network_lift import NetworkLift
from geodis.errors import FileFormatError
from geodis.linalg import Array

PREFIX = "lift."  # before the names of a lift's tensors
KNOWN_LIFTS: tuple[type[AbstractLift], ...] = (
    FourierLift,
    NystroemLift,
    PolynomialLift,
    NetworkLift,
    FlowLift,
)


def written_lift(lift: AbstractLift) -> tuple[str, dict[str, Array]]:
    """`(JSON of kind and config, tensors under prefixed names)`."""
    config, tensors = lift.state()
    entry = json.dumps({"kind": lift.kind, "config": config})
    return entry, {f"{PREFIX}{name}": array for name, array in tensors.items()}


def read_lift(
    entry: str | None, tensors: Mapping[str, Array], path: str | Path, network: nn.Module | None = None
) -> AbstractLift | None:
    """The lift of a file with these tensors, from what `written_lift` made; None without an entry.

    Raises
    ------
    FileFormatError
        For a kind that is not listed, or features that the coordinates do not fit.
    ParameterError
        For a network with layers of its own, when `network` is not given or not fitted by the weights.
    """
    if entry is None:
        return None
    written, kinds = json.loads(entry), {lift.kind: lift for lift in KNOWN_LIFTS}
    if written["kind"] not in kinds:
        raise FileFormatError(path, f"a lift of a known kind ({', '.join(sorted(kinds))})", repr(written["kind"]))
    own = {name.removeprefix(PREFIX): array for name, array in tensors.items() if name.startswith(PREFIX)}
    kind = kinds[written["kind"]]
    config = written["config"]
    lift = NetworkLift.from_state(config, own, network) if kind is NetworkLift else kind.from_state(config, own)
    width = tensors["analysis"].shape[1]
    if lift.n_features != width:
        raise FileFormatError(path, f"a lift to {width} features", f"one to {lift.n_features}")
    return lift
