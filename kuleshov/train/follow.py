"""What a training run writes down as it goes: metrics.jsonl and completions.jsonl."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

from accelerate.utils import gather_object
from transformers import TrainerCallback

from kuleshov.progress import Figures, Progress
from kuleshov.train.grpo import pretext_reward


def recorded(path: Path) -> Callable[..., list[float]]:
    """The pretext reward, which also writes down every rollout."""

    def reward(
        completions: Any,
        sample: list[str],
        trainer_state: Any,
        twin: list[bool] | None = None,
        **columns: Any,
    ) -> list[float]:
        totals = pretext_reward(completions, sample, twin=twin, **columns)
        lines = [
            {
                "step": trainer_state.global_step,
                "sample": json.loads(text)["id"],
                "completion": completion[0]["content"],
                "reward": total,
                **({"twin": True} if twin else {}),
            }
            for text, completion, total in zip(sample, completions, totals, strict=True)
        ]
        lines = gather_object(lines)  # of all processes, in their order
        if trainer_state.is_world_process_zero:
            with path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)
        return totals

    reward.__name__ = "pretext"
    return reward


@final
class Follow(TrainerCallback):  # type: ignore[misc]  # transformers has no type information
    """Writes what the trainer logs as JSON lines, and reports progress."""

    def __init__(
        self, path: Path, phase: str, what: str, progress: Progress, figures: Figures
    ) -> None:
        self.path, self.phase, self.what = path, phase, what
        self.progress, self.figures = progress, figures

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self.progress(self.what, state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if logs and "train_runtime" not in logs and state.is_world_process_zero:
            self.figures(self.what, state.global_step, state.max_steps, logs)
            with self.path.open("a", encoding="utf-8") as file:
                line = {"phase": self.phase, "step": state.global_step, **logs}
                file.write(json.dumps(line) + "\n")
