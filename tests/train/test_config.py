from __future__ import annotations

from typing import Any

import pytest

from kuleshov.errors import UsageError
from kuleshov.recipe import build
from kuleshov.train.config import TrainConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lora": {"rank": -1}}, r"train\.lora: rank is -1; allowed: 0 or more"),
        ({"lora": {"alpha": 0.0}}, r"train\.lora: alpha is 0\.0; allowed: above 0"),
        ({"lora": {"dropout": 1.0}}, r"train\.lora: dropout is 1\.0; allowed: 0 to below 1"),
        ({"lora": {"ranks": 8}}, "unknown key in train.lora 'ranks'; did you mean 'rank'"),
        (
            {"dpo": {"rejected": "answers"}},
            "'answers'; did you mean 'answer'",
        ),
        ({"dpo": {"max_reward": 1.0}}, r"train\.dpo: max_reward is 1\.0; allowed: 0 to below 1"),
        ({"grpo": {"steps": 0}}, "sft, dpo and grpo have no steps; give one of them some"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(TrainConfig, values, "train")
