"""How a published benchmark is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from kuleshov.errors import UsageError, unknown_name
from kuleshov.tasks.choice import Reading

ORDERS = ("published", "shuffled", "circular")


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """How a benchmark is asked.

    Args:
        videos: the folder that holds its videos; None for the one of its annotations.
        options: order of the options: "published", "shuffled" by the seed, or "circular" (each
            question once for each rotation, a set of which is right if all are).
        go_on: leave out the questions whose videos are missing, which is another benchmark then.
        num_frames: frames shown, in the middles of as many equal parts of the video; an even
            number. Harnesses choose other frames, so their figures differ.
        min_pixels: least area of a frame.
        max_pixels: largest area of a frame.
        size_multiple: see `kuleshov.tasks.Task`.
        reading: how choices are read: "ours", "published" as the benchmark's own code reads them,
            or "exact" (tasks/choice.py).
        judged: free text is for a judge to grade (`eval.judge`), and not compared as text.
        seed: of the shuffled options.
        workers: processes, which change no sample; None for one a core.
    """

    videos: str | None = None
    options: str = "published"
    go_on: bool = False
    num_frames: int = 32
    min_pixels: int = 128 * 128
    max_pixels: int = 512 * 512
    size_multiple: int = 32
    reading: Reading = "ours"
    judged: bool = False
    seed: int = 0
    workers: int | None = 0

    def __post_init__(self) -> None:
        if self.options not in ORDERS:
            raise unknown_name("order of options", self.options, ORDERS)
        if self.reading not in get_args(Reading):
            raise unknown_name("reading", self.reading, get_args(Reading))
        if self.num_frames < 2 or self.num_frames % 2:
            # Video models merge frames in pairs and repeat the last of an odd number.
            raise UsageError(f"num_frames is {self.num_frames}; allowed: even numbers")
        if not 0 < self.min_pixels <= self.max_pixels:
            raise UsageError(
                f"min_pixels {self.min_pixels} and max_pixels {self.max_pixels}; allowed: above 0, "
                "the first at most the second"
            )
