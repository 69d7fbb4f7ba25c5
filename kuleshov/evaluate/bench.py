"""A sample set that stays what it is: a benchmark, frozen by a manifest with hashes.

    OUT/bench.json
      name, versions   what it is called, what made it
      recipe           the settings, as resolved
      samples          hash of each sample, by id
      videos           path of each video, by the hash of its content
      audit            what `kuleshov check` found: errors, warnings, floors, the worst probes

`kuleshov eval` verifies a set that has a manifest and refuses one that has changed. Folders may
move: paths are relative to the folder of videos.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from kuleshov.audit.findings import Findings
from kuleshov.content import content_id
from kuleshov.dataset import FROZEN, load_samples, settings, videos_root
from kuleshov.environment import versions
from kuleshov.errors import UsageError
from kuleshov.files import replace_text
from kuleshov.locations import within
from kuleshov.owned import check
from kuleshov.progress import Progress
from kuleshov.sample import Json, Sample, dump_json
from kuleshov.untrusted import misfit, read_json

MANIFEST = FROZEN
_FORMAT = 1
_NAMED = 3


def freeze(data: Path, name: str, findings: Findings) -> dict[str, Json]:
    """Write the manifest of a set as it is now, and return it.

    Args:
        data: the folder that `kuleshov make` wrote.
        name: what the benchmark is called.
        findings: of the audit, which stay beside the scores.

    Raises:
        UsageError: no finished set in `data`, or a manifest that says something else.
    """
    check(data, "samples")
    samples = load_samples(data)
    config = settings(data)
    manifest = {
        "format": _FORMAT,
        "name": name,
        "versions": versions(),
        # Where the videos lie is of no matter.
        "recipe": {key: value for key, value in config.items() if key not in ("source", "videos")},
        "samples": {sample.id: _hash(sample) for sample in samples},
        "videos": _videos(samples),
        "audit": _audit(findings),
    }
    if (data / MANIFEST).is_file() and (before := load(data)["name"]) != name:
        raise UsageError(f"{data} is frozen already, as {before}; its name stays what it is")
    if (data / MANIFEST).is_file() and (differences := list(_differences(load(data), manifest))):
        raise UsageError(
            f"{data} is frozen already, and has changed since: {'; '.join(differences)}. Remove "
            f"{data / MANIFEST} to freeze it as another benchmark"
        )
    replace_text(data / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return manifest


def load(data: Path) -> dict[str, Any]:
    """The manifest of a set.

    Raises:
        UsageError: there is none, or it is none of ours.
    """
    path = data / MANIFEST
    if not path.exists():
        raise UsageError(f"{data} is not frozen; do that with `kuleshov freeze {data}`")
    remedy = f"it is not a manifest of format {_FORMAT}; freeze the set again"
    manifest = read_json(path, remedy)
    if why := misfit(manifest, _FIELDS):
        raise UsageError(f"{path} {why}; {remedy}")
    return manifest


class _Audit(BaseModel):
    errors: list[Any]
    warnings: list[Any]
    probes: list[dict[str, Any]]


_FIELDS = {
    "format": Literal[1],
    "name": str,
    "samples": dict[str, str],
    "videos": dict[str, str],
    "audit": _Audit,
}
"""What a manifest says at least."""


def verify(data: Path, progress: Progress = lambda *_: None) -> dict[str, str] | None:
    """The name and hash of a frozen set that is what it was; None for one that is not frozen.

    Args:
        data: the folder of the set.
        progress: told of every video.

    Raises:
        UsageError: samples or videos are not those that were frozen.
    """
    if not (data / MANIFEST).exists():
        return None
    manifest = load(data)
    samples = load_samples(data)
    now = {
        "samples": {sample.id: _hash(sample) for sample in samples},
        "videos": _found(data, manifest["videos"], progress),
    }
    if differences := list(_differences(manifest, now)):
        raise UsageError(
            f"{data} is not the benchmark {manifest['name']} as it was frozen: "
            f"{'; '.join(differences)}. Put back what was there, or make the set again"
        )
    return {"name": manifest["name"], "hash": digest(manifest)}


def digest(manifest: Mapping[str, Any]) -> str:
    """Which benchmark it is: hash of its samples and videos, 32 hex digits."""
    content = dump_json([manifest["samples"], manifest["videos"]])
    return blake2b(content.encode(), digest_size=16).hexdigest()


def _hash(sample: Sample) -> str:
    return blake2b(sample.to_json().encode(), digest_size=16).hexdigest()


def _videos(samples: Sequence[Sample]) -> dict[str, str]:
    named = (video for sample in samples for video in sample.videos)
    return {video["id"]: video["path"] for video in sorted(named, key=lambda v: str(v["path"]))}


def _found(data: Path, videos: Mapping[str, str], progress: Progress) -> dict[str, str]:
    """The videos of a manifest whose paths hold what they held."""
    root = videos_root(data)
    found = {}
    for count, (video, path) in enumerate(videos.items(), 1):
        try:
            if within(root, path) is not None and content_id(root / path) == video:
                found[video] = path
        except OSError:
            continue
        finally:
            progress("verifying videos", count, len(videos))
    return found


def _differences(frozen: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What is another, in words."""
    was, here = frozen["samples"], now["samples"]
    changed = [i for i in was if i in here and was[i] != here[i]]
    lists = {
        "samples changed": changed,
        "samples missing": [i for i in was if i not in here],
        "samples added": [i for i in here if i not in was],
        "videos missing or changed": [
            path for i, path in frozen["videos"].items() if i not in now["videos"]
        ],
    }
    for what, names in lists.items():
        if names:
            more = ", ..." if len(names) > _NAMED else ""
            yield f"{len(names)} {what} ({', '.join(names[:_NAMED])}{more})"


def _audit(findings: Findings) -> dict[str, Json]:
    return {
        "errors": [str(error) for error in findings.errors],
        "warnings": [str(warning) for warning in findings.warnings],
        "floors": [floor._asdict() for floor in findings.floors],
        "probes": [
            {
                "task": row.task,
                "probe": row.probe,
                "on": row.on,
                "score": row.score,
                "interval": list(row.interval),
                "chance": row.chance,
                "verdict": row.verdict,
            }
            for row in findings.worst()
        ],
    }
