from __future__ import annotations

import inspect
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForImageTextToText
from trl import GRPOConfig, GRPOTrainer

from kuleshov.errors import MissingVideoError
from kuleshov.sample import Form, Sample
from kuleshov.tasks import score, task_of
from kuleshov.train.encode import Encoder, batch, vision_tokens
from kuleshov.train.grpo import VideoGRPOTrainer, pretext_reward, row
from kuleshov.train.guard import guard
from kuleshov.train.objective_table import objective_of
from tests.train.conftest import OPEN_LINE, OPINIONATED, Setup, thinking, tower

FORMS: tuple[Form, ...] = ("tagged", "direct")


def graded(completions: list[Any], **columns: Any) -> list[float]:
    """A reward with variance for a model that writes noise: the length of its completion."""
    return [float(len(completion[0]["content"])) for completion in completions]


def arguments(setup: Setup, out: Path, **changes: Any) -> GRPOConfig:
    config = AutoModelForImageTextToText.from_pretrained(setup.folder).config
    values: dict[str, Any] = {
        "per_device_train_batch_size": 4,
        "num_generations": 2,
        "max_completion_length": 4,
        "max_steps": 2,
        "learning_rate": 1e-3,
        "generation_kwargs": {"suppress_tokens": vision_tokens(config)},
        "report_to": [],
        "bf16": False,
        "activation_checkpointing": False,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "seed": 0,
        "disable_tqdm": True,
    }
    return GRPOConfig(str(out), **{**values, **changes})


def trainer(setup: Setup, out: Path, **changes: Any) -> VideoGRPOTrainer:
    return VideoGRPOTrainer(
        str(setup.folder),
        reward_funcs=[graded],
        args=arguments(setup, out, **changes),
        train_dataset=Dataset.from_list([row(sample) for sample in setup.samples]),
        processing_class=setup.encoder.processor,
        encoder=setup.encoder,
    )


class Recorder(VideoGRPOTrainer):
    """Keeps what the loss was computed from."""

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        self.seen = inputs
        return super()._compute_loss(model, inputs)


@torch.no_grad()
def direct_logps(model: Any, inputs: dict[str, Any], index: int) -> torch.Tensor:
    """Log-probabilities of one completion from a plain forward pass of that sequence alone."""
    prompt = inputs["encoded"][index]
    completion = inputs["completion_ids"][index][inputs["completion_mask"][index].bool()]
    inputs_alone = batch([prompt], 0, [completion.cpu()])
    on_device = {key: value.to(model.device) for key, value in inputs_alone.items()}
    logits = model(**on_device).logits[0, -len(completion) - 1 : -1]
    logps: torch.Tensor = logits.float().log_softmax(dim=-1)
    return logps.gather(1, completion[:, None])[:, 0]


def test_log_probabilities_match_a_direct_forward(setup: Setup, tmp_path: Path) -> None:
    # Prompts of different lengths, with one video and with three, in one batch.
    train = Recorder(
        str(setup.folder),
        reward_funcs=[graded],
        args=arguments(setup, tmp_path, max_steps=1, learning_rate=0.0),
        train_dataset=Dataset.from_list([row(sample) for sample in setup.samples]),
        processing_class=setup.encoder.processor,
        encoder=setup.encoder,
    )
    train.train()
    inputs = train.seen
    assert len({len(e.input_ids) for e in inputs["encoded"]}) > 1
    train._prompts = inputs["encoded"]
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
    length = inputs["completion_ids"].size(1)
    with torch.no_grad():
        whole, _, _ = train._get_per_token_logps_and_entropies(train.model, ids, mask, length)
        chunks, _, _ = train._get_per_token_logps_and_entropies(
            train.model, ids, mask, length, batch_size=3
        )
    for index in range(len(ids)):
        wanted = direct_logps(train.model, inputs, index)
        for got in (whole, chunks):
            assert torch.allclose(got[index, : len(wanted)], wanted, atol=1e-5)


def test_the_video_changes_the_log_probabilities(setup: Setup, tmp_path: Path) -> None:
    # What the test above would not see if the video never mattered.
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    completion = setup.encoder.answer_ids("12")
    sample = setup.samples[0]
    other = replace(sample, media=(sample.media[0].edited({"edit": "grey"}), *sample.media[1:]))
    with torch.no_grad():
        seen, blind = (
            model(**batch([setup.encoder(s)], 0, [completion])).logits[0, -4:]
            for s in (sample, other)
        )
    assert (seen - blind).abs().max() > 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"beta": 0.1, "num_iterations": 2},
        {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2},
    ],
    ids=["plain", "reference and two iterations", "accumulation"],
)
def test_training_changes_the_vision_tower(
    setup: Setup, tmp_path: Path, changes: dict[str, Any]
) -> None:
    train = trainer(setup, tmp_path, max_steps=3, **changes)
    before = {name: value.clone() for name, value in train.model.named_parameters()}
    train.train()
    moved = [n for n, v in train.model.named_parameters() if not torch.equal(v, before[n])]
    towers = {id(parameter) for parameter in tower(train.model).parameters()}
    assert any(id(v) in towers for n, v in train.model.named_parameters() if n in moved)
    assert any("language_model" in name for name in moved)


