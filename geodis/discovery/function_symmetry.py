"""Symmetries of a given function or simulator, from its gradients: fields X with ∇f·X = 0, or DF·X = Y∘F."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.linalg import block_diag
from torch import Tensor, nn

from geodis.discovery.field_conditions import MapConditions, RowConditions
from geodis.discovery.generator_set import GeneratorSet, thinned
from geodis.discovery.null_space import TOLERANCE, null_space
from geodis.discovery.span_algebra import matrix_algebra
from geodis.discovery.tangent_generators import generators_of
from geodis.discovery.vector_fields import AbstractVectorFields
from geodis.errors import DesignError, NotLinearError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite, real_array, to_numpy

BATCH = 4096  # points of one backward pass
MIXED = 1e-3  # how far, relative to its size, a row's value may depend on the other rows (float32 sums differ by 1e-6)
FLAT = 1e-12  # relative energy of gradients in a direction that the function does not depend on

Function = Callable[[Tensor], Tensor]


def function_symmetries(
    function: Function | Any, points: Any, fields: AbstractVectorFields, *, items: Any = None, repeat: Any = None,
    level: float = 0.95, tolerance: float = TOLERANCE, n_folds: int = 5, seed: int = 0,
) -> GeneratorSet:  # fmt: skip
    """Fields along which f does not change, X f = ∇f·X = 0, at the points and with what confidence.

    Parameters
    ----------
    function : callable or array (n, d) or (n, q, d)
        f on torch tensors, (n, d) → (n,) or (n, q), row by row, such as a loss, a potential or an emulator; or its
        gradients at the points.
    points : array (n, d)
        A sample of where f is used: the claim is about the distribution that they come from.
    fields : AbstractVectorFields
        The family in which symmetries are sought.
    items : array (n,), optional
        What was drawn independently, when coarser than points.
    repeat : array like the gradients, optional
        A second, independent measurement of noisy gradients: the mean is used, the difference gives the noise floor.
    level : float
        Confidence of all claims together.
    tolerance : float
        Largest defect √(E|∇f·X|² / c E|∇f|²|X|²) of a symmetry; 1 is that of a random field.
    n_folds, seed : int
        Folds of items, and their seed.

    Returns
    -------
    GeneratorSet
        With notes where f does not depend on some directions at all: every field along those is a symmetry.

    Raises
    ------
    ShapeError, FiniteError, LengthError, ParameterError, DesignError
        For arrays that do not fit together, NaN, options out of range, a function without gradients or one that mixes
        rows.

    Examples
    --------
    >>> from geodis.discovery.vector_fields import LinearFields
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> found = function_symmetries(lambda x: torch.exp(-x[:, 0] * x[:, 1] / 4), x, LinearFields(2))
    >>> found.n_generators, found.readable()
    (1, ('1 x0 ∂0 - 1 x1 ∂1',))
    """
    x = _points(points, fields)
    given = gradients(function, x)[1] if callable(function) else _gradients(function, x, "gradients")
    other = None if repeat is None else _gradients(repeat, x, "repeat")
    if other is not None and other.shape != given.shape:
        raise ShapeError("repeat", f"{given.shape}, that of the gradients", other.shape)
    rows = given if other is None else (given + other) / 2
    noise = None if other is None else (given - other) / 2
    conditions = RowConditions(fields, x, rows, np.linalg.norm(rows, axis=(1, 2)), noise)
    found = generators_of(conditions, fields, x, items, level, tolerance, n_folds, seed)
    return _with_flat_directions(found, rows)


def map_symmetries(
    function: Function, points: Any, fields: AbstractVectorFields, *, output_fields: AbstractVectorFields | None = None,
    items: Any = None, level: float = 0.95, tolerance: float = TOLERANCE, n_folds: int = 5, seed: int = 0,
) -> GeneratorSet:  # fmt: skip
    """Fields that a map F carries along: DF(x)·X(x) = Y(F(x)), as a simulator's step does with its symmetries.

    Parameters
    ----------
    function : callable
        F on torch tensors, (n, d) → (n, q), row by row.
    points : array (n, d)
        A sample of where F is used.
    fields : AbstractVectorFields
        The family of X.
    output_fields : AbstractVectorFields, optional
        The family of Y on R^q. Without it Y = X, which a step of a simulator (q = d) asks for.
    items, level, tolerance, n_folds, seed
        As in `function_symmetries`.

    Returns
    -------
    GeneratorSet
        With `output_coefficients` where `output_fields` were given. Invariances are among them, with Y = 0.

    Raises
    ------
    ShapeError, FiniteError, LengthError, ParameterError, DesignError
        As in `function_symmetries`.

    Examples
    --------
    >>> from geodis.discovery.vector_fields import AffineFields
    >>> x = np.random.default_rng(0).normal(size=(300, 2))
    >>> step = lambda x: x + 0.3 * torch.sin(x[:, :1] - x[:, 1:]) * torch.tensor([-1.0, 1.0])  # two springs
    >>> for text in map_symmetries(step, x, AffineFields(2)).readable():
    ...     print(text)
    1 x0 ∂0 + 1 x1 ∂0 + 1 x0 ∂1 + 1 x1 ∂1
    1 ∂0 + 1 ∂1
    """
    x = _points(points, fields)
    if not callable(function):
        raise ParameterError("map_symmetries: function", "a function of torch tensors", type(function).__name__)
    images, slopes = gradients(function, x)
    q = (fields if output_fields is None else output_fields).dim
    if images.shape[1] != q:
        raise ShapeError("the map's values", f"(n, {q}), where the fields live", images.shape)
    conditions = MapConditions(fields, x, images, slopes, output_fields)
    if output_fields is None:
        return generators_of(conditions, fields, x, items, level, tolerance, n_folds, seed)
    return _two_sided(conditions, fields, output_fields, items, level, tolerance, n_folds, seed)


def gradients(function: Function, points: Array) -> tuple[Array, Array]:
    """Values (n, q) and Jacobians (n, q, d) of a torch function that treats rows one by one.

    A module's own precision is used; other functions get float64.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For something else than a tensor with gradients, another shape, NaN.
    DesignError
        Where a row's value depends on the other rows of the batch.
    """
    dtype = torch.float64
    if isinstance(function, nn.Module):
        dtype = next((p.dtype for p in function.parameters() if p.is_floating_point()), dtype)
    done = [_differentiated(function, part, dtype) for part in np.array_split(points, -(-len(points) // BATCH))]
    values, slopes = np.concatenate([v for v, _ in done]), np.concatenate([s for _, s in done])
    check_finite(values, "the function's values")
    check_finite(slopes, "the function's gradients")
    _refuse_mixing(function, points, values, dtype)
    return values, slopes


def _differentiated(function: Function, points: Array, dtype: torch.dtype) -> tuple[Array, Array]:
    x = torch.tensor(points, dtype=dtype, requires_grad=True)
    with torch.enable_grad():
        out = function(x)
        if not isinstance(out, Tensor) or not out.requires_grad:
            raise ParameterError(
                "the function's value", "a torch tensor that depends on the points", type(out).__name__,
                "Write it in torch, or give its gradients as an array.",
            )  # fmt: skip
        if len(out.shape) not in (1, 2) or len(out) != len(points):
            raise ShapeError("the function's values", f"({len(points)},) or ({len(points)}, q)", tuple(out.shape))
        flat = out.reshape(len(points), -1)
        rows = [torch.autograd.grad(flat[:, j].sum(), x, retain_graph=True)[0] for j in range(flat.shape[1])]
    return flat.detach().double().numpy(), torch.stack(rows, dim=1).double().numpy()


def _refuse_mixing(function: Function, points: Array, values: Array, dtype: torch.dtype) -> None:
    """Compare a few rows' values in a batch of their own."""
    some = points[: max(2, min(len(points) // 2, 16))]
    with torch.no_grad():
        alone = function(torch.tensor(some, dtype=dtype)).reshape(len(some), -1).double().numpy()
    miss = float(np.abs(alone - values[: len(some)]).max())
    if miss > MIXED * max(float(np.abs(values).max()), 1e-300):
        raise DesignError(
            f"function: expected values that depend on their own row alone, but they change by {miss:.2g} in another "
            "batch. Put the module in eval mode, fix its random numbers, or give gradients as an array."
        )


def _two_sided(
    conditions: MapConditions, fields: AbstractVectorFields, output: AbstractVectorFields, items: Any, level: float,
    tolerance: float, n_folds: int, seed: int,
) -> GeneratorSet:  # fmt: skip
    """The null space over (X, Y); its algebra is that of the pairs."""
    null = null_space(conditions, items, level=level, tolerance=tolerance, n_folds=n_folds, seed=seed)
    found = null.directions[: null.n_generators]
    parts = found[:, : fields.n_fields], found[:, fields.n_fields :]
    name, closure = None, math.nan
    try:
        pairs = zip(fields.matrices(parts[0]), output.matrices(parts[1]), strict=True)
        stacked = np.stack([block_diag(a, b) for a, b in pairs])
        if len(found):
            name, closure = matrix_algebra(stacked, noise=null.angle, seed=seed)
    except NotLinearError:
        pass
    return GeneratorSet(
        fields, parts[0], null.spectrum, np.stack([null.low, null.high], axis=1), null.floor, null.beyond, null.status,
        level, tolerance, null.n_items, null.n_vanishing, thinned(conditions.points), name, closure,
        null.angle, output_fields=output, output_coefficients=parts[1], notes=null.notes,
    )  # fmt: skip


def _with_flat_directions(found: GeneratorSet, rows: Array) -> GeneratorSet:
    """A note where no gradient has a component: fields along such directions are symmetries, however they vary."""
    energy = np.linalg.eigvalsh(np.einsum("nqi,nqj->ij", rows, rows))
    n_flat = int((energy <= FLAT * max(float(energy[-1]), 1e-300)).sum())
    if not n_flat or found.status == "degenerate":
        return found
    note = f"the function does not depend on {n_flat} directions: every field along them is a symmetry"
    return replace(found, notes=(*found.notes, note))


def _points(points: Any, fields: Any) -> Array:
    if not isinstance(fields, AbstractVectorFields):
        raise ParameterError("fields", "a family such as LinearFields(3)", repr(fields))
    return real_array(points, "points", ("n", fields.dim))


def _gradients(given: Any, points: Array, what: str) -> Array:
    array = np.asarray(to_numpy(given), dtype=np.float64)
    n, d = points.shape
    if array.ndim not in (2, 3) or len(array) != n or array.shape[-1] != d or 0 in array.shape:
        raise ShapeError(what, f"({n}, {d}) or ({n}, q, {d})", array.shape)
    check_finite(array, what)
    return array.reshape(n, -1, d)
