from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kuleshov.media import Renderer
from kuleshov.train import dpo, grpo, rollout, sharing
from kuleshov.train.config import DPOSettings, GRPOSettings, TrainConfig
from kuleshov.train.encode import Encoder
from kuleshov.train.model import load_model
from kuleshov.train.pipeline import train
from kuleshov.train.prefix import Group, prompt_positions
from kuleshov.train.sharing import (
    Proof,
    agreed,
    plain_rows,
    provable,
    prove,
    prove_rollouts,
    unshared,
)
from tests.train.conftest import Setup
from tests.train.hybrids import HYBRIDS, build

OTHERS = {
    "qwen3_5": "linear_attention",
    "qwen3_5_moe": "linear_attention",
    "internvl_gpt_oss": "sliding_attention",
}


def log_probs_of(model: Any) -> Callable[[dict[str, Any], torch.Tensor], torch.Tensor]:
    def log_probs(inputs: dict[str, Any], labels: torch.Tensor) -> torch.Tensor:
        told = model(**inputs).logits[:, :-1].log_softmax(-1)
        wanted = labels[:, 1:]
        picked = told.gather(2, wanted.clamp_min(0)[..., None])[..., 0]
        return torch.as_tensor(picked * (wanted != -100))

    return log_probs


def group_of(encoder: Encoder, setup: Setup, lengths: tuple[int, ...] = (5, 3, 7, 4)) -> Group:
    random = torch.Generator().manual_seed(0)
    completions = [torch.randint(10, 200, (n,), generator=random) for n in lengths]
    return Group(encoder(setup.samples[0]), completions)


@pytest.fixture(scope="module")
def setup(
    data: Path, short_clips: Path, tmp_path_factory: pytest.TempPathFactory
) -> Setup:  # one family does
    from tests.train.conftest import _setup

    return _setup("qwen3_vl", data, short_clips, tmp_path_factory.mktemp("qwen3_vl"))


@pytest.fixture(scope="module")
def wide(setup: Setup) -> Any:
    """A model whose weights are so large that a leak shows."""
    model, _ = load_model(str(setup.folder))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(3)
    return model.eval()


