from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import kuleshov
from kuleshov.audit import audit
from kuleshov.content import content_id
from kuleshov.dataset import load_samples, load_skips, videos_root
from kuleshov.errors import UsageError, WriteError
from kuleshov.sample import Skip
from kuleshov.sources import Asked, find
from tests.sources.conftest import NAMES, found, ids_of


def held(videos: Path) -> list[dict[str, Any]]:
    """The clips as rows that hold them."""
    return [{"bytes": (videos / name).read_bytes(), "path": name} for name in NAMES]


def write(path: Path, **columns: list[Any]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_a_table_of_paths_gives_the_samples_of_the_folder(
    videos: Path, ids: list[str], tmp_path: Path
) -> None:
    table = write(tmp_path / "l.parquet", n=[1, 2, 3], file=NAMES)
    assert ids_of(table, tmp_path / "out", root=str(videos)) == ids
    assert found(table) == (tmp_path, NAMES, [])


def test_a_table_and_what_it_names_may_have_brackets(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data [v2]"
    folder.mkdir()
    (folder / "a [x1].mp4").write_bytes((videos / "a.mp4").read_bytes())
    table = write(folder / "l [1].parquet", video=["a [x1].mp4"])
    for address in (table, f"{folder}/*.parquet"):
        assert found(address) == (folder, ["a [x1].mp4"], [])
    assert found(f"file://{table}").paths == ["a [x1].mp4"]


def test_rows_that_hold_videos_are_written_into_the_set(
    videos: Path, ids: list[str], tmp_path: Path
) -> None:
    table = write(tmp_path / "l.parquet", video=held(videos))
    out = tmp_path / "out"
    assert ids_of(table, out) == ids
    written = {f"{content_id(videos / name)}.mp4" for name in NAMES}
    assert {path.name for path in (out / "videos").iterdir()} == written
    assert videos_root(out) == out / "videos"
    # With its videos in it, a set can be moved.
    moved = out.rename(tmp_path / "moved")
    assert audit(moved).errors == []
    sample = load_samples(moved)[0]
    assert kuleshov.render(sample, moved / "videos")[0].any()


def test_what_was_written_before_is_not_written_again(videos: Path, tmp_path: Path) -> None:
    table = write(tmp_path / "l.parquet", video=held(videos))
    times = []
    for _ in range(2):
        ids_of(table, tmp_path / "out")
        files = sorted((tmp_path / "out" / "videos").iterdir())
        times.append([path.stat().st_mtime_ns for path in files])
    assert times[0] == times[1]


def test_a_video_that_was_harmed_since_is_written_again(videos: Path, tmp_path: Path) -> None:
    table = write(tmp_path / "l.parquet", video=held(videos))
    videos_of = Asked(str(table), tmp_path / "out")
    find(videos_of)
    files = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for path, content in files.items():
        path.write_bytes(bytes(len(content)))
    find(videos_of)
    assert {path: path.read_bytes() for path in files} == files


def test_names_in_rows_decide_an_ending_and_no_place(videos: Path, tmp_path: Path) -> None:
    data = (videos / "a.mp4").read_bytes()
    rows = [{"bytes": data, "path": path} for path in ("../../x.sh", "/etc/y.mkv", None)]
    ids_of(write(tmp_path / "l.parquet", video=rows), tmp_path / "out")
    name = content_id(videos / "a.mp4")
    written = {path.name for path in (tmp_path / "out" / "videos").iterdir()}
    assert written == {f"{name}.mp4", f"{name}.mkv"}
    assert load_skips(tmp_path / "out") == [Skip(f"{name}.mkv", f"duplicate of {name}.mp4")]


def test_rows_without_bytes_are_paths(videos: Path, tmp_path: Path) -> None:
    rows = [{"bytes": None, "path": name} for name in [*NAMES, "../x.mp4"]]
    table = write(tmp_path / "l.parquet", video=rows)
    root, paths, skips = found(table, root=str(videos))
    assert (root, paths, [skip.path for skip in skips]) == (videos, NAMES, ["../x.mp4"])


def test_empty_rows_and_rows_of_the_other_kind_are_skips(videos: Path, tmp_path: Path) -> None:
    rows = [None, {"bytes": None, "path": None}, held(videos)[0], {"bytes": None, "path": "b.mp4"}]
    table = write(tmp_path / "l.parquet", video=rows)
    assert len(ids_of(table, tmp_path / "out")) == 1
    nothing = "holds neither a video nor a path"
    assert load_skips(tmp_path / "out") == [
        Skip(f"{table}, row 1", nothing),
        Skip(f"{table}, row 2", nothing),
        Skip(
            "b.mp4", "its row holds no bytes, as others do; put such rows into a list of their own"
        ),
    ]


def test_a_glob_of_tables_is_read_in_order(videos: Path, tmp_path: Path) -> None:
    for i, name in enumerate(NAMES):
        write(tmp_path / f"train-{i}.parquet", video=[name])
    assert found(f"{tmp_path}/*.parquet") == (tmp_path, NAMES, [])
    with pytest.raises(UsageError, match="names no file"):
        found(f"{tmp_path}/x*.parquet")


def test_broken_tables_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"column 'video' is of type int64; allowed: text, or"):
        found(write(tmp_path / "l.parquet", video=[1]))
    with pytest.raises(UsageError, match=r"has the columns a and none of video"):
        found(write(tmp_path / "l.parquet", a=[1]))
    with pytest.raises(UsageError, match=r"l\.parquet is empty"):
        found(write(tmp_path / "l.parquet", video=pa.array([], pa.string())))
    (tmp_path / "l.parquet").write_text("text")
    with pytest.raises(UsageError, match=r"l\.parquet cannot be read as a table: .*write it again"):
        found(tmp_path / "l.parquet")
    with pytest.raises(UsageError, match=r"m\.parquet cannot be read as a table: No such file"):
        found(tmp_path / "m.parquet")


def save(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """What `datasets` writes, as far as it is read."""
    folder.mkdir(parents=True)
    table = pa.table({"video": rows})
    with pa.ipc.new_stream(str(folder / "x.arrow"), table.schema) as stream:
        stream.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "x.arrow"}]}))
    return folder


