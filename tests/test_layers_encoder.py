"""Layers read side by side: rows mean the same in every batch, and complex numbers are whole."""

import numpy as np
import pytest
import torch
from torch import nn

from geodis.cli.names import layer_called
from geodis.encoders import mean_tokens
from geodis.encoders.layers import LayersEncoder
from geodis.errors import ShapeError


def padded(batch):
    """Lists of numbers → (n, longest, 1)."""
    longest = max(map(len, batch))
    return torch.tensor([[[float(x)] for x in item] + [[0.0]] * (longest - len(item)) for item in batch])


def test_rows_whose_length_depends_on_the_batch_are_refused_although_a_sketch_would_make_them_equal():
    torch.manual_seed(0)
    encoder = LayersEncoder(nn.Sequential(nn.Linear(1, 8)), ["0"], prepare=padded, max_width=16, batch_size=2)
    same = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert encoder(same).shape == (3, 16), "of one length they are fine"
    with pytest.raises(ShapeError, match="whatever the batch"):
        encoder([[1, 2, 3], [4, 5, 6], [7, 8, 9, 10]])
    pooled = LayersEncoder(nn.Sequential(nn.Linear(1, 8)), ["0"], prepare=padded, pool=mean_tokens, batch_size=2)
    assert pooled([[1, 2], [4, 5], [7, 8, 9, 10]]).shape == (3, 8)


class Spectrum(nn.Module):
    def forward(self, x):
        return torch.fft.rfft(x)


def test_complex_layers_keep_their_imaginary_parts(recwarn):
    x = np.random.default_rng(0).normal(size=(3, 8))
    z = LayersEncoder(nn.Sequential(Spectrum()), ["0"])(x)
    expected = np.fft.rfft(x)
    assert np.allclose(z[:, ::2] + 1j * z[:, 1::2], expected, atol=1e-5)
    assert not recwarn.list


def test_hidden_states_of_sentence_encoders_have_numbers_on_the_command_line():
    sentences = pytest.importorskip("sentence_transformers").SentenceTransformer
    assert layer_called("3", sentences.__new__(sentences)) == 3
    assert layer_called("3", nn.Linear(2, 2)) == "3"
    assert layer_called("conv*", sentences.__new__(sentences)) == "conv*"
