from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoProcessor
from typer.testing import CliRunner

from kuleshov import frames, media
from kuleshov.cli import app
from kuleshov.controls import CONTROLS, control
from kuleshov.dataset import load_samples, videos_root
from kuleshov.errors import UsageError
from kuleshov.evaluate.backends.backend import Request
from kuleshov.evaluate.backends.transformers import Transformers
from kuleshov.evaluate.compare import compare
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.results import load_results
from kuleshov.evaluate.runner import evaluate, requests
from kuleshov.generation import Sampling
from kuleshov.media import render
from kuleshov.run import environment
from kuleshov.tasks import score, task_of
from kuleshov.train.encode import Encoder
from kuleshov.trained_on import write_trained_on
from tests.train.conftest import OPEN_LINE, OPINIONATED, Setup, data, setup, thinking

__all__ = ["data", "setup"]
CONFIG = EvalConfig(batch_size=3, max_completion_tokens=6)


def test_every_item_is_answered_under_every_condition(setup: Setup, tmp_path: Path) -> None:
    results = evaluate(str(setup.folder), setup.data, tmp_path, CONFIG)
    samples = {sample.id: sample for sample in load_samples(setup.data, "held_out")}
    assert {(r.sample, r.condition) for r in results} == {
        (i, condition) for i in samples for condition in ("full", "blind")
    }
    for result in results:
        sample = samples[result.sample]
        reward = score(sample, result.completion)
        assert (result.score, result.answer) == (reward.total, reward.answer)
        assert result.num_frames == sum(len(item.frames) for item in sample.media)
        assert result.num_tokens is not None and result.num_tokens > 20
        # The processor has left the size as it was.
        assert result.sizes == [[item.height, item.width] for item in sample.media]
        assert result.seconds == [[f.shown_seconds for f in m.frames] for m in sample.media]
        metric = {"anomaly": "iou", "jigsaw": "exact"}[sample.task]
        assert result.scores == {**reward.parts, metric: result.scores[metric]}
        assert result.finish in ("stop", "length")
    # Grey frames of like sizes and times are the same for all.
    sent = {(r.sample, r.condition): r.sent for r in results}
    assert len({sent[i, "full"] for i in samples}) == len(samples)
    assert not {sent[i, "full"] for i in samples} & {sent[i, "blind"] for i in samples}


def test_answers_do_not_depend_on_the_batch(setup: Setup, tmp_path: Path) -> None:
    texts = []
    for size in (1, 4):
        config = EvalConfig(batch_size=size, max_completion_tokens=6, conditions=("full",))
        results = evaluate(str(setup.folder), setup.data, tmp_path / str(size), config)
        texts.append({r.sample: r.completion for r in results})
    assert texts[0] == texts[1]


def test_a_samples_video_is_decoded_once_for_all_conditions(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []

    def counted(path: Path, *args: Any) -> Any:
        decoded.append(path)
        return decode(path, *args)

    decode = frames.decode
    monkeypatch.setattr(media, "decode", counted)
    config = replace(CONFIG, conditions=("full", *CONTROLS))
    results = evaluate(str(setup.folder), setup.data, tmp_path, config)
    samples = load_samples(setup.data, "held_out")
    assert len(results) == 6 * len(samples) and len(decoded) == len(samples)


def test_requests_are_what_each_condition_shows(setup: Setup) -> None:
    sample, root = load_samples(setup.data, "held_out")[0], videos_root(setup.data)
    todo = [(sample, name, repeat) for name in ("full", "reversed", "blind") for repeat in (0, 1)]
    made = list(requests(todo, root, 0))
    assert [(r.condition, r.repeat) for r in made] == [(name, i) for _, name, i in todo]
    for request in made:
        alone = control(sample, request.condition)
        assert request.sample == alone
        shown = zip(request.pixels, render(alone, root), strict=True)
        assert all((given == own).all() for given, own in shown)
    assert len({request.seed for request in made}) == len(made)


def test_the_longest_prompts_come_first(setup: Setup, tmp_path: Path) -> None:
    results = evaluate(str(setup.folder), setup.data, tmp_path, CONFIG)
    frames = [r.num_frames * r.sizes[0][0] * r.sizes[0][1] for r in results]
    assert frames == sorted(frames, reverse=True)
    assert [r.condition for r in results] == ["full", "blind"] * (len(results) // 2)


def test_the_processor_is_asked_once_whether_it_tells_times(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Encoder] = []
    tells = Encoder.__dict__["tells_times"]

    def counted(encoder: Encoder) -> bool:
        asked.append(encoder)
        return bool(tells.func(encoder))

    once = cached_property(counted)
    once.__set_name__(Encoder, "tells_times")
    monkeypatch.setattr(Encoder, "tells_times", once)
    evaluate(str(setup.folder), setup.data, tmp_path, CONFIG)
    assert len(asked) == 1


def test_an_interrupted_run_asks_only_what_is_missing(setup: Setup, tmp_path: Path) -> None:
    whole = evaluate(str(setup.folder), setup.data, tmp_path, CONFIG)
    path = tmp_path / "results.jsonl"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:3]))
    asked: list[int] = []
    again = evaluate(
        str(setup.folder), setup.data, tmp_path, CONFIG, lambda _, done, total: asked.append(total)
    )
    assert asked[0] == len(whole) - 3
    assert {(r.sample, r.condition): r for r in again} == {
        (r.sample, r.condition): r for r in whole
    }
    assert len(load_results(tmp_path)) == len(whole)


