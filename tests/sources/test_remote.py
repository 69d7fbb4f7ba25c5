"""Addresses, with the file systems of fsspec that need no network."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kuleshov
from kuleshov.audit import audit
from kuleshov.content import fingerprint
from kuleshov.dataset import load_samples, videos_root
from kuleshov.errors import UnreadableVideoError, UsageError
from kuleshov.frames import scan, write_video
from kuleshov.locations import Remote, location
from kuleshov.read import read, read_video
from kuleshov.sample import Skip, Video
from kuleshov.synthesize import MakeConfig, make
from tests.sources.conftest import NAMES, found, ids_of

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def stored(videos: Path) -> Any:
    """The clips at memory://stored."""
    system = fsspec.filesystem("memory")
    for name in NAMES:
        system.pipe_file(f"/stored/{name}", (videos / name).read_bytes())
    yield system
    system.rm("/stored", recursive=True)


@pytest.mark.parametrize("protocol", ["file", "local"])
@pytest.mark.parametrize("rest", ["", "/", "/**/*.mp4"])
def test_an_address_gives_the_samples_and_pixels_of_the_folder(
    videos: Path, ids: list[str], tmp_path: Path, protocol: str, rest: str
) -> None:
    assert ids_of(f"{protocol}://{videos}{rest}", tmp_path) == ids
    assert str(videos_root(tmp_path)) == f"{protocol}://{videos}"
    assert audit(tmp_path).errors == []
    sample = load_samples(tmp_path)[0]
    here = kuleshov.render(sample, videos)
    there = kuleshov.render(sample, f"{protocol}://{videos}")
    assert all(np.array_equal(a, b) for a, b in zip(here, there, strict=True))


def test_what_is_no_file_of_this_machine_at_all(
    stored: Any, ids: list[str], tmp_path: Path
) -> None:
    assert ids_of("memory://stored", tmp_path) == ids
    assert audit(tmp_path).errors == []


def test_processes_of_their_own_read_addresses(
    videos: Path, ids: list[str], tmp_path: Path
) -> None:
    make(f"file://{videos}", tmp_path, MakeConfig(tasks={"jigsaw": {}}, workers=1))
    assert sorted(sample.id for sample in load_samples(tmp_path)) == ids


@pytest.mark.parametrize("name", ["list.txt", "list.csv"])
def test_lists_and_their_roots_may_be_remote(stored: Any, tmp_path: Path, name: str) -> None:
    text = "\n".join(["video", *NAMES, "memory://stored/a.mp4", "/stored/b.mp4"])
    stored.pipe_file(
        f"/stored/{name}", text.removeprefix("video\n" * (name == "list.txt")).encode()
    )
    (tmp_path / name).write_bytes(stored.cat_file(f"/stored/{name}"))
    remote = found(f"memory://stored/{name}")
    assert remote == (Remote("memory://stored"), NAMES, [])
    assert found(tmp_path / name, root="memory://stored/") == remote


def test_tables_may_be_remote(stored: Any, videos: Path, ids: list[str], tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"bytes": (videos / name).read_bytes(), "path": name} for name in NAMES]
    pq.write_table(pa.table({"video": rows}), tmp_path / "l.parquet")
    stored.put_file(str(tmp_path / "l.parquet"), "/stored/l.parquet")
    assert ids_of("memory://stored/*.parquet", tmp_path / "out") == ids


