from __future__ import annotations

from types import SimpleNamespace

from benchmarks.budget import Spent


def test_training_ends_with_the_step_nearest_to_the_budget() -> None:
    # 10, 20 and 30 tokens after each step: 24 is nearer to 20, 26 to 30.
    for budget, steps in ((24, 2), (26, 3)):
        spent, control = Spent(budget), SimpleNamespace(should_training_stop=False)
        while not control.should_training_stop:
            spent.policy, spent.generated = spent.policy + 4, spent.generated + 6
            spent.on_step_end(None, None, control)
        assert (spent.steps, spent.total) == (steps, 10 * steps)
    ended = SimpleNamespace(should_training_stop=True)
    Spent(10**9).on_step_end(None, None, ended)
    assert ended.should_training_stop  # the last of all steps is the last
