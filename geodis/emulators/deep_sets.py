"""Networks of multisets: a number of features, the same whatever the order and the number of the elements."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn


@final
class DeepSet(nn.Module):
    """Elements `(..., n, k)` → mean over the elements of a small network of each, `(..., out)`.

    Any continuous function of multisets of n elements is a function of such a mean for enough features.

    Parameters
    ----------
    width, out : int
        k and the number of features.
    hidden : int
        Width of the network.
    generator : torch.Generator
        Of the starting weights.

    References
    ----------
    Zaheer, Kottur, Ravanbakhsh, Poczos, Salakhutdinov, Smola, "Deep sets", NeurIPS 2017, arXiv:1703.06114.
    """

    def __init__(self, width: int, out: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.out = out
        self.of_element = perceptron(width, out, hidden, generator)

    def forward(self, elements: Tensor) -> Tensor:
        """The mean feature; zero for no elements."""
        if elements.shape[-2] == 0:
            return elements.new_zeros((*elements.shape[:-2], self.out))
        return self.of_element(elements).mean(-2)


def perceptron(width: int, out: int, hidden: int, generator: torch.Generator) -> nn.Sequential:
    """Two smooth layers, then a linear one; weights and biases uniform in ±1/√inputs from a generator of their own."""
    sizes = [(width, hidden), (hidden, hidden), (hidden, out)]
    layers = [nn.utils.skip_init(nn.Linear, n, m) for n, m in sizes]
    with torch.no_grad():
        for layer in layers:
            for parameter in layer.parameters():
                parameter.uniform_(-(layer.in_features**-0.5), layer.in_features**-0.5, generator=generator)
    return nn.Sequential(layers[0], nn.SiLU(), layers[1], nn.SiLU(), layers[2])