def test_nothing_leads_out_of_an_address(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(videos / "a.mp4")
    (tmp_path / "folder").symlink_to(videos)
    lines = ["../x.mp4", "/etc/passwd", "s3://bucket/x.mp4", f"file://{videos}/a.mp4", "link.mp4"]
    lines += ["%2e%2e/x.mp4", "..\\x.mp4", "folder/a.mp4"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    root = f"file://{tmp_path}"
    _, paths, skips = found(f"{root}/list.txt")
    assert paths == []
    why = f"lies outside of {root}; give --root with a folder that holds it"
    assert skips == [Skip(line, why) for line in lines]
    _, paths, skips = found(root)
    assert paths == [] and [skip.path for skip in skips] == ["folder", "link.mp4"]


@pytest.mark.parametrize("path", ["../a.mp4", "/etc/passwd", "file:///etc/passwd"])
def test_a_recipe_cannot_leave_an_address(videos: Path, tmp_path: Path, path: str) -> None:
    ids_of(videos, tmp_path)
    sample = load_samples(tmp_path)[0]
    sample.provenance["videos"][0]["path"] = path
    for root in (f"file://{videos}", "memory://stored", videos):
        with pytest.raises(UsageError, match="which lies outside of"):
            kuleshov.render(sample, root)


def test_a_missing_file_is_a_skip_with_the_same_words_everywhere(stored: Any) -> None:
    stored.pipe_file("/stored/list.txt", b"gone.mp4\na.mp4")
    _, paths, _ = found("memory://stored/list.txt")
    assert paths == ["gone.mp4", "a.mp4"]
    skip = read_video(location("memory://stored"), "gone.mp4")
    assert skip == Skip("gone.mp4", "cannot be read: No such file or directory")


def test_a_connection_that_breaks_is_no_shorter_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFile

    noise = np.random.default_rng(0).integers(0, 256, (12, 128, 128, 3), np.uint8)
    write_video(tmp_path / "a.mp4", noise, fps=12)
    fsspec.filesystem("memory").pipe_file("/broken/a.mp4", (tmp_path / "a.mp4").read_bytes())
    monkeypatch.setattr("kuleshov.locations._BUFFER", 512)
    read_all = MemoryFile.read
    reads, breaks_at = 0, -1

    def breaking(file: Any, size: int = -1) -> bytes:
        nonlocal reads
        reads += 1
        if reads == breaks_at:
            raise RuntimeError("connection reset")
        data: bytes = read_all(file, size)
        return data

    monkeypatch.setattr(MemoryFile, "read", breaking)
    scan(location("memory://broken") / "a.mp4")
    needed = reads
    assert needed > 3
    for place in range(1, needed + 1):
        reads, breaks_at = 0, place
        with pytest.raises(UnreadableVideoError, match=r"a\.mp4: cannot be .*connection reset"):
            scan(location("memory://broken") / "a.mp4")


def test_a_folder_that_cannot_be_listed_is_a_skip(
    stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ls = type(stored).ls

    def refusing(system: Any, path: str, *rest: Any, **options: Any) -> Any:
        if path.endswith("sub"):
            raise RuntimeError("denied")
        return ls(system, path, *rest, **options)

    monkeypatch.setattr(type(stored), "ls", refusing)
    items = list(read("memory://stored"))
    assert [item.path for item in items if isinstance(item, Video)] == ["a.mp4", "b.mp4"]
    assert items[-1] == Skip("sub", "cannot be listed: RuntimeError: denied")


def test_a_changed_file_changes_the_fingerprint(tmp_path: Path) -> None:
    root = location(f"file://{tmp_path}")
    (tmp_path / "a").write_text("one")
    first = fingerprint(root, ["a", "gone"])
    assert fingerprint(root, ["a", "gone"]) == first
    (tmp_path / "a").write_text("other")
    assert fingerprint(root, ["a", "gone"]) != first


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(UsageError, match=r"s3://b needs a package .*: Install s3fs"):
        found("s3://b")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match=r"needs fsspec.*pip install 'kuleshov\[remote\]'"):
        found("s3://b")


def test_unknown_kinds_of_address_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"nope://x cannot be used: .* knows: .* s3"):
        found("nope://x")


def test_an_address_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"file://.*/gone is not a folder"):
        found(f"file://{tmp_path}/gone")


def test_an_address_travels_between_processes() -> None:
    where = location("s3://bucket/videos/") / "sub" / "a.mp4"
    assert pickle.loads(pickle.dumps(where)) == where
    assert (str(where), where.name) == ("s3://bucket/videos/sub/a.mp4", "a.mp4")
