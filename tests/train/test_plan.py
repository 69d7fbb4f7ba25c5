from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoConfig, AutoModelForImageTextToText
from trl.kernels import chunked_logprob
from trl.trainer import utils

from kuleshov.config import MakeConfig
from kuleshov.errors import UsageError
from kuleshov.recipe import load, packaged
from kuleshov.train import plan as planning
from kuleshov.train.config import GRPOSettings, LoRASettings, TrainConfig
from kuleshov.train.memory import (
    TILE,
    Load,
    Memory,
    Shape,
    block_bytes,
    estimate,
    layer_bytes,
    shape_of,
)
from kuleshov.train.plan import TEXT_TOKENS, divide, plan, trained
from kuleshov.train.sizes import PUBLISHED, config_of, skeleton

QWEN3, QWEN2_5 = "Qwen/Qwen3-VL-8B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"
SMALLEST = "Qwen/Qwen2.5-VL-3B-Instruct"
SMALL_LORA = LoRASettings(rank=16, targets=r".*language_model\..*\.[qv]_proj")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Qwen/Qwen2.5-VL-3B-Instruct", 3_754_622_976),
        ("Qwen/Qwen2.5-VL-7B-Instruct", 8_292_166_656),
        ("Qwen/Qwen3-VL-4B-Instruct", 4_437_815_808),
        ("Qwen/Qwen3-VL-8B-Instruct", 8_767_123_696),
    ],
)
def test_a_published_size_has_the_published_parameters_and_no_memory(
    name: str, parameters: int
) -> None:
    model = skeleton(name)
    assert shape_of(model).weights == parameters
    assert {weight.device.type for weight in model.parameters()} == {"meta"}
    assert name in PUBLISHED


def test_a_size_that_is_not_known_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown model size 'Qwen/Qwen3-VL-8B'; did you mean"):
        config_of("Qwen/Qwen3-VL-8B")
    (tmp_path / "config.json").write_text('{"model_type": "qwen2", "num_hidden_layers": 1}')
    with pytest.raises(UsageError, match="is qwen2; plans are made of qwen2_5_vl, qwen3_vl"):
        skeleton(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match=r"config\.json describes no model"):
        skeleton(str(tmp_path))


# A step.


@pytest.mark.parametrize(
    ("micro_batch", "processes", "want"),
    [
        (8, 8, (8, 8)),  # 64 x 8 = 512 = 8 processes x 8 x 8
        (8, 1, (8, 64)),
        (None, 4, (128, 1)),
    ],
)
def test_a_step_is_divided(micro_batch: int | None, processes: int, want: tuple[int, int]) -> None:
    settings = GRPOSettings(prompts_per_step=64, group_size=8, micro_batch=micro_batch)
    batches = divide(settings, processes)
    assert (batches.micro_batch, batches.accumulation) == want
    assert processes * batches.micro_batch * batches.accumulation == 64 * 8


@pytest.mark.parametrize(
    ("micro_batch", "processes", "message"),
    [
        (None, 3, "512 completions of a step .* cannot be divided by 3 processes"),
        (None, 0, "cannot be divided by 0 processes"),
        (256, 8, "micro_batch is 256; it must divide the 64 completions of each of 8 processes"),
    ],
)
def test_a_step_that_cannot_be_divided_is_refused(
    micro_batch: int | None, processes: int, message: str
) -> None:
    settings = GRPOSettings(prompts_per_step=64, group_size=8, micro_batch=micro_batch)
    with pytest.raises(UsageError, match=message):
        divide(settings, processes)


# What is trained.


def test_adapters_and_a_frozen_tower_leave_what_they_should() -> None:
    model = trained(skeleton(QWEN2_5), SMALL_LORA, freeze_vision=True)
    shape = shape_of(model)
    # 28 layers x 16 x (q: 3584 + 3584, v: 3584 + 512)
    assert shape.trained == 28 * 16 * (3584 + 3584 + 3584 + 512) == 5_046_272
    assert shape.frozen_tower
    frozen = shape_of(trained(skeleton(QWEN2_5), LoRASettings(), freeze_vision=True))
    tower = sum(w.numel() for w in skeleton(QWEN2_5).model.visual.parameters())
    assert frozen.frozen_tower and frozen.trained == 8_292_166_656 - tower
    whole = shape_of(trained(skeleton(QWEN2_5), LoRASettings(), freeze_vision=False))
    assert not whole.frozen_tower and whole.trained == whole.weights


