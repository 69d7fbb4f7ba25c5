"""Miniatures in the published layouts, made up here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kuleshov.curate.clip import Clip, Event
from kuleshov.curate.sources import SOURCES, celebv_hq, hmdb51, mm_au
from kuleshov.errors import UsageError
from tests.evaluate.adapters.test_mutations import GONE, VALUES, changed, places


def test_hmdb51_is_folders_of_classes(tmp_path: Path) -> None:
    for path in ("brush_hair/a.avi", "wave/b.avi", "wave/notes.txt"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    assert list(hmdb51(tmp_path)) == [
        Clip("brush_hair/a.avi", (Event("brush hair"),)),
        Clip("wave/b.avi", (Event("wave"),)),
    ]


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the folder of the 51 classes"):
        list(hmdb51(tmp_path))


CELEB = {
    "meta_info": {"appearance_mapping": ["Young"], "action_mapping": ["blow", "close_eyes"]},
    "clips": {
        "x_1": {
            "ytb_id": "x",
            "duration": {"start_sec": 81.62, "end_sec": 86.17},
            "bbox": {"top": 0.0, "bottom": 0.9, "left": 0.2, "right": 0.7},
            "attributes": {
                "appearance": [1],
                "action": [0, 1],
                "emotion": {"sep_flag": False, "labels": "neutral"},
            },
            "version": "v0.1",
        },
        "y_0": {
            "ytb_id": "y",
            "duration": {"start_sec": 52.72, "end_sec": 56.1},
            "bbox": {"top": 0.0, "bottom": 0.8, "left": 0.5, "right": 1.0},
            "attributes": {
                "appearance": [0],
                "action": [0, 0],
                "emotion": {
                    "sep_flag": True,
                    "labels": [{"emotion": "happy", "start_sec": 1.28, "end_sec": 1.68}],
                },
            },
            "version": "v0.1",
        },
    },
}


def test_celebv_hq_has_actions_and_emotions_with_times(tmp_path: Path) -> None:
    (tmp_path / "celebvhq_info.json").write_text(json.dumps(CELEB))
    assert list(celebv_hq(tmp_path / "celebvhq_info.json", "processed/{id}.mp4")) == [
        Clip("processed/x_1.mp4", (Event("close eyes"),)),
        Clip("processed/y_0.mp4", (Event("looks happy", 1.28, 1.68),)),
    ]


ACCIDENT = {
    "video_name": "1_1",
    "id": "1",
    "type": "1",
    "accident occurred": "1",
    "abnormal_start_frame": "30",
    "accident_frame": "63",
    "total_frames": "440",
    "t_ai": "30",
    "t_co": "60",
    "t_ae": "75",
    "texts": "a pedestrian crosses the road",
}


def test_mm_au_is_from_the_collision_to_the_end_of_its_window(tmp_path: Path) -> None:
    none = {**ACCIDENT, "video_name": "1_2", "accident occurred": "0"}
    (tmp_path / "meta.json").write_text(json.dumps({"a1": ACCIDENT, "b2": none}))
    # Frames 60 to 75 at 30 fps.
    event = Event("a pedestrian crosses the road", 2.0, 2.5)
    assert list(mm_au(tmp_path / "meta.json")) == [Clip("1_1.mp4", (event,))]
    (clip,) = mm_au(tmp_path / "meta.json", "{type}/{video_name}.avi", fps=15)
    assert clip == Clip("1/1_1.avi", (event._replace(start=4.0, end=5.0),))


@pytest.mark.parametrize("name", ["celebv_hq", "mm_au"])
@pytest.mark.parametrize("text", ["no json", "[]", '{"clips": {}}', '{"a": {"t_co": 1}}'])
def test_another_layout_is_said(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "meta.json").write_text(text)
    with pytest.raises(UsageError, match=r"cannot be read as JSON|is not laid out as"):
        list(SOURCES[name](tmp_path / "meta.json"))


@pytest.mark.parametrize(("name", "whole"), [("celebv_hq", CELEB), ("mm_au", {"a1": ACCIDENT})])
def test_no_mutation_of_annotations_is_a_traceback(
    name: str, whole: object, tmp_path: Path
) -> None:
    path, refused = tmp_path / "meta.json", 0
    for place in places(whole):
        for new in (*VALUES, GONE):
            path.write_text(json.dumps(changed(whole, place, new)))
            try:
                found = list(SOURCES[name](path))
            except UsageError as error:
                refused += 1
                row = place[1 if name == "celebv_hq" else 0] if len(place) > 1 else ""
                assert place[0] == "meta_info" or str(row) in str(error)
            else:
                for clip in found:
                    f"{clip}{clip.path}{[event.text for event in clip.events]}".encode()
    assert refused > 80


@pytest.mark.parametrize("file", ["{0}.mp4", "{id.x}.mp4", "{nothing}.mp4", "{id"])
def test_a_pattern_of_file_names_that_is_none_is_said(tmp_path: Path, file: str) -> None:
    (tmp_path / "meta.json").write_text(json.dumps(CELEB))
    with pytest.raises(UsageError, match="x_1"):
        list(celebv_hq(tmp_path / "meta.json", file))
