from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kuleshov.dataset import BadRow, iterate_rows, load_samples, schema, write
from kuleshov.errors import UsageError
from kuleshov.faults import checked
from kuleshov.sample import Frame, MediaItem, Sample
from kuleshov.tasks import build
from tests.test_dataset import unlisted

FRAMES = tuple(Frame("v", i / 2, i / 2) for i in range(4))
EDIT = {"edit": "zoom_in", "start": 1, "stop": 3, "scale": 1.5}


def a_sample(id: str = "a") -> Sample:
    item = MediaItem(FRAMES, 32, 64, (EDIT,))
    task = build("jigsaw", knobs={"num_clips": 2})
    return Sample(
        id=id,
        task="jigsaw",
        video_ids=("v",),
        split="train",
        media=(item, item),
        prompt="<video> and <video>?",
        answer=[2, 1],
        form="tagged",
        knobs=task.knobs(),
        seed=3,
        chance=0.5,
        provenance={"videos": [{"id": "v", "path": "v.mp4"}], "entry": "j"},
    )


def of_media(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda row: row["media"][1].update({key: value})


def of_frame(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda row: row["media"][0]["frames"][2].update({key: value})


def edit(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return of_media("edits", json.dumps([{**EDIT, **changes}]))


def column(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda row: row.update({key: value})


NAN, INF = float("nan"), float("inf")
DEEP = "[" * 100_000 + "]" * 100_000
RATHER_DEEP = '{"a":' * 900 + "1" + "}" * 900
HOSTILE: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "no id": ("id", column("id", None)),
    "an empty id": ("id", column("id", "")),
    "a long id": ("id", column("id", "x" * 10_000)),
    "an id that is a path": ("id", column("id", "../x")),
    "an unknown task": ("task", column("task", "jigzaw")),
    "no videos": ("video_ids", column("video_ids", [])),
    "a video twice": ("video_ids", column("video_ids", ["v", "v"])),
    "a split that is a path": ("split", column("split", "../../x")),
    "the split of another file": ("split", column("split", "held_out")),
    "an unknown form": ("form", column("form", "shouted")),
    "100,000 placeholders": ("prompt", column("prompt", "<video>" * 100_000)),
    "a token of a model": ("prompt", column("prompt", "<video> and <video>?<|image_pad|>")),
    "an image of four frames": ("prompt", column("prompt", "<image><video>")),
    "no media": ("media", column("media", None)),
    "no frames": ("media[1].frames", of_media("frames", [])),
    "no list of frames": ("media[1].frames", of_media("frames", "x")),
    "an unknown video": ("media[0].frames", of_frame("video_id", "w")),
    "a time that is NaN": ("media[0].frames[2]", of_frame("source_seconds", NAN)),
    "a time that is infinite": ("media[0].frames[2]", of_frame("shown_seconds", INF)),
    "times that are infinite both ways": ("media[0].frames[2]", of_frame("source_seconds", -INF)),
    "a time before the clock": ("media[0].frames[2]", of_frame("shown_seconds", -1.0)),
    "a time that is text": ("media[0].frames[2]", of_frame("source_seconds", "1")),
    "height 0": ("media[1].height", of_media("height", 0)),
    "a width beyond all": ("media[1].width", of_media("width", 2**31 - 1)),
    "more pixels than memory": (
        "media",
        lambda row: [item.update(height=16_384, width=16_384) for item in row["media"]],
    ),
    "an unknown edit": ("media[1].edits[0]", edit(edit="melt")),
    "zoom 0": ("media[1].edits[0]", edit(scale=0)),
    "zoom for other frames": ("media[1].edits[0]", edit(scale=[1.5] * 3)),
    "an edit of frames that are not there": ("media[1].edits[0]", edit(stop=9)),
    "an edit without its parameter": ("media[1].edits[0]", of_media("edits", '[{"edit":"blur"}]')),
    "edits that are no JSON": ("media[1].edits", of_media("edits", "[")),
    "edits with NaN": ("media[1].edits", edit(scale=NAN)),
    "an answer that is no order": ("answer", column("answer", "[1,1]")),
    "an answer of another kind": ("answer", column("answer", '{"a":1}')),
    "an answer that nests": ("answer", column("answer", DEEP)),
    "provenance that nests less": ("provenance", column("provenance", RATHER_DEEP)),
    "an unknown knob": ("knobs", column("knobs", '{"clips":2}')),
    "a knob that is text": ("knobs", column("knobs", '{"num_clips":"2"}')),
    "a knob twice": ("knobs", column("knobs", '{"num_clips":2,"num_clips":3}')),
    "a knob beyond all": ("knobs", column("knobs", '{"num_clips":2,"trim":1e999}')),
    "a seed below 0": ("seed", column("seed", -1)),
    "chance that is NaN": ("chance", column("chance", NAN)),
    "chance above 1": ("chance", column("chance", 1.5)),
    "provenance that is a list": ("provenance", column("provenance", "[]")),
    "a path that leads out": (
        "provenance.videos[0].path",
        column("provenance", '{"videos":[{"id":"v","path":"../../etc/passwd"}]}'),
    ),
    "two paths of a video": (
        "provenance.videos[1].path",
        column("provenance", '{"videos":[{"id":"v","path":"a"},{"id":"v","path":"b"}]}'),
    ),
}


def test_a_sample_has_no_faults() -> None:
    assert checked(a_sample().to_row(), "train") == (a_sample(), ())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_fault_is_named_with_its_field(name: str) -> None:
    field, change = HOSTILE[name]
    row = a_sample().to_row()
    change(row)
    _, faults = checked(row, "train")
    assert [fault.field for fault in faults] == [field]
    assert len(str(faults[0])) < 500


def test_a_column_that_is_missing_is_a_fault() -> None:
    for field in a_sample().to_row():
        row = a_sample().to_row()
        del row[field]
        assert [fault.field for fault in checked(row)[1]] == [field]


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> None:
    """A set whose rows are not those that `write` would have written."""
    write(folder, [a_sample()], {"videos": "x"})
    table = pa.Table.from_pylist(rows, schema=schema())
    pq.write_table(table, folder / "samples" / "train-00000.parquet")
    unlisted(folder)


def test_a_set_is_refused_with_the_file_the_row_and_the_field(tmp_path: Path) -> None:
    rows = [a_sample(id).to_row() for id in "abc"]
    rows[1]["form"] = "shouted"
    write_rows(tmp_path, rows)
    message = r"train-00000.parquet, row 2: form is 'shouted'; allowed: tagged, direct. `kuleshov c"
    with pytest.raises(UsageError, match=message):
        load_samples(tmp_path)


def test_an_id_that_is_there_already_names_the_row_that_has_it(tmp_path: Path) -> None:
    write_rows(tmp_path, [a_sample(id).to_row() for id in "aba"])
    with pytest.raises(UsageError, match="row 3: id is 'a', as in row 1 of samples/train-0"):
        load_samples(tmp_path)


def test_all_bad_rows_are_told_and_the_others_are_read(tmp_path: Path) -> None:
    rows = [a_sample(id).to_row() for id in "abcd"]
    rows[0]["chance"], rows[2]["split"] = INF, "../../x"
    write_rows(tmp_path, rows)
    found = list(iterate_rows(tmp_path))
    bad = [row for row in found if isinstance(row, BadRow)]
    assert [row.number for row in bad] == [1, 3]
    assert [row.id for row in found if isinstance(row, Sample)] == ["b", "d"]


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    write(tmp_path, [a_sample()], {"videos": "x"})
    (tmp_path / "samples" / "train-00000.parquet").write_bytes(b"PAR1" * 9)
    unlisted(tmp_path)
    with pytest.raises(UsageError, match=r"train-00000.parquet: the file cannot be read as Parq"):
        load_samples(tmp_path)
