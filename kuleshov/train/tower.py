"""The vision tower's embeddings, computed once for each video while the tower does not change.

    frozen tower    kept for the whole run, within a size: rollouts, old, reference and policy
                    log-probabilities of all epochs share them, and so does the reference model
    trained tower   kept between two updates, without gradient: rollouts and old log-probabilities
                    share them; the pass with gradient goes from the pixels

An entry is named by what is shown (media recipe and processor settings, `Encoded.key`), by the
content of the tower's weights and by the precision that is computed in. A reference model with
the same weights thus finds the entries of the policy, one with others never does, and weights
that are loaded anew are hashed anew. The tower is all of the backbone but its language model:
encoder, merger or projector.

Models take embeddings as `mm_encoder_outputs`, which transformers' own `generate` passes on. Where
a model has no such argument, where an adapter sits in the tower (its state is no weight) and where
no key is known, the pixels go to the model as ever.

A model that takes videos as rows of frames (pixels.py) takes rows of one length. Shorter videos of
a batch are filled up (`kuleshov.train.encode.join_videos`), and `leave_out_filled` has each encoded
by itself, without what fills it up: in training, in `generate` and here alike.

Prior art: LongVILA-R1 (arXiv 2507.07966, MR-SP) encodes a video once for all rollouts and both
models. The key by content of the weights is ours.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from hashlib import blake2b
from types import MethodType
from typing import Any, final
from weakref import WeakKeyDictionary

import torch
from peft.tuners.tuners_utils import BaseTunerLayer

from kuleshov.train.encode import Encoded, join_videos

Outputs = dict[str, Any]
"""For "image" and "video" what `get_image_features` and `get_video_features` return."""
_FIELDS = ("pooler_output", "deepstack_features")
"""What forward passes read of it; features of layers (Qwen3-VL) beside those of the end."""
_PIXELS = "pixel_values"


def weights_of(model: Any) -> list[torch.nn.Parameter]:
    """The parameters of a model's vision tower: those of the backbone outside of its language
    model; none if it has no such parts.

    Args:
        model: a transformers model, or a PEFT wrapper of one.
    """
    return _outside(_core(model), "parameters")


def freeze(model: Any) -> None:
    """Train no weight of the vision tower, merger and projector included."""
    for weight in weights_of(model):
        weight.requires_grad_(False)


def leave_out_filled(model: Any) -> None:
    """Let a model encode rows of frames without the frames that only fill them up.

    Args:
        model: a transformers model, or a PEFT wrapper of one. One that has no features of videos
            stays as it is.
    """
    backbone = _core(model).base_model
    features = getattr(type(backbone), "get_video_features", None)
    if features is None:
        return

    @wraps(features)
    def without_filled(self: Any, pixel_values_videos: torch.Tensor, *args: Any, **kw: Any) -> Any:
        rows = pixel_values_videos
        if rows.dim() != 5 or not (filled := rows[:, :, 0, 0, 0].isnan()).any():
            return features(self, rows, *args, **kw)
        told = [
            features(self, video[~none][None], *args, **{**kw, "return_dict": True})
            for video, none in zip(rows, filled, strict=True)
        ]
        joined = _joined([{"video": one} for one in told], rows.device)["video"]
        return joined if kw.get("return_dict", True) else joined.to_tuple()

    # Bound to it, so that a copy of the model has one of its own.
    backbone.get_video_features = MethodType(without_filled, backbone)


@final
class Tower:
    """Vision inputs of models, with embeddings in the place of pixels where that is the same.

    Args:
        max_bytes: how much is kept, in main memory; what was used longest ago goes first. 0 to
            keep nothing and pass on pixels.
    """

    def __init__(self, max_bytes: int = 1 << 30) -> None:
        self.max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[Any, ...], Outputs] = OrderedDict()
        self._hashes: WeakKeyDictionary[Any, tuple[Any, str]] = WeakKeyDictionary()
        self._stretch: object | None = None  # between two updates, and which

    def inputs(
        self, model: Any, prompts: Sequence[Encoded], device: torch.device | str = "cpu"
    ) -> dict[str, Any]:
        """What a forward pass takes of the videos and images of several prompts.

        Args:
            model: a transformers model, or a PEFT wrapper of one.
            prompts: different ones or copies, in the order of the rows.
            device: where the inputs go.

        Returns:
            As `join_videos`, with `mm_encoder_outputs` for `pixel_values` and the like where the
            embeddings are known or may be kept.
        """
        core = _core(model)
        weights = self._weights(core)
        if weights is not None and all(prompt.key is not None for prompt in prompts):
            outputs = [self._outputs(core, prompt, weights, device) for prompt in prompts]
        else:
            return {key: value.to(device) for key, value in join_videos(prompts).items()}
        known = join_videos([_without_pixels(prompt) for prompt in prompts])
        inputs: dict[str, Any] = {key: value.to(device) for key, value in known.items()}
        if any(outputs):
            inputs["mm_encoder_outputs"] = _joined(outputs, device)
        return inputs

    @contextmanager
    def between_updates(self) -> Iterator[None]:
        """A stretch in which no weight changes: a trained tower's embeddings are kept in it."""
        self._stretch = stretch = object()
        try:
            yield
        finally:
            self._stretch = None
            for key in [key for key in self._kept if stretch in key]:
                self._drop(key)

    def _weights(self, core: Any) -> tuple[Any, ...] | None:
        """What names the tower's weights, None if its embeddings must not be kept."""
        if not self.max_bytes or not _takes_embeddings(core):
            return None
        weights = weights_of(core)
        modules = _outside(core, "modules")
        if not weights or any(isinstance(module, BaseTunerLayer) for module in modules):
            return None
        if not any(weight.requires_grad for weight in weights):
            return (self._hash(core, [*weights, *_outside(core, "buffers")]),)
        # Not all optimizers leave a trace in the tensors' versions, so there is no hash to trust.
        if self._stretch is None or torch.is_grad_enabled():
            return None
        return (self._stretch, id(core))

    def _hash(self, core: Any, tensors: list[torch.Tensor]) -> str:
        state = [(tensor.data_ptr(), tensor._version) for tensor in tensors]
        if core not in self._hashes or self._hashes[core][0] != state:
            found = blake2b(digest_size=16)
            for tensor in tensors:
                flat = tensor.detach().cpu().contiguous().reshape(-1)
                found.update(flat.view(torch.uint8).numpy().tobytes())
            self._hashes[core] = (state, found.hexdigest())
        return self._hashes[core][1]

    def _outputs(
        self, core: Any, prompt: Encoded, weights: tuple[Any, ...], device: torch.device | str
    ) -> Outputs:
        kind = torch.device(device).type
        computed = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        key = (prompt.key, computed, *weights)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        with torch.no_grad():
            self._kept[key] = outputs = _encoded(core, prompt, device, kept_on="cpu")
        self._bytes += _size(outputs)
        while self._bytes > self.max_bytes and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))
        return outputs

    def _drop(self, key: tuple[Any, ...]) -> None:
        self._bytes -= _size(self._kept.pop(key))


