"""A lift h = φ(z): a frozen nonlinear map of embeddings, in whose features an action that is curved in z is linear."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from geodis.coordinates.rows import read_rows, restore
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy


@dataclass(frozen=True, eq=False)
class AbstractLift(ABC):
    """A frozen map h = φ(z), `(N, D) → (N, F)`, row by row; coordinates of a lift are c = A(φ(z) − centre).

    Takes numpy arrays or tensors and returns the kind, dtype and device it got; gradients flow through it. A subclass
    is a frozen dataclass that names its `kind`, maps checked rows in `_lift`, and tells in `state` what `from_state`
    rebuilds it from. `known_lifts.py` lists the kinds that files may hold.

    Attributes
    ----------
    n_features_in : int
        D, the embedding dimension.
    n_features : int
        F, the number of features.
    """

    n_features_in: int
    n_features: int
    kind: ClassVar[str]

    def __call__(self, z: Any) -> Any:
        """Features h = φ(z), `(N, D) → (N, F)`.

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            For embeddings of another dimension, NaN, numbers that are not real; for features that overflow.
        """
        rows = read_rows(z, self.n_features_in, "lift: z")
        lifted = self._lift(rows)
        if tuple(lifted.shape) != (len(rows), self.n_features):
            raise ShapeError(f"features of {self!r}", f"({len(rows)}, {self.n_features})", tuple(lifted.shape))
        check_finite(to_numpy(lifted), f"features of {self!r}")
        return restore(lifted, z)

    @abstractmethod
    def _lift(self, rows: Tensor) -> Tensor:
        """φ of checked floating rows, differentiable, in their dtype and on their device: `(N, D) → (N, F)`."""

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """`(config, tensors)`: what JSON holds of the lift, and its arrays by name."""

    @classmethod
    @abstractmethod
    def from_state(cls, config: Mapping[str, Any], tensors: Mapping[str, Array]) -> Self:
        """The lift with this state."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(R^{self.n_features_in} → R^{self.n_features})"


@dataclass(frozen=True, eq=False, repr=False)
class AbstractInvertibleLift(AbstractLift):
    """A lift onto as many features (F = D) that can be undone: φ⁻¹(φ(z)) = z, so that edits give embeddings back."""

    def inverse(self, h: Any) -> Any:
        """Embeddings z = φ⁻¹(h), `(N, D) → (N, D)`.

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            For features of another dimension, NaN, numbers that are not real; for embeddings that overflow.
        """
        rows = read_rows(h, self.n_features, "lift: h")
        z = self._inverse(rows)
        check_finite(to_numpy(z), f"inverse of {self!r}")
        return restore(z, h)

    @abstractmethod
    def _inverse(self, rows: Tensor) -> Tensor:
        """φ⁻¹ of checked floating rows, differentiable: `(N, D) → (N, D)`."""


@dataclass(frozen=True)
class AbstractLiftSpec(ABC):
    """What a lift shall be, before it has seen embeddings: `fit` returns the frozen lift. A value."""

    @abstractmethod
    def fit(self, z: Any, *, seed: int = 0) -> AbstractLift:
        """The frozen lift for embeddings like `z` (N, D)."""


def frozen(lift: AbstractLift | AbstractLiftSpec | None, z: Any, seed: int) -> AbstractLift | None:
    """A spec fitted on `z`; a frozen lift, or none, as it is.

    Raises
    ------
    ParameterError
        For something else.
    """
    if isinstance(lift, AbstractLiftSpec):
        return lift.fit(z, seed=seed)
    if lift is not None and not isinstance(lift, AbstractLift):
        raise ParameterError("lift", "None, a spec such as Polynomial(2), or a frozen lift", repr(lift))
    return lift


def same_lift(a: AbstractLift | None, b: AbstractLift | None) -> bool:
    """Whether two lifts are one map: the same kind and the same state."""
    if a is None or b is None or a is b:
        return a is b
    (config_a, tensors_a), (config_b, tensors_b) = a.state(), b.state()
    return (
        a.kind == b.kind
        and config_a == config_b
        and tensors_a.keys() == tensors_b.keys()
        and all(np.array_equal(x, tensors_b[name]) for name, x in tensors_a.items())
    )
