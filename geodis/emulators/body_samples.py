"""Samples that a law is fitted to: states, scalars, and the states a time later."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from geodis.emulators.pairwise_law import PairwiseLaw, check_bodies
from geodis.errors import FiniteError, ParameterError, ShapeError
from geodis.linalg import to_numpy


class BodySamples(NamedTuple):
    """States (batch, n, d) and scalars (batch, n, k), float64, with positions (and velocities) a time `span` later."""

    x: Tensor
    v: Tensor
    scalars: Tensor
    target_x: Tensor
    target_v: Tensor | None
    span: float

    @classmethod
    def of(
        cls, law: PairwiseLaw, x: Any, v: Any, scalars: Any, target_x: Any, target_v: Any, span: float
    ) -> BodySamples:
        """Check shapes and numbers; raises `ShapeError`, `FiniteError` or `ParameterError` with a sentence."""
        a, b, s, y = (np.array(to_numpy(z), dtype=np.float64) for z in (x, v, scalars, target_x))
        check_bodies(law, a, b, s)
        w = None if target_v is None else np.array(to_numpy(target_v), dtype=np.float64)
        for name, target in (("target_x", y), ("target_v", w)):
            if target is None:
                continue
            if target.shape != a.shape:
                raise ShapeError(name, f"{a.shape} as x", target.shape)
            if not np.isfinite(target).all():
                raise FiniteError(name, int((~np.isfinite(target)).sum()))
        if not isinstance(span, (int, float, np.floating, np.integer)) or not np.isfinite(span) or span <= 0:
            raise ParameterError("span", "a positive number, the time between x and target_x", repr(span))
        later = None if w is None else torch.from_numpy(w)
        return cls(
            torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(s), torch.from_numpy(y), later, float(span)
        )

    @property
    def n(self) -> int:
        """How many systems."""
        return self.x.shape[0]

    def rows(self, index: Any) -> BodySamples:
        """The systems at `index`."""
        which = torch.as_tensor(index, dtype=torch.long)
        later = None if self.target_v is None else self.target_v[which]
        return BodySamples(self.x[which], self.v[which], self.scalars[which], self.target_x[which], later, self.span)