def test_sampled_answers_follow_the_seed(setup: Setup, tmp_path: Path) -> None:
    texts = {}
    for name, seed in (("a", 0), ("again", 0), ("b", 1)):
        config = replace(CONFIG, temperature=1.0, seed=seed)
        results = evaluate(str(setup.folder), setup.data, tmp_path / name, config)
        texts[name] = [r.completion for r in results]
    assert texts["a"] == texts["again"] != texts["b"]


def test_an_interrupted_run_goes_on_with_the_same_draws(setup: Setup, tmp_path: Path) -> None:
    config = replace(CONFIG, temperature=1.0, batch_size=4)
    whole = evaluate(str(setup.folder), setup.data, tmp_path, config)
    path = tmp_path / "results.jsonl"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:4]))
    assert evaluate(str(setup.folder), setup.data, tmp_path, config) == whole


def test_results_of_another_model_are_not_mixed_in(setup: Setup, tmp_path: Path) -> None:
    evaluate(str(setup.folder), setup.data, tmp_path, CONFIG)
    with pytest.raises(UsageError, match="holds a run with model = "):
        evaluate("another", setup.data, tmp_path, CONFIG)


def test_a_split_without_samples_is_refused(setup: Setup, tmp_path: Path) -> None:
    from kuleshov.synthesize import MakeConfig, make
    from tests.train.conftest import TASKS

    videos = setup.encoder.render.root  # type: ignore[attr-defined]
    make(videos, tmp_path / "data", MakeConfig(workers=0, tasks=TASKS, held_out=0.0))
    with pytest.raises(UsageError, match="no samples in its held_out split"):
        evaluate(str(setup.folder), tmp_path / "data", tmp_path / "run", CONFIG)


def test_videos_that_the_model_was_trained_on_are_written_down(
    setup: Setup, tmp_path: Path
) -> None:
    shutil.copytree(setup.folder, tmp_path / "model")
    held_out = load_samples(setup.data, "held_out")
    known = {sample.video_ids[0] for sample in held_out[:2]}
    write_trained_on(tmp_path / "model", held_out[:2], base="")
    config = replace(CONFIG, conditions=("full",))
    for model, found in ((tmp_path / "model", sorted(known)), (setup.folder, None)):
        run = tmp_path / f"of-{model.name}"
        evaluate(str(model), setup.data, run, config)
        assert environment(run).get("videos_trained_on") == found
        # The command says so too; everything is answered already.
        sets = ["--set", "max_completion_tokens=6", "--set", "conditions=[full]"]
        ran = CliRunner().invoke(app, ["eval", str(model), str(setup.data), "-o", str(run), *sets])
        said = f"{len(known)} of the videos were trained on: the score may be memory"
        assert ran.exit_code == 0 and (said in ran.output) == (found is not None)


