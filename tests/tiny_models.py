"""Small models with random weights, made without any download; weights come from a seed."""

import numpy as np
import torch

WORDS = ["the", "fair", "is", "in", "may", "see", "you", "on", "monday", "at", "usual", "place", "and", "time", "yes"]
TEXTS = ["the fair is in may", "yes", "see you on monday at the usual place and the usual time and place", "the fair"]


def randomized(model, seed=0):
    """The model with weights drawn from the seed; a model that is made draws them from torch's global generator."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.3 * torch.randn(p.shape, generator=generator))
    return model.eval()


def tiny_tokenizer(folder):
    from transformers import BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    return BertTokenizerFast(vocab=vocabulary, model_max_length=16)


def tiny_bert(seed=0):
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    return randomized(BertModel(BertConfig(vocab_size=len(WORDS) + 5, max_position_embeddings=16, **sizes)), seed)


def tiny_vit(seed=0, pooler=True):
    from transformers import ViTConfig, ViTModel

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = ViTConfig(image_size=8, patch_size=4, **sizes)
    return randomized(ViTModel(config, add_pooling_layer=pooler), seed)


def tiny_processor():
    from transformers import ViTImageProcessorPil

    return ViTImageProcessorPil(size={"height": 8, "width": 8})


def tiny_onnx(batch="n", wide=False, seed=0, double=False):
    """relu(x A) as "hidden", hidden · B as "z", from x `(batch, 6)`; with `wide` a second input y added to x."""
    from onnx import TensorProto, helper, numpy_helper

    kind, dtype = (TensorProto.DOUBLE, np.float64) if double else (TensorProto.FLOAT, np.float32)
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(6, 5)).astype(dtype), rng.normal(size=(5, 3)).astype(dtype)
    inputs = [helper.make_tensor_value_info(name, kind, [batch, 6]) for name in ("x", "y")[: 1 + wide]]
    outputs = [helper.make_tensor_value_info(name, kind, [batch, size]) for name, size in (("z", 3), ("hidden", 5))]
    first = [helper.make_node("Add", ["x", "y"], ["sum"])] if wide else []
    nodes = [
        *first,
        helper.make_node("MatMul", ["sum" if wide else "x", "A"], ["linear"]),
        helper.make_node("Relu", ["linear"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "B"], ["z"]),
    ]
    weights = [numpy_helper.from_array(a, "A"), numpy_helper.from_array(b, "B")]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]), (a, b)
