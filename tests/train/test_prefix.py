from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForImageTextToText

from kuleshov.errors import UsageError
from kuleshov.train.encode import batch
from kuleshov.train.prefix import Group, pack
from tests.train.conftest import Setup, tower

LENGTHS = ((5, 1, 7, 3), (2,), (4, 4, 0))


def load(setup: Setup, attention: str = "sdpa") -> Any:
    return AutoModelForImageTextToText.from_pretrained(
        setup.folder, attn_implementation=attention
    ).eval()


def with_lora(model: Any) -> Any:
    torch.manual_seed(0)
    # Adapters start as nothing, and what is nothing hides mistakes.
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    return get_peft_model(model, config)


def frozen_tower(model: Any) -> Any:
    tower(model).requires_grad_(False)
    return model


def groups_of(setup: Setup) -> list[Group]:
    """One video and three, groups of other sizes, completions of other lengths, one of none."""
    random = torch.Generator().manual_seed(0)
    prompts = [setup.encoder(sample) for sample in setup.samples[:3]]
    assert len({len(prompt.input_ids) for prompt in prompts}) > 1
    return [
        Group(prompt, [torch.randint(10, 200, (n,), generator=random) for n in lengths])
        for prompt, lengths in zip(prompts, LENGTHS, strict=True)
    ]


def one_by_one(model: Any, groups: list[Group], length: int) -> torch.Tensor:
    """Log-probabilities from a forward pass of each completion behind a prompt of its own."""
    rows = []
    for group in groups:
        for completion in group.completions:
            inputs = batch([group.prompt], 0, [completion])
            del inputs["labels"]
            start = len(group.prompt.input_ids) - 1
            logits = model(**inputs).logits[0, start : start + len(completion)]
            logps = logits.log_softmax(-1).gather(1, completion[:, None])[:, 0]
            rows.append(torch.nn.functional.pad(logps, (0, length - len(completion))))
    return torch.stack(rows)


def shared(model: Any, groups: list[Group], length: int) -> torch.Tensor:
    packed = pack(model, groups)
    logits = model(**packed.inputs).logits[:, :-1].log_softmax(-1)
    labels = packed.labels[:, 1:]
    told = logits.gather(2, labels.clamp(min=0)[..., None])[..., 0] * (labels != -100)
    return packed.of_completions(told, length)


def gradients(model: Any, logps: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    weights = torch.linspace(0.5, 1.5, logps.numel()).view_as(logps)
    torch.autograd.backward((logps * weights).sum())
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("change", [None, frozen_tower, with_lora], ids=["all", "frozen", "lora"])
def test_log_probabilities_and_gradients_are_those_of_single_rows(
    setup: Setup, change: Callable[[Any], Any] | None, attention: str
) -> None:
    model = load(setup, attention)
    model = model if change is None else change(model)
    groups = groups_of(setup)
    wanted, got = one_by_one(model, groups, 7), shared(model, groups, 7)
    assert got.shape == (8, 7) and (got != 0).sum() == 26  # 5 + 1 + 7 + 3 + 2 + 4 + 4 + 0
    assert (got - wanted).abs().max() < 1e-5
    slow, fast = gradients(model, wanted), gradients(model, got)
    assert slow.keys() == fast.keys() and slow
    for name, gradient in slow.items():
        assert (fast[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-8, name


def test_a_row_has_its_prompt_once(setup: Setup) -> None:
    group = groups_of(setup)[0]
    packed = pack(load(setup), [group])
    prompt = len(group.prompt.input_ids)
    # All but the last token of the prompt, then that token before each of 4 completions.
    assert packed.inputs["input_ids"].shape == (1, prompt - 1 + 4 + 5 + 1 + 7 + 3)
    name = setup.pixels("video")
    assert packed.inputs[name].shape == group.prompt.videos[name].shape


def test_other_attention_is_refused(setup: Setup) -> None:
    model = load(setup)
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(UsageError, match="the model has 'flash_attention_2'; load it with"):
        pack(model, groups_of(setup))
