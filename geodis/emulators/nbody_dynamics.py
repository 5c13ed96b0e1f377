"""Bodies moved by a law, an integrator and perhaps a residual network: predictions, roll-outs, files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from geodis.emulators.conserved import angular_momentum, kinetic_energy, momentum
from geodis.emulators.integrators import integrate
from geodis.emulators.pairwise_law import PairwiseLaw, check_bodies
from geodis.errors import DesignError, ParameterError
from geodis.files import read_safetensors, write_atomically
from geodis.linalg import Array, like, to_numpy, to_tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMAT = "geodis.nbody"
VERSION = 1
CHUNK = 512  # systems advanced together: arrays of a few bodies then stay in the processor's cache


@final
@dataclass(frozen=True, repr=False, eq=False)
class Rollout:
    """A predicted trajectory and what should be conserved along it.

    Attributes
    ----------
    positions, velocities : ndarray (batch, steps + 1, n, d)
        The start included.
    momentum : ndarray (batch, steps + 1, d)
        Σ μ_i v_i, with the law's inertia μ.
    angular_momentum : ndarray (batch, steps + 1, d(d−1)/2)
        About the origin.
    energy : ndarray (batch, steps + 1)
        Kinetic and potential; NaN for a law that has no potential.
    """

    positions: Array
    velocities: Array
    momentum: Array
    angular_momentum: Array
    energy: Array

    def drifts(self) -> dict[str, float]:
        """Largest change of each quantity from its start, in units of its largest size."""
        return {name: _drift(getattr(self, name)) for name in ("momentum", "angular_momentum", "energy")}

    def __repr__(self) -> str:
        batch, steps, n, d = self.positions.shape
        said = ", ".join(f"{name} {value:.1e}" for name, value in self.drifts().items())
        return f"Rollout({batch} systems, {steps - 1} steps, {n} bodies in R^{d}; drifts: {said})"

    def plot(self, system: int = 0, ax: Axes | None = None, true: Any = None) -> Axes:
        """The paths of one system, first two coordinates, beside the true ones (steps, n, d) if given."""
        from matplotlib.figure import Figure

        axes = Figure(figsize=(4, 4)).subplots() if ax is None else ax
        for body in range(self.positions.shape[2]):
            axes.plot(*self.positions[system, :, body, :2].T, "-", lw=1.0, color=f"C{body}")
            if true is not None:
                axes.plot(*to_numpy(true)[:, body, :2].T, "o", ms=3, mfc="none", color=f"C{body}")
        axes.set_aspect("equal")
        axes.set(xlabel="x₀", ylabel="x₁")
        return axes


@final
@dataclass(frozen=True, repr=False, eq=False)
class NBodyDynamics:
    """The map (x, v, scalars) ↦ (x, v) a time `span` later: `substeps` of an integrator, then a residual network.

    Bodies are moved in the frame of their mean position and mean velocity: far-away and fast systems lose no digits,
    and translations and Galilei boosts commute with the map to rounding, whatever the residual network is.

    Attributes
    ----------
    law : PairwiseLaw
    span : float
        Time between the states.
    integrator : str
        A name of `integrate`.
    substeps : int
    residual : nn.Module or None
        (x, v, scalars) → (Δx, Δv), each (batch, n, d), added to the integrator's outcome; x and v are centred.

    Examples
    --------
    >>> law = PairwiseLaw().with_values(c0=-1.0, e=0.0)
    >>> spring = NBodyDynamics(law, span=1.0, integrator="leapfrog", substeps=50)
    >>> x, v, s = torch.tensor([[[1.0], [-1.0]]], dtype=torch.float64), torch.zeros(1, 2, 1), torch.zeros(1, 2, 0)
    >>> spring.rollout(x, v, s, 10)
    Rollout(1 systems, 10 steps, 2 bodies in R^1; drifts: momentum 0.0e+00, angular_momentum 0.0e+00, energy 2.0e-04)
    """

    law: PairwiseLaw
    span: float
    integrator: str = "leapfrog"
    substeps: int = 100
    residual: nn.Module | None = None

    def advance(self, x: Tensor, v: Tensor, scalars: Tensor, theta: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One step on tensors (batch, n, d), differentiable; `theta` as in `PairwiseLaw.field`."""
        middle, drift = x.mean(1, keepdim=True), v.mean(1, keepdim=True)
        a, b = ((y - m).permute(1, 2, 0).contiguous() for y, m in ((x, middle), (v, drift)))
        a, b = integrate(a, b, self.law.field(scalars, theta), self.span, self.substeps, self.integrator)
        a, b = a.permute(2, 0, 1), b.permute(2, 0, 1)
        if self.residual is not None:
            dx, dv = self.residual(a, b, scalars)
            a, b = a + dx, b + dv
        return a + (middle + self.span * drift), b + drift

    def predict(self, x: Any, v: Any, scalars: Any) -> tuple[Any, Any]:
        """Positions and velocities (batch, n, d) a time `span` later, as arrays or tensors like the input.

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            For arrays that do not fit together, NaN, or masses that are not positive.
        """
        check_bodies(self.law, to_numpy(x), to_numpy(v), to_numpy(scalars))
        y, w = to_tensor(x), to_tensor(v)
        s = to_tensor(scalars).to(y)
        with torch.no_grad():
            parts = [self.advance(*chunk) for chunk in zip(*(a.split(CHUNK) for a in (y, w.to(y), s)), strict=True)]
        positions, velocities = (torch.cat(part) for part in zip(*parts, strict=True))
        return like(positions, x, v), like(velocities, x, v)

    def rollout(self, x: Any, v: Any, scalars: Any, n_steps: int) -> Rollout:
        """`n_steps` predictions, each from the one before, with momentum, angular momentum and energy monitored."""
        if isinstance(n_steps, bool) or not isinstance(n_steps, int) or n_steps < 1:
            raise ParameterError("n_steps", "an integer ≥ 1", repr(n_steps))
        states = [(to_tensor(x), to_tensor(v).to(to_tensor(x)))]
        for _ in range(n_steps):
            states.append(self.predict(*states[-1], to_tensor(scalars)))
        positions, velocities = (torch.stack(part, 1) for part in zip(*states, strict=True))
        return self._monitored(positions, velocities, to_tensor(scalars).to(positions))

    def _monitored(self, x: Tensor, v: Tensor, scalars: Tensor) -> Rollout:
        with torch.no_grad():
            inertia = self.law.inertia(scalars)[:, None].expand(x.shape[:3])
            energy = kinetic_energy(v, inertia)
            if self.law.has_potential:
                energy = energy + torch.stack([self.law.potential(y, scalars) for y in x.unbind(1)], 1)
            else:
                energy = torch.full_like(energy, float("nan"))
            found = (x, v, momentum(v, inertia), angular_momentum(x, v, inertia), energy)
        return Rollout(*(to_numpy(a) for a in found))

    def __repr__(self) -> str:
        extra = "" if self.residual is None else f" + {type(self.residual).__name__}"
        return f"{self.law}; {self.integrator} × {self.substeps} over {self.span:g}{extra}"

    # --- files --------------------------------------------------------------------------------------------------------
    def save(self, path: str | Path) -> None:
        """Write a safetensors file; of a residual network the weights are kept, not the class."""
        tensors = {f"law.{name}": a for name, a in self.law.state_dict().items()}
        if self.residual is not None:
            tensors |= {f"residual.{name}": a for name, a in self.residual.state_dict().items()}
        width = 0 if self.law.correction is None else len(tensors["law.correction.0.bias"])
        options = {"signed": self.law.signed, "positive": self.law.positive, "cap": self.law.cap, "correction": width}
        settings = {"span": self.span, "integrator": self.integrator, "substeps": self.substeps}
        meta = {"format": FORMAT, "version": str(VERSION), "law": json.dumps(options), "settings": json.dumps(settings)}
        copies = {name: a.detach().cpu().contiguous().clone() for name, a in tensors.items()}
        write_atomically(path, lambda temporary: save_file(copies, temporary, metadata=meta))

    @classmethod
    def load(cls, path: str | Path, residual: nn.Module | None = None) -> NBodyDynamics:
        """Read a file of `save`; one with a residual network needs a network of that kind to fill.

        Raises
        ------
        FileFormatError, FileNotFoundError, DesignError
            For other files, or where a residual network is missing or was never there.
        """
        meta, arrays = read_safetensors(path, FORMAT, VERSION)
        tensors = {name: torch.from_numpy(a) for name, a in arrays.items()}
        law = PairwiseLaw(**json.loads(meta["law"]))
        law.load_state_dict(_under(tensors, "law."))
        weights = _under(tensors, "residual.")
        if bool(weights) != (residual is not None):
            raise DesignError(
                f"{path} holds {'a' if weights else 'no'} residual network: give load one to fill iff so."
            )
        if residual is not None:
            residual.load_state_dict(weights)
        return cls(law, **json.loads(meta["settings"]), residual=residual)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): a for name, a in tensors.items() if name.startswith(prefix)}


def _drift(quantity: Array) -> float:
    if not quantity.size:
        return 0.0
    size = abs(quantity).max()
    return float(abs(quantity - quantity[:, :1]).max() / size) if size else 0.0
