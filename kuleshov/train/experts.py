"""Models with a mixture of experts: what training asks of their routers, and what it leaves behind.

TRL adds the load-balancing loss of the architecture (Switch Transformers, arXiv 2101.03961) where
its coefficient is not 0. For that a model has to give its routers' logits, which some wrappers of a
language model do not; and it is asked for them by a setting that is saved with the model, with
which plain `generate` fails.
"""

from __future__ import annotations

import logging
from typing import Any

import torch


def ask_for_nothing(model: Any) -> None:
    """Switch off what makes a model compute its routers' loss whenever it is called. Trainers ask
    for it themselves.

    Args:
        model: a transformers model, or a PEFT wrapper of one.
    """
    for config in {id(c): c for c in (model.config, model.config.get_text_config())}.values():
        if getattr(config, "output_router_logits", False):
            config.output_router_logits = False


def balance_if_possible(trainer: Any) -> None:
    """Train without the load-balancing loss where the model does not give its routers' logits.

    Args:
        trainer: one of TRL's, built, whose loss is not computed yet. Its `aux_loss_enabled` and
            the configuration of its model are changed, with a warning.
    """
    if not trainer.aux_loss_enabled:
        return
    core = trainer.accelerator.unwrap_model(trainer.model)
    core = core.get_base_model() if hasattr(core, "get_base_model") else core
    token = torch.zeros(1, 1, dtype=torch.long, device=next(core.parameters()).device)
    with torch.no_grad():
        told = core.base_model(input_ids=token, output_router_logits=True, use_cache=False)
    if getattr(told, "router_logits", None):
        return
    trainer.aux_loss_enabled = False
    ask_for_nothing(core)
    logging.getLogger(__name__).warning(
        "%s does not give the logits of its language model's routers, so experts are trained "
        "without the load-balancing loss",
        type(core).__name__,
    )
