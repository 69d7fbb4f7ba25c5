"""Each benchmark in its published layout, with a few tiny videos: as small as it can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from kuleshov.evaluate.adapters.mvbench import SUBTASKS
from kuleshov.frames import write_video
from kuleshov.randomness import rng_for

FPS = 4


def clip(path: Path, seconds: float = 4.0) -> None:
    """A video of 32 x 32 pixels that is like no other one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = rng_for("miniature", str(path)).integers(0, 256, (int(seconds * FPS), 4, 4, 3))
    write_video(path, frames.astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2), FPS)


def picture(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 32, 3), grey, np.uint8)).save(path)


def to_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def to_lines(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def to_parquet(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def mvbench(folder: Path) -> None:
    for name, subtask in SUBTASKS.items():
        rows = []
        for number in (0, 1):
            row: dict[str, Any] = {
                "video": f"{name}_{number}.mp4",
                "question": "What comes first?",
                "candidates": ["He ran.", "He sat.", "He fell."],
                "answer": ("He ran.", "He fell.")[number],
            }
            if subtask.cut:
                row |= {"start": 1.0, "end": 3.0}
            where = folder / "video" / subtask.folder
            if name == "episodic_reasoning":
                row["video"] = f"{name}_{number}"
                for i in range(12):
                    picture(where / row["video"] / f"{i:05}.jpg", 20 * i + number)
            else:
                clip(where / row["video"])
            rows.append(row)
        to_json(folder / "json" / f"{name}.json", rows)


def video_mme(folder: Path) -> None:
    rows = []
    for number, duration in enumerate(("short", "medium", "long")):
        clip(folder / "data" / f"vid{number}.mp4")
        for turn in range(3):
            rows.append(
                {
                    "video_id": f"{number:03}",
                    "videoID": f"vid{number}",
                    "question_id": f"{number:03}-{turn + 1}",
                    "question": "Who is it?",
                    "options": ["A. Ann.", "B. Bob.", "C. Cid.", "D. Dan."],
                    "answer": "ABC"[turn],
                    "duration": duration,
                    "domain": "Knowledge",
                    "sub_category": "History",
                    "task_type": ("Temporal Reasoning", "Counting Problem", "OCR Problems")[turn],
                }
            )
    to_parquet(folder / "videomme" / "test-00000-of-00001.parquet", rows)


def temp_compass(folder: Path) -> None:
    def asked(question: str, answer: str) -> list[dict[str, str]]:
        return [{"question": question, "answer": answer}]

    files: dict[str, Any] = {"multi-choice": {}, "yes_no": {}, "caption_matching": {}}
    for video in ("101", "102"):
        clip(folder / "videos" / f"{video}.mp4")
        files["multi-choice"][video] = {
            "direction": asked("Where does it move?\nA. left\nB. right\nC. up", "B. right"),
            "speed": asked("How fast?\nA. slow\nB. fast", "A. slow"),
        }
        files["yes_no"][video] = {
            "order": [
                *asked("Does it fall first?", "yes"),
                *asked("Does it rise first?", "no"),
            ]
        }
        files["caption_matching"][video] = {
            "action": asked(
                "Which caption matches the video better?\nCaption A: A man runs.\n"
                "Caption B: A man sits.",
                "Caption B: A man sits.",
            ),
            "order": asked(
                "Which description is a more suitable match for the video?\n"
                "Option 1: Up, then down.\nOption 2: Down, then up.",
                "Option 1: Up, then down.",
            ),
        }
    for name, value in files.items():
        to_json(folder / "questions" / f"{name}.json", value)


def motion_bench(folder: Path) -> None:
    rows = []
    for number, kind in enumerate(("Action Order", "Camera Motion")):
        clip(folder / "public-dataset" / f"{number}.mp4")
        text = "What?\nA. one\nB. two\nC. three\nD. four\nE. five"
        qa = [
            {"uid": f"u{number}0", "question": text, "answer": "E"},
            {"uid": f"u{number}1", "question": text, "answer": "NA"},
        ]
        rows.append(
            {"key": str(number), "video_path": f"{number}.mp4", "question_type": kind, "qa": qa}
        )
    to_lines(folder / "video_info.meta.jsonl", rows)


def vru_accident(folder: Path) -> None:
    for source in ("CAP_DATA", "DoTA"):
        rows: dict[str, Any] = {}
        for number in (1, 2):
            clip(folder / source / "videos" / f"{source}_{number}.mp4")
            rows[f"{source}_{number}.mp4"] = {
                category: {
                    "question": "Choose the answer from A, B, C, or D without any explanations.",
                    "options": "A. a car, B. a bus, or a tram, C. none, D. a bike",
                    "GT": "B",
                }
                for category in ("Weather & Light", "Road Type")
            }
        to_json(folder / source / f"{source}_VQA_annotation.json", rows)


def vru_accident_captions(folder: Path) -> None:
    rows = {}
    for number in (1, 2):
        clip(folder / "videos" / f"{number}.mp4")
        rows[f"{number}.mp4"] = {"gt": f"A car hits pedestrian {number} at night in the rain."}
    to_json(folder / "DoTA_Dense_Caption_annotation.json", rows)


def vsi_bench(folder: Path) -> None:
    rows: list[dict[str, Any]] = []
    for scene in ("scene01", "scene02"):
        clip(folder / "arkitscenes" / f"{scene}.mp4")
        for kind, truth in (
            ("object_counting", "4"),
            ("object_abs_distance", "2.5"),
            ("object_size_estimation", "120"),
            ("room_size_estimation", "30.5"),
            ("object_rel_distance", "C"),
            ("object_rel_direction_easy", "A"),
            ("object_rel_direction_medium", "B"),
            ("object_rel_direction_hard", "C"),
            ("route_planning", "A"),
            ("obj_appearance_order", "B"),
        ):
            options = ["A. a bed", "B. a sofa", "C. a lamp"] if truth in "ABC" else None
            row = {"id": len(rows), "dataset": "arkitscenes", "scene_name": scene}
            row |= {"question_type": kind, "question": "Which?", "options": options}
            rows.append({**row, "ground_truth": truth})
    to_lines(folder / "test.jsonl", rows)


def video_mmmu(folder: Path) -> None:
    for track in ("Perception", "Comprehension", "Adaptation"):
        rows = []
        for number in (1, 2):
            name = f"{track.lower()}_{number}"
            clip(folder / "videos" / "Art" / f"{name}.mp4")
            open_question = number == 2 and track == "Adaptation"
            options = [] if open_question else ["a fugue", "a sonata", "a rondo"]
            row = {"id": name, "question": "What is it? <image 1>", "options": str(options)}
            rows.append({**row, "answer": "42" if open_question else "C"})
        to_parquet(folder / track / "test-00000-of-00001.parquet", rows)


def charades_sta(folder: Path) -> None:
    for name in ("AO8RW", "B1C2D"):
        clip(folder / "Charades_v1_480" / f"{name}.mp4", 10)
    lines = ["AO8RW 0.0 6.9##a person is putting a book on a shelf.", "B1C2D 2.0 4.0##he sits."]
    (folder / "charades_sta_test.txt").write_text("\n".join(lines))


def activitynet(folder: Path) -> None:
    for name in ("v_one", "v_two"):
        clip(folder / "val" / f"{name}.mp4", 10)
    rows = {
        name: {"duration": 10.0, "timestamps": [[0.0, 5.0], [4.0, 10.0]], "sentences": ["A.", "B."]}
        for name in ("v_one", "v_two")
    }
    to_json(folder / "val_2.json", rows)


def qvhighlights(folder: Path) -> None:
    rows = []
    for number in (1, 2):
        clip(folder / "videos" / f"vid_{number}_60.0_210.0.mp4", 10)
        row = {"qid": number, "query": "A dog", "duration": 10, "vid": f"vid_{number}_60.0_210.0"}
        rows.append({**row, "relevant_windows": [[0, 2], [6, 10]]})
    to_lines(folder / "highlight_val_release.jsonl", rows)


MINIATURES: dict[str, Callable[[Path], None]] = {
    "activitynet": activitynet,
    "charades_sta": charades_sta,
    "motion_bench": motion_bench,
    "mvbench": mvbench,
    "qvhighlights": qvhighlights,
    "temp_compass": temp_compass,
    "video_mme": video_mme,
    "video_mmmu": video_mmmu,
    "vru_accident": vru_accident,
    "vru_accident_captions": vru_accident_captions,
    "vsi_bench": vsi_bench,
}
