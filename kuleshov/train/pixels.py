"""How models take pixels: the one place that knows in what families differ there.

    patches   the patches of all videos one after the other (`pixel_values_videos`) and a grid of
              (time, height, width) for each (`video_grid_thw`); images likewise (`pixel_values`,
              `image_grid_thw`). Any size; frames alone or in pairs. Qwen2-VL to Qwen3.5,
              VideoLLaMA3, whose dropping of patches that hardly change is switched off.
    tiles     a picture of one size for each frame and each image, in the order of the prompt
              (`pixel_values`, shape (tiles, channels, height, width)). To the model a video is
              a row of images. InternVL; SmolVLM, whose rows of tiles are taken apart here, so that
              prompts of any number of frames go into one batch.
    videos    a row of pictures of one size for each video (`pixel_values_videos`, shape (videos,
              frames, channels, height, width)); shorter ones of a batch are filled up, and the
              model encodes each without (tower.py). LLaVA-OneVision.

What a family has of these is read off its processor, its configuration and its inputs, so that
no name of a family stands anywhere. A family with a layout of its own is added here. Where it is
not known how many features a model makes, the model compares them with its tokens by itself, and
the processor must make more of more frames (`Encoder.follows_frames`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from kuleshov.errors import MissingVideoError, UsageError

INPUTS = {
    "image": ("image_token_id", "pixel_values", "image_grid_thw"),
    "video": ("video_token_id", "pixel_values_videos", "video_grid_thw"),
}
"""For each medium: the name of its token in configurations, and of the model's inputs."""
# No limits, as the size is the recipe's: the families' own would enlarge small frames.
ANY_SIZE = {"shortest_edge": 1, "longest_edge": 1 << 40}
# A still is shown as a frame is: whole, in one tile.
_PLAIN = {
    "cap_pixels_per_frame": False,
    "crop_to_patches": False,
    "do_image_splitting": False,
    "use_token_compression": False,
}

_OTHER_LAYOUT = (
    "The family lays frames out in a way that is not known here; take a model with one of the "
    "layouts that docs/training.md names"
)


def untouched(reader: Any) -> dict[str, Any]:
    """Settings for an image or video processor that leave frames as the recipe has them.

    A processor for tiles keeps its size, which is the only one that its model takes.
    """
    settings = {key: value for key, value in _PLAIN.items() if hasattr(reader, key)}
    size = dict(reader.size or {})
    limited = all(size.get(edge) is not None for edge in ANY_SIZE)
    return {**settings, "size": ANY_SIZE} if limited else settings


def joinable(fields: dict[str, Any]) -> dict[str, Any]:
    """Vision inputs of one prompt in a form that those of others can be put behind.

    Rows of tiles become rows of one tile each: as many as the longest has would have to be filled
    up else.
    """
    pixels = fields.get("pixel_values")
    if pixels is None or pixels.dim() != 5:
        return fields
    masks = {key: value for key, value in fields.items() if key.startswith("pixel_")}
    return {**fields, **{key: value.flatten(0, 1)[:, None] for key, value in masks.items()}}


