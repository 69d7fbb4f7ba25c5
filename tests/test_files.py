from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kuleshov.errors import WriteError
from kuleshov.files import append_lines, read_lines, replace_text, replacing


def test_a_replaced_file_is_whole_and_alone(tmp_path: Path) -> None:
    replace_text(tmp_path / "new" / "a.txt", "one")
    replace_text(tmp_path / "new" / "a.txt", "två")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_bytes() == "två".encode()


def test_until_it_is_whole_the_old_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    replace_text(path, "old")
    with replacing(path) as file:
        file.write(b"half")
        assert path.read_text() == "old"


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    replace_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_full_disk_is_a_clear_error_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    replace_text(path, "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=r"No space left on device.*make room"):
        replace_text(path, "new")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match="cannot be written"):
        replace_text(tmp_path / "file" / "a.txt", "x")


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with replacing(path) as one:
        one.write(b"1" * 100)
        with replacing(path) as other:
            other.write(b"2" * 50)
        one.write(b"1" * 100)
    assert path.read_bytes() == b"1" * 200 and [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("harm", [b'{"a": 3', b"\0" * 9, b"\xc3", b"3", b"[" * 100_000])
def test_a_line_that_was_harmed_is_named_and_the_others_are_read(
    harm: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b'{"a": 1}\n' + harm)
    append_lines(path, '{"a": 2}\n\n')
    assert list(read_lines(path)) == [{"a": 1}, {"a": 2}]
    (record,) = caplog.records
    assert record.message.startswith(f"{path}, line 2 is no longer whole and is left out (1 such")


def test_where_there_is_no_file_there_are_no_lines(tmp_path: Path) -> None:
    assert list(read_lines(tmp_path / "nowhere")) == []
