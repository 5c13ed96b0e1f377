"""Question: is the embedding through the wrapper the one that is computed by hand, for every kind of encoder.

By hand means without geodis and one item at a time: no batches, no padding, no hooks. Models are small with random
weights, but for MiniLM, which is the published one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from geodis import encode
from geodis.encoders import images_for, load_minilm, mean_grid, texts_for
from geodis.encoders.minilm import packaged_folder
from geodis.encoders.pretrained import quiet_loading
from geodis.linalg import Array

TEXTS = (
    "The fair is in May.",
    "Yes.",
    "See you on Monday, at the usual place and, if the train is not late again, at the usual time.",
    "It rained in the morning.",
    "Nobody knew whose umbrella it was.",
)
SIZES: dict[str, int] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}

Pair = tuple[Array, list[Any]]


def max_deviation(seed: int) -> float:
    """The largest deviation over all kinds, of an entry; of large ones in units of the largest."""
    return max(deviations(seed).values())


def deviations(seed: int) -> dict[str, float]:
    """The deviation of each kind."""
    kinds: tuple[Callable[[int], Iterator[tuple[str, Pair]]], ...] = (modules, transformers_models, minilm, others)
    return {name: _deviation(*pair) for kind in kinds for name, pair in kind(seed)}


def modules(seed: int) -> Iterator[tuple[str, Pair]]:
    images = np.random.default_rng(seed).normal(size=(10, 1, 12, 12)).astype(np.float32)
    layers = [nn.Conv2d(1, 6, 3), nn.ReLU(inplace=True), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3), nn.Flatten()]
    net = _randomized(nn.Sequential(*layers, nn.Linear(384, 5)), seed)
    steps = [torch.from_numpy(image[None]) for image in images]
    for number, layer in enumerate(net):
        steps = [layer(x.clone()) for x in steps]
        z = encode(net.train(), str(number), batch_size=4)(images)
        net.eval()
        yield f"module, layer {number}", (z, [x.flatten() for x in steps])
        if steps[0].ndim == 4:
            z = encode(net, str(number), pool=mean_grid, batch_size=3)(images)
            yield f"module, layer {number}, mean", (z, [x[0].mean((1, 2)) for x in steps])
    yield "module", (encode(net, batch_size=4)(images), [net(torch.from_numpy(image[None]))[0] for image in images])


def transformers_models(seed: int) -> Iterator[tuple[str, Pair]]:
    from transformers import AutoTokenizer, BertConfig, BertModel, ViTConfig, ViTImageProcessorPil, ViTModel

    tokenizer = AutoTokenizer.from_pretrained(str(packaged_folder()), local_files_only=True)
    bert = _randomized(BertModel(BertConfig(vocab_size=len(tokenizer), **SIZES)), seed)
    alone = [bert(**tokenizer([text], return_tensors="pt"), output_hidden_states=True) for text in TEXTS]
    for layer, number in ((None, 3), (0, 0), (2, 2), ("encoder.layer.0", 1), ("encoder.layer.2", 3)):
        z = encode(bert, layer, prepare=texts_for(tokenizer), batch_size=3)(TEXTS)
        yield f"BERT, layer {layer}", (z, [one.hidden_states[number][0].mean(0) for one in alone])
    images = np.random.default_rng(seed).random((7, 3, 16, 16)).astype(np.float32)
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16}, image_mean=[0.4] * 3, image_std=[0.3] * 3)
    vit = _randomized(ViTModel(ViTConfig(image_size=16, patch_size=4, **SIZES)), seed)
    seen = [vit((torch.from_numpy(image[None]) - 0.4) / 0.3, output_hidden_states=True) for image in images]
    f = encode(vit, prepare=images_for(processor), batch_size=3)
    yield "ViT", (f(images), [one.pooler_output[0] for one in seen])
    f = encode(vit, 1, prepare=images_for(processor), batch_size=3)
    yield "ViT, layer 1", (f(images), [one.hidden_states[1][0, 0] for one in seen])


def minilm(seed: int) -> Iterator[tuple[str, Pair]]:
    """By transformers alone: mean over the tokens, scaled to length 1."""
    from transformers import AutoModel, AutoTokenizer

    folder = str(packaged_folder())
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    with quiet_loading():
        model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    means = [model(**tokenizer([text], return_tensors="pt")).last_hidden_state[0].mean(0) for text in TEXTS]
    z = encode(load_minilm(), batch_size=3)(TEXTS)
    yield "MiniLM", (z, [mean / mean.norm() for mean in means])


def others(seed: int) -> Iterator[tuple[str, Pair]]:
    rng = np.random.default_rng(seed)
    x, a = rng.normal(size=(11, 6)).astype(np.float32), rng.normal(size=(6, 4)).astype(np.float32)
    for batch in ("n", 4):
        session = InferenceSession(_onnx_model(a, batch))
        yield f"onnx, batch {batch}", (encode(session, batch_size=5)(x), [np.tanh(row @ a) for row in x])
    scaler, pca = StandardScaler(), PCA(3, random_state=0)
    pipeline = make_pipeline(scaler, pca).fit(x)
    rows = [((row - scaler.mean_) / scaler.scale_ - pca.mean_) @ pca.components_.T for row in x]
    yield "pipeline", (encode(pipeline, batch_size=4)(x), rows)
    yield "callable", (encode(lambda batch: batch @ a, batch_size=4)(x), [row @ a for row in x])
    yield "arrays", (encode()(x), list(x))


def _onnx_model(a: Array, batch: str | int) -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, a.shape[0]])
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, [batch, a.shape[1]])
    nodes = [helper.make_node("MatMul", ["x", "A"], ["y"]), helper.make_node("Tanh", ["y"], ["z"])]
    graph = helper.make_graph(nodes, "tiny", [x], [z], [numpy_helper.from_array(a, "A")])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())


def _randomized(model: Any, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) / max(1, p[0].numel()) ** 0.5)
    return model.eval()


def _deviation(z: Array, by_hand: list[Any]) -> float:
    rows = np.stack([row.detach().numpy() if isinstance(row, torch.Tensor) else row for row in by_hand])
    if z.shape != rows.shape:
        return float("inf")
    return float(np.abs(z - rows).max() / max(1.0, np.abs(rows).max()))


if __name__ == "__main__":
    for name, value in deviations(0).items():
        print(f"{name:25} {value:.2e}")
