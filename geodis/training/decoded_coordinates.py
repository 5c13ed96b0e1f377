"""DecodedCoordinates: coordinates with a way back to the input, encode → act → decode."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from geodis.coordinates import LatentCoordinates
from geodis.coordinates.network_lift import NetworkLift
from geodis.errors import FileFormatError, ParameterError, ShapeError
from geodis.files import read_safetensors, write_atomically
from geodis.linalg import Array, to_numpy

FORMAT = "geodis.decoded"
VERSION = 1
PREFIX = "decoder."
Encode = Callable[[Any], Any]


@dataclass(frozen=True, eq=False, repr=False)
class DecodedCoordinates:
    """Edits of inputs: x ↦ D(ρ(g)c(x)), with coordinates c and a decoder D.

    Unlike edits of embeddings, those of inputs are not exact: D returns the mean of all inputs with these coordinates,
    and what the coordinates do not hold is lost. `cycle_error` says how much that is without any edit. The group law
    holds exactly between encoding and decoding: for several edits act several times and decode once.

    Methods take numpy arrays and tensors and return the kind they got.

    Attributes
    ----------
    coordinates : LatentCoordinates
    decoder : NetworkLift
        Coordinates → standardised, flattened inputs.
    shape : tuple of int
        Of an input.
    centre, scale : float
        Of all numbers of the inputs: x = centre + scale·D(c).
    encoder : callable or None
        Inputs → embeddings; None where the coordinates are of the flattened inputs.
    """

    coordinates: LatentCoordinates
    decoder: NetworkLift
    shape: tuple[int, ...]
    centre: float
    scale: float
    encoder: Encode | None = None

    def encode(self, x: Any) -> Any:
        """Coordinates of inputs, `(N, *shape) → (N, p)`.

        Raises
        ------
        ShapeError, FiniteError
            For inputs of another shape, NaN.
        """
        self._check(x)
        z = x.reshape(len(x), -1) if self.encoder is None else self.encoder(x)
        return _like(self.coordinates.transform(z), x)

    def decode(self, c: Any) -> Any:
        """Inputs with these coordinates, `(N, p) → (N, *shape)`."""
        return self.centre + self.scale * self.decoder(c).reshape(len(c), *self.shape)

    def edit(self, x: Any, params: Any) -> Any:
        """Inputs moved by g: D(ρ(g)c(x)), `(N, *shape), (N, …) → (N, *shape)`."""
        return self.decode(self.coordinates.act(self.encode(x), params))

    def cycle_error(self, x: Any) -> float:
        """Share of the variance that no edit at all loses: Σ|D(c(x)) − x|² / Σ|x − x̄|²."""
        return self._relative(self.decode(self.encode(x)), x)

    def edit_error(self, x: Any, params: Any, moved: Any) -> float:
        """The same of edits: Σ|D(ρ(g)c(x)) − gx|² / Σ|gx − mean|², where `moved` is gx."""
        self._check(moved)
        return self._relative(self.edit(x, params), moved)

    def save(self, path: str | Path) -> None:
        """Write coordinates and decoder into one safetensors file (no pickle). The encoder is not in it."""
        with tempfile.TemporaryDirectory() as folder:
            inner = Path(folder) / "coordinates.safetensors"
            self.coordinates.save(inner)
            held = np.frombuffer(inner.read_bytes(), dtype=np.uint8)
        config, weights = self.decoder.state()
        meta = {
            "format": FORMAT,
            "version": str(VERSION),
            "decoder": json.dumps(config),
            "shape": json.dumps(list(self.shape)),
            "units": json.dumps([self.centre, self.scale]),
            "encoded": json.dumps(self.encoder is not None),
        }
        tensors = {f"{PREFIX}{name}": np.ascontiguousarray(x) for name, x in weights.items()} | {"coordinates": held}
        write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata=meta))

    @classmethod
    def load(cls, path: str | Path, *, encoder: Encode | None = None) -> DecodedCoordinates:
        """Read what `save` wrote; the encoder is to be given again where there was one.

        Raises
        ------
        FileFormatError
            For a file of another program or version.
        ParameterError
            Without the encoder where one is needed, or with one where none was.
        """
        meta, tensors = read_safetensors(path, FORMAT, VERSION)
        try:
            encoded, shape = json.loads(meta["encoded"]), tuple(json.loads(meta["shape"]))
            centre, scale = json.loads(meta["units"])
            weights = {n.removeprefix(PREFIX): x for n, x in tensors.items() if n.startswith(PREFIX)}
            decoder = NetworkLift.from_state(json.loads(meta["decoder"]), weights)
            held = tensors["coordinates"].tobytes()
        except (KeyError, ValueError, TypeError) as error:
            raise FileFormatError(path, "a whole decoder", f"{type(error).__name__}: {error}") from error
        if encoded != (encoder is not None):
            expected = "the encoder that was fitted with" if encoded else "none: the coordinates are of inputs"
            raise ParameterError("encoder", expected, type(encoder).__name__)
        with tempfile.TemporaryDirectory() as folder:
            inner = Path(folder) / "coordinates.safetensors"
            inner.write_bytes(held)
            coordinates = LatentCoordinates.load(inner)
        return cls(coordinates, decoder, shape, centre, scale, encoder)

    def __repr__(self) -> str:
        return f"DecodedCoordinates({self.coordinates!r} → {self.shape})"

    def _check(self, x: Any) -> None:
        if tuple(np.shape(x)[1:]) != self.shape or len(np.shape(x)) != 1 + len(self.shape):
            raise ShapeError("inputs", f"(N, {', '.join(map(str, self.shape))})", tuple(np.shape(x)))

    def _relative(self, got: Any, wanted: Any) -> float:
        a, b = (to_numpy(x).astype(np.float64).reshape(len(x), prod(self.shape)) for x in (got, wanted))
        spread = float(((b - b.mean(axis=0)) ** 2).sum())
        lost = float(((a - b) ** 2).sum())
        return lost / spread if spread > 0 else float(lost > 0)


def _like(c: Any, x: Any) -> Any:
    """Coordinates in the kind of the inputs: encoders return arrays."""
    if isinstance(x, Tensor):
        out = c if isinstance(c, Tensor) else torch.from_numpy(np.array(c))
        return out.to(x.device, x.dtype if x.is_floating_point() else out.dtype)
    array: Array = to_numpy(c)
    return array