NOTHING_KEPT = Tower(0)


def _core(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _outside(core: Any, what: str) -> list[Any]:
    """Parameters, buffers or modules of the backbone that its language model does not have."""
    inside = {id(part) for part in getattr(core.get_decoder(), what)()}
    return [part for part in getattr(core.base_model, what)() if id(part) not in inside]


def _takes_embeddings(core: Any) -> bool:
    return "mm_encoder_outputs" in inspect.signature(core.forward).parameters


def _without_pixels(prompt: Encoded) -> Encoded:
    kept = {k: v for k, v in prompt.videos.items() if not k.startswith(_PIXELS)}
    return replace(prompt, videos=kept)


def _encoded(
    core: Any, prompt: Encoded, device: torch.device | str, kept_on: torch.device | str
) -> Outputs:
    """A prompt's embeddings, computed on a device and kept on another."""
    outputs = {}
    for medium in ("image", "video"):
        run = getattr(core.base_model, f"get_{medium}_features", None)
        names = inspect.signature(run).parameters if run is not None else ()
        taken = {key: value.to(device) for key, value in prompt.videos.items() if key in names}
        if run is not None and any(key.startswith(_PIXELS) for key in taken):
            told = run(**taken, return_dict=True)
            found = {name: getattr(told, name, None) for name in _FIELDS}
            kept = {name: _to(value, kept_on) for name, value in found.items() if value is not None}
            outputs[medium] = type(told)(**kept)
    return outputs


def _joined(outputs: Sequence[Outputs], device: torch.device | str) -> Outputs:
    """The embeddings of several prompts as those of one batch."""
    joined = {}
    for medium in sorted({medium for some in outputs for medium in some}):
        parts = [some[medium] for some in outputs if medium in some]
        fields = {
            name: [part[name] for part in parts]
            for name in _FIELDS
            if parts[0].get(name) is not None
        }
        if "deepstack_features" in fields:  # for each layer those of all videos
            layers = zip(*fields["deepstack_features"], strict=True)
            fields["deepstack_features"] = [_chain(layer) for layer in layers]
        fields["pooler_output"] = _chain(fields["pooler_output"])
        joined[medium] = type(parts[0])(**{k: _to(v, device) for k, v in fields.items()})
    return joined


def _chain(values: Sequence[Any]) -> Any:
    """One after the other, as the family has them: a tensor over all videos, or one for each."""
    if isinstance(values[0], torch.Tensor):
        if len({value.shape[1:] for value in values}) > 1:  # videos of other lengths
            values = [value.flatten(0, -2)[None] for value in values]
            return torch.cat(list(values), dim=1)
        return torch.cat(list(values))
    return tuple(tensor for value in values for tensor in value)


def _to(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(device)
    return type(value)(_to(part, device) for part in value)


def _size(outputs: Outputs) -> int:
    def size(value: Any) -> int:
        return value.nbytes if isinstance(value, torch.Tensor) else sum(map(size, value))

    return sum(size(value) for output in outputs.values() for value in output.values())
