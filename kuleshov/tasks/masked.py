"""Which of these candidates are the hidden frames, in order?

Masked Video Prediction of MVP (arXiv 2601.03781). The paper's text beyond the abstract and two
reviews of it could not be had: what is ours is said where the choice is made.

    key frames    1   2   3   4   5   6   7   8   9   10  11      (keyframes.py)
    shown         1   2   #   #   6   7               10  11      # grey; 8 and 9 are cut out
    candidates    A=8   B=4   C=9   D=3                           the hidden ones and distractors
    answer        4,2                                             D, B

Reward (form ours): 1 for the exact sequence, else `discount` times a mix of selection (how many
are right) and order (orders.py). Nothing is given for tags or for thinking aloud: the total is in
[0, 1], and a score never depends on the form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import perm
from typing import ClassVar, Literal, Self

import numpy as np

from kuleshov.errors import UsageError, unknown_name
from kuleshov.features import Vectors, features
from kuleshov.keyframes import SOURCES, Hidden, key_frames
from kuleshov.orders import ORDERS
from kuleshov.sample import IMAGE, VIDEO, Frame, Json, MediaItem, Sample, Skip, Video
from kuleshov.tasks.task import Donors, Part, Task, Unit

STILLS = {"image": (IMAGE, 1), "video": (VIDEO, 2)}
"""How a candidate stands in the prompt, and of how many equal frames it is made."""
FURTHEST = 64
"""Steps of 1 / fps that are looked at for each key frame that is wanted, at most; ours. A video
that changes less often, or claims to last for weeks as damaged files do, gives no question."""
# Nine digits at most, as int() reads no thousands of them; possessive, so nothing is tried twice.
_NUMBERS = re.compile(r"\d{1,9}+(?:\s*+,\s*+\d{1,9}+)*+", re.ASCII)
PROMPT = (
    "<video>\nThe grey frames hide {k} frames of this video.\n{candidates}Which candidates are "
    "the hidden frames? Give their {k} numbers in order of time, for example {example}."
)


@dataclass(frozen=True, kw_only=True)
class Masked(Task):
    """A hidden run of key frames, to be picked out of shuffled candidates, in order.

    `default` differs from `paper` in this:
        - source: distractors are key frames of other hidden runs; those drawn from between
          shown frames look more like what is shown than any target does, and do not belong
          together, so they are found without looking at the gap. Of a target and a distractor
          of the same sample, the target is the one more like its nearest shown frame in 5 % of
          the pairs there, and in 48 % here (level "hard": 50 %); 36 procedural clips of 24 s,
          about 400 samples. It is more like the gap's two edges, near which it is, in 97 % and
          99 %.

    The paper embeds with CLIP; `thumbnail` (ours) needs no weights. Its values for the number of
    frames, targets and distractors and for the threshold are not known: those here are ours, and
    so are the prompt and the levels. A video that is longer than its key frames is looked at
    from anywhere.

    Floors: chance is exact for every setting. A guess of K among P = K + l candidates selects
    K / P of the targets, puts 1 / P in place and is exact with probability l! / P!; with the
    selection weight w and order "position" it earns
    `discount * (w * K / P + (1 - w) / P) + (1 - discount) * l! / P!`. Every sequence is equally
    likely, so the best constant comes down to chance as a set grows; beside it what it earned on
    about 400 samples, the best of all sequences (hard: of the true ones):

        level     K   l    chance    best constant
        easy      2   2    0.2292    0.2435
        medium    3   3    0.1708    0.1798
        hard      4   8    0.1042    0.1161

    Args:
        fps: frames looked at for each second (MVP: 1), from a random start and for at most
            64 num_frames / fps seconds (ours).
        num_frames: key frames at most (MVP: N); a frame is one if it differs from the last.
        min_frames: fewer key frames than this are a skip (ours).
        max_similarity: cosine above which two frames count as the same (MVP: kappa).
        num_targets: hidden key frames (MVP: K).
        num_distractors: MVP: l.
        source: "runs" (key frames of other hidden runs, which are cut out) or "between" (frames
            from between the key frames, as published).
        distractors: "random" ones, or the "closest": those that look most like the targets.
        neighborhood: how many key frames away from the hidden run distractors may be.
        embedder: name in `kuleshov.features.EMBEDDERS`, or a CLIP, SigLIP, DINOv2 or BLIP-2
            model by its Hugging Face name or folder.
        stills: a candidate is a "video" of two equal frames, or an "image".
        discount: what a sequence that is not exact can earn at most.
        selection_weight: share of selection in that, the rest is order.
        order: "position" (right at the right place), "prefix" (right from the start),
            "lcs" (longest common subsequence) or "pairs" (pairs in the right order).
    """

    name: ClassVar[str] = "masked"
    about_order: ClassVar[bool] = True
    LEVELS: ClassVar[dict[str, dict[str, Json]]] = {
        "easy": {"num_targets": 2, "num_distractors": 2},
        "medium": {},
        "hard": {
            "num_frames": 24,
            "min_frames": 18,
            "num_targets": 4,
            "num_distractors": 8,
            "neighborhood": 16,
            "distractors": "closest",
        },
    }

    fps: float = 1.0
    num_frames: int = 16
    min_frames: int = 9
    max_similarity: float = 0.95
    num_targets: int = 3
    num_distractors: int = 3
    source: Literal["runs", "between"] = "runs"
    distractors: Literal["random", "closest"] = "random"
    neighborhood: int = 8
    embedder: str = "thumbnail"
    stills: Literal["video", "image"] = "video"
    discount: float = 0.5
    selection_weight: float = 0.5
    order: Literal["position", "prefix", "lcs", "pairs"] = "position"

    def __post_init__(self) -> None:
        for knob, value, allowed in (
            ("source", self.source, SOURCES),
            ("distractors", self.distractors, ("closest", "random")),
            ("stills", self.stills, STILLS),
            ("order", self.order, ORDERS),
        ):
            if value not in allowed:
                raise unknown_name(f"{knob} of masked", value, allowed)
        k, others = self.num_targets, self.num_distractors
        least = SOURCES[self.source].least(k, others) if k > 0 <= others else 0
        if not 0 < least <= self.min_frames <= self.num_frames:
            raise UsageError(
                f"masked: num_targets {k}, num_distractors {others}, min_frames "
                f"{self.min_frames}, num_frames {self.num_frames}; need num_targets >= 1, "
                f"num_distractors >= 0 and {least or 'enough'} <= min_frames <= num_frames, so "
                "that a frame stays on both sides of what is hidden"
            )
        if self.neighborhood < (reach := SOURCES[self.source].reach(k, others)):
            raise UsageError(
                f"masked: neighborhood {self.neighborhood} does not hold {others} distractors; "
                f"need {reach} or more"
            )

    @classmethod
    def paper(cls) -> Self:
        return cls(source="between")

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        least = (self.min_frames - 1) / self.fps
        if video.duration < least:
            reason = f"{video.duration:.2f} s long, needs {least:g} s (knobs min_frames and fps)"
            return Skip(video.path, reason, self.name)
        # Anywhere, if as many frames as are wanted can follow.
        room = video.duration - (self.num_frames - 1) / self.fps
        early = min(1 / self.fps, video.duration - least)
        seconds, vectors, keys = self._look(video, video.start + rng.uniform(0, max(room, early)))
        if len(keys) < self.min_frames:
            reason = (
                f"different frames at {self.fps:g} fps: {len(keys)}, needs {self.min_frames} "
                "(knobs min_frames and max_similarity)"
            )
            return Skip(video.path, reason, self.name)
        hidden = SOURCES[self.source].hide(
            keys,
            vectors,
            length=self.num_targets,
            distractors=self.num_distractors,
            reach=self.neighborhood,
            max_similarity=self.max_similarity,
            closest=self.distractors == "closest",
            rng=rng,
        )
        if hidden is None:
            reason = (
                f"no run of {self.num_targets} frames with {self.num_distractors} unlike it "
                "(knobs max_similarity and neighborhood)"
            )
            return Skip(video.path, reason, self.name)
        return self._question(video, seconds, hidden, rng)

    def _look(self, video: Video, start: float) -> tuple[list[float], Vectors, list[int]]:
        """Times from `start` on, vectors of the frames there, and which of them are key frames.

        No further than needed, and never further than `FURTHEST`: a video may be hours long.
        """
        per_step = SOURCES[self.source].per_step
        end = min(video.end, start + FURTHEST * self.num_frames / self.fps)
        seconds = np.arange(start, end, 1 / (per_step * self.fps)).tolist()
        at_once = 2 * self.num_frames * per_step
        found: list[Vectors] = []
        for i in range(0, len(seconds), at_once):
            found.append(features(video, seconds[i : i + at_once], self.embedder))
            vectors = np.concatenate(found)
            steps = range(0, len(vectors), per_step)
            keys = key_frames(vectors, steps, self.max_similarity, self.num_frames)
            if len(keys) == self.num_frames:
                break
        return seconds, vectors, keys

    def _question(
        self, video: Video, seconds: list[float], hidden: Hidden, rng: np.random.Generator
    ) -> Sample:
        height, width = self.frame_size(video)
        context, targets, distractors = hidden
        pool = rng.permutation([*targets, *distractors]).tolist()
        frames = tuple(
            Frame(video.id, round(seconds[k], 6), round(seconds[k] - seconds[context[0]], 6))
            for k in context
        )
        first = context.index(targets[0])
        grey = {"edit": "grey", "start": first, "stop": first + self.num_targets}
        placeholder, count = STILLS[self.stills]
        stills = [
            MediaItem((Frame(video.id, round(seconds[i], 6), 0.0),) * count, height, width)
            for i in pool
        ]
        numbers = range(1, len(pool) + 1)
        prompt = PROMPT.format(
            k=self.num_targets,
            candidates="".join(f"Candidate {i}: {placeholder}\n" for i in numbers),
            example=self.write([*numbers[::-2], *numbers][: self.num_targets]),
        )
        answer = [pool.index(target) + 1 for target in targets]
        media = [MediaItem(frames, height, width, (grey,)), *stills]
        return self.sample([video], media, prompt, answer, chance=self._chance())

    def _chance(self) -> float:
        """Mean reward over all sequences; the same for every truth, by symmetry."""
        k, pool = self.num_targets, self.num_targets + self.num_distractors
        selection, order = k / pool, ORDERS[self.order].chance(k, pool)
        mix = self.selection_weight * selection + (1 - self.selection_weight) * order
        # The one exact sequence has a mix of 1, and earns 1 instead of `discount`.
        return self.discount * mix + (1 - self.discount) / perm(pool, k)

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return (rng.permutation(len(sample.media) - 1)[: self.num_targets] + 1).tolist()

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """Every sequence, or the true ones of the set where there are too many."""
        pool = len(samples[0].media) - 1
        if perm(pool, self.num_targets) > 5040:
            return [sample.answer for sample in samples]
        return [list(order) for order in permutations(range(1, pool + 1), self.num_targets)]

    def units(self, sample: Sample) -> list[Unit]:
        """Is this candidate one of the hidden frames?"""
        return [
            Unit((Part(i, 0, len(item.frames)),), i in sample.answer)
            for i, item in enumerate(sample.media[1:], 1)
        ]

    def switched_off(self, sample: Sample) -> Sample:
        """The same candidates for a video that shows nothing."""
        context, *stills = sample.media
        return replace(sample, media=(context.edited({"edit": "grey"}), *stills))

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        return ",".join(map(str, answer))

    def parse(self, text: str, sample: Sample) -> Json:
        if not _NUMBERS.fullmatch(text):
            return None
        numbers = [int(number) for number in text.split(",")]
        pool = range(1, len(sample.media))
        valid = len(numbers) == len(set(numbers)) == self.num_targets
        return numbers if valid and all(number in pool for number in numbers) else None

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        selection = len(set(answer) & set(truth)) / len(truth)
        order = ORDERS[self.order](answer, truth)
        mix = self.selection_weight * selection + (1 - self.selection_weight) * order
        exact = float(answer == truth)
        total = 1.0 if exact else self.discount * mix
        return {"selection": selection, "order": order, "exact": exact, "total": total}
