from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kuleshov.dataset import load_samples
from kuleshov.sample import Sample
from tests.evaluate.adapters.conftest import rows

Sets = Callable[[str], Path]


def test_each_track_is_asked_in_its_wording(sets: Sets) -> None:
    samples = {s.provenance["published"]["key"]: s for s in load_samples(sets("video_mmmu"))}
    assert samples["Perception/perception_1"].prompt == (
        "<video>\nWhat is it? <image 1>\nA. a fugue\nB. a sonata\nC. a rondo\n"
        "Please ignore the Quiz question in last frame of the video.\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert samples["Adaptation/adaptation_2"].prompt == (
        "<video>\nYou should watch and learn the video content. Then apply what you learned to "
        "answer the following question. The image for this question is at the end of the video.\n"
        "What is it? <image 1>\nAnswer the question using a single word or phrase."
    )


def test_accuracy_of_each_track_with_open_questions_compared_as_texts(sets: Sets) -> None:
    def say(sample: Sample) -> str:
        other = "B" if sample.answer == "C" else "42."
        return {"Perception": "A", "Comprehension": "C"}.get(sample.entry, other)

    found = rows("video_mmmu", sets("video_mmmu"), say)
    assert {name: row.value for (name, _), row in found.items() if not row.why} == {
        "overall": 0.5,
        "Perception": 0.0,
        "Comprehension": 1.0,
        "Adaptation": 0.5,
    }


def test_the_picture_at_the_end_is_always_shown(sets: Sets) -> None:
    # 16 frames in 4 s: the last one is on screen from 3.75 s to 4 s.
    for sample in load_samples(sets("video_mmmu")):
        last = sample.media[0].frames[-1].source_seconds
        assert last == (3.875 if sample.entry == "Adaptation" else 3.5)
