"""Hybrid losses: implicit, explicit and contrastive terms as one weighted sum whose parts stay visible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from geodis.errors import ParameterError

Term = Callable[..., Tensor]


def weighted_sum(terms: Mapping[str, tuple[float, Term]]) -> Callable[..., tuple[Tensor, dict[str, Tensor]]]:
    """Σ_k w_k L_k as one function, which returns the total and the parts L_k: unweighted, without gradients.

    All terms are called with the same arguments; a term picks what it needs. Zero weight means: report, do not train
    (no gradient is computed, and NaN stays out of the total). Scores to be maximized get a negative weight.

    Parameters
    ----------
    terms : mapping of str to (float, callable)
        Name → (weight, loss). The loss returns a scalar tensor.

    Returns
    -------
    callable
        Any arguments → (total, {name: part}).

    Raises
    ------
    ParameterError
        For no terms, or a weight that is not finite.

    Examples
    --------
    CARE (Gupta et al., 2023, arXiv 2306.13924) is contrast between views plus kept inner products; with the error of a
    known operator as a third term it is the hybrid of implicit and explicit equivariance:

    >>> import torch
    >>> from geodis.training import gram_loss, nt_xent, prediction_loss
    >>> hybrid = weighted_sum({
    ...     "contrast": (1.0, lambda z, gz, rho: nt_xent(z, gz)),
    ...     "gram": (0.1, lambda z, gz, rho: gram_loss(z, gz)),
    ...     "prediction": (0.5, lambda z, gz, rho: prediction_loss(z, gz, rho)),
    ... })
    >>> z, quarter = torch.eye(2), torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    >>> total, parts = hybrid(z, z @ quarter.T, quarter)
    >>> sorted(parts), parts["gram"].item(), bool(total == parts["contrast"])
    (['contrast', 'gram', 'prediction'], 0.0, True)
    """
    fixed = dict(terms)
    if not fixed:
        raise ParameterError("weighted_sum: terms", "at least one term", "none")
    for name, (weight, _) in fixed.items():
        if not isfinite(weight):
            raise ParameterError(f"weighted_sum: weight of {name!r}", "a finite number", weight)

    def loss(*args: Any, **kwargs: Any) -> tuple[Tensor, dict[str, Tensor]]:
        parts = {name: _part(term, weight != 0, args, kwargs) for name, (weight, term) in fixed.items()}
        weighted = [fixed[name][0] * part for name, part in parts.items() if fixed[name][0] != 0]
        zero = torch.zeros_like(next(iter(parts.values())).detach())
        return sum(weighted, zero), {name: part.detach() for name, part in parts.items()}

    return loss


def _part(term: Term, trained: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    with nullcontext() if trained else torch.no_grad():
        return torch.as_tensor(term(*args, **kwargs))
