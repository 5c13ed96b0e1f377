"""Question: how far do closed-form equivariant polynomials get on the regression tasks of the equivariance benchmarks.

Three tasks (Finzi, Welling, Wilson, ICML 2021, arXiv:2104.09459; Villar et al., NeurIPS 2021, arXiv:2106.06610, who
print curves only): lepton scattering (Minkowski form), tensors of inertia (O(3) and S_5), an O(5)-invariant function;
3 000 training samples, 2 000 test samples. Every error is the mean squared error over the variance of the targets,
with its standard error, its median and its mean without the ten per cent at either end.

What is built in: equivariance; that masses may be exchanged with their points; and polynomials. The scattering and
inertia targets *are* polynomials in the components, so that exactness is what the closed form should give. The O(5)
target is not: the variables there are the lengths |x_1|, |x_2| and the cosine of the angle, all that O(5) leaves of two
vectors. It is analytic in those (and simple: a sum over them), which inner products would not allow; beside it stands
the same fit in inner products. Degrees, the ridge, whether few terms or all are taken, and for the harder targets below
(all terms) whether inner products or their logarithms are the variables, are chosen by five-fold cross-validation on
the training samples.

Beside: few samples; one per cent of noise on the training targets, scored against the truth; and under
`nonpolynomial` targets that no polynomial in these variables is: the logarithm of the tree-level amplitude of
e μ → e μ on shell, the inverse of the tensor of inertia, the O(5) function in inner products.

Baselines on the same data: a plain network on the components, with the CPU seconds of the fit and with ten, and one
on invariants (as in Villar et al.; for the inertia it predicts the coefficients of r_i r_jᵀ and 1) with ten; of one
shape and learning rate throughout, stopped where a fifth of the training samples says.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy loads: seconds are those of one thread

import time  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from itertools import pairwise  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from scipy.stats import trim_mean  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from geodis.emulators import Minkowski, PolynomialFit, equivariant_basis, fundamental_invariants  # noqa: E402
from geodis.groups import O  # noqa: E402
from geodis.linalg import Array  # noqa: E402
from geodis.loop import Plan, train  # noqa: E402
from geodis.simulators import elastic_scattering, o5_regression, random_bodies, random_scattering  # noqa: E402

N_TRAIN, N_TEST = 3000, 2000
NOISE = 0.01  # of the targets' standard deviation
SECONDS = 10.0
HIDDEN, BATCH = 128, 256


class Samples(NamedTuple):
    """Vectors (N, n, d), numbers of the points (N, n, a), targets."""

    vectors: Array
    point_scalars: Array
    targets: Array

    def first(self, n: int) -> Samples:
        """The first n."""
        return Samples(*(x[:n] for x in self))

    def noisy(self, seed: int) -> Samples:
        """With noise on the targets."""
        noise = np.random.default_rng([seed, 5]).standard_normal(self.targets.shape)
        return self._replace(targets=self.targets + NOISE * self.targets.std() * noise)


class Task(NamedTuple):
    """The name of its rows, how to draw samples, options of the polynomials, and those that validation chooses from."""

    name: str
    draw: Callable[[int, int], Samples]
    options: dict[str, Any]
    variables: tuple[str, ...] = ("products",)
    sparse: tuple[bool, ...] = (False, True)


# --- the three tasks --------------------------------------------------------------------------------------------------
def scattering(n: int, seed: int) -> Samples:
    events = random_scattering(n, seed=[seed, 1])
    return Samples(events.momenta, np.zeros((n, 4, 0)), events.amplitude)


def on_shell(n: int, seed: int) -> Samples:
    events = elastic_scattering(n, seed=[seed, 2])
    return Samples(events.momenta[:, :3], np.zeros((n, 3, 0)), np.log(events.amplitude))


def inertia(n: int, seed: int) -> Samples:
    bodies = random_bodies(n, seed=[seed, 3])
    return Samples(bodies.positions, bodies.masses[..., None], bodies.inertia)


def inverse_inertia(n: int, seed: int) -> Samples:
    samples = inertia(n, seed)
    return samples._replace(targets=np.linalg.inv(samples.targets))


def o5(n: int, seed: int) -> Samples:
    samples = o5_regression(n, seed=[seed, 4])
    return Samples(samples.vectors, np.zeros((n, 2, 0)), samples.target)


LORENTZ = Task("lorentz", scattering, {"symmetry": Minkowski(4), "degree": (2, 4, 6)})
SHELL = Task(
    "lorentz", on_shell, {"symmetry": Minkowski(4), "degree": (4, 8, 12)}, ("products", "logarithms"), (False,)
)
INERTIA = Task(
    "inertia", inertia, {"symmetry": O(3), "order": 2, "degree": (2, 3, 4), "interchangeable": [[0, 1, 2, 3, 4]]}
)
INVERSE = INERTIA._replace(draw=inverse_inertia, variables=("products", "logarithms"), sparse=(False,))
O5 = Task("o5", o5, {"symmetry": O(5), "degree": (4, 6, 8, 10, 12)}, ("lengths",))
PRODUCTS = Task("o5", o5, {"symmetry": O(5), "degree": (4, 8, 12, 16)})


def lorentz_row(seed: int) -> dict[str, float]:
    """Scattering: exact, 80 samples, 40, noise, and on shell."""
    return rows(LORENTZ, SHELL, seed, few=(80, 40))


def inertia_row(seed: int) -> dict[str, float]:
    """Tensors of inertia: exact, 10 samples, noise, and their inverses."""
    return rows(INERTIA, INVERSE, seed, few=(10,))


def o5_row(seed: int) -> dict[str, float]:
    """The O(5) function in lengths and the cosine: 300 samples, noise, and in inner products."""
    return rows(O5, PRODUCTS, seed, few=(300,))


MEASURES = {"lorentz.mse": lorentz_row, "inertia.mse": inertia_row, "o5.mse": o5_row}


def rows(task: Task, other: Task, seed: int, few: Sequence[int]) -> dict[str, float]:
    """All figures of a task; `other` is the target that is no polynomial in the variables."""
    name = task.name
    training, test = both(task, seed)
    start = time.process_time()
    fit = fitted(task, training)
    seconds = time.process_time() - start
    out = errors(f"{name}.mse", fit(test), test.targets) | {f"{name}.seconds": seconds}
    for n in few:
        out |= errors(f"{name}.mse_{n}", fitted(task, training.first(n))(test), test.targets)
    out |= errors(f"{name}.mse_noisy", fitted(task, training.noisy(seed))(test), test.targets)
    for budget, label in ((seconds, "mlp"), (SECONDS, "mlp_10s")):
        found = network(training, components(training), as_is, seed, budget)
        out |= errors(f"{name}.{label}", found(test, components(test)), test.targets)
    found = network(training, invariants(task, training), assemble(task), seed, SECONDS)
    out |= errors(f"{name}.mlp_scalars_10s", found(test, invariants(task, test)), test.targets)
    harder, unseen = both(other, seed)
    out |= errors(f"{name}.nonpolynomial", fitted(other, harder)(unseen), unseen.targets)
    found = network(harder, components(harder), as_is, seed, SECONDS)
    return out | errors(f"{name}.nonpolynomial_mlp_10s", found(unseen, components(unseen)), unseen.targets)


def both(task: Task, seed: int) -> tuple[Samples, Samples]:
    drawn = task.draw(N_TRAIN + N_TEST, seed)
    return drawn.first(N_TRAIN), Samples(*(x[N_TRAIN:] for x in drawn))


def fitted(task: Task, training: Samples) -> Callable[[Samples], Array]:
    """The best in cross-validation, of all terms and few terms in the variables named, as a function of samples."""
    fits = [
        PolynomialFit(**task.options, variables=variables, sparse=sparse).fit(
            training.vectors, training.targets, point_scalars=training.point_scalars
        )
        for variables in task.variables
        for sparse in task.sparse
    ]
    best = min(fits, key=lambda fit: fit.residual_)
    return lambda samples: best.predict(samples.vectors, point_scalars=samples.point_scalars)


def errors(key: str, found: Array, true: Array) -> dict[str, float]:
    """Relative squared errors over the test samples."""
    squared = ((found - true) ** 2).reshape(len(true), -1).sum(1)
    squared /= ((true - true.mean(0)) ** 2).reshape(len(true), -1).sum(1).mean()
    return {
        key: float(squared.mean()),
        f"{key}_se": float(squared.std(ddof=1) / len(squared) ** 0.5),
        f"{key}_median": float(np.median(squared)),
        f"{key}_trimmed": float(trim_mean(squared, 0.1)),
    }


# --- networks ---------------------------------------------------------------------------------------------------------
Assemble = Callable[[Samples, Tensor], Tensor]


def components(samples: Samples) -> Array:
    """All numbers as they are."""
    return np.concatenate([x.reshape(len(x), -1) for x in samples[:2]], axis=1)


def invariants(task: Task, samples: Samples) -> Array:
    """Inner products and the numbers of the points."""
    products = fundamental_invariants(samples.vectors, task.options["symmetry"])
    return np.concatenate([products, samples.point_scalars.reshape(len(products), -1)], axis=1)


def as_is(samples: Samples, out: Tensor) -> Tensor:
    return out


def assemble(task: Task) -> Assemble:
    """Outputs as coefficients of the equivariant tensors."""
    order = task.options.get("order", 0)
    if order == 0:
        return as_is

    def tensors(samples: Samples, out: Tensor) -> Tensor:
        basis = equivariant_basis(samples.vectors, task.options["symmetry"], order)
        return torch.einsum("ne,nec->nc", out, torch.tensor(basis.reshape(*basis.shape[:2], -1), dtype=out.dtype))

    return tensors


def network(
    training: Samples, inputs: Array, assembled: Assemble, seed: int, seconds: float
) -> Callable[[Samples, Array], Array]:
    """A perceptron of three hidden layers, trained for CPU seconds; the best weights on a fifth of the samples."""
    shape = training.targets.shape[1:]
    y = training.targets.reshape(len(inputs), -1)
    # Tensors are scaled only: shifting components would break the equivariance of the one on invariants.
    shift, scale = (y.mean(0), y.std()) if not shape else (0.0, y.std())
    centre, spread = inputs.mean(0), inputs.std(0) + 1e-12
    n_out = y.shape[1]
    if assembled is not as_is:
        n_out = equivariant_basis(training.vectors[:1], O(3), 2).shape[1]
    generator = torch.Generator().manual_seed(seed)
    sizes = [inputs.shape[1], HIDDEN, HIDDEN, HIDDEN, n_out]
    layers: list[nn.Module] = []
    for width, after in pairwise(sizes):
        layer = nn.utils.skip_init(nn.Linear, width, after)
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -(width**-0.5), width**-0.5, generator=generator)
        layers += [layer, nn.SiLU()]
    net = nn.Sequential(*layers[:-1])
    x = torch.tensor((inputs - centre) / spread, dtype=torch.float32)
    target = torch.tensor((y - shift) / scale, dtype=torch.float32)
    n_fit = len(x) * 4 // 5

    def loss(step: int) -> Tensor:
        rows = torch.randint(n_fit, (BATCH,), generator=torch.Generator().manual_seed(step * 1009 + seed))
        some = Samples(*(part[rows.numpy()] for part in training))
        return ((assembled(some, net(x[rows])) - target[rows]) ** 2).mean()

    def evaluate() -> float:
        held = Samples(*(part[n_fit:] for part in training))
        return -float(((assembled(held, net(x[n_fit:])) - target[n_fit:]) ** 2).mean())

    plan = Plan(max_steps=100_000, max_seconds=seconds, learning_rate=3e-3, weight_decay=1e-6, patience=None)
    train(net, loss, plan, evaluate=evaluate)

    def predict(samples: Samples, given: Array) -> Array:
        with torch.no_grad():
            out = assembled(samples, net(torch.tensor((given - centre) / spread, dtype=torch.float32)))
        return (out.numpy().astype(np.float64) * scale + shift).reshape(len(given), *shape)

    return predict


if __name__ == "__main__":
    from pathlib import Path

    from harness import run

    run(MEASURES, results=Path(__file__).parent / "results" / "scalars_regression.json", seeds=range(3))
