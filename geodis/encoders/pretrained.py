"""Models of transformers: how they are recognized, what is read of them, how they come from a local folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from geodis.encoders.fingerprints import is_called
from geodis.encoders.modules import ModuleEncoder
from geodis.encoders.pooling import Pooling, flatten, mean_of_text, row_of_image
from geodis.encoders.prepare import Prepare, PreparedModel, images_for, texts_for
from geodis.errors import ContentError, MissingExtraError, ParameterError

TEXT, IMAGE = "input_ids", "pixel_values"  # what models call their main input


def is_transformer(model: Any) -> bool:
    """Whether `model` is a model of transformers, told by the names of its classes: importing the package takes 7 s.

    Examples
    --------
    >>> is_transformer("bert-base-uncased")
    False
    """
    return is_called(model, "PreTrainedModel", "transformers")


def transformer_encoder(
    model: Any,
    layer: str | int | None = None,
    *,
    pool: Pooling | None = None,
    prepare: Prepare | None = None,
    batch_size: int = 256,
    verbose: bool = False,
    name: str | None = None,
) -> ModuleEncoder:
    """A `ModuleEncoder` of a model of transformers, with the pooling that suits it.

    Of a text model the mean over the tokens without padding. Of an image model its ``pooler_output`` where it has one;
    of layers, and without a pooler, the first token, or the mean over space of convolutional maps.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model.
    layer, pool, prepare, batch_size, verbose, name
        As in `ModuleEncoder`.

    Raises
    ------
    ParameterError, UnknownNameError
        As `ModuleEncoder`.
    """
    defaults: dict[Any, Pooling] = {TEXT: mean_of_text, IMAGE: row_of_image}
    kind = getattr(model, "main_input_name", None)
    pooled = kind == IMAGE and layer is None and pool is None
    return ModuleEncoder(
        model,
        layer,
        pool=pool or defaults.get(kind, flatten),
        prepare=prepare,
        outputs=("pooler_output", "last_hidden_state") if pooled else ("last_hidden_state",),
        batch_size=batch_size,
        verbose=verbose,
        name=name,
    )


def load_transformer(folder: str | Path) -> PreparedModel:
    """A text or image model with its tokenizer or image processor, from a local folder and without network.

    No code out of the folder is run. A pooler without trained weights is taken off, so that what is read of the model
    is what was trained.

    Parameters
    ----------
    folder : path
        What `save_pretrained` of model and tokenizer (or image processor) wrote.

    Returns
    -------
    PreparedModel
        Pass it to `geodis.encode`, with a layer if you like.

    Raises
    ------
    FileNotFoundError
        When the folder holds no ``config.json``.
    MissingExtraError
        When transformers is not installed (extra ``text``).
    ContentError
        When the model or the tokenizer cannot be loaded, weights are missing, or the model takes neither texts nor
        images.

    Examples
    --------
    >>> load_transformer("no/such/folder")
    Traceback (most recent call last):
    FileNotFoundError: no/such/folder/config.json: expected the configuration of a transformers model, found none.
    """
    path = Path(folder)
    if not (path / "config.json").is_file():
        raise FileNotFoundError(f"{path}/config.json: expected the configuration of a transformers model, found none.")
    if find_spec("transformers") is None:
        raise MissingExtraError("transformers", "text")
    import transformers

    with quiet_loading():
        model, report = _loaded(transformers.AutoModel, path, output_loading_info=True)
        _check_weights(model, sorted(report["missing_keys"]), path)
        if model.main_input_name == TEXT:
            return PreparedModel(model.eval(), _texts(_loaded(transformers.AutoTokenizer, path), path))
        if model.main_input_name == IMAGE:
            return PreparedModel(model.eval(), images_for(_loaded(transformers.AutoImageProcessor, path)))
    raise ContentError(
        path, "a model of texts or images", f"one of {model.main_input_name}",
        "Load it yourself and pass encode(model, prepare=…) a function from a batch of items to the model's inputs.",
    )  # fmt: skip


def _texts(tokenizer: Any, path: Path) -> Prepare:
    # Without its files some tokenizers load all the same, and know no word.
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise ContentError(path, "a tokenizer with a vocabulary", "one without words", "Save the tokenizer there too.")
    try:
        return texts_for(tokenizer)
    except ParameterError as error:
        raise ContentError(path, "a tokenizer that can pad", "one that cannot", str(error)) from error


def _loaded(kind: Any, path: Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(str(path), local_files_only=True, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ContentError(path, f"what {kind.__name__} loads", f"{type(error).__name__}: {error}") from error


def _check_weights(model: Any, missing: list[str], path: Path) -> None:
    """Take off an untrained pooler; raise `ContentError` for other missing weights."""
    others = [key for key in missing if not key.startswith("pooler.")]
    if others:
        more = "" if len(others) == 1 else f" and {len(others) - 1} more"
        raise ContentError(path, "all weights of the model", f"none for {others[0]}{more}")
    if missing:
        model.pooler = None


@contextmanager
def quiet_loading() -> Iterator[None]:
    """No progress bars and no warnings of transformers inside the block; its settings come back afterwards."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
