from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from kuleshov.dataset import load_skips
from kuleshov.errors import UsageError
from kuleshov.read import read
from kuleshov.sample import Skip
from kuleshov.sources.folder import walk
from tests.sources.conftest import NAMES, found, ids_of


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("**/*.mp4", NAMES),
        ("**", NAMES),
        ("*.mp4", ["a.mp4", "b.mp4"]),
        ("[ax].mp4", ["a.mp4"]),
        ("?.mp4", ["a.mp4", "b.mp4"]),
        ("*/*", ["sub/c.mp4"]),
        ("s*/**/c.*", ["sub/c.mp4"]),
        ("**/sub/**/*.mp4", ["sub/c.mp4"]),
    ],
)
def test_a_glob_names_what_a_shell_would(videos: Path, pattern: str, names: list[str]) -> None:
    assert found(f"{videos}/{pattern}") == (videos, names, [])


def test_a_name_that_is_there_is_taken_as_it_stands(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x [ab]" / "y*"
    shutil.copytree(videos, folder)
    shutil.copy(videos / "a.mp4", folder / "c[1].mp4")
    shutil.copy(videos / "b.mp4", folder / "c1.mp4")
    (tmp_path / "x a" / "y").mkdir(parents=True)
    shutil.copy(videos / "a.mp4", tmp_path / "x a" / "y" / "d.mp4")
    everything = sorted([*NAMES, "c1.mp4", "c[1].mp4"])
    assert found(folder) == found(f"{folder}/**") == (folder, everything, [])
    assert found(f"{folder}/c[1].mp4") == (folder, ["c[1].mp4"], [])
    assert found(f"{folder}/[ab].mp4") == (folder, ["a.mp4", "b.mp4"], [])
    assert found(f"{tmp_path}/**/c[1].mp4").paths == ["x [ab]/y*/c1.mp4", "x [ab]/y*/c[1].mp4"]
    # What is not there is a pattern.
    assert found(f"{tmp_path}/x [a]/y*/*.mp4").paths == ["x a/y/d.mp4"]
    address = f"file://{folder}"
    assert found(address).paths == found(f"{address}/**/*.mp4").paths == everything


@pytest.mark.parametrize("pattern", ["", "/**", "/**/*.mp4", "/*.mp4"])
def test_hidden_files_and_folders_are_passed_over(
    videos: Path, tmp_path: Path, pattern: str
) -> None:
    folder = tmp_path / "videos"
    shutil.copytree(videos, folder)
    wanted = found(f"{folder}{pattern}").paths
    (folder / ".trash").mkdir()
    for name in ("._a.mp4", ".b.part.mp4", ".trash/c.mp4"):
        shutil.copy(folder / "a.mp4", folder / name)
    assert found(f"{folder}{pattern}").paths == wanted


def test_hidden_files_can_be_asked_for(videos: Path, tmp_path: Path) -> None:
    (tmp_path / ".kept").mkdir()
    shutil.copy(videos / "a.mp4", tmp_path / ".kept" / "d.mp4")
    assert found(f"{tmp_path}/.kept/*.mp4").paths == ["d.mp4"]
    assert found(f"{tmp_path}/.k*/**/*.mp4").paths == [".kept/d.mp4"]


def test_a_glob_gives_the_samples_of_the_folder(
    videos: Path, ids: list[str], tmp_path: Path
) -> None:
    assert ids_of(f"{videos}/**/*.mp4", tmp_path) == ids


def test_a_glob_without_a_folder_starts_here(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(videos)
    assert found("*.mp4").paths == ["a.mp4", "b.mp4"]


def test_a_folder_with_wildcards_in_its_name_is_a_folder(videos: Path, tmp_path: Path) -> None:
    shutil.copytree(videos, tmp_path / "some [x]*")
    assert found(tmp_path / "some [x]*").paths == NAMES


@pytest.mark.parametrize("pattern", ["*.avi", "nowhere/*.mp4"])
def test_a_glob_that_names_nothing_is_an_error(videos: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match=r"no videos below|is not a folder"):
        found(f"{videos}/{pattern}")


def test_only_folders_that_may_hold_matches_are_listed(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, videos / "sub")
    assert found(f"{videos}/*.mp4").skips == []


def test_a_folder_that_cannot_be_listed_is_a_skip(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, videos / "sub")
    skip = Skip("sub", "cannot be listed: Permission denied")
    assert found(videos) == (videos, ["a.mp4", "b.mp4"], [skip])
    assert list(read(videos))[-1] == skip
    assert len(ids_of(videos, tmp_path)) == 2
    assert load_skips(tmp_path) == [skip]


def test_a_root_that_cannot_be_listed_is_an_error(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, videos)
    with pytest.raises(UsageError, match=r"videos cannot be listed: Permission denied; give"):
        found(videos)


def forbid(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """One folder that cannot be listed; permissions would not stop root."""
    scandir = os.scandir

    def scan(path: Any) -> Any:
        if str(path) == str(folder):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)


def test_links_that_leave_the_folder_are_skips_and_others_are_followed(
    videos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(videos, folder)
    (folder / "in.mp4").symlink_to(folder / "a.mp4")
    (folder / "out.mp4").symlink_to(videos / "a.mp4")
    (folder / "inner").symlink_to(folder / "sub")
    (folder / "outer").symlink_to(videos)
    (folder / "broken.mp4").symlink_to(folder / "gone.mp4")
    (folder / "circle.mp4").symlink_to(folder / "circle.mp4")
    os.mkfifo(folder / "pipe.mp4")
    _, paths, skips = found(folder)
    assert paths == sorted([*NAMES, "in.mp4", "broken.mp4", "circle.mp4", "pipe.mp4"])
    assert skips == [
        Skip("out.mp4", f"lies outside of {folder}; give --root with a folder that holds it"),
        Skip("outer", f"is a link to a folder outside of {folder}; give that folder"),
    ]
    reasons = {item.path: item.reason for item in read(folder) if isinstance(item, Skip)}
    assert reasons["in.mp4"] == "duplicate of a.mp4"
    assert reasons["broken.mp4"] == "cannot be read: No such file or directory"
    assert reasons["circle.mp4"].startswith("cannot be read: ")
    assert reasons["pipe.mp4"] == "is not a file"


def test_a_root_above_holds_what_links_lead_to(videos: Path, tmp_path: Path) -> None:
    shutil.copytree(videos, tmp_path / "store")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "x.mp4").symlink_to(tmp_path / "store" / "a.mp4")
    assert found(tmp_path / "links", root=str(tmp_path)) == (tmp_path, ["links/x.mp4"], [])


def test_a_root_elsewhere_leaves_nothing(videos: Path, tmp_path: Path) -> None:
    _, paths, skips = found(videos, root=str(tmp_path))
    assert paths == [] and [skip.path for skip in skips] == NAMES


def test_walking_passes_over_other_endings(videos: Path) -> None:
    assert walk(videos, ["**"], (".avi",), []) == []


def test_what_is_nothing_that_we_take_is_an_error(videos: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.mp4 is not a folder; give .* a glob, a list"):
        found(videos / "a.mp4")
