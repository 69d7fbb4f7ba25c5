"""Image models of transformers as embedders, by name or folder.

MVP embeds with a CLIP image encoder. Models run on the CPU, in float32 and with one thread: the
same vectors in every process, which is what makes a sample set the same with any number of
workers. A model is loaded when the first frame is embedded, once a process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b, file_digest
from importlib.metadata import version
from math import isqrt
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from kuleshov.errors import UsageError
from kuleshov.features.embedder import Embedder, Vectors, unit
from kuleshov.sample import Pixels

_BATCH = 32


class Kind(NamedTuple):
    """How a type of model embeds an image.

    Args:
        loader: the class of transformers to load it with.
        vectors: its output for a batch as a tensor of shape (images, dimensions).
        texts: the same for a batch of texts, in the space of the images; None if it has none.
        padding: of the texts, as the model was trained: to the longest, or to `max_length`.
        unused: what the names of weights begin with that it does without.
    """

    loader: str
    vectors: Callable[[Any, dict[str, Any]], Any]
    texts: Callable[[Any, dict[str, Any]], Any] | None = None
    padding: str = "longest"
    unused: tuple[str, ...] = ()


def _image_features(model: Any, inputs: dict[str, Any]) -> Any:
    return model.get_image_features(**inputs).pooler_output


def _pooled(model: Any, inputs: dict[str, Any]) -> Any:
    return model(**inputs).pooler_output


def _queries(model: Any, inputs: dict[str, Any]) -> Any:
    patches = model.vision_model(**inputs).last_hidden_state
    queries = model.query_tokens.expand(len(patches), -1, -1)
    found = model.qformer(query_embeds=queries, encoder_hidden_states=patches)
    return found.last_hidden_state.mean(dim=1)


def _text_features(model: Any, inputs: dict[str, Any]) -> Any:
    return model.get_text_features(**inputs).pooler_output


def _unmasked_text_features(model: Any, inputs: dict[str, Any]) -> Any:
    return model.get_text_features(input_ids=inputs["input_ids"]).pooler_output


def _projected_queries(model: Any, inputs: dict[str, Any]) -> Any:
    import torch

    patches = model.vision_model(**inputs).last_hidden_state
    queries = model.query_tokens.expand(len(patches), -1, -1)
    found = model.qformer(query_embeds=queries, encoder_hidden_states=patches).last_hidden_state
    return torch.nn.functional.normalize(model.vision_projection(found), dim=-1).mean(dim=1)


def _projected_text(model: Any, inputs: dict[str, Any]) -> Any:
    found = model.qformer(
        query_embeds=model.embeddings(input_ids=inputs["input_ids"]),
        query_length=0,
        attention_mask=inputs["attention_mask"],
    )
    return model.text_projection(found.last_hidden_state[:, 0])


KINDS: dict[str, Kind] = {
    # The class token, projected to where images and texts meet.
    "clip": Kind("AutoModel", _image_features),
    # What the attention pooling head gives.
    "siglip": Kind("AutoModel", _image_features),
    "siglip2": Kind("AutoModel", _image_features),
    # The class token after the last layer norm.
    "dinov2": Kind("AutoModel", _pooled),
    "dinov2_with_registers": Kind("AutoModel", _pooled),
    # The mean of the Q-Former's query tokens (ours); its language model is not loaded.
    # Its projection for retrieval is not used.
    "blip-2": Kind("Blip2VisionModelWithProjection", _queries, unused=("vision_projection",)),
}
"""By the `model_type` of a model's config."""

ALIGNED: dict[str, Kind] = {
    "clip": Kind("AutoModel", _image_features, _text_features),
    # Trained on texts of the full length, without a mask.
    "siglip": Kind("AutoModel", _image_features, _unmasked_text_features, "max_length"),
    "siglip2": Kind("AutoModel", _image_features, _unmasked_text_features, "max_length"),
    # One vector for a frame, as VideoPerceiver's eq. (1) has it: the mean of the projected
    # queries (ours; BLIP-2 itself takes the query that is closest to the text).
    "blip-2": Kind("Blip2ForImageTextRetrieval", _projected_queries, _projected_text),
}
"""Those that put frames and texts into one space."""


