from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import pytest

from kuleshov.manifest import SAMPLED, entries, entry, fault, faults, is_seal, sealed, unsealed


def test_an_entry_has_size_hash_and_count(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one\ntwo\n")
    assert entry(path, 2) == {
        "size": 8,
        "hash": blake2b(b"one\ntwo\n", digest_size=16).hexdigest(),
        "count": 2,
    }
    assert fault(path, entry(path, 2)) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "is missing"),
        (b"", "has 0 bytes in the place of 4,096"),
        (b"x" * 4095, "has 4,095 bytes in the place of 4,096"),
        (bytes(4096), "has other content than when it was written"),
        (b"x" * 4095 + b"y", "has other content than when it was written"),
    ],
)
def test_what_was_harmed_is_told(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "below" / "b"
    path.parent.mkdir()
    path.write_bytes(b"x" * 4096)
    (tmp_path / "a").write_bytes(b"good")
    listed = entries(tmp_path, [path, tmp_path / "a"])
    path.unlink() if content is None else path.write_bytes(content)
    assert faults(tmp_path, listed) == [f"below/b {why}"]


@pytest.mark.parametrize("spoiled", [{}, {"size": 3}, {"size": 3, "hash": None}, [], None])
def test_an_entry_that_is_none_is_told(tmp_path: Path, spoiled: object) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert fault(tmp_path / "a", spoiled) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize("harmed", [slice(0, 1), slice(-1, None), slice(SAMPLED, -SAMPLED // 2)])
def test_large_files_may_be_hashed_at_some_places(tmp_path: Path, harmed: slice) -> None:
    path = tmp_path / "weights"
    content = bytearray(b"x" * (2 * SAMPLED))
    path.write_bytes(content)
    listed = entry(path, whole=False)
    assert listed["sampled"] and fault(path, listed) is None
    content[harmed] = bytes(len(content[harmed]))
    path.write_bytes(content)
    assert fault(path, listed) == "has other content than when it was written"


def test_a_sealed_text_is_read_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(sealed("ü\n1\n", part=3))
    assert unsealed(path, part=3) == ("ü\n1\n", True)
    assert is_seal(path.read_text().splitlines()[0])
    path.write_text("ü\n1\n")
    assert unsealed(path, part=3) == ("ü\n1\n", False)
    assert not is_seal("1\n")


@pytest.mark.parametrize(
    ("harmed", "why"),
    [
        (sealed("12", part=4), "is of other work than is asked for now"),
        (sealed("12", part=3)[:-1], "has other content than when it was written"),
        (sealed("12", part=3) + "\n", "has other content than when it was written"),
        (sealed("12", part=3)[:-2] + "21", "has other content than when it was written"),
        ('{"sealed":3}\n12', "has other content than when it was written"),
    ],
)
def test_a_sealed_text_that_was_harmed_is_told(tmp_path: Path, harmed: str, why: str) -> None:
    (tmp_path / "a").write_text(harmed)
    with pytest.raises(ValueError, match=why):
        unsealed(tmp_path / "a", part=3)


def test_a_file_may_grow_where_lines_are_added_to_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for size, whole in ((9, True), (9, False), (SAMPLED + 9, True), (SAMPLED + 9, False)):
        path.write_bytes(b"x" * size)
        listed = entry(path, whole=whole)
        for more in (b"", b"yy"):
            path.write_bytes(b"x" * size + more)
            assert fault(path, listed, grown=True) is None
        assert fault(path, listed) == f"has {size + 2:,} bytes in the place of {size:,}"
        path.write_bytes(b"x" * (size - 1))
        assert "in the place of" in str(fault(path, listed, grown=True))
        path.write_bytes(b"x" * (size - 1) + b"yyy")
        assert fault(path, listed, grown=True) == "has other content than when it was written"