def test_adapters_that_fit_nothing_or_a_frozen_tower_are_refused() -> None:
    missing = LoRASettings(rank=16, targets="q_prj")
    with pytest.raises(UsageError, match=r"train\.lora\.targets is 'q_prj', the name of no module"):
        trained(skeleton(QWEN3), missing, freeze_vision=False)
    everywhere = LoRASettings(rank=16, targets="all-linear")
    with pytest.raises(UsageError, match=r"frozen, and train\.lora\.targets 'all-linear'"):
        trained(skeleton(QWEN3), everywhere, freeze_vision=True)


# Memory.

SHAPE = Shape(
    weights=1000,
    trained=100,
    layer=200,
    outside=300,
    frozen_tower=False,
    layers=2,
    stream=4,
    mlp=8,
    queries=4,
    keys=2,
    blocks=3,
    tower_stream=2,
    tower_mlp=4,
)
LOAD = Load(
    prompt_tokens=10,
    patches=16,
    completion_tokens=5,
    completions=8,
    prompts=2,
    micro_batch=4,
    micro_prompts=1,
)


def test_the_formulas_are_those_of_the_docstring() -> None:
    memory = estimate(SHAPE, LOAD, reference=True, processes=4, shard=False)
    # Tokens: 10 + 4 x (5 + 1) = 34. A layer: 24 x 4 + 10 x (4 + 2) + 8 x 8 = 220.
    # A block: 30 x 2 + 8 x 4 = 92.
    assert (LOAD.tokens(), layer_bytes(SHAPE), block_bytes(SHAPE)) == (34, 220, 92)
    assert memory == Memory(
        weights=4000,
        reference=4000,
        gradients=400,
        optimizer=800,
        casts=200,
        activations=34 * (4 * 4 * 2 + 2 * 220),  # 16,048
        vision=16 * (4 * 2 * 3 + 2 * 92),  # 3,328
        logits=4096 * 32768 * 6,
        rollouts=8 * 15 * 2 * 2 * 2 * 4,  # 3,840
    )
    assert memory.total == 4000 + 4000 + 800 + 200 + (400 + 16_048 + 3_328 + 4096 * 32768 * 6)
    assert memory._replace(rollouts=10**12).total == 9000 + 10**12


def test_sharding_divides_what_stays_and_gathers_what_is_used() -> None:
    memory = estimate(SHAPE, LOAD, reference=True, processes=4, shard=True)
    assert memory[:4] == (1000, 1000, 100, 200)
    assert memory.casts == 2 * (300 + 2 * 200)
    whole = estimate(SHAPE, LOAD, reference=False, processes=4, shard=False)
    assert whole.reference == 0 and memory[5:] == whole[5:]


def test_a_frozen_tower_and_repeated_prompts() -> None:
    frozen = estimate(SHAPE._replace(frozen_tower=True), LOAD, False, 1, False)
    assert frozen.vision == 16 * 92
    apart = LOAD._replace(shared=False)
    assert apart.tokens() == 4 * 15
    assert estimate(SHAPE, apart, False, 1, False).vision == 4 * 3_328


def test_the_tile_of_logits_is_that_of_the_kernel() -> None:
    assert TILE == chunked_logprob.TOKEN_CHUNK_SIZE * utils._CHUNKED_LOGPROB_CHUNK_SIZE


def small(name: str, layers: int, blocks: int) -> Any:
    """A published model made narrow, which keeps its kinds of tensors."""
    config = config_of(name).to_dict()
    text = {
        **config["text_config"],
        "hidden_size": 256,
        "intermediate_size": 640,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "vocab_size": 512,
        "rope_parameters": {
            **config["text_config"]["rope_parameters"],
            "mrope_section": [8, 12, 12],
        },
    }
    text.pop("layer_types", None)
    vision = {
        **config["vision_config"],
        "depth": blocks,
        "hidden_size": 128,
        "intermediate_size": 320,
        "num_heads": 4,
        "out_hidden_size": 256,
    }
    if "deepstack_visual_indexes" in vision:
        vision["deepstack_visual_indexes"] = []
    made = AutoConfig.for_model(config["model_type"], text_config=text, vision_config=vision)
    return AutoModelForImageTextToText.from_config(made).train()


