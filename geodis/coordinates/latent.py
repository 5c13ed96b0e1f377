"""LatentCoordinates: the frozen result of a fit. Coordinates, the group's action on them, edits of embeddings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn

from geodis.coordinates.known_lifts import read_lift, written_lift
from geodis.coordinates.lift import AbstractInvertibleLift, AbstractLift
from geodis.coordinates.rows import as_rows, read_rows, restore
from geodis.errors import (
    FileFormatError,
    LengthError,
    NotInvertibleError,
    NotLinearError,
    OverlapError,
    ParameterError,
)
from geodis.files import read_safetensors, write_atomically
from geodis.groups import AbstractGroup, Representation, direct_sum, parse
from geodis.linalg import Array
from geodis.orbits import as_params

FORMAT = "geodis.coordinates"
VERSION = 2
OLDER = (1,)  # without lifts
BATCH_ENTRIES = 2**22  # of lifted rows at a time: N×F is never held whole
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

    With a lift φ the coordinates are c = A(φ(z) − centre): A, P and `centre` live in the lifted space R^F, and so does
    Op(g). An edit of an embedding is then φ⁻¹(centre + Op(g)(φ(z) − centre)), for lifts that can be undone.

    Attributes
    ----------
    group : AbstractGroup
    blocks : tuple of Block
    analysis : ndarray (p, F)
        A; F = D without a lift.
    synthesis : ndarray (F, p)
        P = ΣAᵀ(AΣAᵀ)⁻¹ with the training covariance Σ; Aᵀ for an isometric frame.
    centre : ndarray (F,)
    status : {"ok", "partial", "degenerate", "insufficient"}
    limited : bool
        Whether energies are skills against the identity (theory.md §5).
    fitted : ndarray of uint64
        Fingerprints of the items that were fitted.
    lift : AbstractLift or None
        φ, `(N, D) → (N, F)`; the embeddings themselves where there is none.
    """

    group: AbstractGroup
    blocks: tuple[Block, ...]
    analysis: Array
    synthesis: Array
    centre: Array
    status: Status
    limited: bool
    fitted: Array
    lift: AbstractLift | None = None

    @property
    def n_coordinates(self) -> int:
        """p, the number of coordinates."""
        return int(self.analysis.shape[0])

    @property
    def n_features(self) -> int:
        """D, the embedding dimension."""
        return self.n_lifted if self.lift is None else self.lift.n_features_in

    @property
    def n_lifted(self) -> int:
        """F, the dimension of the lifted embedding: D without a lift."""
        return int(self.analysis.shape[1])

    @property
    def flat(self) -> LatentCoordinates:
        """The same coordinates as linear ones of lifted rows h = φ(z): flat.transform(lift(z)) = transform(z)."""
        return replace(self, lift=None)

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
        """Coordinates of embeddings: c = A(z − centre), or A(φ(z) − centre), `(N, D) → (N, p)`."""
        rows = read_rows(z, self.n_features, "z")
        return restore(torch.cat([self._codes(h) for h in self._lifted(rows)]), z)

    def inverse_transform(self, c: Any) -> Any:
        """The embedding with these coordinates and an average complement: z = centre + Pc, `(N, p) → (N, D)`.

        With a lift, z = φ⁻¹(centre + Pc).

        Raises
        ------
        NotInvertibleError
            For a lift that cannot be undone.
        """
        undo = self._undo("inverse_transform")
        rows = read_rows(c, self.n_coordinates, "c")
        return restore(undo(as_rows(self.centre, rows) + rows @ as_rows(self.synthesis.T, rows)), c)

    def act(self, c: Any, params: Any) -> Any:
        """The linear action on coordinates: c ↦ ρ(g)c (+ t(g) for positions), `(N, p), (N, …) → (N, p)`."""
        rows = read_rows(c, self.n_coordinates, "c")
        elements = self._elements(params, len(rows), rows)
        return restore(self._act(rows, elements), c)

    def edit(self, z: Any, params: Any) -> Any:
        """Embeddings moved by g: centre + Op(g)(z − centre), `(N, D) → (N, D)`; the complement is kept.

        With a lift, φ⁻¹(centre + Op(g)(φ(z) − centre)).

        Raises
        ------
        ShapeError, LengthError, FiniteError, ParameterError
            For embeddings of another dimension, other numbers of rows, NaN, parameters outside the group.
        NotInvertibleError
            For a lift that cannot be undone.
        """
        undo = self._undo("edit")
        rows = read_rows(z, self.n_features, "z")
        elements = self._elements(params, len(rows), rows)
        parts, start = [], 0
        for h in self._lifted(rows):
            c = self._codes(h)
            moved = self._act(c, elements[start : start + len(h)])
            parts.append(undo(h + (moved - c) @ as_rows(self.synthesis.T, h)))
            start += len(h)
        return restore(torch.cat(parts), z)

    def operator(self, params: Any) -> Any:
        """Op(g) = I + P(ρ(g) − I)A, the action as a matrix on z − centre: `(N, …) → (N, D, D)`.

        With position blocks the action is affine and the matrix acts on (z − centre, 1): (N, D+1, D+1).

        Raises
        ------
        NotLinearError
            For coordinates of a lift: there the action on embeddings is no matrix.
        """
        if self.lift is not None:
            raise NotLinearError(
                f"operator: the action is linear in the coordinates, not in the embedding under {self.lift!r}. Use "
                "`act` on coordinates, `edit` on embeddings (invertible lifts), or `flat.operator`, which acts on "
                "lifted rows φ(z) − centre."
            )
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

    def _codes(self, lifted: Tensor) -> Tensor:
        return (lifted - as_rows(self.centre, lifted)) @ as_rows(self.analysis.T, lifted)

    def _lifted(self, rows: Tensor) -> Iterator[Tensor]:
        """φ(z) in batches; one batch, perhaps of no rows, at least."""
        if self.lift is None:
            yield rows
            return
        for part in rows.split(max(1, BATCH_ENTRIES // max(self.n_lifted, 1))):
            yield self.lift(part)

    def _undo(self, what: str) -> Callable[[Tensor], Tensor]:
        """φ⁻¹."""
        if self.lift is None:
            return _same
        if not isinstance(self.lift, AbstractInvertibleLift):
            raise NotInvertibleError(what, self.lift)
        return self.lift.inverse

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
        tensors = {
            "analysis": self.analysis, "synthesis": self.synthesis, "centre": self.centre, "fitted": self.fitted,
        }  # fmt: skip
        if self.lift is not None:
            meta["lift"], arrays = written_lift(self.lift)
            tensors |= arrays
        tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata=meta))

    @classmethod
    def load(cls, path: str | Path, network: nn.Module | None = None) -> LatentCoordinates:
        """Read what `save` wrote; `network` is needed for coordinates of a network with layers of its own.

        Raises
        ------
        FileFormatError
            For a file of another program or version, or with a lift of a kind that is not known.
        ParameterError
            Without the network that the file's weights need.
        """
        meta, tensors = read_safetensors(path, FORMAT, VERSION, older=OLDER)
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
                read_lift(meta.get("lift"), tensors, path, network),
            )
        except (FileFormatError, ParameterError):
            raise
        except (KeyError, ValueError, TypeError) as error:
            raise FileFormatError(path, "whole coordinates", f"{type(error).__name__}: {error}") from error

    def __repr__(self) -> str:
        inside = ", ".join(f"{b.irrep.name} ({b.energy:.3f})" for b in self.blocks if not b.irrep.trivial)
        n_trivial = sum(b.irrep.trivial for b in self.blocks)
        through = "" if self.lift is None else f" → R^{self.n_lifted} ({self.lift.kind})"
        return (
            f"LatentCoordinates({self.group!r}: R^{self.n_features}{through} → R^{self.n_coordinates}; "
            f"{inside or 'no block'}"
            f"{f'; {n_trivial} invariant' if n_trivial else ''}; status {self.status})"
        )


def fingerprints(labels: Iterable[Any]) -> Array:
    """64-bit marks of item labels, equal for equal labels of any numeric or string dtype."""
    marks = [hashlib.blake2b(_text(label).encode(), digest_size=8).digest() for label in labels]
    return np.frombuffer(b"".join(marks), dtype=np.uint64).copy() if marks else np.zeros(0, dtype=np.uint64)


def _same(rows: Tensor) -> Tensor:
    return rows


def _text(label: Any) -> str:
    value = label.item() if isinstance(label, np.generic) else label
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return repr(value)
