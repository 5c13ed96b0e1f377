"""Models of transformers: the embedding by hand; padding and the batch's other texts change nothing."""

import json

import numpy as np
import pytest
import torch
from tiny_models import TEXTS, randomized, tiny_bert, tiny_processor, tiny_tokenizer, tiny_vit

pytest.importorskip("transformers")

from geodis.encoders import (
    PreparedModel,
    encode,
    first_token,
    images_for,
    load_transformer,
    mean_tokens,
    texts_for,
)
from geodis.errors import ContentError, MissingExtraError, ParameterError, ShapeError, UnknownNameError

IMAGES = np.random.default_rng(0).random((5, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def bert():
    return tiny_bert()


@pytest.fixture(scope="module")
def vit():
    return tiny_vit()


def states_by_hand(model, tokenizer, text):
    """All hidden states of one text alone, which needs no padding."""
    with torch.no_grad():
        return model(**tokenizer([text], return_tensors="pt"), output_hidden_states=True).hidden_states


READINGS = {
    "output": (None, -1),
    "last state": (-1, -1),
    "embeddings": (0, 0),
    "first state": (1, 1),
    "first block": ("encoder.layer.0", 1),
    "last block": ("encoder.layer.1", 2),
}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_a_text_model_by_hand_for_any_batch(bert, tokenizer, reading, batch_size):
    layer, number = READINGS[reading]
    z = encode(bert, layer, prepare=texts_for(tokenizer), batch_size=batch_size)(TEXTS)
    expected = torch.cat([states_by_hand(bert, tokenizer, text)[number].mean(1) for text in TEXTS])
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-6)


def test_the_mean_without_the_mask_depends_on_the_other_texts(bert, tokenizer):
    f = encode(bert, prepare=texts_for(tokenizer), pool=lambda h: h.mean(1))
    assert np.abs(f(TEXTS)[:2] - f(TEXTS[:2])).max() > 1e-3
    right = encode(bert, prepare=texts_for(tokenizer))
    np.testing.assert_allclose(right(TEXTS)[:2], right(TEXTS[:2]), rtol=0, atol=1e-6)


def test_padding_on_the_left_is_not_used(bert, tmp_path):
    left = tiny_tokenizer(tmp_path)
    left.padding_side = "left"
    expected = torch.cat([states_by_hand(bert, left, text)[-1].mean(1) for text in TEXTS])
    np.testing.assert_allclose(encode(bert, prepare=texts_for(left))(TEXTS), expected, rtol=0, atol=1e-6)


def test_other_poolings_of_texts(bert, tokenizer):
    expected = torch.cat([states_by_hand(bert, tokenizer, text)[-1][:, 0] for text in TEXTS])
    z = encode(bert, prepare=texts_for(tokenizer), pool=first_token)(TEXTS)
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-6)
    with torch.no_grad():
        pooled = bert.pooler(torch.stack([expected, expected], 1))
    z = encode(bert, "pooler", prepare=texts_for(tokenizer))(TEXTS)
    np.testing.assert_allclose(z, pooled, rtol=0, atol=1e-6)


def test_items_are_read_by_their_text(bert, tokenizer):
    f = encode(bert, prepare=texts_for(tokenizer))
    np.testing.assert_array_equal(f([_Text(text) for text in TEXTS]), f(TEXTS))


class _Text:
    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


def test_long_texts_are_cut(bert, tokenizer):
    long = " ".join(["fair"] * 40)
    cut = encode(bert, prepare=texts_for(tokenizer))([long])
    np.testing.assert_allclose(cut, encode(bert, prepare=texts_for(tokenizer))([" ".join(["fair"] * 14)]), atol=1e-6)
    short = encode(bert, prepare=texts_for(tokenizer, max_length=4))([long])
    np.testing.assert_allclose(short, encode(bert, prepare=texts_for(tokenizer))(["fair fair"]), atol=1e-6)
    assert np.abs(cut - short).max() > 1e-3


def test_texts_need_a_tokenizer(bert):
    with pytest.raises(ParameterError, match="texts_for"):
        encode(bert)(TEXTS)
    for wrong in (None, "bert"):
        with pytest.raises(ParameterError, match="tokenizer"):
            texts_for(wrong)
    with pytest.raises(ParameterError, match="processor"):
        images_for(3)


@pytest.mark.parametrize("max_length", [0, -3, 2.0, True])
def test_the_longest_text_is_a_positive_integer(tokenizer, max_length):
    with pytest.raises(ParameterError, match="max_length"):
        texts_for(tokenizer, max_length)


def test_a_tokenizer_without_padding_is_a_named_error(tmp_path):
    tokenizer = tiny_tokenizer(tmp_path)
    tokenizer.pad_token = None
    with pytest.raises(ParameterError, match="eos_token"):
        texts_for(tokenizer)


@pytest.mark.parametrize("layer", [3, -4, 100])
def test_a_hidden_state_that_is_not_there(bert, tokenizer, layer):
    with pytest.raises(UnknownNameError, match=r"0 … 2"):
        encode(bert, layer, prepare=texts_for(tokenizer))(TEXTS)


def test_the_model_is_left_as_it_was(tokenizer):
    bert = tiny_bert().train()
    bert.pooler.eval()
    before = [module.training for module in bert.modules()]
    encode(bert, "encoder", prepare=texts_for(tokenizer))(TEXTS)
    assert [module.training for module in bert.modules()] == before
    assert not any(module._forward_hooks for module in bert.modules())


