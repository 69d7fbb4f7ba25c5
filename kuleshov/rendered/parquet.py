"""A table of rows and a table of frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

from kuleshov.dataset import schema
from kuleshov.files import replacing
from kuleshov.rendered.format import Row, sample_of, shown_seconds
from kuleshov.rendered.jpeg import Files, JpegFormat

if TYPE_CHECKING:
    import pyarrow as pa

_FRAMES_PER_GROUP = 500


@final
class Parquet(JpegFormat):
    """Two Parquet files for a shard.

    train-00000.parquet          rows; `videos` is a list of {seconds, frames}, where the frames
                                 are keys into
    frames/train-00000.parquet   (key, jpeg), each distinct frame once
    """

    suffix: ClassVar[str] = ".parquet"
    layout: ClassVar[str] = """\
`SPLIT-NUMBER.parquet` holds a row per sample. Its `videos` are, for each `<video>` or `<image>`
(one frame) of the prompt, the keys of its `frames` and the `seconds` at which they are shown. The
frames themselves, as JPEG, are in `frames/SPLIT-NUMBER.parquet`, each distinct one once:

    import io, PIL.Image, pyarrow.parquet as pq

    rows = pq.read_table("train-00000.parquet").to_pylist()
    frames = pq.read_table("frames/train-00000.parquet").to_pydict()
    jpegs = dict(zip(frames["key"], frames["jpeg"]))
    video = rows[0]["videos"][0]
    images = [PIL.Image.open(io.BytesIO(jpegs[key])) for key in video["frames"]]"""

    def write(
        self, out: Path, shard: str, rows: Sequence[Row], pieces: dict[str, bytes]
    ) -> list[Path]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({"key": list(pieces), "jpeg": list(pieces.values())}, _frame_schema())
        with replacing(_frames(out, shard)) as file:
            # JPEG is compressed already, and no two keys or frames are alike.
            pq.write_table(
                table,
                file,
                row_group_size=_FRAMES_PER_GROUP,
                compression="none",
                use_dictionary=False,
                write_statistics=["key"],
            )
        path = out / f"{shard}{self.suffix}"
        with replacing(path) as file:
            table = pa.Table.from_pylist([_row(row) for row in rows], schema=_row_schema())
            pq.write_table(table, file, compression="zstd")
        return self.files(out, shard)

    def files(self, out: Path, shard: str) -> list[Path]:
        return [_frames(out, shard), out / f"{shard}{self.suffix}"]

    def read_files(self, out: Path, shard: str) -> Iterator[Files]:
        import pyarrow.parquet as pq

        frames = pq.read_table(_frames(out, shard)).to_pydict()
        jpegs = dict(zip(frames["key"], frames["jpeg"], strict=True))
        for row in pq.read_table(out / f"{shard}{self.suffix}").to_pylist():
            videos = row["videos"]
            yield Files(
                sample_of(row),
                [[jpegs[key] for key in video["frames"]] for video in videos],
                [video["seconds"] for video in videos],
            )

    def remove(self, out: Path, shard: str) -> None:
        for path in self.files(out, shard):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # not there, or other shards have frames in it
            (out / "frames").rmdir()


def _frames(out: Path, shard: str) -> Path:
    return out / "frames" / f"{shard}.parquet"


def _row(row: Row) -> dict[str, object]:
    videos = zip(shown_seconds(row.sample), row.keys, strict=True)
    return {
        **row.sample.to_row(),
        "videos": [{"seconds": seconds, "frames": keys} for seconds, keys in videos],
    }


def _frame_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([("key", pa.string()), ("jpeg", pa.binary())])


def _row_schema() -> pa.Schema:
    import pyarrow as pa

    video = pa.struct([("seconds", pa.list_(pa.float64())), ("frames", pa.list_(pa.string()))])
    return schema().append(pa.field("videos", pa.list_(video)))
