"""What every adapter must do, on a miniature. A new one is tested by being in `ADAPTERS`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kuleshov.controls import CONTROLS, control
from kuleshov.dataset import load_samples, load_summary, videos_root
from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters import ADAPTERS
from kuleshov.evaluate.adapters.importing import import_benchmark
from kuleshov.evaluate.adapters.table import benchmark_of, table
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.policies import POLICIES, evaluate_policy
from kuleshov.media import Renderer
from kuleshov.sample import Reward, Sample
from kuleshov.tasks import score, task_of
from tests.evaluate.adapters.conftest import CONFIG, rows
from tests.evaluate.adapters.miniatures import MINIATURES

Sets = Callable[[str], Path]
every_benchmark = pytest.mark.parametrize("name", ADAPTERS)


def truth(sample: Sample) -> str:
    return task_of(sample).completion(sample.answer)


def test_every_adapter_has_a_miniature() -> None:
    assert list(MINIATURES) == list(ADAPTERS)


@every_benchmark
def test_a_miniature_becomes_a_held_out_set(name: str, sets: Sets) -> None:
    samples = load_samples(sets(name))
    summary = load_summary(sets(name))
    assert samples and load_samples(sets(name), "held_out") == samples
    assert summary["skips"] == 0 and summary["missing"] == []
    assert benchmark_of(sets(name)) == name
    assert len({sample.id for sample in samples}) == len(samples)
    for sample in samples:
        assert sample.prompt.startswith("<video>\n") and sample.prompt.count("<video>") == 1
        assert sample.provenance["published"]["benchmark"] == name
        assert Sample.from_json(sample.to_json()) == sample


@every_benchmark
def test_the_true_answers_are_worth_everything(name: str, sets: Sets) -> None:
    found = rows(name, sets(name), truth)
    for row in found.values():
        assert (row.value, row.failures) == (1.0, 0.0) or row.why
    # The headline is first and there is at least one figure that is computed.
    assert next(iter(found.values())).value == 1.0


@every_benchmark
@pytest.mark.parametrize("text", ["", " . ", "<think>A, 4, yes, 1 - 2</think>"])
def test_no_answer_is_wrong_counted_and_shown(name: str, text: str, sets: Sets) -> None:
    for row in rows(name, sets(name), lambda _: text).values():
        assert (row.value, row.failures) == (0.0, 1.0) or row.why


@every_benchmark
def test_words_without_an_answer_are_none(name: str, sets: Sets) -> None:
    # Any words are an answer where a text is asked for, and an answer may be wrong.
    samples = [s for s in load_samples(sets(name)) if s.task not in ("given_text", "given_caption")]
    for text in ("I cannot tell.", "A man walks by.", "???", "x" * 10_000):
        for sample in samples:
            assert score(sample, text) == Reward(0.0)


@every_benchmark
def test_what_is_not_computed_has_no_value(name: str, sets: Sets) -> None:
    found = rows(name, sets(name), truth)
    for metric, why in ADAPTERS[name].not_computed.items():
        row = found["overall", metric]
        assert (row.value, row.why) == (None, why) and f"not computed, {why}" in row.cells()


@every_benchmark
def test_frames_can_be_rendered_under_every_condition(name: str, sets: Sets) -> None:
    sample = load_samples(sets(name))[0]
    render = Renderer(videos_root(sets(name)))
    for condition in ("full", *CONTROLS):
        (pixels,) = render(control(sample, condition))
        assert len(pixels) == CONFIG.num_frames


@every_benchmark
@pytest.mark.parametrize("policy", POLICIES)
def test_floors_are_scored_by_the_same_path(
    name: str, policy: str, sets: Sets, tmp_path: Path
) -> None:
    results = evaluate_policy(policy, sets(name), tmp_path, EvalConfig())
    found = table(name, load_samples(sets(name)), results)
    assert found[0].value is not None and 0 <= found[0].value <= 1


@every_benchmark
def test_the_same_files_give_the_same_set(
    name: str, sets: Sets, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    import_benchmark(name, folders(name), tmp_path / "again", CONFIG)
    assert load_samples(tmp_path / "again") == load_samples(sets(name))


@every_benchmark
def test_a_folder_without_its_files_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no .*docs/benchmarks_published\.md"):
        import_benchmark(name, tmp_path, tmp_path / "out", CONFIG)


@every_benchmark
def test_a_missing_video_is_named_and_stops_the_import(
    name: str, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(folders(name), folder)
    gone = next(iter(sorted(folder.rglob("*.mp4"))))
    gone.unlink()
    with pytest.raises(UsageError, match=rf"1 of \d+ videos are missing: .*{gone.stem}") as error:
        import_benchmark(name, folder, tmp_path / "out", CONFIG)
    assert "--go-on" in str(error.value)
    assert gone.stem in (tmp_path / "out" / "missing.txt").read_text()
