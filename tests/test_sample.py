from __future__ import annotations

import json
from dataclasses import asdict, replace

from kuleshov.sample import Frame, MediaItem, Sample, dump_json
from tests.conftest import a_video


def a_sample() -> Sample:
    item = MediaItem(
        (Frame("v", 0.1, 0.0), Frame("w", 0.3, 0.2)), 4, 6, ({"edit": "invert", "start": 1},)
    )
    return Sample(
        id="0123456789abcdef",
        task="anomaly",
        video_ids=("v", "w"),
        split="held_out",
        media=(item, item),
        prompt='<video> and <video>: "when"? ä',
        answer=[1.5, 2.0],
        form="tagged",
        knobs={"kinds": ["invert"], "decimals": None},
        seed=3,
        chance=0.25,
        provenance={"videos": [{"id": "v", "path": "ä b.mp4"}, {"id": "w", "path": "w.mp4"}]},
    )


def test_a_sample_survives_json() -> None:
    assert Sample.from_json(a_sample().to_json()) == a_sample()


def test_what_differs_between_tasks_is_a_string_in_a_row() -> None:
    row = a_sample().to_row()
    assert json.loads(row["answer"]) == [1.5, 2.0]
    assert json.loads(row["knobs"]) == {"kinds": ["invert"], "decimals": None}
    assert json.loads(row["media"][0]["edits"]) == [{"edit": "invert", "start": 1}]


def test_an_item_is_edited_without_changing_the_original() -> None:
    item = a_sample().media[0]
    assert len(item.edited({"edit": "grey"}).edits) == 2
    assert len(item.edits) == 1


def test_a_video_is_named_with_its_caveats_and_without_them_as_ever() -> None:
    video = a_video()
    assert video.origin == {"id": video.id, "path": "v.mp4"}
    hdr = replace(video, caveats=("hdr",))
    assert hdr.origin == {"id": video.id, "path": "v.mp4", "caveats": ["hdr"]}


def test_a_video_survives_json() -> None:
    video = replace(a_video(), caveats=("hdr", "interlaced"))
    assert type(video)(**json.loads(dump_json(asdict(video)))) == video
