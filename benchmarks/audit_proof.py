"""Does the audit catch leaks that were planted, and does it pass sets that have none?

    python -m benchmarks.audit_proof

Procedural clips of a fixed seed; every task in its default and its paper setting, and sets with a
leak built in; and clips that stand still, of which no question may stay whose effect may be off
already, or the ones that stay tell the answer. Frames are 64 x 64, and masked looks closer,
because these clips are small and short and change little. The last line is JSON; exit code 1 if a
planted leak is missed, a question about a still clip stays, or a default setting does not pass.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kuleshov.audit import Findings, Probed, audit
from kuleshov.audit.evidence import Encoder, FrameFile
from kuleshov.clips import FPS, clip, write_clips
from kuleshov.clips import SIZE as CLIP_SIZE
from kuleshov.dataset import load_samples, write
from kuleshov.frames import write_video
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
        still = kept_of_still_clips(folder)
    print(json.dumps({"planted": planted, **settings, "still": still, "n": CLIPS}))
    caught = all(result["caught"] for result in planted.values())
    dropped = still and all(row["kept"] == 0 for row in still.values())
    passed = all(row["passed"] for row in settings["default"].values())
    return 0 if caught and dropped and passed else 1


def kept_of_still_clips(folder: Path, clips: int = 12, per_video: int = 4) -> dict[str, Any]:
    """Questions about clips on which nothing moves, and those of them that the audit would keep.

    Their pictures mirror themselves. For each task of which the effect is off already in a
    sample, or whose sample may look as with another answer.
    """
    videos, out = folder / "still_videos", folder / "still"
    videos.mkdir()
    for i in range(clips):
        half = clip(SEED, i, seconds=1.0)[0, :, : CLIP_SIZE // 2]
        # Grey, as codecs place colours to the left of the pixels that have them.
        half = np.repeat(half[..., 1:2], 3, axis=-1)
        picture = np.concatenate([half, half[:, ::-1]], axis=1)
        write_video(videos / f"{i:03}.mp4", np.repeat(picture[None], int(SECONDS * FPS), 0), FPS)
    tasks = {name: KNOBS.get(name, {}) for name in TASKS}
    tasks["jigsaw"] = {**SIZE, "num_clips": 2}  # of which half are shown in their true order
    make(videos, out, MakeConfig(tasks=tasks, per_video=per_video, workers=0))
    about: dict[str, list[Sample]] = {}
    for sample in load_samples(out):
        about.setdefault(sample.task, []).append(sample)
    faulty = audit(out, 1, every=True).faulty()
    return {
        name: {"asked": len(asked), "kept": sum(sample.id not in faulty for sample in asked)}
        for name, asked in sorted(about.items())
        if any(_may_be_off(sample) for sample in asked)
    }


def _may_be_off(sample: Sample) -> bool:
    task = task_of(sample)
    off = task.switched_off(sample)
    return bool(task.versions(sample)) or (off is not None and off.media == sample.media)


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
