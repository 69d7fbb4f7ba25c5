"""How a sample becomes a pair: which frames are its key frames.

evidence    the frames that a pretext answer depends on             ours, no captions
change      peaks of the change of features                        ours, no captions
motion      peaks of motion                                        ours, no captions
novelty     peaks of how unlike the others a frame is              ours, no captions
relevance   peaks of the similarity to the keywords of its text    VideoPerceiver, eq. (1), (2)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

from kuleshov.errors import UsageError, unknown_name
from kuleshov.features import embedder
from kuleshov.features.pretrained import ALIGNED, Pretrained
from kuleshov.keywords import extracted
from kuleshov.locations import Remote
from kuleshov.pairs import First, Pair, Place, evidence, pair, without_effect
from kuleshov.peaks import Curve, Peaks
from kuleshov.randomness import rng_for
from kuleshov.salience import change, motion, novelty, relevance, seen
from kuleshov.sample import Sample
from kuleshov.sparse import sparse_sample
from kuleshov.tasks.labelled import Labelled, text_of

KEYS = ("change", "evidence", "motion", "novelty", "relevance")
"""Where key frames come from."""

Keywords = Callable[[str], list[str]]
"""A caption or question to its keywords."""

BLIP2 = "Salesforce/blip2-itm-vit-g"
_OF_VECTORS = {"change": change, "novelty": novelty}
_MOTION_SIZE = (32, 32)


class Paired(NamedTuple):
    """A pair and what its key frames were found by.

    Args:
        pair: the samples.
        curves: of each media item; empty where key frames are not the peaks of a curve.
        words: the keywords, if any.
    """

    pair: Pair
    curves: tuple[Curve, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """Samples to pairs.

    Args:
        keys: where key frames come from, in `KEYS`.
        random: take as many frames of each media item at random instead (the paper's ablation A).
        peaks: which peaks of a curve count.
        first: what a key frame shows that has nothing before it; None for "following" by
            "evidence", of which nothing is to be left, and "itself" by the others.
        model: embeds frames and keywords, for "relevance" (the paper: BLIP-2 for frames and
            BERT for keywords, which are in no common space; here both are of one model).
        embedder: of frames, for "change" and "novelty".
        share: of key frames, down to which frames are added where nothing happens (the paper: 0.05
            for MM-AU); None to add none. To captions and questions alone: edits count frames.
        fps: of the added frames.
        seed: of random frames.
    """

    keys: str = "evidence"
    random: bool = False
    peaks: Peaks = field(default_factory=Peaks)
    first: First | None = None
    model: str = BLIP2
    embedder: str = "thumbnail"
    share: float | None = None
    fps: float = 8.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.keys not in KEYS:
            raise unknown_name("source of key frames", self.keys, KEYS)
        if self.first not in (None, "itself", "following"):
            raise UsageError(f"pairs: first is {self.first!r}; allowed: itself, following")

    @classmethod
    def paper(cls) -> Self:
        """Every strict local maximum of the similarity to the keywords."""
        return cls(keys="relevance", peaks=Peaks.paper(), first="itself")

    def takes(self, sample: Sample) -> bool:
        """Whether it is for this sample: relevance is for captions and questions alone."""
        return self.keys != "relevance" or sample.task == Labelled.name

    def __call__(
        self, sample: Sample, root: Path | Remote | str, keywords: Keywords = extracted
    ) -> Paired | None:
        """A sample as a pair; None where it has no key frame.

        Where the answer depends on all frames of a media item, such as the order of clips, none is
        left to stay on screen: the effect is switched off instead (pairs.py).

        Args:
            sample: any sample; for "relevance" one of a caption or question.
            root: the folder of videos that it was made from.
            keywords: finds them, for "relevance".

        Raises:
            UsageError: "relevance" of a sample that no text describes, or a model that cannot be
                used.
        """
        curves: tuple[Curve, ...] = ()
        words: tuple[str, ...] = ()
        if self.keys == "evidence":
            places = evidence(sample)
            counts = {item: sum(i == item for i, _ in places) for item, _ in places}
            if any(len(sample.media[item].frames) == count for item, count in counts.items()):
                found = None if self.random else without_effect(sample)
                return None if found is None else Paired(found)
        else:
            if self.keys == "relevance":
                if not self.takes(sample):
                    raise UsageError(
                        f"key frames by relevance need a caption or question, and {sample.task} "
                        "has none; take evidence, change, motion or novelty"
                    )
                words = tuple(keywords(text_of(sample)))
                if not words:
                    return None
            curves = self._curves(sample, root, words)
            places = [(i, t) for i, curve in enumerate(curves) for t in self.peaks(curve)]
        if self.random:
            places = self._at_random(sample, places)
        if self.share is not None and sample.task == Labelled.name:
            sample, places = sparse_sample(sample, places, self.share, self.fps)
            curves = ()  # they are of the frames before
        first: First = self.first or ("following" if self.keys == "evidence" else "itself")
        found = pair(sample, places, first)
        return None if found is None else Paired(found, curves, words)

    def _curves(
        self, sample: Sample, root: Path | Remote | str, words: tuple[str, ...]
    ) -> tuple[Curve, ...]:
        if self.keys == "motion":
            return tuple(motion(frames) for frames in seen(sample, root, _MOTION_SIZE))
        if self.keys in _OF_VECTORS:
            embed, curve = embedder(self.embedder), _OF_VECTORS[self.keys]
            return tuple(curve(embed(frames)) for frames in seen(sample, root, embed.size))
        model = _aligned(self.model)
        told = model.texts(words)
        return tuple(relevance(model(frames), told) for frames in seen(sample, root, model.size))

    def _at_random(self, sample: Sample, places: list[Place]) -> list[Place]:
        """As many frames of each media item, of those that have one before them."""
        drawn = []
        for i, item in enumerate(sample.media):
            count = min(sum(place[0] == i for place in places), len(item.frames) - 1)
            rng = rng_for("pairs", self.seed, sample.id, i)
            picked = 1 + rng.permutation(len(item.frames) - 1)[:count]
            drawn += [(i, t) for t in sorted(picked.tolist())]
        return drawn


@lru_cache(maxsize=1)
def _aligned(name: str) -> Pretrained:
    return Pretrained(name, ALIGNED)