# --- images -----------------------------------------------------------------------------------------------------------
def vit_by_hand(model, images):
    with torch.no_grad():
        return model((torch.from_numpy(images) - 0.5) / 0.5)


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_an_image_model_by_hand(vit, batch_size):
    f = encode(vit, prepare=images_for(tiny_processor()), batch_size=batch_size)
    np.testing.assert_allclose(f(IMAGES), vit_by_hand(vit, IMAGES).pooler_output, rtol=0, atol=1e-6)
    f = encode(vit, "layernorm", prepare=images_for(tiny_processor()), batch_size=batch_size)
    np.testing.assert_allclose(f(IMAGES), vit_by_hand(vit, IMAGES).last_hidden_state[:, 0], rtol=0, atol=1e-6)


def test_an_image_model_without_a_pooler_is_read_at_its_first_token():
    vit = tiny_vit(pooler=False)
    z = encode(vit, prepare=images_for(tiny_processor()))(IMAGES)
    np.testing.assert_allclose(z, vit_by_hand(vit, IMAGES).last_hidden_state[:, 0], rtol=0, atol=1e-6)


def test_pixel_values_need_no_preparation(vit):
    z = encode(vit, pool=mean_tokens)(IMAGES)
    expected = vit(torch.from_numpy(IMAGES)).last_hidden_state.mean(1).detach()
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-6)


def test_whole_numbers_are_0_to_255_and_grey_has_three_channels(vit):
    f = encode(vit, prepare=images_for(tiny_processor()))
    bytes_ = np.random.default_rng(1).integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)
    np.testing.assert_allclose(f(bytes_), f(bytes_ / 255.0), rtol=0, atol=1e-5)
    grey = IMAGES[:, :1]
    np.testing.assert_array_equal(f(grey), f(grey.repeat(3, axis=1)))
    np.testing.assert_array_equal(f(grey[:, 0]), f(grey))


def test_images_of_another_size_are_resized_by_the_processor(vit):
    larger = np.random.default_rng(2).random((2, 3, 16, 12)).astype(np.float32)
    values = tiny_processor()(list(larger), return_tensors="pt", do_rescale=False)
    with torch.no_grad():
        expected = vit(**values).pooler_output
    z = encode(vit, prepare=images_for(tiny_processor()))(larger)
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 2, 8, 8), (2, 8), (2, 1, 3, 8, 8)])
def test_what_is_no_image_is_a_named_error(vit, shape):
    with pytest.raises(ShapeError, match="image"):
        encode(vit, prepare=images_for(tiny_processor()))(np.zeros(shape))


# --- folders ----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def folders(bert, vit, tokenizer, tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for model, prepare, name in ((bert, tokenizer, "bert"), (vit, tiny_processor(), "vit")):
        model.save_pretrained(root / name)
        prepare.save_pretrained(root / name)
    return root


def test_a_folder_gives_the_same_embedding(folders, bert, vit, tokenizer, capfd):
    loaded = load_transformer(folders / "bert")
    assert isinstance(loaded, PreparedModel)
    for layer in (None, "encoder.layer.0", 1):
        expected = encode(bert, layer, prepare=texts_for(tokenizer))(TEXTS)
        np.testing.assert_allclose(encode(loaded, layer, batch_size=2)(TEXTS), expected, rtol=0, atol=1e-6)
    expected = encode(vit, prepare=images_for(tiny_processor()))(IMAGES)
    z = encode(load_transformer(str(folders / "vit")))(IMAGES)
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-6)
    assert "Loading" not in "".join(capfd.readouterr())


def test_equal_folders_have_equal_fingerprints(folders, tokenizer):
    marks = [encode(load_transformer(folders / "bert")) for _ in range(2)]
    first = marks[0].fingerprint()
    marks[0](TEXTS)
    assert first == marks[0].fingerprint() == marks[1].fingerprint()
    other = load_transformer(folders / "bert")
    randomized(other.module, seed=1)
    assert encode(other).fingerprint() != first
    assert encode(marks[0].module, prepare=texts_for(tokenizer, max_length=5)).fingerprint() != first


def test_a_pooler_without_weights_is_taken_off(folders, tmp_path):
    vit = tiny_vit(pooler=False)
    vit.save_pretrained(tmp_path)
    tiny_processor().save_pretrained(tmp_path)
    first, second = load_transformer(tmp_path), load_transformer(tmp_path)
    assert first.module.pooler is None
    assert encode(first).fingerprint() == encode(second).fingerprint()
    z = encode(first)(IMAGES)
    np.testing.assert_allclose(z, vit_by_hand(vit, IMAGES).last_hidden_state[:, 0], rtol=0, atol=1e-6)
    assert load_transformer(folders / "vit").module.pooler is not None


def test_missing_weights_are_a_named_error(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "bert"
    copy.mkdir()
    for file in (folders / "bert").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    weights = load_file(copy / "model.safetensors")
    weights.pop("encoder.layer.0.output.dense.weight")
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ContentError, match=r"none for encoder\.layer\.0\.output\.dense\.weight"):
        load_transformer(copy)


def test_what_is_no_model_folder_is_a_named_error(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        load_transformer(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ContentError, match="AutoModel"):
        load_transformer(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ContentError, match="AutoModel"):
        load_transformer(tmp_path)
    monkeypatch.setattr("geodis.encoders.pretrained.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"geodis\[text\]"):
        load_transformer(tmp_path)


@pytest.mark.parametrize("make", [tiny_bert, tiny_vit])
def test_a_folder_without_a_tokenizer_or_processor_is_a_named_error(make, tmp_path):
    make().save_pretrained(tmp_path)
    with pytest.raises(ContentError, match=r"without words|AutoImageProcessor"):
        load_transformer(tmp_path)
