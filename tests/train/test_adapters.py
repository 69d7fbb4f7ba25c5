from __future__ import annotations

from pathlib import Path

import pytest

from kuleshov.errors import UsageError
from kuleshov.train.adapters import adapted, left_out, lora
from kuleshov.train.config import GRPOSettings, LoRASettings, SFTSettings, TrainConfig
from kuleshov.train.model import load_skeleton
from kuleshov.train.pipeline import train
from tests.train.conftest import Setup


def test_the_pattern_says_what_is_adapted(setup: Setup) -> None:
    model, _ = load_skeleton(str(setup.folder))
    assert adapted(model, LoRASettings()) is model and lora(LoRASettings()) is None
    one = adapted(model, LoRASettings(rank=2, alpha=8))
    trained = {name for name, weight in one.named_parameters() if weight.requires_grad}
    assert trained and all("lora_" in name and "_proj" in name for name in trained)


@pytest.mark.parametrize("targets", ["q_prj", r".*\.layers\.\d+\.norm_nothing"])
def test_a_pattern_that_fits_nothing_is_refused_before_a_phase_begins(
    setup: Setup, tmp_path: Path, targets: str
) -> None:
    config = TrainConfig(
        lora=LoRASettings(rank=2, targets=targets),
        sft=SFTSettings(steps=1, batch_size=2),
        grpo=GRPOSettings(steps=1, prompts_per_step=2, group_size=2),
    )
    with pytest.raises(UsageError, match=r"the name of no module .*end in .*q_proj"):
        train(setup.data, str(setup.folder), tmp_path, config)
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_pattern_of_layers_that_take_none_is_refused(setup: Setup) -> None:
    model, _ = load_skeleton(str(setup.folder))
    with pytest.raises(UsageError, match="the name of no module that adapters can be put on"):
        adapted(model, LoRASettings(rank=2, targets=r".*language_model\.norm"))


def test_a_parameter_that_there_is_not_is_refused(setup: Setup) -> None:
    model, _ = load_skeleton(str(setup.folder))
    with pytest.raises(UsageError, match=r"parameter in train.lora.target_parameters 'mlp.expert'"):
        adapted(model, LoRASettings(rank=2, target_parameters=["mlp.expert"]))
    with pytest.raises(UsageError, match=r"dropout is 0.1; allowed with target_parameters: 0"):
        LoRASettings(rank=2, dropout=0.1, target_parameters=["mlp.experts.down_proj"])


def test_what_has_no_adapter_is_named(setup: Setup) -> None:
    model, _ = load_skeleton(str(setup.folder))
    whole = adapted(model, LoRASettings(rank=2))
    assert left_out(whole) == ([], 0.0)
    model, _ = load_skeleton(str(setup.folder))
    names, share = left_out(adapted(model, LoRASettings(rank=2, targets=r".*layers\..*[qk]_proj")))
    assert {"self_attn.o_proj", "mlp.up_proj"} <= set(names) and "self_attn.q_proj" not in names
    assert 0.5 < share < 1
