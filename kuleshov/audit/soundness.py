"""Does a sample hold together?"""

from __future__ import annotations

import json
from collections.abc import Sequence

from kuleshov.audit.findings import Finding
from kuleshov.sample import Pixels, Sample, dump_json
from kuleshov.tasks import task_of


def of_sample(sample: Sample) -> list[Finding]:
    """Faults that need no frames: the gold answer must earn 1, and JSON must keep everything."""
    found = []
    task = task_of(sample)
    earned = task.score(sample, task.completion(sample.answer, sample)).total
    if earned != 1.0:
        found.append(_wrong(sample, f"its own answer {sample.answer} earns {earned}, not 1"))
    if len(sample.placeholders) != len(sample.media):
        text = f"its prompt has {len(sample.placeholders)} <video> or <image>"
        found.append(_wrong(sample, f"{text} for {len(sample.media)} media items"))
    # The rest of a row are numbers and names, which JSON keeps.
    texts = sample.answer, sample.knobs, sample.provenance, *(list(m.edits) for m in sample.media)
    if any(json.loads(dump_json(value)) != value for value in texts):
        found.append(_wrong(sample, "changes when written as JSON and read back"))
    return found


def of_media(sample: Sample, rendered: Sequence[Pixels]) -> list[Finding]:
    """Media that are not what their recipe says."""
    return [
        _wrong(sample, f"media item {i} has shape {pixels.shape}, its recipe says {wanted}")
        for i, (item, pixels) in enumerate(zip(sample.media, rendered, strict=True), 1)
        if pixels.shape != (wanted := (len(item.frames), item.height, item.width, 3))
    ]


def unrenderable(sample: Sample, why: object) -> Finding:
    return _wrong(sample, f"cannot be rendered: {why}")


def _wrong(sample: Sample, text: str) -> Finding:
    return Finding("wrong", sample.entry, text, sample.id)
