"""An mp4 for each `<video>` or `<image>`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, final

from kuleshov.files import replace_text, replacing
from kuleshov.frames import decode_all, encode_video
from kuleshov.owned import remove
from kuleshov.rendered.format import Format, Row, Shown, sample_of, shown_seconds
from kuleshov.rendered.jpeg import frame_key
from kuleshov.sample import Pixels, dump_json


@final
class Mp4(Format):
    """A folder of H.264 files for a shard, and their rows.

    train-00000.jsonl            `videos` is a list of {seconds, file}
    train-00000/<id>.<item>.mp4  whose frames appear at the times that the model is told; see
                                 `kuleshov.frames.write.presentation` for times that do not advance
    """

    suffix: ClassVar[str] = ".jsonl"
    qualities: ClassVar[range] = range(1, 52)  # 0 is a profile that few players know
    default_quality: ClassVar[int] = 22
    layout: ClassVar[str] = """\
`SPLIT-NUMBER.jsonl` holds a row per sample. Its `videos` are, for each `<video>` or `<image>` (one
frame) of the prompt, a `file`, relative to this folder, and the `seconds` at which its frames are
shown. The files have these times as presentation timestamps, to the microsecond, so their frame
rate may vary. (Frames that are shown at the same time come a microsecond apart, and a still is one
frame a second.) Read all frames, or ask for them by time."""

    def encode(
        self, frames: Pixels, seconds: list[float], quality: int, pieces: dict[str, bytes]
    ) -> list[str]:
        text = dump_json([seconds, *map(frame_key, frames)])
        key = blake2b(text.encode(), digest_size=16).hexdigest()
        if key not in pieces:
            pieces[key] = encode_video(frames, seconds, quality)
        return [key]

    def write(
        self, out: Path, shard: str, rows: Sequence[Row], pieces: dict[str, bytes]
    ) -> list[Path]:
        self.remove(out, shard)
        lines = []
        for row in rows:
            videos = []
            for item, (seconds, (key,)) in enumerate(
                zip(shown_seconds(row.sample), row.keys, strict=True)
            ):
                name = f"{shard}/{row.sample.id}.{item}.mp4"
                with replacing(out / name) as file:
                    file.write(pieces[key])
                videos.append({"seconds": seconds, "file": name})
            lines.append(f"{dump_json({**row.sample.to_row(), 'videos': videos})}\n")
        replace_text(out / f"{shard}{self.suffix}", "".join(lines))
        return self.files(out, shard)

    def files(self, out: Path, shard: str) -> list[Path]:
        return [*sorted((out / shard).glob("*.mp4")), out / f"{shard}{self.suffix}"]

    def read(self, out: Path, shard: str) -> Iterator[Shown]:
        """The times are those of the files."""
        for line in (out / f"{shard}{self.suffix}").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            shown = [decode_all(out / video["file"]) for video in row["videos"]]
            frames = [pixels for _, pixels in shown]
            yield Shown(sample_of(row), frames, [seconds for seconds, _ in shown])

    def remove(self, out: Path, shard: str) -> None:
        (out / f"{shard}{self.suffix}").unlink(missing_ok=True)
        remove(out / shard, "*.mp4", ".*.tmp")
