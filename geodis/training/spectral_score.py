"""The spectral score: how much of a batch of features is equivariant, block by block, as a differentiable number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geodis.errors import ParameterError, ShapeError
from geodis.groups import Representation

RIDGE = 1e-3  # of the mean variance: whitening by a batch must not divide by directions that hardly vary


def spectral_score(h: Tensor, params: Tensor, irreps: Sequence[Representation], *, ridge: float = RIDGE) -> Tensor:
    """Σ_ρ d_ρ Σ_r max(0, λ_r)², the number of equivariant dimensions of the features, each by its squared energy.

    For every irrep the λ_r are the generalised eigenvalues of the moments of theory: S w = λ (T + ridge) w with
    S = mean_i [m M_iᴴM_i − I⊗C_i]/(m − 1) and T = I⊗Cov(h), the energies that `isotypic_spectrum` prints. No copies are
    assigned beforehand: how many directions of the features follow which irrep is the network's choice. The square
    rewards a direction that follows one irrep wholly over several that do by halves (the energies of all irreps of one
    direction sum to one). Whitening by T makes collapsed features worth nothing, whatever their scale.

    Gradients flow through eigenvalues only, which is safe where they coincide.

    Parameters
    ----------
    h : Tensor (n, m, F)
        Features of n items at m elements each, elements drawn from the Haar measure (or a full orbit, or a grid).
    params : Tensor (n, m, p)
        The elements.
    irreps : sequence of Representation
        Orthogonal linear irreps to count; leave out the trivial one, which invariants would fill.
    ridge : float
        Added to T, as a share of the mean variance.

    Returns
    -------
    Tensor ()
        Between 0 and F.

    Raises
    ------
    ShapeError, ParameterError
        For other shapes, fewer than two elements an item, representations that are not orthogonal and linear.

    References
    ----------
    Wu, Noé: Variational approach for learning Markov processes from time series data (2020), arXiv 1707.04659: the
    score of one operator, of which this is the form for a group.

    Examples
    --------
    >>> import torch
    >>> from geodis.groups import SO2
    >>> from geodis.training import spectral_score
    >>> angle = torch.from_numpy(SO2().orbit(50, 8))
    >>> start = torch.arange(50.0)[:, None, None]
    >>> turning = torch.cat([torch.cos(angle + start), torch.sin(angle + start)], dim=-1)
    >>> round(float(spectral_score(turning, angle, SO2().irreps(2)[1:])), 2)
    2.0
    """
    _check(h, params, irreps)
    oblique = [rep.name for rep in irreps if not rep.orthogonal]
    if oblique:
        raise ParameterError("irreps", "orthogonal ones", oblique, "Use `pair_score`.")
    white = _whitened(h, ridge)
    # In real arithmetic a copy of complex or quaternionic type has as many W as its commutant has dimensions.
    counted = [rep.dim / rep.commutant_dim * energies(white, params, rep).relu().square().sum() for rep in irreps]
    return torch.stack(counted).sum()


def energies(white: Tensor, params: Tensor, rep: Representation) -> Tensor:
    """All λ of one irrep for features with identity covariance (n, m, F), ascending, in real arithmetic.

    Those of complex type are solved in their half form, where a plane has one λ, and listed twice.
    """
    values = torch.linalg.eigvalsh(moment_matrix(white, params, rep))
    return values if rep.half is None else values.repeat_interleave(2)


def moment_matrix(white: Tensor, params: Tensor, rep: Representation) -> Tensor:
    """S of theory §3 for features with identity covariance (n, m, F): (hF, hF), h rows of the (half) irrep."""
    n, m, width = white.shape
    action = rep.half if rep.half is not None else rep.matrices
    rho = action(params.to(torch.float64)).to(white.dtype if rep.half is None else _complex(white.dtype))
    d = rho.shape[-1]
    # M_i = mean_j ρ(g_ij)ᴴ ⊗ h_ijᵀ, of shape (d, d·F); its rows are those of a Gram matrix.
    coefficients = torch.einsum("nmba,nme->nabe", rho.conj(), white.to(rho.dtype)) / m
    rows = coefficients.reshape(n * d, d * width)
    b = rows.mH @ rows / n
    cov = torch.einsum("nme,nmf->ef", white, white) / (n * m)
    second = torch.kron(torch.eye(d, dtype=white.dtype, device=white.device), cov)
    return (m * b - second) / (m - 1)


def pair_score(h: Tensor, params: Tensor, irreps: Sequence[Representation], *, ridge: float = RIDGE) -> Tensor:
    """Σ_ρ d_ρ Σ_r κ_r|κ_r|, the same for limited designs and for groups that are not compact.

    Blocks solve (I − L)w = κ(I + L + ridge)w with the pair loss L = min_b mean ω(g)|W h_k + b − ρ(g)(W h_j + b)|² over
    all steps g = g_k g_j⁻¹ within items, I = mean ω(g)|W(h_k − h_j)|² the loss of not acting, ω(g) = 2/(1 + ‖ρ(g)‖²/d).
    κ = (I − L)/(I + L) is 1 for an exact block, 0 for one that does no better than standing still. The fixed point −b
    may lie anywhere: the score does not change when features are mixed linearly or shifted.

    Cross-fitted: blocks with κ > 0 are solved for on every second item, their κ is that of the other items, and the two
    halves are averaged. In sample a network would learn to put a feature on a single item, which any W fits. Squares
    keep their sign, so that noise gains nothing. The gradient is that of κ on the items that are scored, at the
    solutions of the others.

    On a limited range irreps are not orthogonal: a direction that follows one may score partly for its neighbours, too,
    and the sum may exceed F.

    Parameters
    ----------
    h : Tensor (n, m, F)
        Features of n ≥ 2 items.
    params : Tensor (n, m, p)
    irreps : sequence of Representation
        Linear representations without translations, orthogonal or not.
    ridge : float
        Added to L + I, as a share of its mean diagonal.

    Examples
    --------
    >>> import torch
    >>> from geodis.groups import Scaling
    >>> from geodis.training import pair_score
    >>> factor = torch.from_numpy(Scaling().sample(100, seed=0)).reshape(50, 2, 1)
    >>> size = torch.arange(1.0, 51.0)[:, None, None] * factor.exp()
    >>> round(float(pair_score(size + 7.0, factor, [Scaling().irrep("a=1")])), 2)
    1.0
    """
    _check(h, params, irreps)
    if len(h) < 2:
        raise ShapeError("pair score: features", "(n ≥ 2 items, m, F)", tuple(h.shape))
    centred = h - h.mean((0, 1))  # moments are sums of large terms when the mean is large
    size = centred.detach().square().mean().sqrt()
    scaled = centred / torch.where(size > 0, size, torch.ones_like(size))
    total = h.new_zeros(())
    for rep in irreps:
        kappa = pair_energies(scaled, params, rep, ridge)
        total = total + rep.dim / rep.commutant_dim / 2 * (kappa * kappa.abs()).sum()
    return total


def pair_energies(h: Tensor, params: Tensor, rep: Representation, ridge: float = RIDGE) -> Tensor:
    """The κ of one representation in real arithmetic, of both halves on each other: (2dF,)."""
    first, second = (_pair_losses(h[k::2], rep.matrices(params[k::2].to(torch.float64))) for k in (0, 1))
    return torch.cat([_heldout(first, second, ridge), _heldout(second, first, ridge)])


def _pair_losses(h: Tensor, rho: Tensor) -> tuple[Tensor, Tensor]:
    """`(L, I)` as forms in vec W (dF, dF)."""
    form, d = PairForm.of(rho).to(h.dtype), rho.shape[-1]
    return form.loss(h), torch.kron(torch.eye(d, dtype=h.dtype, device=h.device), form.still(h))


def _heldout(solved: tuple[Tensor, Tensor], scored: tuple[Tensor, Tensor], ridge: float) -> Tensor:
    """κ on the scored items of every solution w of the solved ones, 0 for those that promise nothing."""
    with torch.no_grad():
        loss, still = solved
        root = _inverse_cholesky(loss + still, ridge)
        promised, vectors = torch.linalg.eigh(root @ (still - loss) @ root.mT)
        w = root.mT @ vectors
    loss, still = scored
    total = loss + still
    gain = (w * ((still - loss) @ w)).sum(0)
    floor = ridge * total.diagonal().mean() + torch.finfo(total.dtype).tiny
    kappa = gain / ((w * (total @ w)).sum(0) + floor * w.square().sum(0))
    return torch.where(promised > 0, kappa, torch.zeros_like(kappa))


@dataclass(frozen=True)
class PairForm:
    """The two losses of a pair (L and I of `pair_score`) as quadratic forms in the features, item by item.

    Attributes
    ----------
    acting : Tensor (n, m, d, d, m)
        Σ_pairs ω|W h_k − ρ(g)W h_j|² = Σ W_be h_je acting_jbck h_kf W_cf.
    tied : Tensor (n, m, d, d)
        What couples W h to the offset b.
    free : Tensor (d, d)
        The inverse of Σ ω (1 − ρ)ᵀ(1 − ρ), by which b is eliminated.
    moving : Tensor (n, m, m)
        Σ_pairs ω|W(h_k − h_j)|².
    """

    acting: Tensor
    tied: Tensor
    free: Tensor
    moving: Tensor

    @classmethod
    def of(cls, rho: Tensor) -> PairForm:
        """The forms of elements with matrices ρ (n, m, d, d)."""
        n, m, d, _ = rho.shape
        columns = torch.linalg.inv(rho).transpose(1, 2).reshape(n, d, m * d)
        step = (rho.reshape(n, m * d, d) @ columns).reshape(n, m, d, m, d)  # ρ(g_k g_j⁻¹)_ab at [k, a, j, b]
        one, pair = (torch.eye(size, dtype=rho.dtype, device=rho.device) for size in (d, m))
        weight = 2.0 / (1.0 + step.square().sum((2, 4)) / d) * (1.0 - pair)
        weight = weight / weight.sum()
        weighted = weight[:, :, None, :, None] * step
        gram = torch.einsum("nkajb,nkajc->njbc", weighted, step)
        arriving = weight.sum(2)[..., None, None] * one
        acting = torch.einsum("njbc,jk->njbck", gram + arriving, pair)
        acting = acting - weighted.permute(0, 1, 2, 4, 3) - weighted.permute(0, 3, 4, 2, 1)
        tied = arriving - weighted.sum(3) - weighted.sum(1).permute(0, 2, 3, 1) + gram
        whole = weighted.sum((0, 1, 3))
        own = one - whole - whole.mT + gram.sum((0, 1))
        free = torch.linalg.pinv(own, atol=1e-12, rtol=1e-9, hermitian=True)
        moving = torch.diag_embed(weight.sum(1) + weight.sum(2)) - weight - weight.mT
        return cls(acting, tied, free, moving)

    def to(self, dtype: torch.dtype) -> PairForm:
        """The same in another precision."""
        return PairForm(self.acting.to(dtype), self.tied.to(dtype), self.free.to(dtype), self.moving.to(dtype))

    def loss(self, h: Tensor) -> Tensor:
        """L as a form in vec W: features (n, m, F) → (dF, dF)."""
        n, m, d, _, _ = self.acting.shape
        width, rows = h.shape[-1], h.reshape(n * m, -1)
        moved = (self.acting.reshape(n, m * d * d, m) @ h).reshape(n * m, d * d * width)
        form = (rows.mT @ moved).reshape(width, d, d, width).permute(1, 0, 2, 3).reshape(d * width, d * width)
        tied = (rows.mT @ self.tied.reshape(n * m, d * d)).reshape(width, d, d).transpose(0, 1).reshape(d * width, d)
        form = form - tied @ self.free @ tied.mT
        return (form + form.mT) / 2

    def still(self, h: Tensor) -> Tensor:
        """I for one row of W: features (n, m, F) → (F, F)."""
        return torch.einsum("nje,njf->ef", h, self.moving @ h)


def _whitened(h: Tensor, ridge: float) -> Tensor:
    """Centred features with covariance I (up to the ridge)."""
    return (h - h.mean((0, 1))) @ whitening(h, ridge).mT


def whitening(h: Tensor, ridge: float) -> Tensor:
    """R with R(Cov(h) + ridge)Rᵀ = I, for features (n, m, F)."""
    centred = h - h.mean((0, 1))
    return _inverse_cholesky(torch.einsum("nme,nmf->ef", centred, centred) / (h.shape[0] * h.shape[1]), ridge)


def _inverse_cholesky(x: Tensor, ridge: float) -> Tensor:
    """R with R(x + ridge·tr(x)/F)Rᵀ = I."""
    width = len(x)
    eye = torch.eye(width, dtype=x.dtype, device=x.device)
    floor = ridge * x.diagonal().mean() + torch.finfo(x.dtype).tiny
    return torch.linalg.solve_triangular(torch.linalg.cholesky(x + floor * eye), eye, upper=False)


def _complex(dtype: torch.dtype) -> torch.dtype:
    return torch.complex128 if dtype == torch.float64 else torch.complex64


def _check(h: Tensor, params: Tensor, irreps: Sequence[Representation]) -> None:
    if h.ndim != 3 or h.shape[1] < 2:
        raise ShapeError("spectral score: features", "(n_items, m ≥ 2 elements, F)", tuple(h.shape))
    if params.ndim != 3 or params.shape[:2] != h.shape[:2]:
        raise ShapeError("spectral score: params", f"({h.shape[0]}, {h.shape[1]}, p)", tuple(params.shape))
    affine = [rep.name for rep in irreps if rep.cocycle is not None]
    if not irreps or affine:
        raise ParameterError("irreps", "at least one, without translations", affine or "none")
