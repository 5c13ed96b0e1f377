"""What the names of models and actions on the command line stand for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geodis.errors import ContentError, MissingExtraError, ParameterError, ShapeError, UnknownNameError

if TYPE_CHECKING:
    from geodis.actions import AbstractAction
    from geodis.formats.sources import Source

TYPE = re.compile(r"(\d)([+-])(?::(\d{1,4}))?", re.ASCII)


@dataclass(frozen=True)
class Wish:
    """What the options of `geodis encode` say about the action."""

    source: Source
    values: str | None
    types: str | None


# --- models -----------------------------------------------------------------------------------------------------------
def model_called(name: str) -> Any:
    """A shipped model by its name, what `geodis train` saved, an .onnx file, or a folder of a pretrained model."""
    shipped = {"minilm": _minilm, "digits": _digits, "turbulence": _turbulence}
    path = Path(name)
    if name in shipped:
        return shipped[name]()
    if path.suffix.lower() == ".onnx":
        from geodis.encoders import load_onnx
        from geodis.formats.readers import existing

        return load_onnx(existing(path))
    if path.suffix.lower() == ".safetensors":
        from geodis.formats.readers import existing
        from geodis.training import TrainedEncoder

        return TrainedEncoder.load(existing(path)).model
    if path.is_dir():
        return _folder(path)
    known = ", ".join(shipped) + ", what `geodis train` saved (.safetensors), an .onnx file, a folder of a "
    raise UnknownNameError("model", name, known + "transformers model")


def _minilm() -> Any:
    from geodis.encoders import load_minilm

    return load_minilm()


def _digits() -> Any:
    from geodis.encoders import PreparedModel, load_digits_encoder

    return PreparedModel(load_digits_encoder(), one_channel)


def one_channel(batch: Any) -> Any:
    """Images `(n, 1, H, W)` as the digits' network takes them: a tensor `(n, H, W)`."""
    import torch

    if batch.ndim != 4 or batch.shape[1] != 1:
        raise ShapeError("images of --model digits", "(n, 1, 28, 28)", batch.shape, "Say --grey --size 28.")
    return torch.from_numpy(batch[:, 0])


def _turbulence() -> Any:
    from geodis.encoders import load_turbulence_encoder

    return load_turbulence_encoder()


def _folder(path: Path) -> Any:
    if not (path / "modules.json").is_file():  # what sentence-transformers writes beside the weights
        from geodis.encoders import load_transformer

        return load_transformer(path)
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise MissingExtraError("sentence-transformers", "text") from None
    return SentenceTransformer(str(path), local_files_only=True)


def layer_called(text: str | None, model: Any) -> str | int | None:
    """A layer's name; of a transformers model, a number is that of a hidden state."""
    from geodis.encoders import PreparedModel
    from geodis.encoders.fingerprints import is_called
    from geodis.encoders.pretrained import is_transformer

    module = model.module if isinstance(model, PreparedModel) else model
    numbered = is_transformer(module) or is_called(module, "SentenceTransformer", "sentence_transformers")
    return int(text) if text is not None and text.isdecimal() and numbered else text


def pooling_called(text: str) -> Callable[..., Any]:
    """How an activation becomes one row an item."""
    from geodis.encoders import first_token, flatten, mean_grid, mean_tokens

    known = {
        "flatten": flatten, "mean-grid": mean_grid, "mean-tokens": mean_tokens, "first-token": first_token,
    }  # fmt: skip
    if text not in known:
        raise UnknownNameError("pooling", text, ", ".join(known))
    return known[text]


