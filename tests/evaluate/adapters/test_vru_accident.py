from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.importing import import_benchmark
from kuleshov.evaluate.adapters.vru_accident import CAPTION
from tests.evaluate.adapters.conftest import CONFIG, rows
from tests.evaluate.adapters.miniatures import clip, to_json

Sets = Callable[[str], Path]


def test_questions_say_already_that_a_letter_is_wanted(sets: Sets) -> None:
    assert load_samples(sets("vru_accident"))[0].prompt == (
        "<video>\nChoose the answer from A, B, C, or D without any explanations.\n"
        "A. a car\nB. a bus, or a tram\nC. none\nD. a bike"
    )


def test_overall_is_the_mean_of_the_categories(sets: Sets) -> None:
    say = {"Weather & Light": "B", "Road Type": "C"}
    found = rows("vru_accident", sets("vru_accident"), lambda s: say[s.entry])
    assert {name: row.value for (name, _), row in found.items()} == {
        "overall": 0.5,
        "Road Type": 0.0,
        "Weather & Light": 1.0,
    }
    assert found["overall", "mean of categories"].videos == 4


def test_captions_have_unstemmed_rouge_and_no_figure_for_what_is_not_computed(sets: Sets) -> None:
    assert load_samples(sets("vru_accident_captions"))[0].prompt == f"<video>\n{CAPTION}"
    found = rows("vru_accident_captions", sets("vru_accident_captions"), lambda _: "A car hits.")
    # 3 of 3 and of 10 words: 2 * 3 / 13; 2 of 2 and of 9 pairs: 2 * 2 / 11.
    assert found["overall", "rouge_1_unstemmed"].value == pytest.approx(6 / 13)
    assert found["overall", "rouge_2_unstemmed"].value == pytest.approx(4 / 11)
    assert found["overall", "rouge_l_unstemmed"].value == pytest.approx(6 / 13)
    for metric, needs in (("SPICE", "Java"), ("METEOR", "download"), ("COMET", "download")):
        row = found["overall", metric]
        assert row.value is None and needs in row.why


def test_videos_of_the_same_name_are_told_apart_by_their_data_set(tmp_path: Path) -> None:
    for source in ("CAP_DATA", "DoTA"):
        clip(tmp_path / source / "videos" / "000001.mp4")
        row = {"question": "Which?", "options": "A. x, B. y", "GT": "A"}
        to_json(tmp_path / f"{source}_VQA.json", {"000001.mp4": {"Road Type": row}})
    import_benchmark("vru_accident", tmp_path, tmp_path / "out", CONFIG)
    paths = [s.provenance["videos"][0]["path"] for s in load_samples(tmp_path / "out")]
    assert paths == ["CAP_DATA/videos/000001.mp4", "DoTA/videos/000001.mp4"]
    clip(tmp_path / "DoTA" / "more" / "000001.mp4")
    with pytest.raises(UsageError, match="has 2 videos called 000001: DoTA/more/000001"):
        import_benchmark("vru_accident", tmp_path, tmp_path / "out", CONFIG)


@pytest.mark.parametrize(
    "options",
    ["A. x, B. y z", "A. x\nB. y z", "A) x; B) y z", ["A. x", "B. y z"], {"A": "x", "B": "y z"}],
)
def test_options_in_the_forms_they_may_have(options: object, tmp_path: Path) -> None:
    clip(tmp_path / "v.mp4")
    row = {"question": "Which?", "options": options, "GT": "B. y z"}
    to_json(tmp_path / "VQA.json", {"v": {"Road Type": row}})
    import_benchmark("vru_accident", tmp_path, tmp_path / "out", CONFIG)
    (sample,) = load_samples(tmp_path / "out")
    assert sample.prompt == "<video>\nWhich?\nA. x\nB. y z" and sample.answer == "B"
