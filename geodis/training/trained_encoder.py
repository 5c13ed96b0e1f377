"""A trained encoder as a file: its layers as JSON, its weights in safetensors, what its training did. No pickle."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from geodis.coordinates.network_spec import build, describable, describe
from geodis.encoders import PreparedModel, encode
from geodis.errors import FileFormatError, ParameterError, ShapeError
from geodis.files import read_safetensors, write_atomically
from geodis.linalg import Array, to_numpy
from geodis.loop import History

FORMAT = "geodis.encoder"
VERSION = 1


@dataclass(frozen=True)
class InputsOfShape:
    """A batch of arrays of one shape → a float tensor; a named error for any other."""

    shape: tuple[int, ...]

    def __call__(self, batch: Any) -> Tensor:
        """(n, *shape) → tensor (n, *shape)."""
        array = to_numpy(batch)
        if array.shape[1:] != self.shape:
            wanted = f"(n, {', '.join(map(str, self.shape))})"
            raise ShapeError("inputs of the trained encoder", wanted, array.shape, "Say --size and --grey as trained.")
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


@dataclass(frozen=True, eq=False)
class TrainedEncoder:
    """A frozen encoder x → h, `(n, *shape) → (n, F)`, with the history of its training.

    `geodis.encode(trained.model)` makes an encoder of it, at any layer; called, it embeds arrays directly.

    Attributes
    ----------
    module : nn.Module
        The network with the standardisation of its inputs, in evaluation mode, its parameters frozen.
    shape : tuple of int
        The shape of one input.
    history : History
        Losses, and scores on the held-out items.
    initial : float
        The score of the untrained network on the held-out items; scores are negative losses.
    held : ndarray
        The items that the training did not see.
    about : str
        What it was trained on, and for.
    """

    module: nn.Module
    shape: tuple[int, ...]
    history: History
    initial: float
    held: Array
    about: str

    @property
    def model(self) -> PreparedModel:
        """What `geodis.encode` and `geodis.scan_layers` take."""
        return PreparedModel(self.module, InputsOfShape(self.shape))

    @property
    def score(self) -> float:
        """The best score on the held-out items."""
        return max((score for _, score in self.history.evaluations), default=self.initial)

    def __call__(self, x: Any) -> Array:
        """Embeddings `(n, F)` of arrays `(n, *shape)`.

        Raises
        ------
        ShapeError, FiniteError
            For inputs of another shape, or embeddings with NaN.
        """
        return encode(self.model)(x)

    def save(self, path: str | Path) -> None:
        """Write layers, weights and history; of a network with layers of its own, its weights only."""
        about = {
            "network": describe(self.module) if describable(self.module) else None,
            "name": type(self.module).__qualname__,
            "shape": self.shape,
            "history": asdict(self.history),
            "initial": self.initial,
            "held": self.held.tolist(),
            "about": self.about,
        }
        meta = {"format": FORMAT, "version": str(VERSION), "encoder": json.dumps(about)}
        weights = {name: x.detach().cpu().contiguous().clone() for name, x in self.module.state_dict().items()}
        write_atomically(path, lambda temporary: save_file(weights, temporary, metadata=meta))

    @classmethod
    def load(cls, path: str | Path, network: nn.Module | None = None) -> TrainedEncoder:
        """The encoder of a file, in the layers that it describes, or else in `network`.

        Raises
        ------
        FileNotFoundError, FileFormatError
            For no file, or another one.
        ParameterError
            For a network of its own kind when none is given, or one that the weights do not fit.
        """
        meta, tensors = read_safetensors(path, FORMAT, VERSION)
        try:
            told = json.loads(meta["encoder"])
            history = told["history"]
            done = History(**history | {"losses": tuple(history["losses"]), "evaluations": _pairs(history)})
            held, shape = np.array(told["held"], dtype=int), tuple(told["shape"])
            name, described, rest = told["name"], told["network"], (float(told["initial"]), held, str(told["about"]))
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(path, "the description of an encoder", f"{type(error).__name__}: {error}") from error
        if network is None and described is None:
            raise ParameterError("network", f"the network ({name}) whose weights these are", None, "Give `network=`.")
        module = _built(path, described) if network is None else copy.deepcopy(network)
        try:
            module.load_state_dict({key: torch.from_numpy(x.copy()) for key, x in tensors.items()})
        except RuntimeError as error:
            raise ParameterError("network", f"a {name} that these weights fit", str(error)) from error
        return cls(frozen(module), shape, done, *rest)


def frozen(module: nn.Module) -> nn.Module:
    """On the CPU, in evaluation mode, without gradients, and in the memory format in which convolutions are trained."""
    laid_out: nn.Module = module.cpu().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return laid_out.eval().requires_grad_(False)


def _built(path: str | Path, described: Any) -> nn.Module:
    try:
        return build(described)
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(path, "layers that this version of geodis knows", str(error)) from error


def _pairs(history: dict[str, Any]) -> tuple[tuple[int, float], ...]:
    return tuple((int(step), float(score)) for step, score in history["evaluations"])
