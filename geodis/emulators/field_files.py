"""Fitted emulators of fields in files: the network's weights, the scales, the types; no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from geodis.emulators.field_bound import FieldBound
from geodis.emulators.field_emulator import FieldDynamics
from geodis.emulators.field_networks import GeometricResNet, GeometricUNet
from geodis.emulators.field_scale import FieldScale
from geodis.emulators.geometric_conv import components
from geodis.errors import DesignError, FileFormatError
from geodis.files import read_safetensors, write_atomically

FORMAT, VERSION = "geodis.fields", 1
KNOWN = {"GeometricResNet": GeometricResNet, "GeometricUNet": GeometricUNet}
PARTS = {"FieldScale": FieldScale, "FieldBound": FieldBound}  # of a dynamics, with tensors of their own
SIDE = 16  # of the grid on which a rebuilt network must agree with the one that is saved


def save_field_dynamics(path: str | Path, dynamics: FieldDynamics, notes: Mapping[str, Any] | None = None) -> None:
    """Write an emulator to a safetensors file, with `notes` (plain words and numbers) such as names and units.

    Networks of geodis (`GeometricResNet`, `GeometricUNet`) are written with the options that make them; of others the
    weights alone.

    Raises
    ------
    FileNotFoundError, TypeError
        When the folder does not exist; for notes that JSON does not hold.
    """
    tensors: dict[str, Tensor] = {f"network.{name}": x for name, x in dynamics.network.state_dict().items()}
    parts, settings = {}, {}
    for name, value in _items(dynamics).items():
        if type(value).__name__ in PARTS:
            inner = _items(value)
            tensors |= {f"{name}.{key}": x for key, x in inner.items() if isinstance(x, Tensor)}
            plain = {key: x for key, x in inner.items() if not isinstance(x, Tensor)}
            parts[name] = {"kind": type(value).__name__, "plain": plain}
        elif name != "network":
            settings[name] = value
    meta = {
        "format": FORMAT, "version": str(VERSION), "network": json.dumps(_recipe(dynamics.network)),
        "parts": json.dumps(parts), "settings": json.dumps(settings), "notes": json.dumps(dict(notes or {})),
    }  # fmt: skip
    copies = {name: x.detach().cpu().contiguous().clone() for name, x in tensors.items()}
    write_atomically(path, lambda temporary: save_file(copies, temporary, metadata=meta))


def load_field_dynamics(path: str | Path, network: nn.Module | None = None) -> FieldDynamics:
    """The emulator of a file of `save_field_dynamics`; `network` is filled with the weights and used where given.

    Raises
    ------
    FileFormatError, FileNotFoundError
        For other files, or a network whose weights have other names or shapes.
    DesignError
        Without a network, where the file does not say how to make it.

    Examples
    --------
    >>> from geodis.emulators import FieldEmulator
    >>> from geodis.loop import Plan
    >>> flow = ((0, 1, 1), (1, 1, 1))
    >>> runs = np.random.default_rng(0).normal(size=(4, 3, 3, 8, 8)).astype(np.float32)
    >>> emulator = FieldEmulator(GeometricResNet(flow, flow, channels=2), flow, plan=Plan(max_steps=2)).fit(runs)
    >>> save_field_dynamics("flow.safetensors", emulator.dynamics_)
    >>> again = load_field_dynamics("flow.safetensors")
    >>> bool((again.rollout(runs[:, :1], 2) == emulator.rollout(runs[:, :1], 2)).all())
    True
    """
    meta, arrays = read_safetensors(path, FORMAT, VERSION)
    tensors = {name: torch.from_numpy(a) for name, a in arrays.items()}
    weights = {name.removeprefix("network."): x for name, x in tensors.items() if name.startswith("network.")}
    made = _rebuilt(json.loads(meta["network"])) if network is None else network
    if made is None:
        raise DesignError(f"{path} holds weights, and not how to make their network: give load one of that kind.")
    kinds = {x.dtype for x in weights.values() if x.is_floating_point()}
    if len(kinds) == 1:
        made = made.to(kinds.pop())
    try:
        made.load_state_dict(weights)
    except RuntimeError as error:
        raise FileFormatError(path, f"the weights of this {type(made).__name__}", str(error)) from error
    settings: dict[str, Any] = {name: _tuples(value) for name, value in json.loads(meta["settings"]).items()}
    for name, told in json.loads(meta["parts"]).items():
        own = {key.removeprefix(f"{name}."): x for key, x in tensors.items() if key.startswith(f"{name}.")}
        plain = {key: _tuples(value) for key, value in told["plain"].items()}
        settings[name] = PARTS[told["kind"]](**own, **plain)
    return FieldDynamics(made.eval(), **settings)


def field_notes(path: str | Path) -> dict[str, Any]:
    """What `save_field_dynamics` was told to note.

    Raises
    ------
    FileFormatError, FileNotFoundError
        For other files.
    """
    meta, _ = read_safetensors(path, FORMAT, VERSION)
    found: dict[str, Any] = json.loads(meta["notes"])
    return found


def _items(value: Any) -> dict[str, Any]:
    """The fields of a dataclass, not copied."""
    return {f.name: getattr(value, f.name) for f in fields(value)}


# --- networks that are made again -------------------------------------------------------------------------------------
def _recipe(network: nn.Module) -> dict[str, Any] | None:
    """How to make a network of ours; None where what is made that way does something else."""
    if type(network) not in (GeometricResNet, GeometricUNet):
        return None
    options: dict[str, Any]
    if isinstance(network, GeometricResNet):
        names = ("types_in", "types_out", "channels", "dilations", "size", "dim", "boundary")
        options = {name: getattr(network, name) for name in names}
    else:
        first: Any = network.first
        last: Any = network.last
        down: Any = network.down
        options = {
            "types_in": first.types_in, "types_out": last.types_out, "channels": first.types_out[0][2],
            "depth": len(down), "size": first.size, "dim": first.dim, "boundary": first.boundary,
        }  # fmt: skip
    recipe = {"kind": type(network).__name__, "options": options}
    return recipe if _agrees(network, recipe) else None


def _rebuilt(recipe: dict[str, Any] | None) -> nn.Module | None:
    if recipe is None or recipe["kind"] not in KNOWN:
        return None
    options = {name: _tuples(value) for name, value in recipe["options"].items()}
    made: nn.Module = KNOWN[recipe["kind"]](**options)
    return made


def _agrees(network: nn.Module, recipe: dict[str, Any]) -> bool:
    """Whether a network made by the recipe, with the same weights, does the same: options may not show in weights."""
    made = _rebuilt(recipe)
    example = next(network.parameters())
    if made is None or {n: x.shape for n, x in made.state_dict().items()} != {
        n: x.shape for n, x in network.state_dict().items()
    }:
        return False
    made.to(example).load_state_dict(network.state_dict())
    options = recipe["options"]
    rng = np.random.default_rng(0)
    shape = (1, components(options["types_in"], options["dim"]), *(SIDE,) * options["dim"])
    field = torch.from_numpy(rng.normal(size=shape)).to(example)
    training = network.training
    try:
        with torch.no_grad():
            return bool(torch.allclose(made.eval()(field), network.eval()(field), rtol=1e-4, atol=1e-6))
    finally:
        network.train(training)


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples, all the way down."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
