"""LatentCoordinates: the frozen result of a fit. Coordinates, the group's action on them, edits of embeddings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from geodis.errors import FileFormatError, LengthError, OverlapError, ParameterError, ShapeError
from geodis.files import read_safetensors, write_atomically
from geodis.groups import AbstractGroup, Representation, direct_sum, parse
from geodis.linalg import Array, check_finite, to_numpy
from geodis.orbits import as_params

FORMAT = "geodis.coordinates"
VERSION = 1
PARTIAL = 0.25  # isotropy below it: some rows of the irrep are missing (theory.md §3)

Status = Literal["ok", "partial", "degenerate", "insufficient"]


@dataclass(frozen=True, eq=False)
class Block:
    """One copy of one irrep.

    Attributes
    ----------
    irrep : Representation
        How the group acts on the block; `irrep.name` is its name.
    rows : tuple of int
        The columns of the coordinates that it takes.
    energy : float
        Cross-fitted share of its variance that is exactly equivariant (skill against identity for limited designs).
    interval : (float, float)
        Confidence interval of the energy.
    isotropy : float
        λ_min/λ_max of the block's covariance: 1 when all rows of the irrep are present, 0 when one is missing.
    """

    irrep: Representation
    rows: tuple[int, ...]
    energy: float
    interval: tuple[float, float]
    isotropy: float = 1.0

    @property
    def status(self) -> Status:
        """``"partial"`` when the rows of the irrep are not all there, else ``"ok"``."""
        return "partial" if self.isotropy < PARTIAL else "ok"

    @property
    def columns(self) -> slice:
        """The rows as a slice."""
        return slice(self.rows[0], self.rows[-1] + 1)

    def __repr__(self) -> str:
        low, high = self.interval
        return f"Block({self.irrep.name}, energy {self.energy:.3f} [{low:.3f}, {high:.3f}])"


@dataclass(frozen=True, eq=False)
class LatentCoordinates:
    """Coordinates c = A(z − centre) in which the group acts linearly, block by block: Φ(f(g·x)) ≈ ρ(g) Φ(f(x)).

    The same action on embeddings is `Op(g) = I + P(ρ(g) − I)A` about `centre`, with AP = I, so that
    Op(g)Op(h) = Op(gh) exactly and what the coordinates do not span stays as it is. Methods take numpy arrays or
    tensors and return the kind, dtype and device they got.

    Attributes
    ----------
    group : AbstractGroup
    blocks : tuple of Block
    analysis : ndarray (p, D)
        A.
    synthesis : ndarray (D, p)
        P = ΣAᵀ(AΣAᵀ)⁻¹ with the training covariance Σ; Aᵀ for an isometric frame.
    centre : ndarray (D,)
    status : {"ok", "partial", "degenerate", "insufficient"}
    limited : bool
        Whether energies are skills against the identity (theory.md §5).
    fitted : ndarray of uint64
        Fingerprints of the items that were fitted.
    """

    group: AbstractGroup
    blocks: tuple[Block, ...]
    analysis: Array
    synthesis: Array
    centre: Array
    status: Status
    limited: bool
    fitted: Array

    @property
    def n_coordinates(self) -> int:
        """p, the number of coordinates."""
        return int(self.analysis.shape[0])

    @property
    def n_features(self) -> int:
        """D, the embedding dimension."""
        return int(self.analysis.shape[1])

    @property
    def representation(self) -> Representation:
        """ρ = ⊕ irreps of the blocks: params (N, p) → (N, n_coordinates, n_coordinates)."""
        return direct_sum(tuple(block.irrep for block in self.blocks))

    @property
    def affine(self) -> bool:
        """Whether some block is a position, c ↦ ρ(g)c + t(g)."""
        return any(block.irrep.cocycle is not None for block in self.blocks)

    def only(self, block: int) -> LatentCoordinates:
        """The coordinates of one block alone: its action moves nothing else, as AP = I."""
        if not 0 <= block < len(self.blocks):
            raise ParameterError("only: block", f"an index below {len(self.blocks)}", block)
        kept = self.blocks[block]
        rows = tuple(range(kept.irrep.dim))
        return replace(
            self,
            blocks=(replace(kept, rows=rows),),
            analysis=self.analysis[kept.columns],
            synthesis=self.synthesis[:, kept.columns],
        )

    # --- embeddings and coordinates -------------------------------------------------------------------------------
    def transform(self, z: Any) -> Any:
        """Coordinates of embeddings: c = A(z − centre), `(N, D) → (N, p)`."""
        rows = self._rows(z, self.n_features, "z")
        return _restore((rows - _as(self.centre, rows)) @ _as(self.analysis.T, rows), z)

    def inverse_transform(self, c: Any) -> Any:
        """The embedding with these coordinates and an average complement: z = centre + Pc, `(N, p) → (N, D)`."""
        rows = self._rows(c, self.n_coordinates, "c")
        return _restore(_as(self.centre, rows) + rows @ _as(self.synthesis.T, rows), c)

    def act(self, c: Any, params: Any) -> Any:
        """The linear action on coordinates: c ↦ ρ(g)c (+ t(g) for positions), `(N, p), (N, …) → (N, p)`."""
        rows = self._rows(c, self.n_coordinates, "c")
        elements = self._elements(params, len(rows), rows)
        return _restore(self._act(rows, elements), c)

    def edit(self, z: Any, params: Any) -> Any:
        """Embeddings moved by g: centre + Op(g)(z − centre), `(N, D) → (N, D)`; the complement is kept.

        Raises
        ------
        ShapeError, LengthError, FiniteError, ParameterError
            For embeddings of another dimension, other numbers of rows, NaN, parameters outside the group.
        """
        rows = self._rows(z, self.n_features, "z")
        elements = self._elements(params, len(rows), rows)
        c = (rows - _as(self.centre, rows)) @ _as(self.analysis.T, rows)
        return _restore(rows + (self._act(c, elements) - c) @ _as(self.synthesis.T, rows), z)

    def operator(self, params: Any) -> Any:
        """Op(g) = I + P(ρ(g) − I)A, the action as a matrix on z − centre: `(N, …) → (N, D, D)`.

        With position blocks the action is affine and the matrix acts on (z − centre, 1): (N, D+1, D+1).
        """
        given = as_params(params, self.group)
        elements = self._elements(params, len(given), torch.zeros(0))
        eye = torch.eye(self.n_features, dtype=torch.float64)
        p, a = torch.from_numpy(self.synthesis), torch.from_numpy(self.analysis)
        out = eye.expand(len(elements), -1, -1).clone()
        for block in self.blocks:
            rho = block.irrep.matrices(elements)
            cols = block.columns
            out += p[:, cols] @ (rho - torch.eye(rho.shape[-1], dtype=rho.dtype)) @ a[cols]
        if self.affine:
            out = self._with_translation(out, elements)
        return out.to(params) if isinstance(params, Tensor) and params.is_floating_point() else out.numpy()

    def _with_translation(self, linear: Tensor, elements: Tensor) -> Tensor:
        d = self.n_features
        out = linear.new_zeros((len(elements), d + 1, d + 1))
        out[:, :d, :d], out[:, d, d] = linear, 1.0
        shift = torch.cat([block.irrep.translation(elements) for block in self.blocks], dim=-1)
        out[:, :d, d] = shift @ torch.from_numpy(self.synthesis.T.copy())
        return out

    def _act(self, c: Tensor, elements: Tensor) -> Tensor:
        parts = []
        for block in self.blocks:
            part = c[:, block.columns]
            if not block.irrep.trivial:
                moved = (block.irrep.matrices(elements).to(c.dtype) @ part[..., None])[..., 0]
                part = moved + block.irrep.translation(elements).to(c.dtype)
            parts.append(part)
        return torch.cat(parts, dim=-1) if parts else c

    # --- input ----------------------------------------------------------------------------------------------------
    def _rows(self, x: Any, width: int, what: str) -> Tensor:
        rows = x if isinstance(x, Tensor) else _tensor(x, what)
        if rows.is_complex():
            raise ParameterError(what, "real numbers", f"dtype {rows.dtype}")
        if rows.ndim != 2 or rows.shape[1] != width:
            raise ShapeError(what, f"(N, {width})", tuple(rows.shape))
        if not rows.is_floating_point():
            rows = rows.to(torch.float64)
        check_finite(to_numpy(rows), what)
        return rows.to(torch.float64) if rows.dtype in (torch.float16, torch.bfloat16) else rows

    def _elements(self, params: Any, n: int, rows: Tensor) -> Tensor:
        elements = as_params(params, self.group)
        if len(elements) == 1 and n != 1:
            elements = np.repeat(elements, n, axis=0)
        if len(elements) != n:
            raise LengthError(rows=n, params=len(elements))
        self.group.check(elements)
        if isinstance(params, Tensor) and params.is_floating_point():
            g = params[:, None] if params.ndim == 1 else params
            return g.expand(n, -1).to(rows.device, torch.float64)
        return torch.from_numpy(np.array(elements, dtype=np.float64, order="C")).to(rows.device)

    def refuse_fitted(self, labels: Iterable[Any]) -> None:
        """Raise `OverlapError` when any of these items was fitted."""
        known = list(labels)
        marks = fingerprints(known)
        shared = np.isin(marks, self.fitted)
        if shared.any():
            raise OverlapError(int(shared.sum()), known[int(np.flatnonzero(shared)[0])])

    # --- on disk and on screen ------------------------------------------------------------------------------------
    def save(self, path: str | Path) -> None:
        """Write a safetensors file with a JSON header (no pickle; to a temporary name, then moved)."""
        blocks = [
            {"irrep": b.irrep.name, "energy": b.energy, "interval": list(b.interval), "isotropy": b.isotropy}
            for b in self.blocks
        ]
        meta = {
            "format": FORMAT,
            "version": str(VERSION),
            "group": repr(self.group),
            "blocks": json.dumps(blocks),
            "status": self.status,
            "limited": json.dumps(self.limited),
        }
        names = ("analysis", "synthesis", "centre", "fitted")
        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in names}
        write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata=meta))

    @classmethod
    def load(cls, path: str | Path) -> LatentCoordinates:
        """Read what `save` wrote.

        Raises
        ------
        FileFormatError
            For a file of another program or version.
        """
        meta, tensors = read_safetensors(path, FORMAT, VERSION)
        try:
            group = parse(meta["group"])
            blocks, start = [], 0
            for entry in json.loads(meta["blocks"]):
                rep = group.irrep(entry["irrep"])
                rows = tuple(range(start, start + rep.dim))
                low, high = entry["interval"]
                blocks.append(Block(rep, rows, entry["energy"], (low, high), entry["isotropy"]))
                start += rep.dim
            status: Any = meta["status"]
            return cls(
                group,
                tuple(blocks),
                tensors["analysis"],
                tensors["synthesis"],
                tensors["centre"],
                status,
                json.loads(meta["limited"]),
                tensors["fitted"],
            )
        except (KeyError, ValueError, TypeError) as error:
            raise FileFormatError(path, "whole coordinates", f"{type(error).__name__}: {error}") from error

    def __repr__(self) -> str:
        inside = ", ".join(f"{b.irrep.name} ({b.energy:.3f})" for b in self.blocks if not b.irrep.trivial)
        n_trivial = sum(b.irrep.trivial for b in self.blocks)
        return (
            f"LatentCoordinates({self.group!r}: R^{self.n_features} → R^{self.n_coordinates}; {inside or 'no block'}"
            f"{f'; {n_trivial} invariant' if n_trivial else ''}; status {self.status})"
        )


def fingerprints(labels: Iterable[Any]) -> Array:
    """64-bit marks of item labels, equal for equal labels of any numeric or string dtype."""
    marks = [hashlib.blake2b(_text(label).encode(), digest_size=8).digest() for label in labels]
    return np.frombuffer(b"".join(marks), dtype=np.uint64).copy() if marks else np.zeros(0, dtype=np.uint64)


def _text(label: Any) -> str:
    value = label.item() if isinstance(label, np.generic) else label
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return repr(value)


def _tensor(x: Any, what: str) -> Tensor:
    array = to_numpy(x)
    if array.dtype.kind not in "fiub":
        raise ParameterError(what, "real numbers", f"dtype {array.dtype}")
    known = array.dtype.kind == "f" and array.dtype.itemsize <= 8
    # A copy where the memory is read-only: torch warns about tensors that nobody may write to.
    return torch.from_numpy(np.require(array if known else array.astype(np.float64), requirements=["C", "W"]))


def _as(x: Array, rows: Tensor) -> Tensor:
    return torch.as_tensor(x, dtype=rows.dtype, device=rows.device)


def _restore(result: Tensor, given: Any) -> Any:
    """`result` in the kind and dtype of what was given."""
    if isinstance(given, Tensor):
        return result.to(given.dtype) if given.is_floating_point() else result
    array = result.numpy()
    kind = to_numpy(given).dtype
    return array.astype(kind, copy=False) if kind.kind == "f" else array