@final
class Pretrained(Embedder):
    """An image model of one of `KINDS`, or of `ALIGNED` where texts are embedded too.

    Frames are decoded at the size to which the model's image processor resizes, as squares, so
    that a wide frame is squeezed and not cut (ours); the processor does what is left.

    Args:
        name: on the Hugging Face hub, or a folder, as for `from_pretrained`.
        kinds: the types of models that are allowed.

    Raises (when first used):
        UsageError: transformers is missing, the model cannot be loaded, or is of another type.
    """

    def __init__(self, name: str, kinds: Mapping[str, Kind] = KINDS) -> None:
        self.name, self.kinds = name, kinds

    @cached_property
    def version(self) -> str:
        """A hash of config and weights, or the commit on the hub; and the library's version."""
        folder = Path(self.name)
        if folder.is_dir():
            state = blake2b(digest_size=16)
            for path in sorted(folder.iterdir()):
                if path.suffix in (".json", ".safetensors", ".bin"):
                    with path.open("rb") as file:
                        state.update(file_digest(file, "blake2b").digest())
            content = state.hexdigest()
        else:
            content = str(self._config._commit_hash)
        return f"{content} {version('transformers')}"

    @cached_property
    def size(self) -> tuple[int, int]:
        size = dict(self._processor.size or {})
        if size.get("height") and size.get("width"):
            return int(size["height"]), int(size["width"])
        side = size.get("shortest_edge")
        if side is None:  # SigLIP2: at most so many patches, whatever the shape
            side = isqrt(self._processor.max_num_patches) * self._processor.patch_size
        return int(side), int(side)

    def __call__(self, frames: Pixels) -> Vectors:
        import torch

        parts = []
        with _one_thread(), torch.inference_mode():
            for start in range(0, len(frames), _BATCH):
                batch = list(frames[start : start + _BATCH])
                inputs = self._processor(images=batch, return_tensors="pt")
                parts.append(self._kind.vectors(self._model, dict(inputs)).numpy())
        return unit(np.concatenate(parts))

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of texts, shape (texts, dimensions), in the space of the frames.

        Raises:
            UsageError: the model has no such space, see `ALIGNED`.
        """
        import torch

        kind = self._kind
        if kind.texts is None:
            raise UsageError(f"embedder {self.name!r} embeds no texts; give one of {[*ALIGNED]}")
        limit = getattr(self._config, "text_config", self._config).max_position_embeddings
        inputs = self._tokenizer(
            list(texts),
            padding=kind.padding,
            truncation=True,
            max_length=limit,
            return_tensors="pt",
            return_token_type_ids=False,
        )
        with _one_thread(), torch.inference_mode():
            return unit(kind.texts(self._model, dict(inputs)).numpy())

    @property
    def _kind(self) -> Kind:
        found: str = self._config.model_type
        if found not in self.kinds:
            allowed = ", ".join(self.kinds)
            raise UsageError(
                f"embedder {self.name!r} is a model of type {found!r}; allowed: {allowed}"
            )
        return self.kinds[found]

    @cached_property
    def _config(self) -> Any:
        return self._load("AutoConfig")

    @cached_property
    def _processor(self) -> Any:
        _ = self._kind  # of other types, some have no image processor
        return self._load("AutoImageProcessor")

    @cached_property
    def _tokenizer(self) -> Any:
        return self._load("AutoTokenizer")

    @cached_property
    def _model(self) -> Any:
        import torch

        model, info = self._load(self._kind.loader, dtype=torch.float32, output_loading_info=True)
        missing = [key for key in info["missing_keys"] if not key.startswith(self._kind.unused)]
        if missing:
            raise UsageError(
                f"embedder {self.name!r} lacks weights such as {sorted(missing)[0]!r}; give the "
                "folder or name of a whole model"
            )
        return model.eval()

    def _load(self, loader: str, **kwargs: Any) -> Any:
        try:
            import torch  # noqa: F401  # without it, transformers has no models
            import transformers
        except ImportError as error:
            raise UsageError(
                f"embedder {self.name!r} needs transformers: pip install 'kuleshov[train]', or "
                "give the built-in embedder 'thumbnail'"
            ) from error
        try:
            with _quiet():
                return getattr(transformers, loader).from_pretrained(self.name, **kwargs)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UsageError(
                f"embedder {self.name!r} cannot be loaded: {reason.rstrip('.')}. Give the built-in "
                "'thumbnail', or the Hugging Face name or folder of a model"
            ) from error


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums do not depend on the number of cores, and worker processes do not share theirs."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, and no list of the language model's weights that are not loaded."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
