from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from kuleshov import cache as module
from kuleshov.cache import Array, Cache, default
from kuleshov.errors import UsageError
from kuleshov.randomness import digest

ONE = np.linspace(0, 1, 1000)  # 8000 bytes, and 128 of npy's header


class Counted:
    """Computes an array and counts how often."""

    def __init__(self, array: Array = ONE) -> None:
        self.array, self.times = array, 0

    def __call__(self) -> Array:
        self.times += 1
        return self.array


def test_an_array_is_computed_once_and_the_same_to_the_last_bit(tmp_path: Path) -> None:
    compute = Counted()
    for _ in range(2):  # the second one as in another process
        assert (Cache(tmp_path, 1 << 20).get(("a", 1), compute) == ONE).all()
    assert compute.times == 1


def test_keys_are_told_apart(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1 << 20)
    cache.get(("a", 1), Counted())
    assert (cache.get(("a", "1"), Counted(ONE + 1)) == ONE + 1).all()


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 3 * 8128)
    for i in range(4):
        cache.get((i,), Counted())
    for age, i in enumerate([2, 1, 3, 0]):  # 2 was used longest ago
        path = tmp_path / f"{digest(i):032x}.npy"
        os.utime(path, (1000 + age, 1000 + age))
    cache.trim()
    compute = Counted()
    for i in (1, 3, 0):
        cache.get((i,), compute)
    assert compute.times == 0
    cache.get((2,), compute)
    assert compute.times == 1


def test_the_size_is_kept_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_EVERY", 2)
    cache = Cache(tmp_path, 3 * 8128)
    for i in range(20):
        cache.get((i,), Counted())
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_computed_again(tmp_path: Path, content: bytes) -> None:
    cache = Cache(tmp_path, 1 << 20)
    cache.get(("a",), Counted())
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    assert (cache.get(("a",), Counted()) == ONE).all()
    assert (cache.get(("a",), Counted(ONE * 0)) == ONE).all()


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert (Cache(tmp_path / "file", 1 << 20).get(("a",), Counted()) == ONE).all()


def test_the_environment_names_folder_and_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KULESHOV_CACHE", str(tmp_path))
    monkeypatch.setenv("KULESHOV_CACHE_MB", "3")
    assert (default().folder, default().max_bytes) == (tmp_path, 3 << 20)
    monkeypatch.setenv("KULESHOV_CACHE_MB", "much")
    with pytest.raises(UsageError, match="'much'; allowed: a whole number"):
        default()


def test_an_array_that_was_damaged_within_is_computed_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1 << 20)
    cache.get(("a",), Counted())
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[1000:1100] = bytes(100)
    path.write_bytes(data)
    assert (cache.get(("a",), Counted()) == ONE).all()


def test_an_array_that_was_copied_to_the_place_of_another_is_computed_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1 << 20)
    cache.get(("a",), Counted())
    (path,) = tmp_path.iterdir()
    cache.get(("b",), Counted(ONE * 2))
    (other,) = {*tmp_path.iterdir()} - {path}
    other.write_bytes(path.read_bytes())
    assert (cache.get(("b",), Counted(ONE * 2)) == ONE * 2).all()
