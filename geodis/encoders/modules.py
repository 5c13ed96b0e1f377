"""Any `nn.Module` as an encoder, read at its output or at any named layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from geodis.encoders.encoder import AbstractEncoder
from geodis.errors import ParameterError, UnknownNameError

Pooling = Callable[[Tensor], Tensor]


def flatten(activation: Tensor) -> Tensor:
    """Keep every number: `(batch, ...)` → `(batch, D)`."""
    return activation.reshape(len(activation), -1) if activation.ndim else activation


class ModuleEncoder(AbstractEncoder):
    """f(x) = pool(h(x)), h the module's output or the activation of a named layer: `(batch, ...)` → `(batch, D)`.

    The module runs in evaluation mode without gradients, on its own device and in its own floating dtype; afterwards
    every submodule is in the mode it was in before.

    Parameters
    ----------
    module : nn.Module
        Takes one tensor `(batch, ...)`.
    layer : str, optional
        A name from `module.named_modules()`; the module's output by default. A layer that runs several times in one
        pass is read the last time.
    pool : callable
        Activation `(batch, ...)` → `(batch, D)`; flattens by default.
    batch_size, verbose
        As in `AbstractEncoder`.

    Raises
    ------
    UnknownNameError
        When no layer is called `layer`.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> ModuleEncoder(net)(np.zeros((5, 4))).shape, ModuleEncoder(net, "0")(np.zeros((5, 4))).shape
    ((5, 2), (5, 8))
    """

    def __init__(
        self,
        module: nn.Module,
        layer: str | None = None,
        *,
        pool: Pooling = flatten,
        batch_size: int = 256,
        verbose: bool = False,
    ) -> None:
        super().__init__(batch_size, verbose)
        layers = {name: child for name, child in module.named_modules() if name}
        if layer is not None and layer not in layers:
            raise UnknownNameError("layer", layer, ", ".join(layers) or "none (the module has no layers)")
        self.module, self.layer, self.pool = module, layer, pool
        self._read = module if layer is None else layers[layer]

    def _embed(self, batch: Any) -> Tensor:
        # no_grad and not inference_mode: a module may switch gradients on inside, for forces for example.
        with evaluating(self.module), torch.no_grad():
            return self.pool(self._activation(as_input(batch, self.module)))

    def _activation(self, x: Tensor) -> Tensor:
        """What the layer returns while the module runs on x."""
        seen: list[Any] = []

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            # A copy, as the next layer may work in place.
            seen[:] = [output.clone() if isinstance(output, Tensor) else output]

        handle = self._read.register_forward_hook(keep)
        try:
            self.module(x)
        finally:
            handle.remove()
        what = "module" if self.layer is None else f"layer {self.layer!r}"
        if not seen:
            raise ParameterError(what, "a layer that runs in the forward pass", "one that does not")
        if not isinstance(seen[0], Tensor):
            advice = "Name a layer that returns one tensor."
            raise ParameterError(what, "one tensor as output", type(seen[0]).__name__, advice)
        return seen[0]

    def __repr__(self) -> str:
        return f"ModuleEncoder({type(self.module).__name__}, layer = {self.layer!r})"


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
        advice = "Prepare the items (tokenise, resize) and pass encode a function of the batch."
        raise ParameterError("items of a torch module", "numbers of one shape", str(error), advice) from error