@pytest.mark.parametrize("lengths", [(5, 3, 7, 4), (4, 6)])
def test_full_attention_proves_itself(wide: Any, setup: Setup, lengths: tuple[int, ...]) -> None:
    group = group_of(setup.encoder, setup, lengths)
    before = [weight.requires_grad for weight in wide.parameters()]
    proof = prove(wide, group, log_probs_of(wide))
    assert unshared(wide) == "" and proof.holds
    assert proof.logps < 1e-4 and 0 <= proof.gradient < 1e-3
    assert [weight.requires_grad for weight in wide.parameters()] == before
    assert all(weight.grad is None for weight in wide.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("lengths", [(6, 6), (4, 4, 4, 4)])
def test_half_precision_is_no_difference(
    wide: Any, setup: Setup, dtype: torch.dtype, lengths: tuple[int, ...]
) -> None:
    half = copy.deepcopy(wide).to(dtype)
    group = group_of(setup.encoder, setup, lengths)
    for shift in range(2):
        completions = [(own + shift) % 200 for own in group.completions]
        proof = prove(half, Group(group.prompt, completions), log_probs_of(half))
        assert proof.holds, proof
    with leaking(half):
        assert not prove(half, group, log_probs_of(half)).holds


@contextmanager
def leaking(model: Any) -> Iterator[None]:
    """Attention that takes no mask of four dimensions for what it is: each token sees all before
    it, those of other completions too.
    """

    def causal(module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = kwargs.get("attention_mask")
        if mask is not None and mask.dim() == 4:
            length = mask.size(-1)
            kwargs = {
                **kwargs,
                "attention_mask": torch.ones(length, length).bool().tril()[None, None],
            }
        return args, kwargs

    hook = model.register_forward_pre_hook(causal, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def test_a_leak_between_completions_is_found(wide: Any, setup: Setup) -> None:
    with leaking(wide):
        proof = prove(wide, group_of(setup.encoder, setup), log_probs_of(wide))
    assert not proof.holds and proof.logps > 0.01 and proof.rounding < 1e-4


def test_a_state_that_is_cut_off_from_the_graph_is_found(wide: Any, setup: Setup) -> None:
    def cut(module: Any, args: Any, output: Any) -> Any:
        rows = output[0] if isinstance(output, tuple) else output
        # Prompts that are shared only: their row is longer than that of any completion.
        if rows.size(1) <= longest:
            return output
        return (rows.detach(), *output[1:]) if isinstance(output, tuple) else rows.detach()

    group = group_of(setup.encoder, setup)
    longest = len(group.prompt.input_ids) + max(map(len, group.completions)) + max(sharing.FILLED)
    hook = wide.get_decoder().layers[0].register_forward_hook(cut)
    try:
        proof = prove(wide, group, log_probs_of(wide))
    finally:
        hook.remove()
    assert proof.logps <= proof.floor and proof.gradient > 0.5 and not proof.holds


def test_what_is_no_number_does_not_hold() -> None:
    nan = float("nan")
    assert Proof(0.0, 0.0, 0.0, 0.0, 1e-5).holds
    assert not Proof(nan, 0.0, 0.0, 0.0, 1e-5).holds
    assert not Proof(0.0, 0.0, nan, 0.0, 1e-5).holds


def test_only_groups_with_a_second_completion_prove_anything(setup: Setup) -> None:
    assert provable(group_of(setup.encoder, setup, (0, 2)))
    assert not provable(group_of(setup.encoder, setup, (2,)))
    assert not provable(group_of(setup.encoder, setup, (2, 0, 3)))
    assert not provable(group_of(setup.encoder, setup, (2, 3, 0)))


def test_a_difference_is_told_with_its_figure(caplog: pytest.LogCaptureFixture) -> None:
    assert agreed(None) is None
    assert agreed(Proof(1e-7, 0.0, 0.0, 0.0, 1e-5)) is True
    assert not caplog.records
    assert agreed(Proof(0.021, 1e-6, 0.3, 1e-6, 1e-5)) is False
    assert "differ by 0.021 nats and a gradient by 30.0%" in caplog.text


def test_plain_rows_are_where_completions_are_looked_for(wide: Any, setup: Setup) -> None:
    group = group_of(setup.encoder, setup)
    packed = plain_rows([group])
    values = packed.of_completions(log_probs_of(wide)(packed.inputs, packed.labels), 7)
    for row, own in enumerate(group.completions):
        alone = plain_rows([Group(group.prompt, [own])])
        told = alone.of_completions(log_probs_of(wide)(alone.inputs, alone.labels), 7)[0]
        assert torch.allclose(values[row], told, atol=1e-5)
        assert (values[row, len(own) :] == 0).all() and (values[row, : len(own)] < 0).all()


@pytest.fixture(scope="module", params=HYBRIDS)
def hybrid(
    request: pytest.FixtureRequest, setup: Setup, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    build(folder, [sample.prompt for sample in setup.samples], request.param)
    return request.param, folder


def test_layers_of_other_kinds_are_known_by_their_decoder(
    hybrid: tuple[str, Path], setup: Setup, short_clips: Path
) -> None:
    name, folder = hybrid
    model, processor = load_model(str(folder))
    assert OTHERS.get(name, "") in unshared(model) and bool(unshared(model)) == (name in OTHERS)
    encoder = Encoder(processor, Renderer(short_clips))
    proof = prove(model.eval(), group_of(encoder, setup), log_probs_of(model))
    assert proof.holds == (name not in OTHERS)
    assert proof.logps > 0.1 or name not in OTHERS


STEP = TrainConfig(
    report_to=[],
    dpo=DPOSettings(steps=1, batch_size=2),
    grpo=GRPOSettings(steps=1, prompts_per_step=2, group_size=3, max_completion_tokens=4, beta=0.1),
)


def test_training_of_hybrid_models_does_not_share(
    hybrid: tuple[str, Path], setup: Setup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name, folder = hybrid
    with caplog.at_level(logging.INFO, "kuleshov.train"):
        train(setup.data, str(folder), tmp_path, STEP)
    told = [r.getMessage() for r in caplog.records if "prompts are not shared:" in r.getMessage()]
    assert bool(told) == (name in OTHERS)
    assert "any more" not in caplog.text


@pytest.mark.parametrize("module", [grpo, dpo])
def test_what_is_not_known_beforehand_is_found_in_the_first_batch(
    module: Any,
    setup: Setup,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "model"
    build(folder, [sample.prompt for sample in setup.samples], "qwen3_5")
    monkeypatch.setattr(module, "unshared", lambda model: "")
    monkeypatch.setattr(grpo, "generate", _plain_generate)
    monkeypatch.setattr(grpo, "prove_rollouts", lambda *given: Proof(0.0, 0.0, 0.0, 0.0, 0.0))
    steps = {"dpo": DPOSettings(), "grpo": GRPOSettings(steps=0)}
    steps |= {"dpo": STEP.dpo} if module is dpo else {"grpo": STEP.grpo}
    logged = []
    config = TrainConfig(report_to=[], **steps)  # type: ignore[arg-type]
    train(setup.data, str(folder), tmp_path / "run", config, figures=lambda *f: logged.append(f[3]))
    assert "prompts are not shared by their completions any more" in caplog.text
    apart = []
    plain = TrainConfig(
        report_to=[],
        **{  # type: ignore[arg-type]
            key: type(value)(**{**vars(value), "share_prompts": False})
            for key, value in steps.items()
        },
    )
    monkeypatch.undo()
    train(setup.data, str(folder), tmp_path / "plain", plain, figures=lambda *f: apart.append(f[3]))
    for one, other in zip(logged, apart, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)
        if module is dpo:
            assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)


def test_attention_in_both_directions_is_known_by_its_setting(wide: Any) -> None:
    model = copy.deepcopy(wide)
    model.config.get_text_config().use_bidirectional_attention = "vision"
    assert "both directions" in unshared(model)


def test_rollouts_prove_themselves(wide: Any, setup: Setup) -> None:
    prompt = setup.encoder(setup.samples[0])
    words = torch.arange(20, 40)
    before = torch.random.get_rng_state()
    for model in (wide, copy.deepcopy(wide).to(torch.bfloat16)):
        assert prove_rollouts(model, prompt, words, 0).holds
        with pytest.MonkeyPatch.context() as patch:  # a state that is not that of a plain row
            patch.setattr(rollout, "prompt_positions", lambda *of: 2 * prompt_positions(*of))
            proof = prove_rollouts(model, prompt, words, 0)
        assert not proof.holds and proof.logps > 0.01
    assert torch.random.get_rng_state().equal(before)


def test_rollouts_that_cannot_share_are_found_before_they_are_used(
    setup: Setup,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "model"
    build(folder, [sample.prompt for sample in setup.samples], "qwen3_5")
    monkeypatch.setattr(grpo, "unshared", lambda model: "")
    train(setup.data, str(folder), tmp_path / "run", replace(STEP, dpo=DPOSettings()))
    assert caplog.text.count("prompts are not shared by their completions any more") == 1


def _plain_generate(
    model: Any, prompts: Any, rows: Any, pad: int, settings: Any, tower: Any
) -> torch.Tensor:
    """As rollouts with shared prompts, which hybrid models cannot do."""
    from kuleshov.train.encode import batch

    inputs = batch([prompts[row] for row in rows], pad)
    written = model.generate(**inputs, generation_config=settings)
    completions: torch.Tensor = written[:, inputs["input_ids"].size(1) :]
    return completions