def saved(model: Any, tower: bool) -> int:
    """Bytes that autograd keeps of a forward pass of 256 tokens or patches, without weights."""
    kept: dict[int, tuple[int, torch.Tensor]] = {}
    weights = {weight.data_ptr() for weight in model.parameters()}
    shapes = {tuple(w.shape) for w in model.parameters() if w.dim() == 2}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        matrix = tuple(tensor.shape) in shapes or tuple(tensor.shape[::-1]) in shapes
        if tensor.data_ptr() not in weights and not matrix:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes(), tensor
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16),
    ):
        if tower:
            visual = model.model.visual
            pixels = torch.randn(252, 3 * 2 * visual.config.patch_size**2)
            visual(pixels, grid_thw=torch.tensor([[1, 14, 18]]))
        else:
            model.model.language_model(input_ids=torch.arange(252)[None], use_cache=False)
    return sum(size for size, _ in kept.values())


@pytest.mark.parametrize("name", [QWEN2_5, QWEN3])
def test_a_layer_keeps_what_autograd_keeps_of_it(name: str) -> None:
    """The difference of two depths is what one layer keeps."""
    deep, flat = small(name, 3, 1), small(name, 1, 1)
    found = (saved(deep, tower=False) - saved(flat, tower=False)) / 2 / 252
    assert layer_bytes(shape_of(flat)) == pytest.approx(found, rel=0.15)
    deep = small(name, 1, 3)
    found = (saved(deep, tower=True) - saved(flat, tower=True)) / 2 / 252
    assert 0.9 * found < block_bytes(shape_of(flat)) < 1.7 * found


