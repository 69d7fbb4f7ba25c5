"""Frames and rows in one tar, to be streamed."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, final

from kuleshov.files import replace_text, replacing
from kuleshov.rendered.format import Row, sample_of, shown_seconds
from kuleshov.rendered.jpeg import Files, JpegFormat
from kuleshov.sample import dump_json


@final
class Tar(JpegFormat):
    """One tar for a shard, with a row as `<id>.json` after all the frames that it names.

    train-00000.tar
      <key>.jpg     each distinct frame once, before the first row that shows it
      <id>.json     `videos` is a list of {seconds, frames}, where the frames are member names
    train-00000.rows.jsonl
                    the same rows again, for `datasets`: a frame that several samples show is
                    one member, so the tar alone is no WebDataset
    """

    suffix: ClassVar[str] = ".tar"
    rows: ClassVar[str] = ".rows.jsonl"
    layout: ClassVar[str] = """\
`SPLIT-NUMBER.tar` holds `ID.json` per sample. Its `videos` are, for each `<video>` or `<image>`
(one frame) of the prompt, the names of its `frames` and the `seconds` at which they are shown. The
frames, as JPEG, are members of the same tar, each distinct one once, before the first row that
shows it. `SPLIT-NUMBER.rows.jsonl` beside it has the same rows, which is what
`datasets.load_dataset` reads; the frames are in the tar only:

    import io, json, tarfile, PIL.Image

    with tarfile.open("train-00000.tar") as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}
    rows = [json.loads(text) for name, text in files.items() if name.endswith(".json")]
    video = rows[0]["videos"][0]
    images = [PIL.Image.open(io.BytesIO(files[name])) for name in video["frames"]]"""

    def write(
        self, out: Path, shard: str, rows: Sequence[Row], pieces: dict[str, bytes]
    ) -> list[Path]:
        path = out / f"{shard}{self.suffix}"
        written: set[str] = set()
        with (
            replacing(path) as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for row in rows:
                for key in (key for keys in row.keys for key in keys):
                    if key not in written:
                        written.add(key)
                        _add(tar, f"{key}.jpg", pieces[key])
                _add(tar, f"{row.sample.id}.json", dump_json(_row(row)).encode())
        replace_text(
            path.with_suffix(self.rows), "".join(f"{dump_json(_row(row))}\n" for row in rows)
        )
        return self.files(out, shard)

    def files(self, out: Path, shard: str) -> list[Path]:
        return [out / f"{shard}{suffix}" for suffix in (self.suffix, self.rows)]

    def read_files(self, out: Path, shard: str) -> Iterator[Files]:
        jpegs: dict[str, bytes] = {}
        with tarfile.open(out / f"{shard}{self.suffix}") as tar:
            for member in tar:
                file = tar.extractfile(member)
                content = file.read() if file else b""
                if not member.name.endswith(".json"):
                    jpegs[member.name] = content
                    continue
                row = json.loads(content)
                yield Files(
                    sample_of(row),
                    [[jpegs[key] for key in video["frames"]] for video in row["videos"]],
                    [video["seconds"] for video in row["videos"]],
                )

    def remove(self, out: Path, shard: str) -> None:
        for path in self.files(out, shard):
            path.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    # A fresh header says nothing of when, where and by whom it was written.
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _row(row: Row) -> dict[str, object]:
    videos = zip(shown_seconds(row.sample), row.keys, strict=True)
    return {
        **row.sample.to_row(),
        "videos": [
            {"seconds": seconds, "frames": [f"{key}.jpg" for key in keys]}
            for seconds, keys in videos
        ],
    }
