from __future__ import annotations

import pytest

from kuleshov.parallel import counted, ordered_map


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    with ordered_map(workers) as pmap:
        assert list(pmap(abs, [3, -1, -2])) == [3, 1, 2]


def test_each_item_is_reported_as_it_comes() -> None:
    told: list[tuple[str, int, int]] = []
    items = counted("ab", "reading", 2, lambda *report: told.append(report))
    assert next(items) == "a"
    assert told == [("reading", 0, 2), ("reading", 1, 2)]
    assert list(items) == ["b"]
    assert told[-1] == ("reading", 2, 2)
