"""What test_two_processes.py runs in one process and in two: the same training, written down.

torchrun --nproc_per_node 2 --module tests.train.two_processes DATA MODEL OUT RUNS
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from kuleshov.errors import UsageError
from kuleshov.randomness import rng_for
from kuleshov.train import follow as logs
from kuleshov.train import phases, pipeline
from kuleshov.train.comparative import QUALITIES
from kuleshov.train.config import GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.encode import vision_tokens
from kuleshov.train.grpo import VideoGRPOTrainer
from tests.train.test_objectives_train import by_content, by_text

# Plain gradient descent: Adam divides small gradients by themselves, and rounding with them.
PLAIN = {"optim": "sgd", "lr_scheduler_type": "constant"}


def grpo(**changes: Any) -> GRPOSettings:
    extra = {**PLAIN, **changes.pop("extra", {})}
    settings: dict[str, Any] = {
        "steps": 2,
        "prompts_per_step": 2,
        "group_size": 4,
        "learning_rate": 0.3,
        "max_completion_tokens": 6,
    }
    return GRPOSettings(**{**settings, **changes, "extra": extra})


RUNS = {
    # Three groups of four: six completions in each of two processes, and a group in both.
    "split": TrainConfig(
        sft=SFTSettings(steps=2, batch_size=4, learning_rate=0.1, extra=PLAIN),
        grpo=grpo(
            steps=3, prompts_per_step=3, micro_batch=3, beta=0.1, extra={"num_iterations": 2}
        ),
    ),
    # Two groups, one in each process: no video in one of them where its row is text. On a GPU
    # activations are computed again in the backward pass, which must stand that too.
    "twins": TrainConfig(
        grpo=grpo(
            objective="t_grpo",
            extra={"shuffle_dataset": False, "activation_checkpointing": True},
        )
    ),
    # Twins that are trained on, beside a row of text that has none.
    "both": TrainConfig(
        grpo=grpo(
            steps=3,
            objective="comparative",
            objective_options={"degraded": "shuffled", "gate": False, "degraded_gradient": True},
            beta=0.1,
            extra={"shuffle_dataset": False, "num_iterations": 2},
        )
    ),
    "memory": TrainConfig(grpo=grpo(objective="ema_grpo", beta=0.1)),
    "own_loss": TrainConfig(grpo=grpo(objective="reg_grpo", extra={"num_iterations": 2})),
    # Sampled, so that it differs between one process and two, and not between two and two.
    "whole": TrainConfig(
        checkpoint_steps=3,
        grpo=grpo(
            steps=5, learning_rate=1e-2, extra={"num_iterations": 2, "steps_per_generation": 2}
        ),
    ),
}
GIVEN = ("split", "twins", "both", "memory", "own_loss")


class Given(VideoGRPOTrainer):
    """Completions that depend on the prompt, the place in its group and the step, and no more."""

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: Any,
        multimodal_fields: dict[str, Any],
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], Any]:
        first = self.accelerator.process_index * len(prompt_ids)
        allowed = sorted(set(range(7, 300)) - set(vision_tokens(self.model.config)))
        written = []
        for row, ids in enumerate(prompt_ids, first):
            place = row % num_generations
            rng = rng_for("completion", str(ids), place, self.state.global_step)
            written.append(rng.choice(allowed, size=int(rng.integers(2, 7))).tolist())
        return written, None


def work(data: Path, model: Path, out: Path, names: list[str]) -> None:
    """Do these runs, each in a folder of its name; "killed" is "whole" that dies in step 5, and
    "harmed" is one that is refused, which each process writes down.
    """
    torch.set_num_threads(1)
    vars(logs)["pretext_reward"] = by_content
    QUALITIES["task"] = lambda sample, text: by_text(text)
    for name in names:
        sampled = name not in GIVEN
        vars(phases)["VideoGRPOTrainer"] = VideoGRPOTrainer if sampled else Given

        def follow(what: str, done: int, total: int, name: str = name) -> None:
            if name == "killed" and done == 5:
                os.kill(os.getpid(), signal.SIGKILL)

        config = RUNS["whole" if name in ("killed", "resumed", "harmed") else name]
        folder = "killed" if name == "resumed" else name
        try:
            pipeline.train(data, str(model), out / folder, config, follow)
        except UsageError as error:
            assert name == "harmed", error
            (out / f"refused-{os.environ['RANK']}").write_text(str(error))


if __name__ == "__main__":
    folders = [Path(argument) for argument in sys.argv[1:4]]
    work(folders[0], folders[1], folders[2], sys.argv[4].split(","))
