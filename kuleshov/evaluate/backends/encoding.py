"""Requests into model inputs, as in training: see `kuleshov.train.encode`."""

from __future__ import annotations

from typing import Any, final

from kuleshov.evaluate.backends.backend import Reply, Request, digest_of
from kuleshov.sample import IMAGE, Pixels
from kuleshov.train.encode import Encoded, Encoder, messages, metadata


@final
class Encoding:
    """One `Encoder` for all requests of a run, which asks its processor once what it can do.

    Its frames are those of the request that was encoded last, as these are rendered already.

    Args:
        processor: of the model's family.
        sampling: what completions are drawn with.
        positions: where the model puts tokens behind a video.
    """

    def __init__(
        self,
        processor: Any,
        sampling: dict[str, float | None] | None = None,
        positions: str = "",
    ) -> None:
        self.sampling, self.positions = sampling or {}, positions
        self._pixels: list[Pixels] = []
        self.processor = processor
        self.encoder = Encoder(processor, lambda _: self._pixels)

    def __call__(self, request: Request) -> Encoded:
        """A request as its model takes it.

        Raises:
            UsageError: see `Encoder`.
            MissingVideoError: likewise.
        """
        self._pixels = list(request.pixels)
        return self.encoder(request.sample)

    def reply(self, request: Request, prompt: Encoded, text: str, finish: str) -> Reply:
        """What a model wrote to a prompt, with what it received."""
        sample = request.sample
        frames, sizes = self._received(request, prompt)
        told = [messages(sample), [metadata(item) for item in sample.media]]
        return Reply(
            text=text,
            finish=finish,
            num_frames=frames,
            num_tokens=len(prompt.input_ids),
            seconds=request.seconds(),
            sizes=sizes,
            sent=digest_of([prompt.input_ids.tolist(), told], request.pixels),
            sampling=self.sampling,
            positions=self.positions,
        )

    def _received(self, request: Request, prompt: Encoded) -> tuple[int, list[list[int]]]:
        """(frames, (height, width) of each media item) after the model's processor.

        Read off the patch grids of the Qwen families; as handed over where a family has none.
        """
        grids = {
            placeholder: iter(prompt.videos[key].tolist()) if key in prompt.videos else None
            for placeholder, key in (("<image>", "image_grid_thw"), ("<video>", "video_grid_thw"))
        }
        num_frames, sizes = 0, []
        for placeholder, pixels in zip(request.sample.placeholders, request.pixels, strict=True):
            grid = grids[placeholder]
            if grid is None:
                frames, height, width = pixels.shape[:3]
            else:
                image = placeholder == IMAGE
                reader = self.processor.image_processor if image else self.processor.video_processor
                steps, rows, columns = next(grid)
                frames = 1 if image else steps * reader.temporal_patch_size
                height, width = rows * reader.patch_size, columns * reader.patch_size
            num_frames += frames
            sizes.append([height, width])
        return num_frames, sizes