# --- actions ----------------------------------------------------------------------------------------------------------
def action_called(name: str, kind: str, wish: Wish) -> tuple[AbstractAction, Any]:
    """`(action, items)`: the action, and the items in the form that it moves."""
    kinds: Mapping[str, Mapping[str, Callable[[Wish], tuple[AbstractAction, Any]]]] = {
        "images": {
            "rotation": _image("ImageRotation"),
            "scaling": _image("ImageScaling"),
            "hue": _image("HueRotation"),
            "quarter-turns": _image("QuarterTurns"),
            "square": _image("SquareSymmetries"),
            "shift": _image_shift,
        },
        "texts": {"slot": _slot, "ordered": _ordered},
        "fields": {"cube": _cube, "shift": _field_shift, "rotation": _field_rotation},
    }
    known = kinds[kind]
    if name not in known:
        raise UnknownNameError(f"action on {kind}", name, ", ".join(("none", *known)))
    if wish.values is not None and kind != "texts":
        raise ParameterError("--values", "none for an action that fills no slot", repr(wish.values))
    if wish.types is not None and kind != "fields":
        raise ParameterError("--types", "none for an action on something else than fields", repr(wish.types))
    return known[name](wish)


def _image(name: str) -> Callable[[Wish], tuple[AbstractAction, Any]]:
    def made(wish: Wish) -> tuple[AbstractAction, Any]:
        from geodis import actions

        return getattr(actions, name)(), wish.source.items

    return made


def _image_shift(wish: Wish) -> tuple[AbstractAction, Any]:
    from geodis.actions import ImageShift

    return ImageShift(*wish.source.items.shape[-2:]), wish.source.items


def _slot(wish: Wish) -> tuple[AbstractAction, Any]:
    from geodis.actions import SlotAction, slot_texts

    values = values_called(wish.values)
    return SlotAction(values), slot_texts(wish.source.items, values)


def _ordered(wish: Wish) -> tuple[AbstractAction, Any]:
    from geodis.actions import OrderedSlotAction, slot_texts

    values = values_called(wish.values)
    return OrderedSlotAction(values), slot_texts(wish.source.items, values)


def _cube(wish: Wish) -> tuple[AbstractAction, Any]:
    from geodis.actions import FieldSymmetries

    return FieldSymmetries(types_called(wish.types), d=wish.source.items.ndim - 2), wish.source.items


def _field_shift(wish: Wish) -> tuple[AbstractAction, Any]:
    from geodis.actions import FieldShift

    return FieldShift(types_called(wish.types), grid=wish.source.items.shape[2:]), wish.source.items


def _field_rotation(wish: Wish) -> tuple[AbstractAction, Any]:
    from geodis.actions import FieldRotation

    return FieldRotation(types_called(wish.types)), wish.source.items


def values_called(text: str | None) -> tuple[str, ...]:
    """What the slot runs through: ``months``, ``weekdays``, a file with one value a line, or ``a,b,c``."""
    from geodis.simulators.sentences import MONTHS, WEEKDAYS

    known = {"months": MONTHS, "weekdays": WEEKDAYS}
    if text is None:
        raise ParameterError("--values", "what the slot runs through", "none", "Say months, weekdays, a,b,c or a file.")
    if text in known:
        return tuple(known[text])
    if Path(text).is_file():
        from geodis.formats.sources import read_texts

        return tuple(read_texts(text).items)
    values = tuple(part.strip() for part in text.split(","))
    if len(values) < 2 or not all(values):
        raise ContentError(
            "--values", f"{', '.join(known)}, a file with one value a line, or several separated by commas", repr(text)
        )
    return values


def types_called(text: str | None) -> tuple[tuple[int, int, int], ...]:
    """``"0+,1+:2"`` → ((0, 1, 1), (1, 1, 2)): order, parity (+ or -) and how many, in the order of the channels."""
    if text is None:
        raise ParameterError(
            "--types", "what the channels are", "none", 'Say "0+" for a scalar, "1+" for a vector, "0+,1+" for both.'
        )
    found = [TYPE.fullmatch(part.strip()) for part in text.split(",")]
    if not all(found):
        raise ParameterError("--types", "order and parity, such as 0+,1+ or 0-:2 (two pseudoscalars)", repr(text))
    return tuple((int(m[1]), 1 if m[2] == "+" else -1, int(m[3] or 1)) for m in found if m)
