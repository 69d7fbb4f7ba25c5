from __future__ import annotations

import json
from pathlib import Path

import pytest

from kuleshov.curate.build import CAPTION, Curated, Curation, Rejected, curate, write
from kuleshov.curate.clip import Clip, Event
from kuleshov.curate.transient import Transient
from kuleshov.endpoint import Endpoint
from kuleshov.evaluate.config import CallConfig
from kuleshov.labels import read_labels
from kuleshov.sample import Pixels
from kuleshov.synthesize import MakeConfig, make

FLASH = Event("light flash", 1.0, 1.5)
REPLY = {
    "caption": "The light flashes twice while a ball falls.",
    "questions": [
        {"question": "How many times does the light flash?", "answer": "2"},
        {"question": "How many times does the light flash?", "answer": "3"},
        {"question": "What colour is the ball?", "answer": "Red"},
        {"question": "When does the ball fall?", "answer": "At 99 s"},
    ],
}


def see(prompt: str, frames: Pixels) -> str:
    assert frames.shape[0] == 4 and frames.shape[-1] == 3
    return json.dumps(REPLY) if "light flash" in prompt else "I see a ball."


COLLECTION = [
    Clip("clip-0000.mp4", (FLASH, Event("ball falls", 0.0, 4.0))),
    Clip("clip-0001.mp4", (Event("wave"),)),
    Clip("clip-0002.mp4", (Event("ball falls", 0.0, 4.0),)),
    Clip("gone.mp4", (FLASH,)),
    Clip("../outside.mp4", (FLASH,)),
]


@pytest.fixture
def curated(clips: Path) -> Curated:
    return curate(COLLECTION, clips, see, Curation(num_frames=4))


def test_what_no_rule_is_against_becomes_rows(curated: Curated) -> None:
    assert [(row.video, row.question, row.answer) for row in curated.rows] == [
        ("clip-0000.mp4", CAPTION, "The light flashes twice while a ball falls."),
        ("clip-0000.mp4", "How many times does the light flash?", "2"),
    ]


def test_every_rejection_is_counted_by_its_reason(curated: Curated) -> None:
    assert curated.reasons == {
        "event is not transient": 2,
        "grammar: asked twice": 1,
        "temporal: does not ask about time": 1,
        "visible: a time beyond the clip": 1,
        "reply: not of the form that was asked for": 1,
        "no transient event": 1,
        "video: cannot be read: No such file or directory": 1,
        "video: lies outside of the folder": 1,
    }
    assert Rejected("clip-0000.mp4", "ball falls", "event is not transient") in curated.rejected


def test_several_clips_at_a_time_give_the_same(curated: Curated, clips: Path) -> None:
    with Endpoint("http://127.0.0.1:1/v1", "m", CallConfig(concurrency=3)) as model:
        assert curate(COLLECTION, clips, see, Curation(num_frames=4), each=model.each) == curated


def test_events_of_unknown_length_can_be_left_out(clips: Path) -> None:
    config = Curation(num_frames=4, transient=Transient(unknown=False))
    found = curate([Clip("clip-0001.mp4", (Event("wave"),))], clips, see, config)
    assert found.reasons == {"length of the event is not known": 1, "no transient event": 1}


def test_the_rows_are_taken_by_make_as_they_are(
    curated: Curated, clips: Path, tmp_path: Path
) -> None:
    summary = write(curated, tmp_path)
    assert summary["rows"] == 2 and summary["videos"] == 1
    assert json.loads((tmp_path / "summary.json").read_text())["rejected"] == curated.reasons
    rejected = (tmp_path / "rejected.jsonl").read_text().splitlines()
    assert [Rejected(**json.loads(line)) for line in rejected] == curated.rejected
    rows = tmp_path / "rows.jsonl"
    assert [row.question for row in read_labels(rows)] == [row.question for row in curated.rows]
    made = make(clips, tmp_path / "set", MakeConfig(tasks={}, labelled={"path": str(rows)}))
    assert made["samples"] == 2
