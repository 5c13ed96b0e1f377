"""A central law between pairs of bodies whose numbers can be read: couplings, exponents, softening, cap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from geodis.emulators.body_pairs import BodyPairs
from geodis.errors import DesignError, FiniteError, ParameterError, ShapeError
from geodis.linalg import Array

CAPS = ("none", "radial", "component")
NOTHING = 1e-30  # squared distances below are none: coincident bodies do not act on each other


@final
class PairwiseLaw(nn.Module):
    r"""Accelerations of bodies under a learned central pair law, read off its seven or so numbers.

    The law is::

        a_i = m_i^γ Σ_j m_j^β (c_0 + Σ_k c_k q^k_i q^k_j) (x_i − x_j) (|x_i − x_j|² + ε²)^e

    for charges q (any sign) and masses m (positive), with an optional cap F on |a_i| (``"radial"``) or on each of its
    components (``"component"``), and an optional small network that multiplies every pair's weight by 1 + net. Two
    charged bodies have c = 1, e = −3/2; gravity has c_0 = −1, β = 1, γ = 0, e = −3/2.

    *Inductive bias:* Newton's second law with central forces that depend on the distance and are antisymmetric up to
    an inertia m^{β−γ}, which therefore makes a total momentum. The law commutes with O(d), translations, Galilei boosts
    and permutations exactly, for any d; *a component cap breaks O(d)* to the signed permutations of the axes.
    Coincident bodies do not act on each other, so that no gradient is NaN.

    Parameters
    ----------
    signed, positive : sequence of str
        Names of the scalars, in the order of their columns: those of any sign, then the positive ones.
    cap : {"none", "radial", "component"}
    correction : int
        Width of the network's hidden layer; 0 for none.
    seed : int
        Of the network's first weights.

    Attributes
    ----------
    theta : Parameter (P,), float64
        The numbers in the order of `names`; ε² and log F among them.
    names : tuple of str
    errors : Tensor (P,)
        Standard errors, NaN until a fit estimates them.

    Raises
    ------
    ParameterError
        For another cap or a negative width.

    Examples
    --------
    >>> law = PairwiseLaw(positive=["mass"]).with_values(c0=-1.0, e=-1.5, **{"mass_j": 1.0})
    >>> print(law)
    a_i = Σ_j −1 mass_j (x_i − x_j) (r²)^(−1.5)
    >>> x = torch.tensor([[[0.0, 0.0], [2.0, 0.0]]], dtype=torch.float64)
    >>> law(x, torch.tensor([[[1.0], [3.0]]]))[0, :, 0].detach().round(decimals=12).tolist()
    [0.75, -0.25]
    """

    errors: Tensor

    def __init__(
        self,
        signed: Sequence[str] = (),
        positive: Sequence[str] = (),
        *,
        cap: str = "none",
        correction: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if cap not in CAPS:
            raise ParameterError("cap", f"one of {', '.join(CAPS)}", repr(cap))
        if isinstance(correction, bool) or not isinstance(correction, int) or correction < 0:
            raise ParameterError("correction", "an integer ≥ 0, the width", repr(correction))
        self.signed, self.positive, self.cap = tuple(signed), tuple(positive), cap
        self.names = (
            "c0",
            *(f"c_{name}" for name in self.signed),
            *(f"{name}_j" for name in self.positive),
            *(f"{name}_i" for name in self.positive),
            *("e", "softening²", "log cap"),
        )
        start = torch.zeros(len(self.names), dtype=torch.float64)
        start[self.names.index("e")] = -1.0
        self.theta = nn.Parameter(start)
        self.register_buffer("errors", torch.full_like(start, float("nan")))
        self.correction = _correction(correction, len(self.signed) + len(self.positive), seed) if correction else None

    @property
    def n_scalars(self) -> int:
        """Columns of scalars that the law reads."""
        return len(self.signed) + len(self.positive)

    @property
    def has_potential(self) -> bool:
        """Whether an energy is conserved: neither a cap nor a network."""
        return self.cap == "none" and self.correction is None

    @property
    def commutes(self) -> bool:
        """Whether the law commutes with all of O(d): a component cap does not."""
        return self.cap != "component"

    def with_values(self, **values: float) -> PairwiseLaw:
        """Set the named numbers (of `names`) in place; the law comes back."""
        for name, value in values.items():
            if name not in self.names:
                raise ParameterError("law", f"one of {', '.join(self.names)}", repr(name))
            with torch.no_grad():
                self.theta[self.names.index(name)] = value
        return self

    def value(self, name: str) -> float:
        """One of the numbers."""
        return float(self.theta[self.names.index(name)].detach())

    def numbers(self, like: Tensor, theta: Tensor | None = None) -> dict[str, Tensor]:
        """The law's numbers (or those of `theta`) by name, in the dtype of `like`."""
        return dict(zip(self.names, (self.theta if theta is None else theta).to(like), strict=True))

    def forward(self, x: Tensor, scalars: Tensor) -> Tensor:
        """Positions (batch, n, d), scalars (batch, n, k) → accelerations (batch, n, d)."""
        return self.field(scalars.to(x))(x.permute(1, 2, 0).contiguous()).permute(2, 0, 1)

    def field(
        self, scalars: Tensor, theta: Tensor | None = None, pairs: BodyPairs | None = None
    ) -> Callable[[Tensor], Tensor]:
        """Accelerations as a function of positions, both (n, d, batch), for given scalars (batch, n, k).

        `theta` (P,), or (P, batch) for other numbers in every entry of the batch, replaces the law's own; `pairs` those
        that interact, all by default.
        """
        s = scalars.permute(1, 2, 0)
        t = self.numbers(s, theta)
        pairs = BodyPairs.of(len(s), s) if pairs is None else pairs
        strength = self._strength(s, t, pairs)
        lead = self.lead(s, t)
        softening, e = t["softening²"].clamp_min(0.0), t["e"]

        def accelerations(x: Tensor) -> Tensor:
            difference = pairs.differences(x)
            squared = (difference * difference).sum(1) + softening
            apart = squared > NOTHING
            log = torch.where(apart, squared, 1.0).log()
            weight = torch.where(apart, strength * (e * log).exp(), 0.0)
            if self.correction is not None:
                weight = weight * (1.0 + self._corrected(self.correction, log, s, pairs))
            a = pairs.totals(weight[:, None] * difference, len(s))
            return self.capped(a if lead is None else lead * a, t["log cap"])

        return accelerations

    def inertia(self, scalars: Tensor) -> Tensor:
        """Inertial masses Π m^{β−γ}, (batch, n): with them pair forces are antisymmetric and momentum is conserved."""
        s = scalars.permute(1, 2, 0)
        lead = self.lead(s, self.numbers(s))
        return torch.ones_like(scalars[..., :1].sum(-1)) if lead is None else 1.0 / lead[:, 0].T

    def potential(self, x: Tensor, scalars: Tensor) -> Tensor:
        """Potential energy (batch,): Σ_{i<j} −½ c_ij (m_i m_j)^β (r² + ε²)^{e+1}/(e + 1), or the logarithm at e = −1.

        Raises `DesignError` for a capped or corrected law, which has none.
        """
        if not self.has_potential:
            raise DesignError("A law with a cap or a network has no potential: monitor its momentum instead.")
        s, y = scalars.permute(1, 2, 0).to(x), x.permute(1, 2, 0)
        t = self.numbers(x)
        pairs = BodyPairs.of(len(s), s)
        squared = (pairs.differences(y) ** 2).sum(1) + t["softening²"].clamp_min(0.0)
        log = torch.where(squared > NOTHING, squared, 1.0).log()
        power = t["e"] + 1.0
        primitive = log if abs(float(power.detach())) < 1e-9 else (power * log).exp() / power
        return -0.5 * (self._strength(s, t, pairs) * primitive * (squared > NOTHING)).sum(0)

    # --- parts of the law ---------------------------------------------------------------------------------------------
    def _strength(self, s: Tensor, t: dict[str, Tensor], pairs: BodyPairs) -> Tensor:
        """(c_0 + Σ c q_i q_j) Π (m_i m_j)^β, (pairs, batch)."""
        first, second = s[pairs.first], s[pairs.second]
        out = t["c0"] + torch.zeros_like(first[:, 0] if s.shape[1] else s.new_zeros(len(pairs.first), s.shape[-1]))
        for column, name in enumerate(self.signed):
            out = out + t[f"c_{name}"] * first[:, column] * second[:, column]
        for column, name in enumerate(self.positive, len(self.signed)):
            out = out * (t[f"{name}_j"] * (first[:, column].log() + second[:, column].log())).exp()
        return out

    def lead(self, s: Tensor, t: dict[str, Tensor]) -> Tensor | None:
        """Π m_i^{γ−β}, (n, 1, batch): what an antisymmetric force is divided by, and more."""
        if not self.positive:
            return None
        logs = [
            (t[f"{name}_i"] - t[f"{name}_j"]) * s[:, column].log()
            for column, name in enumerate(self.positive, len(self.signed))
        ]
        return torch.stack(logs).sum(0).exp()[:, None]

    def _corrected(self, network: nn.Module, log: Tensor, s: Tensor, pairs: BodyPairs) -> Tensor:
        features = [torch.tanh(0.25 * log)]
        for column in range(s.shape[1]):
            a, b = s[pairs.first, column], s[pairs.second, column]
            features.append(a * b if column < len(self.signed) else torch.tanh(0.25 * (a.log() + b.log())))
        return network(torch.stack(features, dim=-1).to(self.theta))[..., 0].to(log)

    def capped(self, a: Tensor, log_cap: Tensor) -> Tensor:
        """Accelerations (n, d, batch) under the law's cap."""
        if self.cap == "none":
            return a
        most = log_cap.exp()
        if self.cap == "component":
            return torch.minimum(torch.maximum(a, -most), most)
        size = ((a * a).sum(1, keepdim=True) + NOTHING).sqrt()
        return a * (most / size).clamp_max(1.0)

    # --- reading ------------------------------------------------------------------------------------------------------
    def __repr__(self) -> str:
        couplings = [_number(self.value("c0"))] if self.value("c0") or not self.signed else []
        couplings += [f"{_number(self.value(f'c_{q}'))} {q}_i {q}_j" for q in self.signed]
        joined = " + ".join(couplings).replace("+ −", "− ")
        factors = [f"({joined})" if len(couplings) > 1 else joined]
        for name in self.positive:
            factors += [_power(f"{name}_j", self.value(f"{name}_j")), _power(f"{name}_i", self.value(f"{name}_i"))]
        soft = max(0.0, self.value("softening²")) ** 0.5
        distance = f"(r² + {soft:.3g}²)" if soft else "(r²)"
        text = f"a_i = Σ_j {' '.join(f for f in factors if f)} (x_i − x_j) {distance}^({_number(self.value('e'))})"
        if self.correction is not None:
            text += " (1 + network)"
        what = {"none": "", "radial": ", |a_i| ≤ ", "component": ", every component of a_i within ±"}[self.cap]
        return text + (what + f"{np.exp(self.value('log cap')):.4g}" if what else "")

    def table(self) -> list[tuple[str, float, float]]:
        """(name, value, standard error) of every number; ε and F instead of ε² and log F."""
        rows = [(n, self.value(n), float(se)) for n, se in zip(self.names, self.errors, strict=True)]
        out = rows[:-2]
        soft = max(0.0, rows[-2][1]) ** 0.5
        out.append(("softening", soft, rows[-2][2] / (2 * soft) if soft else float("nan")))
        if self.cap != "none":
            out.append(("cap", float(np.exp(rows[-1][1])), rows[-1][2] * float(np.exp(rows[-1][1]))))
        return out


