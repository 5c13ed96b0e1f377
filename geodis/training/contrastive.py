"""Contrast: two views of one item lie closer than views of different items.

Two geometries. On the sphere rows are divided by their norms and compared by cosines, so the losses do not change under
a common orthogonal map of all rows. In R^d canonical codes are compared by squared distances, so the loss does not
change under a common isometry (rotation, reflection, translation).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from geodis.errors import ShapeError
from geodis.linalg import like
from geodis.training.rows import Number, alike, enough_rows, paired_rows, positive


def info_nce(a: Any, b: Any, temperature: Number = 0.1, negatives: Any = None) -> Any:
    """InfoNCE: which of the candidates b_1 … b_n (and the extra negatives) belongs to a_i, as a classification.

    L = mean_i −log [ exp(⟨a_i, b_i⟩/τ) / (Σ_j exp(⟨a_i, b_j⟩/τ) + Σ_k exp(⟨a_i, v_k⟩/τ)) ], rows at unit norm.

    It is not symmetric: `(info_nce(a, b) + info_nce(b, a)) / 2` is, and `nt_xent` contrasts within a view too. At
    chance L = log(n + K). A row of zeros has cosine 0 with everything, and no gradient.

    Parameters
    ----------
    a, b : array (n, d)
        Embeddings of two views; row i of both is item i. n ≥ 2.
    temperature : float or tensor ()
        τ > 0; a tensor can be learned.
    negatives : array (K, d), optional
        More rows that belong to no item of the batch, such as a queue.

    Returns
    -------
    scalar
        In the input's kind, dtype and device.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For rows that do not fit together, fewer than two of them, a temperature that is not positive, or NaN in a numpy
        array. NaN in a tensor makes the loss NaN.

    References
    ----------
    A. van den Oord, Y. Li, O. Vinyals: Representation learning with contrastive predictive coding, 2018,
    arXiv 1807.03748. Queues of negatives: K. He et al., 2020, arXiv 1911.05722.

    Examples
    --------
    >>> import torch
    >>> z = torch.eye(3, dtype=torch.float64)
    >>> info_nce(z, z, temperature=0.1).item() < 1e-4  # every row finds its own
    True
    >>> round(info_nce(z, torch.ones_like(z)).exp().item(), 6)  # nothing to tell rows apart: one in three
    3.0
    """
    rows, candidates = _batch(a, b, "info_nce: a, b")
    scale = positive(temperature, "info_nce: temperature")
    cosines = unit(rows) @ unit(candidates).mT
    own = cosines.diagonal()
    if negatives is not None:
        extra, _ = alike((negatives, rows), "info_nce: negatives")
        if extra.ndim != 2 or extra.shape[-1] != rows.shape[-1]:
            raise ShapeError("info_nce: negatives", f"(K, {rows.shape[-1]})", tuple(extra.shape))
        cosines = torch.cat([cosines, unit(rows) @ unit(extra.to(rows)).mT], dim=1)
    return like(((cosines / scale).logsumexp(dim=1) - own / scale).mean(), a, b)


def nt_xent(a: Any, b: Any, temperature: Number = 0.5) -> Any:
    """NT-Xent of SimCLR: each of the 2n rows finds its partner among the 2n − 1 others. Symmetric in a and b.

    With v = (a; b) at unit norm and p(i) the partner of row i,
    L = mean_i −log [ exp(⟨v_i, v_p(i)⟩/τ) / Σ_{k≠i} exp(⟨v_i, v_k⟩/τ) ]. At chance L = log(2n − 1).

    Parameters
    ----------
    a, b : array (n, d)
        Embeddings of two views; row i of both is item i. n ≥ 2.
    temperature : float or tensor ()
        τ > 0.

    Returns
    -------
    scalar
        In the input's kind, dtype and device.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        As `info_nce`.

    References
    ----------
    T. Chen, S. Kornblith, M. Norouzi, G. Hinton: A simple framework for contrastive learning of visual representations,
    2020, arXiv 2002.05709.

    Examples
    --------
    >>> import torch
    >>> same = torch.ones(4, 2, dtype=torch.float64)
    >>> round(nt_xent(same, same).exp().item(), 6)  # collapsed: one in seven
    7.0
    """
    first, second = _batch(a, b, "nt_xent: a, b")
    scale = positive(temperature, "nt_xent: temperature")
    rows = unit(torch.cat([first, second]))
    logits = rows @ rows.mT / scale
    n = len(first)
    partner = torch.cat([logits.diagonal(n), logits.diagonal(-n)])
    itself = torch.eye(2 * n, dtype=torch.bool, device=rows.device)
    return like((logits.masked_fill(itself, -torch.inf).logsumexp(dim=1) - partner).mean(), a, b)


def canonical_info_nce(u: Any, temperature: Number = 1.0) -> Any:
    """Canonical codes tell items apart: a code is nearer to its item's other views than to other items' views.

    u_ij = ρ(g_ij)⁻¹c_ij is the same for all views j if and only if the code is equivariant, so contrast on u asks for
    equivariance (attraction) and for kept content (repulsion) at once, and, unlike contrast on c, not for invariance:
    L = mean over i, j ≠ k of −log [ e(ij, ik) / (e(ij, ik) + Σ_{i'≠i, l} e(ij, i'l)) ],
    e(p, q) = exp(−|u_p − u_q|²/τ). At chance L = log(1 + (n − 1)m).

    Parameters
    ----------
    u : array (n, m, d)
        Canonical codes (`canonical_codes`) of n ≥ 2 items in m ≥ 2 views.
    temperature : float or tensor ()
        τ > 0, in squared units of the code: no norm is divided out, so fix the scale of the code or learn τ.

    Returns
    -------
    scalar
        In the input's kind, dtype and device. Memory (nm)².

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For another shape, fewer than two items or views, a temperature that is not positive, or NaN in a numpy array.

    Notes
    -----
    Squared distances make it the loss of a Gaussian mixture around items; the symmetry is that of E(d), whereas cosines
    keep the origin. Distance beyond what tells items apart is hardly rewarded, so codes do not blow up.

    Examples
    --------
    >>> import torch
    >>> u = torch.tensor([[[0.0], [0.0]], [[9.0], [9.0]]])
    >>> canonical_info_nce(u).item() < 1e-30
    True
    >>> round(canonical_info_nce(torch.zeros(2, 2, 1)).exp().item(), 4)  # collapsed: one in three
    3.0
    """
    (codes,) = alike((u,), "canonical_info_nce: u")
    if codes.ndim != 3 or not codes.shape[-1]:
        raise ShapeError("canonical_info_nce: u", "(n items, m views, d)", tuple(codes.shape))
    enough_rows(codes, "canonical_info_nce: views of an item", 2)
    enough_rows(codes.flatten(1), "canonical_info_nce: items", 2)
    scale = positive(temperature, "canonical_info_nce: temperature")
    n, m, _ = codes.shape
    flat = codes.flatten(0, 1)
    flat = flat - flat.mean(0)  # |p|² + |q|² − 2⟨p, q⟩ loses the fewest digits about the mean
    squares = flat.square().sum(-1)
    logits = (2 * flat @ flat.mT - squares[:, None] - squares).reshape(n, m, n, m) / scale
    same = torch.eye(n, dtype=torch.bool, device=codes.device)[:, None, :, None]
    others = logits.masked_fill(same, -torch.inf).flatten(2).logsumexp(-1)
    own = logits.diagonal(dim1=0, dim2=2).movedim(-1, 0)  # (n, m, m)
    losses = torch.logaddexp(others[..., None] - own, own.new_zeros(()))  # softplus would leave out terms below e^-20
    itself = torch.eye(m, dtype=torch.bool, device=codes.device)
    return like(losses.masked_fill(itself, 0.0).sum() / (n * m * (m - 1)), u)


def unit(x: Tensor) -> Tensor:
    """Rows of norm 1; a row of zeros stays one, with no gradient."""
    # Scaled first, since squares of tiny or huge entries leave the floating range.
    largest = x.detach().abs().amax(-1, keepdim=True)
    nothing = largest == 0
    scaled = x.masked_fill(nothing, 0.0) / largest.masked_fill(nothing, 1.0)
    squares = scaled.square().sum(-1, keepdim=True)
    return scaled / squares.masked_fill(nothing, 1.0).sqrt()


def _batch(a: Any, b: Any, what: str) -> tuple[Tensor, Tensor]:
    first, second = paired_rows(a, b, what, least=2)
    if first.ndim != 2:
        raise ShapeError(what, "(n, d)", tuple(first.shape))
    return first, second
