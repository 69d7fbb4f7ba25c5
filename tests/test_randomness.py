from __future__ import annotations

import numpy as np

from kuleshov.randomness import digest, fraction, rng_for


def test_same_key_gives_the_same_stream() -> None:
    assert rng_for(3, "jigsaw", "ab", 0).random() == rng_for(3, "jigsaw", "ab", 0).random()


def test_any_part_of_the_key_changes_the_stream() -> None:
    key = (3, "jigsaw", "ab", 0)
    others = [(4, "jigsaw", "ab", 0), (3, "masked", "ab", 0), (3, "jigsaw", "ac", 0)]
    assert all(digest(*key) != digest(*other) for other in [*others, (3, "jigsaw", "ab", 1)])


def test_parts_do_not_run_into_each_other() -> None:
    assert digest("a", "bc") != digest("ab", "c")
    assert digest(1) != digest("1")


def test_neighboring_seeds_share_no_stream() -> None:
    # With `seed + index`, stream (42, i + 1) is stream (43, i).
    first = {rng_for(42, i).random() for i in range(500)}
    second = {rng_for(43, i).random() for i in range(500)}
    assert not first & second


def test_digest_is_the_same_on_every_machine_and_version() -> None:
    # BLAKE2b-128 of: 8-byte length of "str:a", "str:a"; checked with the b2sum program:
    # printf '\x05\0\0\0\0\0\0\0str:a' | b2sum -l 128
    assert digest("a").to_bytes(16, "little").hex() == "27fb56d8fb464b36a60b656d5d095188"


def test_fractions_are_uniform() -> None:
    values = np.array([fraction("split", i) for i in range(4000)])
    assert values.min() >= 0 and values.max() < 1
    # The mean of n uniform values has standard deviation sqrt(1 / 12 n) = 0.0046.
    assert abs(values.mean() - 0.5) < 3 * 0.0046