def check_bodies(law: PairwiseLaw, x: Array, v: Array, scalars: Array) -> None:
    """Raise a named error unless positions and velocities (n, bodies, d) and scalars (n, bodies, k) fit the law."""
    if x.ndim != 3 or 0 in x.shape or x.shape[1] < 2:
        raise ShapeError("x", "(n, bodies ≥ 2, d)", x.shape)
    if v.shape != x.shape:
        raise ShapeError("v", f"{x.shape} as x", v.shape)
    if scalars.shape != (*x.shape[:2], law.n_scalars):
        raise ShapeError("scalars", f"({x.shape[0]}, {x.shape[1]}, {law.n_scalars})", scalars.shape)
    for name, a in (("x", x), ("v", v), ("scalars", scalars)):
        if not np.isfinite(a).all():
            raise FiniteError(name, int((~np.isfinite(a)).sum()))
    if not (scalars[..., len(law.signed) :] > 0).all():
        raise ParameterError("scalars", f"positive numbers for {', '.join(law.positive)}", "zero or negative ones")


def _correction(width: int, n_scalars: int, seed: int) -> nn.Module:
    """A network that starts at zero, so that the law starts as its readable part."""
    generator = torch.Generator().manual_seed(seed)
    hidden, out = (nn.Linear(a, b, dtype=torch.float64) for a, b in ((1 + n_scalars, width), (width, 1)))
    with torch.no_grad():
        hidden.weight.copy_(torch.randn(hidden.weight.shape, generator=generator, dtype=torch.float64))
        hidden.bias.copy_(torch.randn(hidden.bias.shape, generator=generator, dtype=torch.float64))
        out.weight.zero_()
        out.bias.zero_()
    return nn.Sequential(hidden, nn.Tanh(), out)


def _number(value: float) -> str:
    text = f"{value:.6f}".rstrip("0").rstrip(".") if abs(value) < 1e4 else f"{value:.4g}"
    return ("0" if text in {"-0", ""} else text).replace("-", "−")


def _power(name: str, exponent: float) -> str:
    text = _number(exponent)
    return "" if text == "0" else name if text == "1" else f"{name}^({text})"