def test_a_saved_dataset_gives_the_samples_of_the_folder(
    videos: Path, ids: list[str], tmp_path: Path
) -> None:
    assert ids_of(save(tmp_path / "saved", held(videos)), tmp_path / "out") == ids


def test_what_datasets_itself_saves_is_read(videos: Path, ids: list[str], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    paths = {"video": [str(videos / name) for name in NAMES]}
    rows = datasets.Dataset.from_dict(paths).cast_column("video", datasets.Video())
    rows.save_to_disk(tmp_path / "one")
    splits = {"train": rows.select([0, 1]), "test": rows.select([2])}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "two")
    for name in ("one", "two"):
        assert ids_of(tmp_path / name, tmp_path / "out" / name) == ids


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"_data_files": [{"filename": "../x.arrow"}]}, r"names '\.\./x\.arrow' as a part"),
        ({"_data_files": [3]}, "names 3 as a part of it"),
        ({"_data_files": "x"}, "_data_files is 'x'"),
        ({}, r"state\.json is broken"),
        ({"_data_files": [{"filename": "gone.arrow"}]}, r"gone\.arrow cannot be read as a table"),
    ],
)
def test_broken_saved_datasets_say_what_to_do(
    tmp_path: Path, state: dict[str, Any], message: str
) -> None:
    folder = save(tmp_path / "saved", [{"bytes": b"", "path": "x"}])
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(UsageError, match=message):
        found(folder)


def test_a_full_disk_stays_a_full_disk(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(WriteError):
        ids_of(write(tmp_path / "l.parquet", video=held(videos)), tmp_path / "out")
