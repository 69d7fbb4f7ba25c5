"""How a sample set is rendered."""

from __future__ import annotations

from dataclasses import dataclass

from kuleshov.errors import UsageError, unknown_name
from kuleshov.rendered.formats import FORMATS
from kuleshov.runners import Limits


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """Settings of `kuleshov render`.

    Args:
        format: "parquet" or "tar", with frames as JPEG, or "mp4".
        quality: the same for all frames, edited or not. None for the format's own. For JPEG 1
            (worst) to 95, 80 by default; for mp4 the quantizer of H.264, 1 (best) to 51, 22 by
            default.
        workers: processes, which change no byte; None for one a core (what the command line
            takes), 0 for none but this one, without the limits below. See MakeConfig.
        seconds: limit for the samples of one video, after which they are skips.
        megabytes: limit of memory for each process (Linux); what needs more is a skip.
    """

    format: str = "parquet"
    quality: int | None = None
    workers: int | None = 0
    seconds: float = 600.0
    megabytes: int = 8192

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise unknown_name("format", self.format, FORMATS)
        qualities = FORMATS[self.format].qualities
        for key, ok, allowed in [
            (
                "quality",
                self.quality is None or self.quality in qualities,
                f"{qualities[0]} to {qualities[-1]} for {self.format}",
            ),
            ("workers", self.workers is None or self.workers >= 0, "0 or more"),
        ]:
            if not ok:
                raise UsageError(f"render: {key} is {getattr(self, key)}; allowed: {allowed}")
        self.limits()

    def resolved_quality(self) -> int:
        return FORMATS[self.format].default_quality if self.quality is None else self.quality

    def limits(self) -> Limits:
        return Limits(self.seconds, self.megabytes)