@pytest.mark.parametrize(
    "changes",
    [
        {"beta": 0.1, "num_iterations": 2},
        {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4},
    ],
    ids=["reference and two iterations", "accumulation"],
)
def test_sharing_prompts_changes_nothing_but_the_work(
    setup: Setup, tmp_path: Path, changes: dict[str, Any]
) -> None:
    trained = []
    for share in (True, False):
        # Not Adam, which makes whole steps of gradients that are nothing but rounding.
        given = {"optim": "sgd", "learning_rate": 0.5, "max_steps": 4, **changes}
        train = trainer(setup, tmp_path / str(share), **given)
        train.share_prompts = share
        before = {name: value.detach().clone() for name, value in train.model.named_parameters()}
        train.train()
        losses = [log["loss"] for log in train.state.log_history if "loss" in log]
        after = train.model.named_parameters()
        trained.append((losses, {name: value.detach() - before[name] for name, value in after}))
    (losses, moved), (wanted_losses, wanted) = trained
    assert losses == pytest.approx(wanted_losses, abs=1e-4)
    largest = max(float(change.abs().max()) for change in wanted.values())
    assert largest > 1e-3
    for name, change in moved.items():
        assert torch.allclose(change, wanted[name], atol=1e-3 * largest), name


def test_groups_stay_together_in_micro_batches(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = trainer(
        setup, tmp_path, max_steps=1, per_device_train_batch_size=2, gradient_accumulation_steps=4
    )
    seen: list[list[int]] = []
    compute = train._compute_loss

    def watched(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        seen.append(inputs["group"].tolist())
        assert len({id(prompt) for prompt in inputs["encoded"]}) == 1
        return compute(model, inputs)

    monkeypatch.setattr(train, "_compute_loss", watched)
    train.train()
    assert [len(set(groups)) for groups in seen] == [1, 1, 1, 1]
    assert sorted(groups[0] for groups in seen) == [0, 1, 2, 3]


def test_each_prompt_is_encoded_once_for_its_group(setup: Setup, tmp_path: Path) -> None:
    train = trainer(setup, tmp_path, max_steps=1)
    calls: list[str] = []
    encode = train.encoder

    def counting(sample: Sample) -> Any:
        calls.append(sample.id)
        return encode(sample)

    train.encoder = counting  # type: ignore[assignment]
    train.train()
    assert len(calls) == len(set(calls)) == 2  # 4 completions in groups of 2


def test_stock_trl_is_stopped_by_the_guard(setup: Setup, tmp_path: Path) -> None:
    """The trap itself: TRL generates with the video and then trains without it."""
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    guard(model)
    sample = next(s for s in setup.samples if s.task == "anomaly")
    frames = setup.encoder.render(sample)[0]
    rows = Dataset.from_list([{"index": i} for i in range(4)])

    def prompts(chosen: dict[str, list[int]]) -> dict[str, list[Any]]:
        parts = [{"type": "video", "video": frames}, {"type": "text", "text": "When?"}]
        return {"prompt": [[{"role": "user", "content": parts}] for _ in chosen["index"]]}

    stock = GRPOTrainer(
        model,
        reward_funcs=[graded],
        args=arguments(setup, tmp_path),
        train_dataset=rows.with_transform(prompts),
        processing_class=setup.encoder.processor,
    )
    with pytest.raises(MissingVideoError, match="features for 0 reach the model"):
        stock.train()


def test_features_lost_on_the_way_to_the_loss_raise(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = trainer(setup, tmp_path)
    monkeypatch.setattr(
        VideoGRPOTrainer,
        "_get_per_token_logps_and_entropies",
        GRPOTrainer._get_per_token_logps_and_entropies,
    )
    with pytest.raises(MissingVideoError, match="features for 0 reach the model"):
        train.train()


def test_the_reward_is_the_task_score_and_logs_by_task(setup: Setup) -> None:
    samples = [next(s for s in setup.samples if s.task == t) for t in ("anomaly", "jigsaw")]
    right = [task_of(s).completion(s.answer) for s in samples]
    completions = [[{"role": "assistant", "content": text}] for text in [*right, "nonsense"]]
    columns = [s.to_json() for s in [*samples, samples[0]]]
    logged: dict[str, list[float]] = {}
    rewards = pretext_reward(
        completions,
        columns,
        log_metric=lambda name, value: logged.setdefault(name, []).append(value),
    )
    assert rewards == [1.0, 1.0, 0.0]
    assert logged == {
        "task/anomaly": [1.0, 0.0],
        "task/jigsaw": [1.0],
        "parse_failures": [0.0, 0.0, 1.0],
    }


def test_the_overridden_methods_of_trl_are_as_they_were_read() -> None:
    """A release that changes these needs a look at the trainer."""
    signatures = {
        "_tokenize_prompts": ["self", "prompts"],
        "_generate_and_score_completions": ["self", "inputs"],
        "_compute_loss": ["self", "model", "inputs"],
        "_generate": ["self", "prompts"],
        "_get_train_sampler": ["self", "dataset"],
        "_prepare_inputs": ["self", "generation_batch"],
        "_generate_single_turn": [
            "self",
            "prompt_ids",
            "images",
            "multimodal_fields",
            "num_generations",
            "has_tool_images",
        ],
    }
    for name, wanted in signatures.items():
        assert list(inspect.signature(getattr(GRPOTrainer, name)).parameters) == wanted
    logps = inspect.signature(GRPOTrainer._get_per_token_logps_and_entropies)
    assert list(logps.parameters)[:6] == [
        "self",
        "model",
        "input_ids",
        "attention_mask",
        "logits_to_keep",
        "batch_size",
    ]


@pytest.mark.parametrize("share", [True, False], ids=["shared", "repeated"])
def test_a_completion_with_a_vision_token_is_refused_before_the_loss(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: bool
) -> None:
    config = AutoModelForImageTextToText.from_pretrained(setup.folder).config
    others = range(config.get_text_config().vocab_size)
    for token in vision_tokens(config):
        # A trainer made by hand, of a model that writes nothing but this token.
        only = {"suppress_tokens": [other for other in others if other != token]}
        # One token, as the model itself stumbles over those of images and videos in the next.
        train = trainer(setup, tmp_path, generation_kwargs=only, max_completion_length=1)
        train.share_prompts = share
        monkeypatch.setattr(train, "_compute_loss", None)
        monkeypatch.setattr(train, "_get_per_token_logps_and_entropies", None)
        with pytest.raises(
            MissingVideoError,
            match=rf"completion 0 of 4 holds the vision token {token}, .*Suppress",
        ):
            train.train()


def test_what_is_graded_begins_with_the_thought_that_the_prompt_opened(
    setup: Setup, tmp_path: Path
) -> None:
    seen: list[str] = []

    def keep(completions: list[Any], **columns: Any) -> list[float]:
        seen.extend(completion[0]["content"] for completion in completions)
        return graded(completions)

    keep.__name__ = "keep"
    encoder = Encoder(thinking(setup.encoder.processor, OPEN_LINE), setup.encoder.render)
    train = Recorder(
        str(setup.folder),
        reward_funcs=[keep],
        args=arguments(setup, tmp_path, max_steps=1),
        train_dataset=Dataset.from_list([row(sample) for sample in setup.samples]),
        processing_class=encoder.processor,
        encoder=encoder,
        objective=objective_of("t_grpo", {}, {}),
    )
    train.train()
    # Four completions, and those of the twins of their two groups.
    assert len(seen) > 4 and all(text.startswith(OPEN_LINE) for text in seen)
    # The loss is of what the model wrote, and of nothing more.
    ids = train.seen["completion_ids"][train.seen["completion_mask"].bool()].tolist()
    written = encoder.processor.tokenizer.decode(ids, skip_special_tokens=True)
    assert "<think>" not in written
    prompt = encoder.processor.tokenizer.decode(train.seen["encoded"][0].input_ids)
    assert prompt.endswith(OPEN_LINE)
    # A thought that was not closed in four tokens gives no answer, in either form.
    samples = [replace(sample, form=form) for sample in setup.samples for form in FORMS]
    assert all(score(sample, text).answer is None for sample in samples for text in seen)


@pytest.mark.parametrize("how", ["shared", "unshared", "adapters"])
def test_settings_of_the_checkpoint_are_off_in_rollouts(
    setup: Setup, tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(setup.folder, folder)
    own = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**own, **OPINIONATED}))
    written = []
    for model in (setup.folder, folder):
        train = Recorder(
            str(model),
            reward_funcs=[graded],
            args=arguments(setup, tmp_path / "out", max_steps=1, max_completion_length=8),
            train_dataset=Dataset.from_list([row(sample) for sample in setup.samples]),
            processing_class=setup.encoder.processor,
            encoder=setup.encoder,
            share_prompts=how != "unshared",
            peft_config=LoraConfig(r=2, target_modules="all-linear") if how == "adapters" else None,
        )
        train.train()
        ids, mask = train.seen["completion_ids"], train.seen["completion_mask"].bool()
        written.append([row[own].tolist() for row, own in zip(ids, mask, strict=True)])
        kept = train.accelerator.unwrap_model(train.model).generation_config
    assert written[0] == written[1]
    assert kept.repetition_penalty == OPINIONATED["repetition_penalty"]  # and goes on its way
