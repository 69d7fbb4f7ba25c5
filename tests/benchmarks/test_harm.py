from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import harm
from benchmarks.harm import Came, Case, judged


def test_what_comes_of_a_harmed_file_is_named_or_as_it_was() -> None:
    right = Came(0, "done", b"abc")
    assert judged(Came(0, "other words", b"abc"), right, "key") == ""
    assert judged(Came(0, "OUT/key has 0 bytes", b"ab"), right, "key") == ""
    assert judged(Came(2, "OUT/key has 0 bytes", None), right, "key") == ""
    assert judged(Came(0, "done", b"ab"), right, "key") == "silent"
    assert judged(Came(2, "it is wrong", None), right, "key") == "silent"
    assert judged(Came(None, "", None), right, "key") == "traceback"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A command that reads one of the files of its folder, and believes it."""
    state, place = tmp_path / "state", tmp_path / "place"
    (state / "parts").mkdir(parents=True)
    for number in range(9):
        (state / "parts" / f"{number}.txt").write_text(f"part {number}")
    (state / "empty").touch()
    path = place / "parts" / "0.txt"
    return Case("reads", state, ["--help"], place, lambda: path.exists() and path.read_bytes())


def test_files_come_to_every_harm(case: Case) -> None:
    found = dict(harm.tries(case))
    kinds = {*harm.KINDS, "exchanged"}
    for number in (0, 4, 8):  # of many alike
        of = {name.split(".txt ")[1] for name in found if f"/{number}.txt " in name}
        assert {kind.partition(" for ")[0] for kind in of} == kinds
    assert len(found) == 3 * len(kinds) + 1  # an empty file can only be deleted
    assert found["reads, parts/0.txt zeroed"] == "silent"
    assert found["reads, parts/4.txt zeroed"] == ""


def test_a_command_that_fails_without_harm_is_told(case: Case) -> None:
    broken = case._replace(words=["view", str(case.place / "nowhere")])
    assert list(harm.tries(broken)) == [("reads, unharmed", "silent")]
