"""Image models of transformers as embedders, by name or folder.

MVP embeds with a CLIP image encoder. Models run on the CPU, in float32 and with one thread: the
same vectors in every process, which is what makes a sample set the same with any number of
workers. A model is loaded when the first frame is embedded, once a process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """

    loader: str
    vectors: Callable[[Any, dict[str, Any]], Any]


def _image_features(model: Any, inputs: dict[str, Any]) -> Any:
    return model.get_image_features(**inputs).pooler_output


def _pooled(model: Any, inputs: dict[str, Any]) -> Any:
    return model(**inputs).pooler_output


def _queries(model: Any, inputs: dict[str, Any]) -> Any:
    patches = model.vision_model(**inputs).last_hidden_state
    queries = model.query_tokens.expand(len(patches), -1, -1)
    found = model.qformer(query_embeds=queries, encoder_hidden_states=patches)
    return found.last_hidden_state.mean(dim=1)


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
    "blip-2": Kind("Blip2VisionModelWithProjection", _queries),
}
"""By the `model_type` of a model's config."""


@final
class Pretrained(Embedder):
    """An image model of one of `KINDS`.

    Frames are decoded at the size to which the model's image processor resizes, as squares, so
    that a wide frame is squeezed and not cut (ours); the processor does what is left.

    Args:
        name: on the Hugging Face hub, or a folder, as for `from_pretrained`.

    Raises (when first used):
        UsageError: transformers is missing, the model cannot be loaded, or is of another type.
    """

    def __init__(self, name: str) -> None:
        self.name = name

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

    @property
    def _kind(self) -> Kind:
        found: str = self._config.model_type
        if found not in KINDS:
            raise UsageError(
                f"embedder {self.name!r} is a model of type {found!r}; allowed: {', '.join(KINDS)}"
            )
        return KINDS[found]

    @cached_property
    def _config(self) -> Any:
        return self._load("AutoConfig")

    @cached_property
    def _processor(self) -> Any:
        _ = self._kind  # of other types, some have no image processor
        return self._load("AutoImageProcessor")

    @cached_property
    def _model(self) -> Any:
        import torch

        model, info = self._load(self._kind.loader, dtype=torch.float32, output_loading_info=True)
        # BLIP-2's projection for retrieval is not used.
        missing = [key for key in info["missing_keys"] if not key.startswith("vision_projection")]
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
