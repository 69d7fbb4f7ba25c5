from __future__ import annotations

import numpy as np
import pytest

from kuleshov.edits import apply
from kuleshov.errors import UsageError
from kuleshov.sample import Sample
from kuleshov.tasks.turned import DESCRIPTIONS, Turned
from tests.conftest import a_video


def a_sample(task: Turned, seed: int = 0) -> Sample:
    result = task.synthesize(a_video(num_frames=480), np.random.default_rng(seed), lambda n: [])
    assert isinstance(result, Sample)
    return result


def test_the_answer_describes_the_edit_of_one_segment() -> None:
    seen = set()
    for seed in range(30):
        sample = a_sample(Turned(), seed)
        (edit,) = sample.media[0].edits
        assert Turned().right(sample) == DESCRIPTIONS[edit["edit"]]
        assert 8 <= edit["stop"] - edit["start"] <= 16
        assert edit["start"] >= 0 and edit["stop"] <= 48
        seen.add(edit["edit"])
    assert seen == set(DESCRIPTIONS)


def test_every_kind_does_something_else() -> None:
    # One pixel at row 0, column 1 of 6 x 6.
    frames = np.zeros((1, 6, 6, 3), np.uint8)
    frames[0, 0, 1] = 200
    edited = {kind: apply(frames, [{"edit": kind}])[0, :, :, 0] for kind in DESCRIPTIONS}
    assert {kind: np.argwhere(picture).tolist() for kind, picture in edited.items()} == {
        "flip": [[5, 1]],
        "mirror": [[0, 4]],
        "rotate180": [[5, 4]],
        "rotate270": [[4, 0]],
        "rotate90": [[1, 5]],
    }


def test_kinds_are_the_options() -> None:
    sample = a_sample(Turned(kinds=("mirror", "flip")))
    assert sample.chance == 0.5
    assert len(Turned().options(sample)) == 2


def test_switched_off_changes_nothing_in_the_same_segment() -> None:
    sample = a_sample(Turned())
    (edit,), (off,) = sample.media[0].edits, Turned().switched_off(sample).media[0].edits
    assert off == {"edit": "nothing", "start": edit["start"], "stop": edit["stop"]}


def test_knobs_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown turned kind 'miror'; did you mean 'mirror'"):
        Turned(kinds=("miror", "flip"))
    for kinds in [("mirror",), ("mirror", "mirror")]:
        with pytest.raises(UsageError, match="need two or more"):
            Turned(kinds=kinds)
    with pytest.raises(UsageError, match="segments of 8 to 49 frames do not fit 48 frames"):
        Turned(max_segment=49)
