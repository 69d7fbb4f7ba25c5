"""The `make` section of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kuleshov.errors import UsageError, unknown_name
from kuleshov.near_duplicates import THRESHOLD
from kuleshov.runners import RUNNERS, Limits
from kuleshov.tasks import GIVEN, TASKS, Task, build
from kuleshov.tasks.labelled import Labelled


@dataclass(frozen=True, kw_only=True)
class MakeConfig:
    """The `make` section of a recipe.

    Args:
        tasks: the entries: names of tasks, each with the knobs that differ from the setting. For
            several entries of one task, any labels, with the task's name among the knobs:
            `mirror: {task: anomaly, kinds: [mirror]}`.
        setting: "default" or "paper".
        per_video: samples for each video and entry.
        per_task: the same for single entries, where it differs.
        counts: samples of single entries in the whole set, both sides together; all that the
            videos give where there is none. See mixture.py for which are kept.
        weights: shares of all entries in the set, which is the largest one that has them; with
            these there are no counts.
        share: of the counts that is wanted, rounded up: a smaller set of the same mixture.
        disjoint: whether each video serves one entry only, the first that can use it in an order
            drawn by the counts or weights, or evenly. Videos that are borrowed from are not meant,
            nor labelled rows.
        labelled: rows of your own beside the tasks (labels.py): {path: rows.jsonl}, with knobs of
            the task `labelled`. They are an entry of that name.
        held_out: share of the videos that training never sees: as many as come nearest to it, at
            least one on either side, and more where an entry would have none.
        near_duplicates: share of the bits of their perceptual hashes up to which videos count as
            near-duplicates, which stay on one side of the split and do not lend clips to each
            other, see near_duplicates.py. Costs the decoding of 8 frames of each video; None
            looks for none, and neither does a set of one side only.
        max_fps: frames shown for each second at most; None for as many as the tasks show. Above
            it a sample is made with fewer frames, see pacing.py. For models whose clock is too
            coarse for more, as `kuleshov check --model` says: 4 for Qwen2.5-VL.
        seed: of everything random.
        column: of a list or table, the one that holds the videos or their paths; None for the
            first of "video", "path", "video_path" and "file" that there is.
        root: the folder that holds the videos, or its address; nothing leads out of it. None for
            the folder itself, the fixed part of a glob, or the folder of a list, to which the
            paths in a list are relative.
        runner: "local", or "ray" for a cluster; changes no sample.
        workers: processes, which change no sample; None for one a core (what the command line
            takes), 0 for none but this one, without the limits below. A script that asks for
            more than 0 does its work below `if __name__ == "__main__":`, as the processes import
            it.
        seconds: limit for each video, after which it is a Skip.
        megabytes: limit of memory for each process (Linux); what needs more is a Skip.
    """

    tasks: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in TASKS})
    setting: str = "default"
    per_video: int = 1
    per_task: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    share: float = 1.0
    disjoint: bool = False
    labelled: dict[str, Any] = field(default_factory=dict)
    held_out: float = 0.2
    near_duplicates: float | None = THRESHOLD
    max_fps: float | None = None
    seed: int = 0
    column: str | None = None
    root: str | None = None
    runner: str = "local"
    workers: int | None = 0
    seconds: float = 600.0
    megabytes: int = 8192

    def __post_init__(self) -> None:
        if self.labelled and not isinstance(self.labelled.get("path"), str):
            raise UsageError("make.labelled has no path; give that of the rows")
        given = [Labelled.name] if self.labelled else []
        for key, known in [
            ("per_task", list(self.tasks)),
            ("counts", [*self.tasks, *given]),
            ("weights", [*self.tasks, *given]),
        ]:
            for name in getattr(self, key):
                if name not in known:
                    raise unknown_name(f"task in make.{key}", name, known)
        if self.counts and self.weights:
            raise UsageError("make: counts and weights are both given; give one of them")
        for key, needed in [
            ("weights", [*self.tasks, *given] if self.weights else []),
            ("counts", list(self.tasks) if self.disjoint and self.counts else []),
        ]:
            if left_out := [label for label in needed if label not in getattr(self, key)]:
                raise UsageError(f"make: {key} lacks {', '.join(left_out)}; give all or none")
        for key, ok, allowed in [
            ("per_video", self.per_video >= 1, "1 or more"),
            ("per_task", all(count >= 1 for count in self.per_task.values()), "1 or more each"),
            ("counts", all(count >= 1 for count in self.counts.values()), "1 or more each"),
            ("weights", all(w > 0 for w in self.weights.values()), "above 0 each"),
            ("share", 0 < self.share <= 1, "above 0, to 1"),
            ("held_out", 0 <= self.held_out <= 1, "0 to 1"),
            (
                "near_duplicates",
                self.near_duplicates is None or 0 <= self.near_duplicates <= THRESHOLD,
                f"0 to {THRESHOLD:.3f}, or null",
            ),
            ("max_fps", self.max_fps is None or self.max_fps > 0, "above 0, or null"),
            ("seed", self.seed >= 0, "0 or more"),
            ("workers", self.workers is None or self.workers >= 0, "0 or more"),
            ("runner", self.runner in RUNNERS, " or ".join(RUNNERS)),
        ]:
            if not ok:
                raise UsageError(f"make: {key} is {getattr(self, key)}; allowed: {allowed}")

    def limits(self) -> Limits:
        return Limits(self.seconds, self.megabytes)

    def count(self, label: str) -> int:
        """Samples of an entry for each video."""
        return self.per_task.get(label, self.per_video)

    def video_shares(self) -> dict[str, float]:
        """Shares of the videos that the entries need where each video serves one of them."""
        wanted: Mapping[str, float] = self.weights or self.counts or dict.fromkeys(self.tasks, 1.0)
        return {label: wanted[label] / self.count(label) for label in self.tasks}

    def built(self) -> dict[str, Task]:
        """The task of each entry, by label.

        Raises:
            UsageError: an unknown task or knob, or a label that is the name of another task.
        """
        built = {}
        for label, knobs in self.tasks.items():
            name = str(knobs.get("task", label))
            if name in GIVEN:
                raise UsageError(f"make.tasks: {name} makes no questions up; give make.{name}")
            if label in {**TASKS, **GIVEN} and name != label:
                raise UsageError(
                    f"make.tasks: {label!r} is labelled as one task and is {name!r}; give another "
                    "label"
                )
            rest = {key: value for key, value in knobs.items() if key != "task"}
            built[label] = build(name, self.setting, rest)
        return built

    def labelled_task(self) -> Labelled:
        """The task of labelled rows, without the options of one.

        Raises:
            UsageError: an unknown knob.
        """
        knobs = {key: value for key, value in self.labelled.items() if key != "path"}
        task = build(Labelled.name, self.setting, knobs)
        assert isinstance(task, Labelled)
        return task
