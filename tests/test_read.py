from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kuleshov.errors import UsageError
from kuleshov.read import content_id, find, read
from kuleshov.sample import Skip, Video


def test_a_folder_is_read_recursively_in_the_order_of_its_paths(
    tmp_path: Path, short_clips: Path
) -> None:
    (tmp_path / "b").mkdir()
    shutil.copy(short_clips / "clip-0001.mp4", tmp_path / "b" / "Two.MP4")
    shutil.copy(short_clips / "clip-0000.mp4", tmp_path / "a.mp4")
    (tmp_path / "notes.txt").write_text("not a video, and not a skip either")
    items = list(read(tmp_path))
    assert [item.path for item in items] == ["a.mp4", "b/Two.MP4"]
    assert all(isinstance(item, Video) for item in items)


def test_the_second_copy_of_the_same_content_is_a_skip(tmp_path: Path, short_clips: Path) -> None:
    for name in ("x.mp4", "y.mkv"):
        shutil.copy(short_clips / "clip-0000.mp4", tmp_path / name)
    first, second = read(tmp_path)
    assert isinstance(first, Video)
    assert second == Skip("y.mkv", "duplicate of x.mp4")


def test_a_bad_file_is_a_skip_with_its_reason_and_stops_nothing(
    tmp_path: Path, short_clips: Path
) -> None:
    (tmp_path / "bad.mp4").write_text("text")
    (tmp_path / "empty.mp4").touch()
    shutil.copy(short_clips / "clip-0000.mp4", tmp_path / "good.mp4")
    bad, empty, good = read(tmp_path)
    for skip in (bad, empty):
        assert isinstance(skip, Skip)
        assert skip.reason.startswith("cannot be opened as a video: ")
    assert isinstance(good, Video)


def test_the_id_is_of_the_content_and_not_of_the_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"same")
    (tmp_path / "b").write_bytes(b"same")
    (tmp_path / "c").write_bytes(b"other")
    a, b, c = (content_id(tmp_path / name) for name in "abc")
    assert a == b != c


def test_the_id_sees_size_start_middle_and_end(tmp_path: Path) -> None:
    mib = 1 << 20
    data = bytearray(7 * mib)
    ids = set()
    for position in (0, 3 * mib + mib // 2, 7 * mib - 1):
        changed = data.copy()
        changed[position] = 1
        (tmp_path / "v").write_bytes(changed)
        ids.add(content_id(tmp_path / "v"))
    (tmp_path / "v").write_bytes(data)
    ids.add(content_id(tmp_path / "v"))
    (tmp_path / "v").write_bytes(data + b"\0")
    ids.add(content_id(tmp_path / "v"))
    assert len(ids) == 5


@pytest.mark.parametrize("make_it", [False, True])
def test_a_missing_or_empty_folder_is_an_error_that_says_what_is_taken(
    tmp_path: Path, make_it: bool
) -> None:
    folder = tmp_path / "videos"
    if make_it:
        folder.mkdir()
    with pytest.raises(UsageError, match=r"no videos below|is not a folder"):
        find(folder)
