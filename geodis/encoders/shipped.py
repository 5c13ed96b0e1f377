"""Trained weights that geodis ships, read with every check; untrained ones, drawn without global state."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from geodis.errors import FileFormatError
from geodis.files import read_safetensors, write_atomically


def read_weights(net: nn.Module, path: str | Path, expected: str, version: int) -> dict[str, str]:
    """Put the weights in `path` into `net`; what the file says of them comes back.

    Raises
    ------
    FileNotFoundError, FileFormatError
        Without the file, or when it holds another format or version, other names or shapes, or no finite float32.
    """
    meta, tensors = read_safetensors(path, expected, version)
    wanted = {name: tuple(p.shape) for name, p in net.state_dict().items()}
    got = {name: tuple(x.shape) for name, x in tensors.items()}
    if got != wanted:
        raise FileFormatError(path, f"the weights {wanted}", got)
    weights = {name: torch.from_numpy(x) for name, x in tensors.items()}
    wrong = [name for name, x in weights.items() if x.dtype != torch.float32 or not torch.isfinite(x).all()]
    if wrong:
        raise FileFormatError(path, "finite weights in float32", f"others in {', '.join(wrong)}")
    net.load_state_dict(weights)
    return meta


def write_weights(net: nn.Module, path: str | Path, expected: str, version: int, metadata: Mapping[str, Any]) -> None:
    """Write the weights with `metadata`, which says how they came about; to a temporary name, then moved."""
    tensors = {name: p.contiguous() for name, p in net.state_dict().items()}
    meta = {name: str(value) for name, value in metadata.items()} | {"format": expected, "version": str(version)}
    write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata=meta))


def bare(kind: type[nn.Module], *args: Any, **options: Any) -> nn.Module:
    """A layer without its default initialization, which draws from torch's global generator."""
    return nn.utils.skip_init(kind, *args, **options)


def draw_weights(net: nn.Module, seed: int) -> None:
    """Normal weights that keep the variance through a rectifier, zero biases."""
    generator = torch.Generator().manual_seed(seed)
    for p in net.parameters():
        if p.ndim > 1:
            nn.init.normal_(p, std=sqrt(2.0 / p[0].numel()), generator=generator)
        else:
            nn.init.zeros_(p)
