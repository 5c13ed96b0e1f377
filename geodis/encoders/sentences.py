"""A sentence-transformers model as an encoder of texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from geodis.encoders.encoder import AbstractEncoder
from geodis.encoders.modules import evaluating
from geodis.linalg import Array


class SentenceEncoder(AbstractEncoder):
    """f(text) = model.encode(str(text)): texts → `(n, D)` float32.

    Items may be strings or anything whose `str` is the text, such as `SlotText`.

    Parameters
    ----------
    model : sentence_transformers.SentenceTransformer
        The model; it stays on its device.
    batch_size, verbose, name
        As in `AbstractEncoder`.
    """

    def __init__(self, model: Any, batch_size: int = 128, verbose: bool = False, name: str | None = None) -> None:
        super().__init__(batch_size, verbose, name)
        self.model = model

    def _embed(self, batch: Any) -> Array:
        texts = [str(item) for item in batch]
        with evaluating(self.model), torch.no_grad():
            z = self.model.encode(texts, batch_size=self.batch_size, convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(z, dtype=np.float32)

    def _content(self) -> Any:
        # Beside these the model keeps what its model card says, which use changes.
        options = [self.model.prompts, self.model.default_prompt_name, self.model.truncate_dim]
        return [type(self.model), list(self.model.named_children()), options]

    def __repr__(self) -> str:
        return "SentenceEncoder()"