def count_features(config: Any, inputs: Mapping[str, Any], medium: str) -> int | None:
    """How many features a model makes of its inputs; None where it is not known how.

    Args:
        config: the model's configuration.
        inputs: what it is called with.
        medium: "image" or "video".
    """
    _, pixels, grid = INPUTS[medium]
    if inputs.get(pixels) is None:
        # `generate` may run the vision tower by itself and pass on what came out.
        encoded = (inputs.get("mm_encoder_outputs") or {}).get(medium)
        return 0 if encoded is None else sum(len(item) for item in encoded.pooler_output)
    vision = config.vision_config
    if inputs.get(grid) is not None:
        sides = inputs.get(f"{medium}_merge_sizes", getattr(vision, "spatial_merge_size", None))
        if sides is None:
            return None
        return int((inputs[grid].prod(dim=-1) // sides**2).sum())
    shape = inputs[pixels].shape
    if not hasattr(config, "downsample_ratio") or len(shape) != 4:
        return None
    tiles, _, height, width = shape
    down, right = vision.patch_size
    return int(tiles * (height // down) * (width // right) * config.downsample_ratio**2)


def check(
    processor: Any,
    ids: torch.Tensor,
    fields: Mapping[str, torch.Tensor],
    images: Sequence[torch.Tensor],
    videos: Sequence[torch.Tensor],
) -> bool:
    """Raise unless a processor has made of the frames of one prompt what the recipe says.

    Args:
        processor: the family's.
        ids: the tokens that came out, shape (tokens,).
        fields: the vision inputs that came out.
        images: what went in, of shape (channels, height, width) each.
        videos: what went in, of shape (frames, channels, height, width) each.

    Returns:
        Whether the features of all frames were counted.

    Raises:
        UsageError: frames were dropped, added or resized.
        MissingVideoError: there are more or fewer tokens than features, or none at all.
    """
    features: int | None = 0
    for medium, given in (("image", [image[None] for image in images]), ("video", list(videos))):
        reader: Any = getattr(processor, f"{medium}_processor", None)
        _, pixels, name = INPUTS[medium]
        if name in fields and hasattr(reader, "merge_size"):
            here: int | None = int(fields[name].prod(dim=-1).sum()) // reader.merge_size**2
            if len(fields[name]) != len(given):
                raise UsageError(
                    f"{name} has {len(fields[name])} rows; expected: {len(given)}, one for each "
                    f"{medium}. {_OTHER_LAYOUT}"
                )
            patch = fields[pixels][0].numel() // reader.patch_size**2
            for item, grid in zip(given, fields[name].tolist(), strict=True):
                _check_grid(reader, medium, item, grid, patch // item.shape[1])
        elif pixels in fields:
            # Where only one of them is there, it holds the pictures of both.
            alone = INPUTS["video"][1] not in fields
            shown = (
                [*images, *(f for v in videos for f in v)]
                if alone
                else [f for v in given for f in v]
            )
            here = _tiles(processor, pixels, fields[pixels], len(shown))
        else:
            here = 0
        features = None if features is None or here is None else features + here
    known = [getattr(processor, token, None) for token, _, _ in INPUTS.values()]
    tokens = sum(int((ids == token).sum()) for token in known if token is not None)
    if features is None and not tokens:
        own = [getattr(processor, f"{medium}_token", None) for medium in INPUTS]
        raise MissingVideoError(
            "none of the tokens that the processor names as those of images and videos "
            f"({', '.join(map(str, own))}) is in the prompt, so it is not known which tokens stand "
            "for features, and a loss of them would not show; expected: one for each feature. "
            f"{_OTHER_LAYOUT}"
        )
    if features is not None and tokens != features:
        raise MissingVideoError(
            f"the prompt holds {tokens} vision tokens for {features} features; "
            "expected: as many of both. The processor does not fit its tokenizer or its model, or "
            "the text of the question holds vision tokens: compare their special tokens and sizes"
        )
    return features is not None


def _tiles(processor: Any, name: str, pixels: torch.Tensor, shown: int) -> int | None:
    """How many features a processor announces for pictures, None if it does not."""
    if pixels.dim() not in (4, 5):
        return None
    tiles = pixels.shape[0] if pixels.dim() == 4 else pixels.shape[0] * pixels.shape[1]
    if tiles != shown:
        raise UsageError(
            f"{name} has the shape {tuple(pixels.shape)}; expected: a tile for each of {shown} "
            "frames and images. If it has tiles, switch off what drops, adds or cuts frames in the "
            f"processor's settings (do_sample_frames, crop_to_patches, do_pad). If not: "
            f"{_OTHER_LAYOUT}"
        )
    announced = (getattr(processor, name, None) for name in ("image_seq_length", "image_seq_len"))
    each = next((number for number in announced if number is not None), None)
    return None if each is None else tiles * int(each)


def _check_grid(
    reader: Any, medium: str, item: torch.Tensor, grid: Sequence[int], held: int
) -> None:
    """One video or image, of shape (frames, channels, height, width), its grid, and of how many
    frames each of its patches is.
    """
    times, down, right = grid
    height, width = item.shape[-2:]
    made = (down * reader.patch_size, right * reader.patch_size)
    if made != (height, width):
        raise UsageError(
            f"the processor resized a {medium} of {height} x {width} pixels to {made[0]} x "
            f"{made[1]}, which changes its tokens; allowed: sides that are multiples of "
            f"{reader.patch_size * reader.merge_size}. Make the samples with this as size_multiple"
        )
    if medium == "image":
        return
    merged = reader.temporal_patch_size
    if held != merged:
        raise UsageError(
            f"each patch of pixel_values_videos holds {held} frames, though the processor's "
            f"temporal_patch_size is {merged}, so it is not known how many features the model "
            f"makes of them. {_OTHER_LAYOUT}"
        )
    if times * merged != len(item):
        raise UsageError(
            f"the processor made {times * merged} frames of a video of "
            f"{len(item)}; allowed: multiples of {merged}, none of them "
            "dropped. Make the samples with such a num_frames, and switch off the processor's "
            "do_sample_frames"
        )
