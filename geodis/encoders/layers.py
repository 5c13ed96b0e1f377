"""All layers of a network in one pass: which ones compute, and what each of them holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from geodis.encoders.encoder import AbstractEncoder
from geodis.encoders.fingerprints import is_called
from geodis.encoders.modules import ModuleEncoder, as_inputs, evaluating, first_tensor
from geodis.encoders.pooling import Pooling, flatten, mean_of_text, takes_mask
from geodis.encoders.prepare import Prepare, PreparedModel, texts_for
from geodis.encoders.pretrained import TEXT, is_transformer
from geodis.encoders.sketch import Sketch
from geodis.errors import ParameterError, ShapeError, UnknownNameError

MAX_WIDTH = 512  # numbers of a layer that are kept; wider ones are sketched
MOST = 16  # layers that are read where none are named
Layer = str | int

# Leaves that pass on what they get: reading them would show a layer twice.
IDLE = (
    nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout,
    nn.Flatten, nn.Unflatten,
)  # fmt: skip


def layered(model: Any) -> tuple[nn.Module, Prepare | None]:
    """`(module, prepare)`: the network in a model, and how items become its inputs.

    Raises
    ------
    ParameterError
        For a model without layers that can be read, such as a function.
    """
    held = isinstance(model, (PreparedModel, ModuleEncoder))
    if isinstance(model.module if held else model, torch.jit.ScriptModule):
        advice = "Scan the module that it was made from."
        raise ParameterError("model", "a torch module whose layers can be read", "a TorchScript module", advice)
    if held:
        return model.module, model.prepare
    if is_called(model, "SentenceTransformer", "sentence_transformers"):
        first = next(iter(model.children()), None)
        network = getattr(first, "auto_model", None)
        if not isinstance(network, nn.Module) or not is_transformer(network):
            raise ParameterError("model", "a sentence-transformers model with a transformer", type(first).__name__)
        return network, texts_for(model.tokenizer, model.max_seq_length)
    if isinstance(model, nn.Module):
        return model, None
    raise ParameterError(
        "model", "a torch module, or a model of transformers or sentence-transformers, whose layers can be read",
        type(model).__name__, "Of a function, scan what it returns: geodis.isotypic_spectrum.",
    )  # fmt: skip


def layer_label(layer: Layer) -> str:
    """What a layer is called in tables: its name, or ``hidden k`` for the k-th hidden state of a transformers model."""
    return f"hidden {layer}" if isinstance(layer, int) else layer


@final
class LayersEncoder(AbstractEncoder):
    """f(x) = the pooled activations of several layers side by side, read in one pass: `(n, D₁ + D₂ + …)`.

    Layers are read as `ModuleEncoder` reads one. A pooled layer of more than `max_width` numbers goes through a fixed
    `Sketch`.

    Parameters
    ----------
    module : nn.Module
        The network.
    layers : sequence of str and int
        Names from `module.named_modules()`, or numbers of hidden states of a transformers model.
    pool : callable, optional
        Activation `(batch, ...)` → `(batch, D)`, the same for all layers. By default the mean over the tokens of texts,
        and every number of anything else.
    prepare : callable, optional
        Batch of items → the module's inputs.
    max_width : int
        Widest layer that is kept as it is.
    batch_size, verbose, name
        As in `AbstractEncoder`.

    Raises
    ------
    UnknownNameError, ParameterError
        For layers that the module does not have, repeated ones, or none.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> LayersEncoder(net, ["0", "2"])(np.zeros((5, 4))).shape
    (5, 10)
    """

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[Layer],
        *,
        pool: Pooling | None = None,
        prepare: Prepare | None = None,
        max_width: int = MAX_WIDTH,
        batch_size: int = 64,
        verbose: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(batch_size, verbose, name)
        _check_layers(module, layers)
        self.module, self.layers, self.prepare = module, tuple(layers), prepare
        default: Pooling = mean_of_text if getattr(module, "main_input_name", None) == TEXT else flatten
        self.pool = pool or default
        self.sketch = Sketch(max_width)
        self._widths: dict[Layer, int] = {}  # of the first batch; a sketch would hide that another one's differ
        self._masked = takes_mask(self.pool)

    def read(self, batch: Any) -> dict[Layer, Tensor]:
        """One batch of items → `{layer: (batch, D)}`."""
        with evaluating(self.module), torch.no_grad():
            inputs = _inputs(self.module, self.prepare, batch)
            found = activations(self.module, inputs, self.layers)
            missing = [layer for layer in self.layers if layer not in found]
            if missing:
                raise ParameterError(
                    f"layer {missing[0]!r}", "a layer that runs and returns a tensor", "one that does not"
                )
            mask = inputs.get("attention_mask") if isinstance(inputs, Mapping) else None
            return {layer: self._row(layer, found[layer], mask, len(batch)) for layer in self.layers}

    def _row(self, layer: Layer, activation: Tensor, mask: Tensor | None, n: int) -> Tensor:
        pooled = self.pool(activation, mask=mask) if self._masked else self.pool(activation)
        if pooled.ndim != 2 or len(pooled) != n or not pooled.shape[1]:
            advice = "Give a pool=… that makes one row an item, or name other layers."
            raise ShapeError(f"layer {layer!r}, pooled", f"({n}, D)", tuple(pooled.shape), advice)
        if self._widths.setdefault(layer, pooled.shape[1]) != pooled.shape[1]:
            advice = "Give a pool=… that makes rows of one length whatever the batch, such as mean_tokens."
            raise ShapeError(f"layer {layer!r}, pooled", f"(n, {self._widths[layer]})", tuple(pooled.shape), advice)
        if pooled.is_complex():
            pooled = torch.view_as_real(pooled).flatten(1)
        # Half precision is too coarse for the sums of a sketch, and layers may differ in it.
        return self.sketch(pooled if pooled.dtype == torch.float64 else pooled.float())

    def _embed(self, batch: Any) -> Tensor:
        return torch.cat(list(self.read(batch).values()), dim=1)

    def _content(self) -> Any:
        return [self.module, self.layers, self.pool, self.prepare, self.sketch.width]

    def _settings(self) -> Any:
        return [self.layers, self.pool, self.prepare, self.sketch.width]

    def __repr__(self) -> str:
        return f"LayersEncoder({type(self.module).__name__}, {len(self.layers)} layers)"


def named_layers(module: nn.Module, wanted: Sequence[Layer]) -> list[Layer]:
    """Names, patterns such as ``"conv*"`` and numbers → layers, in the order asked for, each once.

    A pattern has as many parts between dots as the names that it matches: ``"*"`` are the children of the module.

    Raises
    ------
    UnknownNameError
        For a name or a pattern that no layer has.

    Examples
    --------
    >>> named_layers(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), ["*"])
    ['0', '1']
    """
    names = [name for name, _ in module.named_modules() if name]
    found: dict[Layer, None] = {}
    for one in wanted:
        mine = [one] if isinstance(one, int) or one in names else [n for n in names if _matches(n, str(one))]
        if not mine:
            raise UnknownNameError("layer", one, ", ".join(names) or "none (the module has no layers)")
        found |= dict.fromkeys(mine)
    return list(found)


def _matches(name: str, pattern: str) -> bool:
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def computing_layers(module: nn.Module, prepare: Prepare | None, batch: Any, most: int = MOST) -> list[Layer]:
    """The layers to read where none are named, in the order in which they run on `batch`.

    Of a model of transformers its hidden states; of another network the leaves that compute: not dropout, identity and
    reshaping, and none that did not run or returned no tensor with a row an item. Of more than `most`, so many spread
    evenly, the first and the last among them.

    Raises
    ------
    ParameterError
        When there is none.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2))
    >>> computing_layers(net, None, np.zeros((2, 4)))
    ['0', '1', '3']
    """
    with evaluating(module), torch.no_grad():
        inputs = _inputs(module, prepare, batch)
        if is_transformer(module):
            found: list[Layer] = list(range(len(_hidden_states(module, inputs))))
        else:
            leaves = [
                name
                for name, child in module.named_modules()
                if name and next(child.children(), None) is None and not isinstance(child, IDLE)
            ]
            seen = activations(module, inputs, leaves)
            found = [name for name, tensor in seen.items() if tensor.ndim >= 2 and len(tensor) == len(batch)]
    if not found:
        raise ParameterError("model", "a network with layers that compute", "none", "Name the layers to read.")
    picked = np.unique(np.linspace(0, len(found) - 1, most).round().astype(int)) if len(found) > most else None
    return found if picked is None else [found[i] for i in picked]


def activations(module: nn.Module, inputs: Any, layers: Sequence[Layer]) -> dict[Layer, Tensor]:
    """`{layer: activation}` of those that run and return a tensor, in the order in which they ran last."""
    named: dict[Layer, nn.Module] = {name: module.get_submodule(name) for name in layers if isinstance(name, str)}
    found: dict[Layer, Tensor] = {}
    numbers = [layer for layer in layers if isinstance(layer, int)]
    with _hooked(named, found):
        if numbers:
            states = _hidden_states(module, inputs)
            for number in numbers:
                if not -len(states) <= number < len(states):
                    raise UnknownNameError("hidden state", number, f"0 … {len(states) - 1}, or counted from the end")
                found[number] = states[number]
        elif isinstance(inputs, Mapping):
            module(**inputs)
        else:
            module(inputs)
    return found


@contextmanager
def _hooked(named: Mapping[Layer, nn.Module], found: dict[Layer, Tensor]) -> Iterator[None]:
    """Keep what these modules return while they run inside the block."""

    def keeper(layer: Layer) -> Any:
        def keep(module: nn.Module, arguments: Any, output: Any) -> None:
            tensor = first_tensor(output, ("last_hidden_state",))
            found.pop(layer, None)
            if tensor is not None:
                found[layer] = tensor.clone()  # a copy, as the next layer may work in place

        return keep

    handles = [child.register_forward_hook(keeper(layer)) for layer, child in named.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hidden_states(module: nn.Module, inputs: Any) -> Sequence[Tensor]:
    options = {"output_hidden_states": True, "return_dict": True}
    output = module(**inputs, **options) if isinstance(inputs, Mapping) else module(inputs, **options)
    states: Sequence[Tensor] = output.hidden_states
    return states


def _inputs(module: nn.Module, prepare: Prepare | None, batch: Any) -> Any:
    return as_inputs(batch if prepare is None else prepare(batch), module)


def _check_layers(module: nn.Module, layers: Sequence[Layer]) -> None:
    if not layers or len(set(layers)) != len(layers):
        raise ParameterError("layers", "at least one layer, each once", list(layers))
    names = {name for name, _ in module.named_modules() if name}
    for layer in layers:
        if isinstance(layer, int) and not is_transformer(module):
            raise ParameterError("layer", "a name: only models of transformers number their layers", layer)
        if isinstance(layer, str) and layer not in names:
            raise UnknownNameError("layer", layer, ", ".join(sorted(names)) or "none (the module has no layers)")
