from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForImageTextToText,
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
)

from kuleshov import media
from kuleshov.media import Renderer
from kuleshov.train.config import GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.encode import Encoded, Encoder, join_videos
from kuleshov.train.grpo import VideoGRPOTrainer, row
from kuleshov.train.pipeline import train
from kuleshov.train.prefix import Group, pack
from kuleshov.train.tower import Tower, freeze, weights_of
from tests.test_sample import a_sample
from tests.train.conftest import Setup
from tests.train.test_grpo import arguments, graded
from tests.train.test_prefix import gradients, groups_of, load, one_by_one


def with_lora(model: Any) -> Any:
    """Adapters on the language model, none of them on the tower."""
    torch.manual_seed(0)
    targets = r".*language_model.*(q_proj|v_proj|down_proj)"
    return get_peft_model(model, LoraConfig(r=4, target_modules=targets, init_lora_weights=False))


def frozen(model: Any) -> Any:
    freeze(model)
    return model


def same(model: Any) -> Any:
    return model


def core_of(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def seeing(model: Any) -> Any:
    """The vision tower, as the families call it."""
    return getattr(core_of(model).model, "visual", None) or core_of(model).model.vision_tower


def of_tower(name: str) -> bool:
    return any(part in name for part in ("visual", "vision_tower", "multi_modal_projector"))


def shown(prompt: Encoded) -> int:
    """The videos of a prompt, or the frames of a family to which each is a picture of its own."""
    return len(prompt.videos.get("video_grid_thw", prompt.videos.get("pixel_values", ())))


def embeddings(inputs: dict[str, Any]) -> Any:
    (outputs,) = inputs["mm_encoder_outputs"].values()
    return outputs


def counted(model: Any) -> list[int]:
    """The videos (see `shown`) of each run of the model's vision tower from now on."""
    runs: list[int] = []

    def note(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        runs.append(len(kwargs["grid_thw"] if "grid_thw" in kwargs else kwargs["pixel_values"]))

    seeing(model).register_forward_pre_hook(note, with_kwargs=True)
    return runs


def shared(model: Any, groups: Sequence[Group], length: int, tower: Tower) -> torch.Tensor:
    packed = pack(model, groups, tower=tower)
    logits = model(**packed.inputs).logits[:, :-1].log_softmax(-1)
    labels = packed.labels[:, 1:]
    told = logits.gather(2, labels.clamp(min=0)[..., None])[..., 0] * (labels != -100)
    return packed.of_completions(told, length)


@pytest.mark.parametrize("change", [frozen, with_lora, same], ids=["frozen", "lora", "trained"])
def test_log_probabilities_and_gradients_are_those_of_the_pixels(
    setup: Setup, change: Callable[[Any], Any]
) -> None:
    # One video and three in a batch, prompts and groups of other sizes.
    model = change(load(setup))
    groups = groups_of(setup)
    wanted = one_by_one(model, groups, 7)
    slow = gradients(model, wanted)
    runs, tower = counted(model), Tower()
    with torch.no_grad(), tower.between_updates():
        for _ in range(2):
            assert (shared(model, groups, 7, tower) - wanted).abs().max() < 1e-5
    videos = [shown(group.prompt) for group in groups]
    assert runs == videos and max(videos) > 1
    got = shared(model, groups, 7, tower)
    assert (got - wanted).abs().max() < 1e-5
    # With a gradient for the tower it runs again, once for all of the batch.
    assert runs[len(videos) :] == ([sum(videos)] if change is same else [])
    fast = gradients(model, got)
    assert slow.keys() == fast.keys() and slow
    assert any(map(of_tower, slow)) == (change is same)
    for name, gradient in slow.items():
        assert (fast[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-8, name


def test_the_tower_is_all_but_the_language_model(setup: Setup) -> None:
    model = load(setup)
    freeze(model)
    trained = {name for name, value in model.named_parameters() if value.requires_grad}
    assert trained == {n for n, _ in model.named_parameters() if not of_tower(n)}
    assert any(
        "merger" in n or "projector" in n for n, _ in model.named_parameters() if n not in trained
    )


def test_models_with_the_same_tower_share_and_others_do_not(setup: Setup) -> None:
    policy, reference, other = (frozen(load(setup)) for _ in range(3))
    with torch.no_grad():
        next(policy.model.language_model.parameters()).add_(1)  # as training does
        next(seeing(other).parameters()).add_(1)
    runs = [counted(model) for model in (policy, reference, other)]
    tower, prompts = Tower(), [setup.encoder(setup.samples[0])]
    for model in (policy, reference, other):
        tower.inputs(model, prompts)
    assert [len(some) for some in runs] == [1, 0, 1]


def test_weights_that_are_loaded_anew_are_other_weights(setup: Setup) -> None:
    model, prompts, tower = frozen(load(setup)), [setup.encoder(setup.samples[0])], Tower()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    runs = counted(model)
    tower.inputs(model, prompts)
    model.load_state_dict({n: v + 0.1 if of_tower(n) else v for n, v in before.items()})
    changed = embeddings(tower.inputs(model, prompts)).pooler_output
    model.load_state_dict(before)
    again = embeddings(tower.inputs(model, prompts)).pooler_output
    assert len(runs) == 2
    assert not torch.allclose(torch.cat(list(changed)), torch.cat(list(again)), atol=1e-2)


def test_other_pixels_and_other_settings_are_other_videos(setup: Setup) -> None:
    sample = setup.samples[0]
    edited = replace(sample, media=(sample.media[0].edited({"edit": "grey"}), *sample.media[1:]))
    keys = {setup.encoder(s).key for s in (sample, replace(sample, id="another"), edited)}
    assert len(keys) == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setup.encoder.processor.video_processor, "image_mean", [0.1, 0.1, 0.1])
        assert setup.encoder(sample).key not in keys


def test_what_was_used_longest_ago_goes_first(setup: Setup) -> None:
    model, prompts = frozen(load(setup)), [setup.encoder(s) for s in setup.samples[:3]]
    runs = counted(model)
    everything = Tower()
    everything.inputs(model, prompts)
    sizes = [
        torch.cat(
            [
                tensor
                for feature in [output.pooler_output, *output.get("deepstack_features", [])]
                for tensor in feature
            ]
        ).nbytes
        for output in (embeddings(everything.inputs(model, [prompt])) for prompt in prompts)
    ]
    runs.clear()
    tower = Tower(sum(sizes) - 1)
    for prompt in prompts:
        tower.inputs(model, [prompt])
    assert len(runs) == 3
    tower.inputs(model, prompts[1:])
    assert len(runs) == 3
    tower.inputs(model, prompts[:1])
    assert len(runs) == 4


def pixels_pass(model: Any, prompt: Encoded, tower: Tower) -> bool:
    inputs = tower.inputs(model, [prompt])
    pixels = any(key.startswith("pixel_values") for key in inputs)
    return pixels and "mm_encoder_outputs" not in inputs


def test_pixels_are_passed_on_where_embeddings_must_not_be_kept(setup: Setup) -> None:
    model, prompt = frozen(load(setup)), setup.encoder(setup.samples[0])
    assert not pixels_pass(model, prompt, Tower())
    assert pixels_pass(model, prompt, Tower(0))
    assert pixels_pass(model, replace(prompt, key=None), Tower())
    assert pixels_pass(load(setup), prompt, Tower())  # trained, and not between updates
    tower = Tower()
    adapted = get_peft_model(load(setup), LoraConfig(r=2, target_modules="all-linear"))
    with torch.no_grad(), tower.between_updates():
        assert pixels_pass(adapted, prompt, tower)
        with adapted.disable_adapter():
            assert pixels_pass(adapted, prompt, tower)


def test_a_model_without_the_argument_gets_pixels(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, prompt = frozen(load(setup)), setup.encoder(setup.samples[0])
    monkeypatch.setattr(model, "forward", lambda input_ids, pixel_values: None)
    assert pixels_pass(model, prompt, Tower())


TEXT = {
    "model_type": "qwen2",
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 64,
}


def internvl() -> tuple[Any, list[dict[str, torch.Tensor]], int]:
    """Frames are images there; (model, inputs of two prompts, tokens for each frame)."""
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": [16, 16],
        "patch_size": [4, 4],
    }
    config = InternVLConfig(
        text_config=TEXT, vision_config=vision, image_token_id=7, image_seq_length=4
    )
    videos = [{"pixel_values": torch.randn(frames, 3, 16, 16)} for frames in (3, 1)]
    return InternVLForConditionalGeneration(config), videos, 4


def llava_onevision() -> tuple[Any, list[dict[str, torch.Tensor]], int]:
    """Videos of one tensor for all of them."""
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 4,
        "vision_use_head": False,
    }
    config = LlavaOnevisionConfig(
        text_config=TEXT, vision_config=vision, image_token_index=6, video_token_index=7
    )
    videos = [{"pixel_values_videos": torch.randn(1, 2, 3, 16, 16)} for _ in range(2)]
    # 2 frames of 2 x 2 tokens after pooling, and one at the end of a video
    return LlavaOnevisionForConditionalGeneration(config), videos, 9


@pytest.mark.parametrize("family", [internvl, llava_onevision])
def test_other_families_take_embeddings_too(
    family: Callable[[], tuple[Any, list[dict[str, torch.Tensor]], int]],
) -> None:
    torch.manual_seed(0)
    model, videos, each = family()
    prompts = []
    for number, inputs in enumerate(videos):
        tokens = each * (len(inputs["pixel_values"]) if "pixel_values" in inputs else 1)
        ids = torch.tensor([1, *[7] * tokens, 2, 3])
        prompts.append(Encoded(ids, (ids == 7).long(), inputs, a_sample(), number))
    ids = torch.nn.utils.rnn.pad_sequence([p.input_ids for p in prompts], batch_first=True)
    freeze(model.eval())
    tower = Tower()
    with torch.no_grad():
        wanted = model(input_ids=ids, **join_videos(prompts)).logits
        inputs = tower.inputs(model, prompts)
        assert not any(key.startswith("pixel") for key in inputs)
        assert torch.allclose(model(input_ids=ids, **inputs).logits, wanted, atol=1e-6)
        one = tower.inputs(model, prompts[1:])
        alone = model(input_ids=prompts[1].input_ids[None], **one).logits
    assert torch.allclose(alone, wanted[1:, : alone.size(1)], atol=1e-5)
    trained = [name for name, value in model.named_parameters() if value.requires_grad]
    assert trained and all("language_model" in n or "lm_head" in n for n in trained)


def trainer(setup: Setup, out: Path, encoder: Encoder, **changes: Any) -> VideoGRPOTrainer:
    return VideoGRPOTrainer(
        frozen(AutoModelForImageTextToText.from_pretrained(setup.folder)),
        reward_funcs=[graded],
        args=arguments(setup, out, per_device_train_batch_size=2, **changes),
        train_dataset=Dataset.from_list([row(sample) for sample in setup.samples[:3]]),
        processing_class=encoder.processor,
        encoder=encoder,
    )


def proven(train: VideoGRPOTrainer) -> None:
    """Take it that prompts may be shared: to prove it, the first group is encoded by itself."""
    train._proven = train._rollouts_proven = True


def test_two_epochs_decode_and_encode_each_video_once(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []
    render = media.render

    def counting(sample: Any, root: Any) -> Any:
        rendered.append(sample.id)
        return render(sample, root)

    monkeypatch.setattr(media, "render", counting)
    encoder = Encoder(setup.encoder.processor, Renderer(setup.encoder.render.root))  # type: ignore[attr-defined]
    # Rollouts, old, reference and policy log-probabilities; three prompts, two updates on each.
    changes = {"beta": 0.1, "num_iterations": 2, "max_steps": 12}
    train = trainer(setup, tmp_path, encoder, **changes)
    runs = [counted(train.model), counted(train.ref_model)]
    proven(train)
    train.train()
    assert train.state.epoch == 2.0
    videos = [shown(encoder(sample)) for sample in setup.samples[:3]]
    assert sorted(runs[0]) == sorted(videos) and runs[1] == []
    # One decode for each prompt: decodes_per_prompt = 1.
    assert sorted(rendered) == sorted(sample.id for sample in setup.samples[:3])


def test_a_trained_tower_runs_once_for_rollouts_and_old_log_probabilities(
    setup: Setup, tmp_path: Path
) -> None:
    train = trainer(setup, tmp_path, setup.encoder, beta=0.1, num_iterations=2, max_steps=4)
    for weight in weights_of(train.model):
        weight.requires_grad_(True)
    policy, reference = counted(train.model), counted(train.ref_model)
    proven(train)
    train.train()
    # Two generations of one prompt: for each once without gradient, and once for each update.
    assert len(policy) == 2 * (1 + 2)
    assert len(reference) == 2
    assert not train.tower._stretch and len(train.tower._kept) == 2  # those of the reference


def test_a_run_freezes_the_tower_if_it_is_told_to(setup: Setup, tmp_path: Path) -> None:
    config = TrainConfig(
        freeze_vision=True,
        sft=SFTSettings(steps=1, batch_size=2, learning_rate=1e-3),
        grpo=GRPOSettings(
            steps=2,
            prompts_per_step=2,
            group_size=2,
            max_completion_tokens=8,
            learning_rate=1e-2,
            beta=0.1,
        ),
    )
    before = load(setup).state_dict()
    trained = train(setup.data, str(setup.folder), tmp_path / "run", config)
    after = AutoModelForImageTextToText.from_pretrained(trained).state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved and not any(map(of_tower, moved))
