"""How far an element is from the identity: the horizontal axis of an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from geodis.groups.cyclic import Cyclic
from geodis.groups.euclidean import SE
from geodis.groups.group import AbstractGroup
from geodis.groups.linear import GL
from geodis.groups.lorentz import Lorentz
from geodis.groups.product import Product
from geodis.groups.scaling import Scaling
from geodis.groups.so2 import SO2
from geodis.groups.so3 import SO3
from geodis.groups.son import SO
from geodis.groups.translation import Translation
from geodis.linalg import Array, to_numpy

# Groups that exp covers: each element has a principal logarithm, and that of g⁻¹ is its negative.
EXPONENTIAL = (SO2, SO3, SO, Translation, Scaling, SE, Lorentz)


def element_size(group: AbstractGroup, params: Any) -> Array:
    """How far g is from e, the same for g and g⁻¹ and 0 for e: params `(..., p)` → `(...)`.

    ‖log g‖ where every element has a logarithm: the angle [rad] of SO2 and SO3 (the root of the sum of squared angles
    of SO(n)), the length of a shift, the shorter way round on a torus, |τ| of a scaling; rigid motions and Lorentz
    transformations mix the units of their two parts. The fewest steps of a cyclic group. The Frobenius distance of the
    matrix of g from 1 for the other groups, for GL(n) the mean of the distances of g and g⁻¹. Products: the root of
    the sum of the factors' squares.

    Parameters
    ----------
    group : AbstractGroup
        The group of the elements.
    params : array (..., p)
        Elements, numpy or torch.

    Returns
    -------
    ndarray (...)

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For parameters that are no elements of the group.

    Examples
    --------
    >>> from geodis.groups import SO2, Cyclic
    >>> element_size(Cyclic(12), [[0.0], [1.0], [11.0], [6.0]]).tolist()
    [0.0, 1.0, 1.0, 6.0]
    >>> element_size(SO2() * Cyclic(12), [[-3.0, 4.0]]).tolist()
    [5.0]
    """
    group.check(params)
    g = np.asarray(to_numpy(params), dtype=np.float64)
    return _size(group, torch.as_tensor(g)).numpy()


def _size(group: AbstractGroup, g: Tensor) -> Tensor:
    if isinstance(group, Product):
        parts = zip(group.groups, g.split([factor.n_params for factor in group.groups], -1), strict=True)
        return torch.linalg.vector_norm(torch.stack([_size(factor, part) for factor, part in parts]), dim=0)
    if isinstance(group, Cyclic):
        steps = torch.remainder(g[..., 0].round(), group.order)
        return torch.minimum(steps, group.order - steps)
    if isinstance(group, EXPONENTIAL):
        return torch.linalg.vector_norm(group._log(g), dim=-1)
    if isinstance(group, GL):
        return (_distance(group, g) + _distance(group, group._inverse(g))) / 2
    return _distance(group, g)


def _distance(group: AbstractGroup, g: Tensor) -> Tensor:
    matrix = group._matrix(g)
    return torch.linalg.matrix_norm(matrix - torch.eye(matrix.shape[-1], dtype=matrix.dtype))
