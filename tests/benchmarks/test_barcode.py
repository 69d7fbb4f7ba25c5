from __future__ import annotations

from benchmarks.barcode import LOOKED_AT, number, pictures


def test_a_picture_carries_its_number() -> None:
    for size in (LOOKED_AT, (96, 160), (112, 192), (160, 96)):
        assert [number(one) for one in pictures(0, 60, size)] == list(range(60))
        assert [number(one) for one in pictures(4090, 6, size)] == list(range(4090, 4096))


def test_bits_stand_from_the_left_and_colours_at_the_bottom() -> None:
    picture = pictures(0b101, 1, (120, 120))[0]
    assert picture[20, [5, 15, 25, 35]].tolist() == [[235] * 3, [16] * 3, [235] * 3, [16] * 3]
    assert picture[110, 5].tolist() == [220, 20, 20]
    assert picture[110, 115].tolist() == [20, 20, 220]
    # Mirrored, it has another number.
    assert number(picture[:, ::-1]) == 0b1010_0000_0000