@pytest.mark.parametrize("name", [QWEN2_5, QWEN3])
def test_the_cache_is_in_float32(name: str) -> None:
    model = small(name, 2, 1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        ids = torch.arange(16)[None]
        cache = model.model.language_model(input_ids=ids, use_cache=True).past_key_values
    size = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    shape = shape_of(model)
    assert size == 16 * 2 * shape.layers * shape.keys * 4


# Plans of recipes.


def test_a_prompt_is_as_long_as_its_task_makes_it() -> None:
    tasks = {
        "counting": {"num_frames": 48, "max_pixels": 256 * 256},
        "jigsaw": {"num_frames": 12, "num_clips": 4, "min_frames": 12},
    }
    planned = plan(QWEN3, TrainConfig(), MakeConfig(tasks={"counting": tasks["counting"]}))
    # 24 pairs of 16 x 16 patches, 4 of which are a token.
    assert planned.load.patches == 24 * 256
    assert planned.load.prompt_tokens == 24 * 64 + TEXT_TOKENS
    planned = plan(QWEN3, TrainConfig(), MakeConfig(tasks={"jigsaw": tasks["jigsaw"]}))
    # 4 videos of 3 frames are 2 pairs each.
    assert planned.load.patches == 4 * 2 * 256
    masked = {"masked": {"num_frames": 16, "num_targets": 3, "num_distractors": 3}}
    planned = plan(QWEN3, TrainConfig(), MakeConfig(tasks=masked))
    assert planned.load.patches == (8 + 6) * 256
    only_text = plan(QWEN3, TrainConfig(), MakeConfig(tasks={"text_order": {}}))
    assert only_text.load.prompt_tokens == TEXT_TOKENS


PLANNED = {
    "videossr_30k": (QWEN3, "64 prompts x 8 completions = 8 processes x 8 at a time x 8 passes"),
    "mvp": (QWEN2_5, "64 prompts x 8 completions = 8 processes x 8 at a time x 8 passes"),
}


@pytest.mark.parametrize("name", PLANNED)
def test_the_recipe_of_a_paper_has_a_plan(name: str) -> None:
    model, step = PLANNED[name]
    path = packaged(f"{name}.yaml")
    train, make = load(path, "train", TrainConfig, {}), load(path, "make", MakeConfig, {})
    rows = dict(plan(model, train, make, processes=8, shard=True).rows())
    assert rows["step"] == step and rows["vision tower"] == "trained"
    assert rows["rolled out"] == "512 completions" and "pairs" not in rows
    assert rows["model"].startswith(model)
    assert rows["GPU memory: in all"].endswith("GB, an estimate (docs/training.md)")
    adapted = plan(model, replace(train, lora=SMALL_LORA, freeze_vision=True), make, 8)
    assert dict(adapted.rows())["vision tower"] == "frozen"
    assert adapted.memory.reference == 0 and adapted.memory.optimizer < 1e9


def test_each_recipe_with_a_train_section_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of papers for the models of the papers, the others for the smallest."""
    monkeypatch.setattr(planning, "skeleton", cache(skeleton))
    folder = packaged("demo.yaml").parent
    found = set()
    for path in sorted(folder.rglob("*.yaml")):
        if path.parent.name == "accelerate" or "train" not in yaml.safe_load(path.read_text()):
            continue
        train, make = load(path, "train", TrainConfig, {}), load(path, "make", MakeConfig, {})
        of_papers = path.stem == "videossr_30k" or path.parent.name == "ablation"
        model = QWEN3 if of_papers else PLANNED.get(path.stem, (SMALLEST,))[0]
        model = QWEN2_5 if path.stem == "videoperceiver_7b" else model
        planned = plan(model, train, make)
        completions = train.grpo.prompts_per_step * train.grpo.group_size
        assert planned.batches.each == completions
        if not train.lora.rank:
            assert planned.memory.total > 16 * planned.shape.weights
        else:
            assert planned.shape.trained < 0.1 * planned.shape.weights
            assert planned.memory.total > 4 * planned.shape.weights
        found.add(path.stem)
    assert {"videossr_30k", "mvp", "demo", "t_grpo", "jigsaw_strict"} <= found
    assert {"videoperceiver_3b", "videoperceiver_7b"} <= found


@pytest.mark.parametrize(("size", "blocks"), [("3b", 36), ("7b", 28)])
def test_videoperceiver_is_planned_for_both_sizes(size: str, blocks: int) -> None:
    path = packaged(f"videoperceiver_{size}.yaml")
    train, make = load(path, "train", TrainConfig, {}), load(path, "make", MakeConfig, {})
    model = f"Qwen/Qwen2.5-VL-{size.upper()}-Instruct"
    planned = plan(model, train, make, processes=8)
    rows = dict(planned.rows())
    assert rows["step"] == "8 prompts x 8 completions = 8 processes x 8 at a time x 1 passes"
    assert rows["cold start"].endswith(
        "of 16, with contrastive losses; its memory is not estimated"
    )
    # Of each of 8 groups of 8, a twin each, and as often as the refeed may ask for.
    tries = train.grpo.objective_options["retries"]
    assert rows["rolled out"] == f"64 completions, 64 of their twins, up to {64 * tries} once more"
    # 64 frames of 256 x 256 are 32 pairs of 18 x 18 patches, 4 of which are a token.
    assert planned.load.patches == 32 * (65536 // 14**2)
    assert planned.load.prompt_tokens == 32 * (65536 // 14**2 // 4) + TEXT_TOKENS
    assert len(skeleton(model).get_decoder().layers) == blocks >= max(train.sft.contrast.blocks)
    assert planned.memory.total < 80e9  # eight A100


def test_the_share_of_a_reference_model_is_told() -> None:
    some = MakeConfig(tasks={"counting": {}})
    without = plan(QWEN2_5, TrainConfig(), some)
    grpo = replace(TrainConfig().grpo, beta=0.1)
    beside = plan(QWEN2_5, TrainConfig(grpo=grpo), some)
    assert beside.memory.total - without.memory.total == 4 * 8_292_166_656


def test_prompts_are_shared_in_a_plan_where_they_are_in_training(tmp_path: Path) -> None:
    config = config_of(SMALLEST).to_dict()
    window = {"use_sliding_window": True, "sliding_window": 4096, "max_window_layers": 18}
    text = {**config["text_config"], **window, "layer_types": None}
    AutoConfig.for_model(**{**config, "text_config": text}).save_pretrained(tmp_path)
    some = MakeConfig(tasks={"counting": {}})
    windowed = plan(str(tmp_path), TrainConfig(), some)
    shared = plan(SMALLEST, TrainConfig(), some)
    without = plan(SMALLEST, TrainConfig(grpo=GRPOSettings(share_prompts=False)), some)
    assert windowed.memory == without.memory
    assert windowed.memory.activations > 3 * shared.memory.activations
    rows = [dict(one.rows())["shared"] for one in (shared, windowed, without)]
    assert rows[0] == "each prompt is computed once for its 8 completions"
    assert rows[1].startswith("no: it has layers of sliding_attention, so each completion is")
    assert rows[2].startswith("no: train.grpo.share_prompts is false, so each completion is")
