"""Annotations that are not as published: each is refused in words that name the row, or is read."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters import ADAPTERS
from kuleshov.evaluate.adapters.adapter import Videos
from kuleshov.evaluate.adapters.item import Item
from kuleshov.evaluate.options import Options
from kuleshov.randomness import rng_for
from tests.evaluate.adapters.miniatures import MINIATURES

VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 3, 1.5, float("inf"), float("nan"), 10**400, "", " ", "x", "\ud83d", "00:01",
    "Z", "<video>", "A. a B. b", [], [None], [0, 2], [[0, None]], [[0, 1, 2]], ["a"], [["a", "b"]],
    {}, {"a": 1}, {"A": ["b"]}, "x" * 5000,
)  # fmt: skip
EACH = 200
"""Of each benchmark; together more than 2,000."""
GONE = object()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something can be changed."""
    if path:
        yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for number in range(len(value)):
            yield from places(value[number], (*path, number))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    value = copy.deepcopy(value)
    at = value
    for step in path[:-1]:
        at = at[step]
    if new is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return value


def read(path: Path) -> Any:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".txt":
        return path.read_text().splitlines()
    return json.loads(path.read_text())


def write(path: Path, value: Any) -> bool:
    """Whether the file can say so at all."""
    if path.suffix == ".parquet":
        try:
            pq.write_table(pa.Table.from_pylist(value), path)
        except (pa.ArrowException, UnicodeEncodeError, OverflowError, AttributeError, TypeError):
            return False
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in value))
    elif path.suffix == ".txt":
        if not all(isinstance(line, str) and "\ud83d" not in line for line in value):
            return False
        path.write_text("".join(f"{line}\n" for line in value))
    else:
        path.write_text(json.dumps(value))
    return True


@pytest.mark.parametrize("name", ADAPTERS)
def test_no_mutation_of_annotations_is_a_traceback(
    name: str, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / name
    shutil.copytree(folders(name), folder)
    videos, rng = Videos(folder), rng_for("mutations", name)
    files = [
        p for p in sorted(folder.rglob("*")) if p.suffix in (".json", ".jsonl", ".parquet", ".txt")
    ]
    whole = {file: read(file) for file in files}
    spots = [(file, path) for file in files for path in places(whole[file])]
    tried = refused = 0
    while tried < EACH:
        file, path = spots[rng.integers(len(spots))]
        drawn = int(rng.integers(len(VALUES) + 1))
        new = VALUES[drawn] if drawn < len(VALUES) else GONE
        before = file.read_bytes()
        if write(file, changed(whole[file], path, new)):
            tried += 1
            try:
                items = list(ADAPTERS[name].items(folder, videos))
            except UsageError as error:
                refused += 1
                named(str(error), whole[file], path, file)
            else:
                for item in items:
                    sound(item)
        file.write_bytes(before)
    assert refused > EACH / 10


WRONG: dict[str, dict[str, list[Any]]] = {
    "qvhighlights": {
        "relevant_windows": [[0, 2], [[0, None]], [[0, 1, 2]], [[0, float("inf")]], {}],
        "query": [3, None, ["a"], "half \ud83d"],
    },
    "activitynet": {
        "timestamps": [[5], 5, [[0, "x"], [0, 1]]],
        "sentences": ["ab", 3, [3, 4]],
        "v_first": [[]],
    },
    "mvbench": {
        "start": ["00:00:01.0", None, []],
        "candidates": [3, "ab", [3, None]],
        "question": [3],
    },
    "motion_bench": {"qa": [3, "ab", {}]},
    "temp_compass": {"action": ["x", 3, ["x"]]},
    "video_mme": {"options": [3, "A. x", []], "question": [3]},
    "video_mmmu": {"options": [3, {"A": "x"}], "question": [3]},
    "vsi_bench": {"question": [3]},
    "vru_accident": {"question": [3]},
}
"""By benchmark and place, what is of another type than published there."""


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [(n, key, value) for n, keys in WRONG.items() for key in keys for value in keys[key]],
)
def test_a_wrong_type_is_refused_with_its_row(
    name: str, key: str, value: Any, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / name
    shutil.copytree(folders(name), folder)
    files = [
        p for p in sorted(folder.rglob("*")) if p.suffix in (".json", ".jsonl", ".parquet", ".txt")
    ]
    for file in files:
        whole = read(file)
        if key == "v_first":
            found = [(next(iter(whole)),)]
        else:
            found = [path for path in places(whole) if path[-1] == key]
        if not found:
            continue
        spoilt = whole
        for path in found:  # all: a column of a table has one type
            spoilt = changed(spoilt, path, value)
        assert write(file, spoilt)
        with pytest.raises(UsageError) as caught:
            list(ADAPTERS[name].items(folder, Videos(folder)))
        named(str(caught.value), whole, found[0], file)
        return
    pytest.fail(f"no file has {key}")


def named(said: str, value: Any, path: tuple[Any, ...], file: Path) -> None:
    """The message says which row it is of: by number, or by its name in the file."""
    keys = [str(step) for step in path if isinstance(step, str)]
    number = next((step for step in path if isinstance(step, int)), None)
    numbers = [] if number is None else [f"row {number + 1}", f"line {number + 1}"]
    whole = [file.name, file.stem] if len(path) == 1 else []
    assert any(name in said for name in [*keys[:2], *numbers, *whole]), (said, path)


def sound(item: Item) -> None:
    """What was read can be asked and written down."""
    prompt = (
        item.prompt
        if isinstance(item.prompt, str)
        else item.prompt(item.options or Options(("a", "b"), 0))
    )
    f"{item.key}{item.video}{prompt}{item.answer}".encode()
    assert isinstance(item.key, str) and isinstance(item.video, str)
    if item.options is not None:
        assert all(isinstance(text, str) for text in item.options.texts)
        assert 0 <= item.options.right < len(item.options.texts)


def test_there_are_enough_of_them() -> None:
    assert EACH * len(ADAPTERS) >= 2000 and set(MINIATURES) == set(ADAPTERS)
