"""Does the audit catch leaks that were planted, and does it pass sets that have none?

    python -m benchmarks.audit_proof

Procedural clips of a fixed seed; every task in its default and its paper setting, and sets with a
leak built in. Frames are 64 x 64, and masked looks closer, because these clips are small and
short and change little. The last line is JSON; exit code 1 if a planted leak is missed or a
default setting does not pass.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kuleshov.audit import Findings, Probed, audit
from kuleshov.audit.evidence import Encoder, FrameFile
from kuleshov.clips import write_clips
from kuleshov.dataset import load_samples, write
from kuleshov.rendered.jpeg import to_jpeg
from kuleshov.sample import Json, MediaItem, Pixels, Sample
from kuleshov.synthesize import MakeConfig, make
from kuleshov.tasks import SETTINGS, TASKS, task_of

CLIPS, SECONDS, SEED = 120, 8.0, 11
SIZE: dict[str, Json] = {"min_pixels": 64 * 64, "max_pixels": 64 * 64}
KNOBS: dict[str, dict[str, Json]] = {
    **{name: SIZE for name in TASKS if name != "text_frames"},  # whose pages would not be readable
    "appearance": {**SIZE, "fps": 6.0},
    "masked": {**SIZE, "fps": 3.0, "max_similarity": 0.998},
    "speed": {**SIZE, "num_frames": 8},
}


def two_qualities(item: MediaItem, frames: Pixels) -> list[FrameFile]:
    """Edited frames at JPEG quality 75, the others at 95."""
    edited = {i for e in item.edits for i in range(e.get("start", 0), e.get("stop", len(frames)))}
    return [
        FrameFile.of(to_jpeg(frame, 75 if i in edited else 95)) for i, frame in enumerate(frames)
    ]


def told_times(samples: list[Sample]) -> list[Sample]:
    """The clock of each clip goes on where that of the clip before ended."""

    def told(item: MediaItem) -> MediaItem:
        return replace(
            item, frames=tuple(f._replace(shown_seconds=f.source_seconds) for f in item.frames)
        )

    return [replace(s, media=tuple(told(item) for item in s.media)) for s in samples]


def named_answers(samples: list[Sample]) -> list[Sample]:
    """The prompt has the answer in it."""
    return [replace(s, prompt=f"{s.prompt} ({task_of(s).write(s.answer)})") for s in samples]


def early_answers(samples: list[Sample]) -> list[Sample]:
    """Of each video's samples the one with the smallest answer."""
    by_video: dict[str, list[Sample]] = {}
    for sample in samples:
        by_video.setdefault(sample.video_ids[0], []).append(sample)
    return [min(some, key=lambda s: json.dumps(s.answer)) for some in by_video.values()]


def unchanged(samples: list[Sample]) -> list[Sample]:
    return samples


@dataclass(frozen=True)
class Plant:
    """A leak, and the probes of which one must catch it."""

    task: str
    probes: tuple[str, ...]
    knobs: dict[str, Json] = field(default_factory=dict)
    change: Callable[[list[Sample]], list[Sample]] = unchanged
    encode: Encoder | None = None
    per_video: int = 1


PLANTED = {
    "jpeg quality 75 and 95": Plant("anomaly", ("quantisation", "sizes"), encode=two_qualities),
    "untrimmed clips": Plant("jigsaw", ("boundary",), knobs={"clip_trim": 0.0}),
    "skewed answers": Plant("anomaly", ("answers",), change=early_answers, per_video=4),
    "times give the order": Plant("jigsaw", ("times",), change=told_times),
    "prompt names the answer": Plant("counting", ("prompt names it",), change=named_answers),
}


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = folder / "videos"
        write_clips(videos, CLIPS, SEED, SECONDS, workers=None)
        planted = {name: _plant(plant, videos, folder / "set") for name, plant in PLANTED.items()}
        settings = {setting: _setting(setting, videos, folder / setting) for setting in SETTINGS}
    print(json.dumps({"planted": planted, **settings, "n": CLIPS}))
    caught = all(result["caught"] for result in planted.values())
    return 0 if caught and all(row["passed"] for row in settings["default"].values()) else 1


def _plant(plant: Plant, videos: Path, out: Path) -> dict[str, Any]:
    knobs = {**KNOBS[plant.task], **plant.knobs}
    make(videos, out, MakeConfig(tasks={plant.task: knobs}, per_video=plant.per_video, workers=0))
    write(out, plant.change(load_samples(out)), {"videos": str(videos)})
    findings = audit(out, CLIPS, encode=plant.encode)
    asked = [row for row in findings.probes if row.judged and row.probe in plant.probes]
    best = max(asked, key=lambda row: row.rank)
    print(f"planted in {plant.task}: {best.probe} on the {best.on}: {best.verdict} {best.why}")
    return {"caught": best.verdict == "leak", **_figures(best)}


def _setting(setting: str, videos: Path, out: Path) -> dict[str, Any]:
    tasks = {name: KNOBS.get(name, {}) for name in TASKS}
    make(videos, out, MakeConfig(tasks=tasks, setting=setting, workers=0))
    findings = audit(out, CLIPS)
    for finding in findings.errors:
        print(f"{setting}: {finding}")
    worst = {row.task: row for row in findings.worst()}
    return {name: _verdict(name, worst.get(name), findings) for name in TASKS}


def _verdict(task: str, worst: Probed | None, findings: Findings) -> dict[str, Any]:
    """Passed means no error at all; a task whose probes could not be run has not passed."""
    passed = worst is not None and not any(e.task in (task, "") for e in findings.errors)
    name = f"{worst.probe} on the {worst.on}" if worst else None
    return {"passed": passed, "worst_probe": name, **_figures(worst)}


def _figures(row: Probed | None) -> dict[str, Any]:
    if row is None:
        return {"score": None, "chance": None, "interval": None}
    return {
        "score": round(row.score, 4),
        "chance": round(row.chance, 4),
        "interval": [round(end, 4) for end in row.interval],
    }


if __name__ == "__main__":
    sys.exit(main())
