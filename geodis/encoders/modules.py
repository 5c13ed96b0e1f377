"""Any `nn.Module` as an encoder, read at its output or at any named layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from geodis.encoders.encoder import AbstractEncoder
from geodis.encoders.fingerprints import fingerprint_if_told, is_called
from geodis.encoders.pooling import Pooling, flatten, takes_mask
from geodis.encoders.prepare import Prepare
from geodis.errors import ParameterError, UnknownNameError


class ModuleEncoder(AbstractEncoder):
    """f(x) = pool(h(x)), h the module's output or the activation of a named layer: `(batch, ...)` → `(batch, D)`.

    The module runs in evaluation mode without gradients, on its own device and in its own floating dtype; afterwards
    every submodule is in the mode it was in before. Of a layer that returns several things the first tensor is read.

    Parameters
    ----------
    module : nn.Module
        Takes one tensor `(batch, ...)`, or what `prepare` makes.
    layer : str or int, optional
        A name from `module.named_modules()`; the module's output by default. A layer that runs several times in one
        pass is read the last time. A number is a hidden state of a transformers model: 0 the embeddings of the tokens,
        k what its k-th block returns, -1 the last.
    pool : callable
        Activation `(batch, ...)` → `(batch, D)`; flattens by default. An argument called `mask` is given the inputs'
        ``attention_mask``, or None.
    prepare : callable, optional
        Batch of items → a tensor, or a mapping of tensors that the module takes as named arguments.
    outputs : sequence of str
        Names looked for, in this order, in an output with named parts; the first tensor otherwise.
    batch_size, verbose, name
        As in `AbstractEncoder`.

    Raises
    ------
    UnknownNameError
        When no layer is called `layer`.
    ParameterError
        For the number of a hidden state when the module is not one of transformers.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> ModuleEncoder(net)(np.zeros((5, 4))).shape, ModuleEncoder(net, "0")(np.zeros((5, 4))).shape
    ((5, 2), (5, 8))
    """

    def __init__(
        self,
        module: nn.Module,
        layer: str | int | None = None,
        *,
        pool: Pooling = flatten,
        prepare: Prepare | None = None,
        outputs: Sequence[str] = ("last_hidden_state",),
        batch_size: int = 256,
        verbose: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(batch_size, verbose, name)
        layers = {name: child for name, child in module.named_modules() if name}
        if layer is not None and isinstance(module, torch.jit.ScriptModule):
            raise ParameterError("layer", "None for a TorchScript module, whose layers cannot be read", repr(layer))
        if isinstance(layer, int) and not is_called(module, "PreTrainedModel", "transformers"):
            raise ParameterError("layer", "a name: only models of transformers number their layers", layer)
        if isinstance(layer, str) and layer not in layers:
            raise UnknownNameError("layer", layer, ", ".join(layers) or "none (the module has no layers)")
        self.module, self.layer, self.pool = module, layer, pool
        self.prepare, self.outputs = prepare, tuple(outputs)
        self._read = layers[layer] if isinstance(layer, str) else module
        self._masked = takes_mask(pool)

    def _embed(self, batch: Any) -> Tensor:
        # no_grad and not inference_mode: a module may switch gradients on inside, for forces for example.
        with evaluating(self.module), torch.no_grad():
            inputs = as_inputs(batch if self.prepare is None else self.prepare(batch), self.module)
            activation = self._activation(inputs)
            if not self._masked:
                return self.pool(activation)
            return self.pool(activation, mask=inputs.get("attention_mask") if isinstance(inputs, Mapping) else None)

    def _activation(self, inputs: Tensor | Mapping[str, Tensor]) -> Tensor:
        """What is read while the module runs on its inputs."""
        if isinstance(self.layer, int):
            return self._hidden_state(self.layer, inputs)
        if self.layer is None:  # without a hook, which scripted modules do not take
            output = _run(self.module, inputs)
            return _told("module", first_tensor(output, self.outputs), type(output))
        seen: list[Any] = []

        def keep(module: nn.Module, arguments: Any, output: Any) -> None:
            # A copy, as the next layer may work in place.
            seen[:] = [None if (found := first_tensor(output, self.outputs)) is None else found.clone(), type(output)]

        handle = self._read.register_forward_hook(keep)
        try:
            _run(self.module, inputs)
        finally:
            handle.remove()
        what = f"layer {self.layer!r}"
        if not seen:
            raise ParameterError(what, "a layer that runs in the forward pass", "one that does not")
        return _told(what, *seen)

    def _hidden_state(self, number: int, inputs: Tensor | Mapping[str, Tensor]) -> Tensor:
        states = _run(self.module, inputs, output_hidden_states=True, return_dict=True).hidden_states
        if not -len(states) <= number < len(states):
            raise UnknownNameError("hidden state", number, f"0 … {len(states) - 1}, or counted from the end")
        return states[number]

    def _content(self) -> Any:
        return [self.module, self._place(), self.pool, self.prepare]

    def _settings(self) -> Any:
        return [self._place(), fingerprint_if_told(self.pool), fingerprint_if_told(self.prepare)]

    def _place(self) -> Any:
        return [self.layer, self.outputs]

    def __repr__(self) -> str:
        return f"ModuleEncoder({type(self.module).__name__}, layer = {self.layer!r})"


def _told(what: str, found: Tensor | None, kind: type) -> Tensor:
    if found is None:
        raise ParameterError(what, "a tensor in the output", kind.__name__, "Name a layer that returns a tensor.")
    return found


def first_tensor(output: Any, names: Sequence[str] = ()) -> Tensor | None:
    """The tensor that a layer returns: the output itself, its part of one of the `names`, its first one; None without.

    Examples
    --------
    >>> first_tensor((torch.tensor([1.0]), "state")), first_tensor({"logits": torch.tensor([2.0])})
    (tensor([1.]), tensor([2.]))
    """
    if isinstance(output, Mapping):
        named = [output[name] for name in names if isinstance(output.get(name), Tensor)]
        output = [*named, *output.values()]
    parts = output if isinstance(output, (list, tuple)) else [output]
    return next((part for part in parts if isinstance(part, Tensor)), None)


def _run(module: nn.Module, inputs: Tensor | Mapping[str, Tensor], **options: Any) -> Any:
    return module(**inputs, **options) if isinstance(inputs, Mapping) else module(inputs, **options)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block; every submodule's own mode comes back, as parts may have been frozen."""
    modes = [(child, child.training) for child in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for child, mode in modes:
            child.training = mode


def as_inputs(batch: Any, module: nn.Module) -> Tensor | dict[str, Tensor]:
    """The batch on the module's device, floating numbers in the dtype of its parameters; mappings part by part."""
    if isinstance(batch, Mapping):
        return {str(key): as_input(part, module) for key, part in batch.items()}
    if isinstance(batch, (list, tuple)) and isinstance(batch[0], Mapping):
        return {str(key): as_input([item[key] for item in batch], module) for key in batch[0]}
    return as_input(batch, module)


def as_input(batch: Any, module: nn.Module) -> Tensor:
    """The batch as one tensor on the module's device; floating inputs take the dtype of its parameters."""
    if isinstance(batch, (list, tuple)) and isinstance(batch[0], Tensor):
        batch = torch.stack(list(batch))
    x = batch if isinstance(batch, Tensor) else _from_numbers(batch)
    state = next(chain(module.parameters(), module.buffers()), None)
    if state is None:
        return x
    return x.to(state.device, state.dtype if x.is_floating_point() and state.is_floating_point() else x.dtype)


def _from_numbers(batch: Any) -> Tensor:
    try:
        return torch.from_numpy(np.array(batch))
    except (TypeError, ValueError) as error:
        advice = "Say how to make its inputs of a batch, prepare=…: `texts_for(tokenizer)` for texts."
        raise ParameterError("items of a torch module", "numbers of one shape", str(error), advice) from error
