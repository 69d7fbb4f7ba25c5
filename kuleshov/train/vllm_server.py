"""What vLLM's server is asked: a prompt with its processed frames.

TRL has the server process images from a conversation, and takes nothing else. The server itself
takes any processed media, as the `features` of /inference/v1/generate; here they are those that
the loss sees, so that nothing is decoded or processed twice. A range of tokens in them is all of
one image or video, so families that write time stamps within a video (Qwen3-VL) are refused.

Not run on a GPU; what was checked is in docs/rollouts.md.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from kuleshov.errors import UsageError
from kuleshov.train.encode import Encoded

_FIELDS = {
    "pixel_values_videos": "video",
    "video_grid_thw": "video",
    "second_per_grid_ts": "video",
    "pixel_values": "image",
    "image_grid_thw": "image",
}
"""What `features` can hold, and of which kind of media it is."""


def servable(encoded: Encoded) -> Encoded:
    """The prompt itself, if vLLM's server can be asked with it.

    Raises:
        UsageError: the server's schema has no place for what this model family needs.
    """
    unknown = sorted(set(encoded.videos) - set(_FIELDS))
    split = any(
        len(_runs(encoded, kind)) != len(encoded.videos.get(f"{kind}_grid_thw", ()))
        for kind in ("image", "video")
    )
    if unknown or split:
        reason = f"the inputs {', '.join(unknown)}" if unknown else "time stamps within a video"
        raise UsageError(
            f"vLLM's server takes no prompts with {reason}, which this model family needs; set "
            "train.grpo.extra.vllm_mode to colocate"
        )
    return encoded


def features(encoded: Encoded, raw: Any = None) -> dict[str, Any] | None:
    """A prompt's processed media for vLLM's server, None without media.

    Args:
        encoded: a prompt that is `servable`.
        raw: the processor, if the server normalises pixels by itself and wants them as they were.

    Raises:
        UsageError: the vLLM beside the trainer is not one that can write them.
    """
    if not encoded.videos:
        return None
    try:
        from vllm.entrypoints.scale_out.token_in_token_out.mm_serde import encode_mm_kwargs_item
        from vllm.multimodal.inputs import MultiModalFieldConfig, MultiModalKwargsItems
    except ImportError as error:
        raise UsageError(
            f"this vLLM cannot write media for its server ({error}); install vLLM 0.31, or set "
            "train.grpo.extra.vllm_mode to colocate"
        ) from error

    inputs, fields = dict(encoded.videos), {}
    for key in inputs:
        kind = _FIELDS[key]
        if key.startswith("pixel_values"):
            if raw is not None:
                reader = raw.video_processor if kind == "video" else raw.image_processor
                inputs[key] = _as_they_were(inputs[key], reader)
            rows = inputs[f"{kind}_grid_thw"].prod(dim=-1)
            fields[key] = MultiModalFieldConfig.flat_from_sizes(kind, rows)
        else:
            fields[key] = MultiModalFieldConfig.batched(kind, keep_on_cpu=True)
    items = MultiModalKwargsItems.from_hf_inputs(inputs, fields)
    data = {kind: [encode_mm_kwargs_item(item) for item in some] for kind, some in items.items()}
    return {
        # vLLM keeps what it computed under these names.
        "mm_hashes": {
            kind: [hashlib.blake2b(text.encode(), digest_size=16).hexdigest() for text in some]
            for kind, some in data.items()
        },
        "mm_placeholders": {kind: _runs(encoded, kind) for kind in data},
        "kwargs_data": data,
    }


def _as_they_were(patches: torch.Tensor, reader: Any) -> torch.Tensor:
    """Normalised patches, shape (patches, 3 * values), as the uint8 pixels that they came from."""
    mean, std = (torch.tensor(x).view(1, 3, 1) for x in (reader.image_mean, reader.image_std))
    pixels: torch.Tensor = (patches.view(len(patches), 3, -1) * std + mean) / reader.rescale_factor
    return pixels.round().to(torch.uint8).view_as(patches)


def _runs(encoded: Encoded, kind: str) -> list[dict[str, int]]:
    """Where the tokens of each image or video stand, if they stand side by side."""
    mine = encoded.token_types == {"image": 1, "video": 2}[kind]
    edges = torch.diff(mine.int(), prepend=torch.tensor([0]), append=torch.tensor([0]))
    starts, ends = (edges == 1).nonzero()[:, 0].tolist(), (edges == -1).nonzero()[:, 0].tolist()
    return [{"offset": a, "length": b - a} for a, b in zip(starts, ends, strict=True)]


class VideoClient:
    """A `trl` `VLLMClient` that takes encoded prompts in the place of images; else as it is.

    Args:
        client: the client.
        processor: that of the model.
    """

    def __init__(self, client: Any, processor: Any) -> None:
        self._client = client
        settings = client.get_server_info()["model_config"]["multimodal_config"]
        self._raw = processor if settings.get("mm_device_do_normalize") else None
        self._asked: list[Encoded] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def image_features(self, images: list[list[Encoded]]) -> list[None]:
        """Keeps what TRL would have the server process; it is processed already."""
        self._asked = [one for [one] in images]
        return [None for _ in images]

    def generate(self, prompts: list[list[int]], **settings: Any) -> Any:
        """As TRL's, with the features of the prompts that `image_features` was told of last."""
        asked, self._asked = self._asked, []
        settings["features"] = [features(encoded, self._raw) for encoded in asked]
        return self._client.generate(prompts=prompts, **settings)
