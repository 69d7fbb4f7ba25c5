"""What every task must do, in both settings. A new task is tested by being in `TASKS`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.dataset import schema
from kuleshov.donors import Lender
from kuleshov.edits import apply
from kuleshov.errors import UsageError
from kuleshov.frames import decode
from kuleshov.media import render
from kuleshov.read import read
from kuleshov.reward import wrap
from kuleshov.sample import Json, Sample, Video
from kuleshov.synthesize import MakeConfig, synthesize
from kuleshov.tasks import SETTINGS, TASKS, Task, build, score, task_of

EVERY = [(name, setting) for name in TASKS for setting in SETTINGS]
# Procedural clips change less from second to second than real ones: more counts as different.
# They have 12 frames a second, too few for the default speeds.
KNOBS: dict[str, dict[str, Json]] = {
    "masked": {"max_similarity": 0.999, "fps": 2.0},
    "speed": {"num_frames": 12},
}
BORROWING = ("odd_clip",)

Made = dict[tuple[str, str], list[Sample]]
both_settings_of_every_task = pytest.mark.parametrize(("name", "setting"), EVERY)


def the_task(name: str, setting: str) -> Task:
    return build(name, setting, KNOBS.get(name))


def make_all(videos: list[Video], name: str, setting: str) -> list[Sample]:
    config = MakeConfig(
        workers=0, tasks={name: KNOBS.get(name, {})}, setting=setting, per_video=2, seed=5
    )
    lenders = [Lender(video, video.id) for video in videos]
    results = [r for v in videos for r in synthesize(v, config.built(), lambda _: lenders, config)]
    return [result for result in results if isinstance(result, Sample)]


@pytest.fixture(scope="module")
def videos(clips: Path) -> list[Video]:
    found = [item for item in read(clips) if isinstance(item, Video)]
    return sorted(found, key=lambda video: video.id)


@pytest.fixture(scope="module")
def made(videos: list[Video]) -> Made:
    return {key: make_all(videos, *key) for key in EVERY}


@both_settings_of_every_task
def test_every_long_clip_gives_samples(made: Made, name: str, setting: str) -> None:
    assert len(made[name, setting]) >= 8


@both_settings_of_every_task
def test_the_true_answer_earns_exactly_one(made: Made, name: str, setting: str) -> None:
    for sample in made[name, setting]:
        task = task_of(sample)
        reward = task.score(sample, task.completion(sample.answer))
        assert reward.total == 1.0
        assert reward.answer == sample.answer


def shape(text: str) -> str:
    """A written answer without its digits: how many numbers, with what between, of which form."""
    return re.sub(r"\d+", lambda m: "#", re.sub(r"\.(\d+)", lambda m: "." + "d" * len(m[1]), text))


@pytest.mark.parametrize("times", [1, 13, 90])
@both_settings_of_every_task
def test_the_true_answer_is_written_as_the_prompt_asks(
    made: Made, videos: list[Video], name: str, setting: str, times: int
) -> None:
    """With as many decimals, in the form of the example, or by a letter that is listed."""
    longer = [replace(v, end=v.start + times * v.duration) for v in videos]
    looks = name == "masked"  # which decodes; its answers are numbers of candidates
    samples = made[name, setting] if times == 1 or looks else make_all(longer, name, setting)
    if times == 1:
        assert samples
    for sample in samples:
        text = task_of(sample).write(sample.answer, sample)
        if example := re.search(r"for example (\S+)\. ", f"{sample.prompt} "):
            # Numbers of several digits may stand where the example has one.
            assert shape(text) == shape(example[1])
        if decimals := re.search(r"(\d+) decimals?\b", sample.prompt):
            found = [len(number.partition(".")[2]) for number in re.findall(r"\d+\.?\d*", text)]
            assert found and set(found) == {int(decimals[1])}
        if options := re.findall(r"^([A-Z])\. ", sample.prompt, re.MULTILINE):
            assert text in options
        told = example or options or "yes or no" in sample.prompt or name == "odd_clip"
        assert told, sample.prompt


@both_settings_of_every_task
@pytest.mark.parametrize(
    "nonsense", ["", " ", "I cannot tell.", "answer", "-", "<answer></answer>", "7" * 5000]
)
def test_nonsense_earns_nothing(made: Made, name: str, setting: str, nonsense: str) -> None:
    sample = made[name, setting][0]
    for completion in (nonsense, wrap(nonsense, sample.form)):
        reward = score(sample, completion)
        assert (reward.total, reward.answer) == (0.0, None)


@both_settings_of_every_task
@pytest.mark.parametrize("joiner", [" ", ", ", " or ", "\n", ";"])
def test_two_answers_earn_nothing(made: Made, name: str, setting: str, joiner: str) -> None:
    rng = np.random.default_rng(0)
    for sample in made[name, setting]:
        task = task_of(sample)
        other = sample.answer
        while other == sample.answer:
            other = task.guess(sample, rng)
        texts = [task.write(sample.answer), task.write(other)]
        together = wrap(joiner.join(texts), sample.form)
        apart = joiner.join(wrap(text, sample.form) for text in texts)
        assert score(sample, together).total == 0.0
        assert score(sample, apart).total == 0.0


@both_settings_of_every_task
def test_a_guess_earns_the_stated_chance(made: Made, name: str, setting: str) -> None:
    for sample in made[name, setting][:3]:
        task = task_of(sample)
        rng = np.random.default_rng(1)
        earned = [score(sample, task.completion(task.guess(sample, rng))).total for _ in range(500)]
        standard_error = np.std(earned, ddof=1) / np.sqrt(500)
        assert abs(np.mean(earned) - sample.chance) <= 3 * standard_error


@both_settings_of_every_task
def test_rewards_do_not_depend_on_the_form(made: Made, name: str, setting: str) -> None:
    rng = np.random.default_rng(2)
    sample = made[name, setting][0]
    text = task_of(sample).write(task_of(sample).guess(sample, rng))
    tagged, direct = (replace(sample, form=form) for form in ("tagged", "direct"))
    assert score(tagged, wrap(text, "tagged")) == score(direct, wrap(text, "direct"))


@both_settings_of_every_task
@given(completion=st.text(max_size=60))
def test_any_completion_earns_something_in_range(
    made: Made, name: str, setting: str, completion: str
) -> None:
    sample = made[name, setting][0]
    for text in (completion, wrap(completion, sample.form)):
        assert 0.0 <= score(sample, text).total <= 1.0


@both_settings_of_every_task
def test_other_videos_and_their_order_change_nothing(
    made: Made, videos: list[Video], name: str, setting: str
) -> None:
    wanted = {sample.id: sample for sample in made[name, setting]}
    some = [videos[4], videos[1], videos[3]]
    again = make_all(some, name, setting)
    # What is borrowed changes when its donor comes or goes, and the ids tell.
    kept = [sample for sample in again if wanted[sample.id].video_ids == sample.video_ids]
    assert kept and all(wanted[sample.id] == sample for sample in kept)
    assert len(kept) == len(again) or name in BORROWING


@both_settings_of_every_task
def test_ids_are_unique(made: Made, name: str, setting: str) -> None:
    ids = [sample.id for sample in made[name, setting]]
    assert len(set(ids)) == len(ids)


@both_settings_of_every_task
def test_samples_survive_json_and_parquet(
    made: Made, name: str, setting: str, tmp_path: Path
) -> None:
    samples = made[name, setting]
    assert [Sample.from_json(sample.to_json()) for sample in samples] == samples
    table = pa.Table.from_pylist([sample.to_row() for sample in samples], schema=schema())
    pq.write_table(table, tmp_path / "s.parquet")
    rows = pq.read_table(tmp_path / "s.parquet").to_pylist()
    assert [Sample.from_row(row) for row in rows] == samples


@both_settings_of_every_task
def test_rendered_media_match_the_recipe_frame_by_frame(
    made: Made, clips: Path, name: str, setting: str
) -> None:
    sample = made[name, setting][0]
    paths = {video["id"]: clips / video["path"] for video in sample.provenance["videos"]}
    rendered = render(sample, clips)
    assert len(rendered) == len(sample.placeholders)
    for item, pixels in zip(sample.media, rendered, strict=True):
        size = (item.height, item.width)
        # Each frame decoded by itself: nothing is carried over from frame to frame.
        alone = [decode(paths[f.video_id], [f.source_seconds], size)[0] for f in item.frames]
        assert (apply(np.stack(alone), item.edits) == pixels).all()


@both_settings_of_every_task
def test_knobs_build_the_task_again(made: Made, name: str, setting: str) -> None:
    sample = made[name, setting][0]
    assert task_of(sample) == the_task(name, setting)
    assert TASKS[name]() == build(name) and TASKS[name].paper() == build(name, "paper")


@both_settings_of_every_task
def test_the_best_constant_is_an_answer_of_the_task(made: Made, name: str, setting: str) -> None:
    samples = made[name, setting]
    task = task_of(samples[0])
    candidates = list(task.candidates(samples))
    assert candidates
    for candidate in candidates[:50]:
        assert score(samples[0], task.completion(candidate)).answer == candidate


@both_settings_of_every_task
def test_frame_counts_are_even_or_one_for_an_image(made: Made, name: str, setting: str) -> None:
    # Video models merge frames in pairs and repeat the last of an odd number.
    for sample in made[name, setting]:
        for placeholder, item in zip(sample.placeholders, sample.media, strict=True):
            count = len(item.frames)
            assert count == 1 if placeholder == "<image>" else count % 2 == 0


@pytest.mark.parametrize(
    ("name", "level"), [(name, level) for name in TASKS for level in TASKS[name].LEVELS]
)
def test_a_level_is_a_setting_with_some_knobs_changed(name: str, level: str) -> None:
    task = build(name, knobs={"level": level})
    assert task == TASKS[name].level(level) == build(name, knobs=task.knobs())
    for knob, value in TASKS[name].LEVELS[level].items():
        assert task.knobs()[knob] == value
    # Single knobs win, and the other settings have the same levels.
    direct = build(name, "paper", {"level": level, "size_multiple": 28})
    assert (direct.size_multiple, direct.form) == (28, TASKS[name].paper().form)


@both_settings_of_every_task
def test_the_audit_can_take_every_question_apart(made: Made, name: str, setting: str) -> None:
    for sample in made[name, setting]:
        units = task_of(sample).units(sample)
        assert {unit.label for unit in units} == {True, False}
        for part in (part for unit in units for part in unit.parts):
            assert 0 <= part.start < part.stop <= len(sample.media[part.item].frames)


@both_settings_of_every_task
def test_switching_the_effect_off_keeps_everything_but_the_media(
    made: Made, clips: Path, name: str, setting: str
) -> None:
    for sample in made[name, setting]:
        off = task_of(sample).switched_off(sample)
        if off is None:
            return
        assert replace(off, media=sample.media) == sample
        assert [len(i.frames) for i in off.media] == [len(i.frames) for i in sample.media]
        with_effect, without = (np.concatenate(render(s, clips)) for s in (sample, off))
        if (with_effect != without).any():
            return
    # Where the true answer is that nothing was done, nothing can be switched off.
    raise AssertionError("no sample changes when its effect is switched off")


def test_tasks_need_no_deep_learning_library() -> None:
    blocked = "; ".join(
        f"sys.modules[{name!r}] = None" for name in ("torch", "transformers", "trl", "datasets")
    )
    code = f"import sys; {blocked}; import kuleshov.tasks, kuleshov.synthesize, kuleshov.cli"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build("jigzaw"), "unknown task 'jigzaw'; did you mean 'jigsaw'"),
        (lambda: build("jigsaw", "papper"), "unknown setting 'papper'; did you mean 'paper'"),
        (lambda: build("jigsaw", knobs={"num_clip": 4}), "did you mean 'num_clips'"),
        (lambda: build("jigsaw", knobs={"num_clips": "six"}), "wrong kind"),
        (lambda: build("jigsaw", knobs={"level": "hrad"}), "unknown level of jigsaw 'hrad'; did"),
        (lambda: TASKS["jigsaw"].level("hrad"), "unknown level of jigsaw 'hrad'; did"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(
    call: Callable[[], Task], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        call()
