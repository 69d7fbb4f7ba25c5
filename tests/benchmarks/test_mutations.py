from __future__ import annotations

import numpy as np
import pytest

from benchmarks.mutations import MUTATIONS, boxes, mutate

FTYP = b"\0\0\0\x10ftypisom\0\0\0\0"
TKHD = b"\0\0\0\x10tkhd\1\2\3\4\5\6\7\x08"
TRAK = b"\0\0\0\x18trak" + TKHD
MOOV = b"\0\0\0\x20moov" + TRAK
MDAT = b"\0\0\x01\x00mdat" + bytes(range(248))
FILE = FTYP + MOOV + MDAT


def test_boxes_are_found_inside_of_others() -> None:
    found = {box.kind: FILE[box.start : box.stop] for box in boxes(FILE)}
    assert found == {b"ftyp": FTYP, b"moov": MOOV, b"trak": TRAK, b"tkhd": TKHD, b"mdat": MDAT}


def test_a_file_without_boxes_has_none() -> None:
    assert list(boxes(b"\x1aE\xdf\xa3" * 10)) == []


@pytest.mark.parametrize("name", MUTATIONS)
@pytest.mark.parametrize("data", [FILE, b"\x1aE\xdf\xa3" * 50, b"x"], ids=["mp4", "mkv", "a byte"])
def test_a_mutation_is_decided_by_its_generator(name: str, data: bytes) -> None:
    made = [MUTATIONS[name](data, np.random.default_rng(seed)) for seed in (0, 0, *range(1, 9))]
    assert made[0] == made[1]
    if data == FILE:
        assert sum(other != data for other in made) > 4


@pytest.mark.parametrize(
    ("name", "grows"),
    [("truncate", -1), ("remove", -1), ("duplicate", 1), ("insert", 1)]
    + [(name, 0) for name in ("flip_bits", "zero", "overwrite", "swap_chunks", "swap_boxes")],
)
def test_a_mutation_changes_the_size_as_it_should(name: str, grows: int) -> None:
    for seed in range(20):
        size = len(MUTATIONS[name](FILE, np.random.default_rng(seed)))
        assert np.sign(size - len(FILE)) == grows


def test_swapped_boxes_are_whole_and_both_still_there() -> None:
    for seed in range(20):
        swapped = MUTATIONS["swap_boxes"](FILE, np.random.default_rng(seed))
        assert sorted(swapped) == sorted(FILE)
        assert sum(box in swapped for box in (FTYP, TKHD, MDAT)) == 3


def test_the_mix_goes_on_where_nothing_is_left() -> None:
    assert {len(mutate(b"x", np.random.default_rng(seed))) for seed in range(50)} >= {0, 1}