def test_an_answer_is_read_behind_the_thought_that_the_prompt_opened(
    setup: Setup, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(setup.folder, folder)
    thinking(setup.encoder.processor, OPEN_LINE).save_pretrained(folder)
    config = replace(CONFIG, conditions=("full",))
    results = evaluate(str(folder), setup.data, tmp_path / "run", config)
    assert all(r.completion.startswith(OPEN_LINE) and r.answer is None for r in results)
    # As the model of a cold start answers.
    sample = setup.samples[0]
    processor = AutoProcessor.from_pretrained(folder)
    encoder = Encoder(processor, setup.encoder.render)
    for form in ("tagged", "direct"):
        knobs = {**sample.knobs, "form": form}
        asked = replace(sample, form=form, knobs=knobs)
        target = encoder.answer_ids(task_of(asked).completion(asked.answer))
        (text,) = encoder.texts([target.tolist()])
        assert score(asked, text).total == 1.0


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_settings_of_the_checkpoint_are_off_in_evaluation(
    setup: Setup, tmp_path: Path, temperature: float
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(setup.folder, folder)
    own = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**own, **OPINIONATED}))
    config = replace(CONFIG, temperature=temperature, conditions=("full",))
    found, wanted = (
        evaluate(str(model), setup.data, tmp_path / name, config)
        for name, model in (("run", folder), ("plain", setup.folder))
    )
    assert [r.completion for r in found] == [r.completion for r in wanted]
    told = Sampling().named(temperature)
    assert all(r.sampling == told for r in found)
    assert environment(tmp_path / "run")["sampling"] == asdict(Sampling())


def test_a_setting_of_the_recipe_acts_and_makes_another_run(setup: Setup, tmp_path: Path) -> None:
    config = replace(CONFIG, conditions=("full",))
    plain = evaluate(str(setup.folder), setup.data, tmp_path / "run", config)
    harsh = replace(config, sampling=Sampling(repetition_penalty=8.0))
    other = evaluate(str(setup.folder), setup.data, tmp_path / "harsh", harsh)
    assert [r.completion for r in other] != [r.completion for r in plain]
    assert {r.sampling["repetition_penalty"] for r in other} == {8.0}
    with pytest.raises(UsageError, match=r"sampling\.repetition_penalty = 1\.0, not 8\.0"):
        evaluate(str(setup.folder), setup.data, tmp_path / "run", harsh)
    with pytest.raises(UsageError, match="so their scores cannot be compared"):
        compare(tmp_path / "run", tmp_path / "harsh")


def test_a_run_of_before_there_were_sampling_settings_goes_on(setup: Setup, tmp_path: Path) -> None:
    whole = evaluate(str(setup.folder), setup.data, tmp_path, CONFIG)
    path = tmp_path / "environment.json"
    record = json.loads(path.read_text())
    del record["sampling"]
    path.write_text(json.dumps(record))
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    old = [{k: v for k, v in line.items() if k != "sampling"} for line in lines[:3]]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    assert len(evaluate(str(setup.folder), setup.data, tmp_path, CONFIG)) == len(whole)


def test_an_answer_ends_where_a_rollout_ends(setup: Setup, tmp_path: Path) -> None:
    """At the tokenizer's end of a turn, though the checkpoint names another end only."""
    folder = tmp_path / "model"
    shutil.copytree(setup.folder, folder)
    own = json.loads((folder / "generation_config.json").read_text())
    tokenizer = setup.encoder.processor.tokenizer
    own["eos_token_id"] = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    (folder / "generation_config.json").write_text(json.dumps(own))
    backend = Transformers(str(folder), CONFIG)
    head = backend.model.get_output_embeddings()
    with torch.no_grad():  # says the end of its turn, whatever it is asked
        head.weight.zero_()
    bias = torch.zeros(head.weight.size(0))
    bias[tokenizer.eos_token_id] = 1.0
    head.bias = torch.nn.Parameter(bias)
    sample = setup.samples[0]
    ((_, reply),) = backend.ask([Request(sample, setup.encoder.render(sample))])
    assert (reply.text, reply.finish) == ("", "stop")
