"""Networks as JSON: a description from which the same layers are built again, so that files need no pickle."""

from __future__ import annotations

from typing import Any

from torch import nn

from geodis.coordinates.standardize import Standardize
from geodis.coordinates.unit_norm import UnitNorm
from geodis.coordinates.unit_parts import UnitParts
from geodis.errors import ParameterError

# The arguments that determine a layer, read back from the attributes that torch keeps them in.
ARGUMENTS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.Linear: ("in_features", "out_features"),
    nn.Conv2d: ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"),
    nn.ConvTranspose2d: ("in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding"),
    nn.BatchNorm1d: ("num_features", "eps", "momentum"),
    nn.BatchNorm2d: ("num_features", "eps", "momentum"),
    nn.GroupNorm: ("num_groups", "num_channels", "eps"),
    nn.LayerNorm: ("normalized_shape", "eps"),
    nn.Flatten: ("start_dim", "end_dim"),
    nn.Unflatten: ("dim", "unflattened_size"),
    nn.AvgPool2d: ("kernel_size", "stride", "padding"),
    nn.MaxPool2d: ("kernel_size", "stride", "padding"),
    nn.AdaptiveAvgPool2d: ("output_size",),
    nn.Upsample: ("scale_factor", "mode"),
    nn.Dropout: ("p",),
    nn.LeakyReLU: ("negative_slope",),
    nn.ReLU: (),
    nn.GELU: (),
    nn.SiLU: (),
    nn.Tanh: (),
    nn.Sigmoid: (),
    nn.Softplus: (),
    nn.Identity: (),
    Standardize: ("n_features",),
    UnitNorm: (),
    UnitParts: ("sizes",),
}
WITH_BIAS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
KINDS = {kind.__name__: kind for kind in ARGUMENTS}


def describe(module: nn.Module) -> dict[str, Any]:
    """A JSON-able description of a network made of `nn.Sequential` and of common layers.

    Raises
    ------
    ParameterError
        For any other module: its code cannot be written into a file.

    Examples
    --------
    >>> from torch import nn
    >>> from geodis.coordinates.network_spec import describe
    >>> describe(nn.Sequential(nn.Linear(3, 2), nn.ReLU()))["layers"][1]
    {'kind': 'ReLU'}
    """
    if type(module) is nn.Sequential:
        return {"kind": "Sequential", "layers": [describe(layer) for layer in module]}
    if type(module) not in ARGUMENTS:
        known = ", ".join(["Sequential", *KINDS])
        raise ParameterError("network", f"layers out of {known}", type(module).__name__)
    entry: dict[str, Any] = {"kind": type(module).__name__}
    entry |= {name: _plain(getattr(module, name)) for name in ARGUMENTS[type(module)]}
    if isinstance(module, WITH_BIAS):
        entry["bias"] = module.bias is not None
    return entry


def describable(module: nn.Module) -> bool:
    """Whether `describe` can write the network down."""
    try:
        describe(module)
    except ParameterError:
        return False
    return True


def build(description: dict[str, Any]) -> nn.Module:
    """The network that `describe` wrote down, its weights not drawn."""
    if description["kind"] == "Sequential":
        return nn.Sequential(*(build(layer) for layer in description["layers"]))
    options = {name: _tuples(value) for name, value in description.items() if name != "kind"}
    kind = KINDS[description["kind"]]
    # The default initialization of these layers draws from torch's global generator.
    return nn.utils.skip_init(kind, **options) if issubclass(kind, WITH_BIAS) else kind(**options)


def _plain(value: Any) -> Any:
    return [_plain(x) for x in value] if isinstance(value, (tuple, list)) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(x) for x in value) if isinstance(value, list) else value
