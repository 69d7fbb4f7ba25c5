from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console

from kuleshov.live import SECONDS, PlainLines, describe, live

LOGGED = {
    "loss": 0.1,
    "reward": 0.4123,
    "task/jigsaw": 0.3,
    "task/anomaly": 0.52,
    "frac_reward_zero_std": 0.25,
    "parse_failures": 0.031,
    "tokens_per_second": 1240.4,
    "waiting": 0.12,
    "twin/parse_failures": 1.0,
}


def test_the_line_has_what_people_watch() -> None:
    assert describe(LOGGED) == (
        "reward 0.412 (anomaly 0.520, jigsaw 0.300) · no variance 25% · no answer 3% · "
        "1,240 tokens/s · waiting for data 12%"
    )


def test_a_figure_that_could_not_be_taken_is_left_out() -> None:
    assert describe({"reward": None, "loss": 2.0, "waiting": None}) == "loss 2"  # type: ignore[dict-item]
    assert describe({}) == ""


def written(terminal: bool, use: Callable[[Console], None]) -> str:
    text = io.StringIO()
    use(Console(file=text, force_terminal=terminal, width=150, color_system=None))
    return text.getvalue()


def test_a_terminal_shows_bars_and_under_them_the_figures() -> None:
    def use(console: Console) -> None:
        with live(console) as shown:
            shown.progress("GRPO", 1, 2)
            shown.figures("GRPO", 1, 2, LOGGED)
            shown.progress("GRPO", 2, 2)

    last = written(True, use).rstrip().splitlines()
    assert any("GRPO" in line and "2/2" in line for line in last)
    assert any("reward 0.412 (anomaly 0.520" in line for line in last)


def test_a_log_file_gets_plain_lines_now_and_then() -> None:
    times = iter([0.0, 5.0, SECONDS - 1, SECONDS, SECONDS + 1, SECONDS + 2])

    def use(console: Console) -> None:
        lines = PlainLines(console, times.__next__)
        for step in (1, 2, 3, 4, 5):
            lines("GRPO", step, 5, {"reward": step / 10})
        lines("cold start", 1, 9, {"loss": 1.0})

    assert written(False, use).splitlines() == [
        "GRPO 1/5  reward 0.100",  # the first
        "GRPO 4/5  reward 0.400",  # 30 s later
        "GRPO 5/5  reward 0.500",  # the last
        "cold start 1/9  loss 1",  # of another phase the first
    ]


def test_without_a_terminal_nothing_moves() -> None:
    def use(console: Console) -> None:
        with live(console) as shown:
            shown.progress("making samples", 3, 3)
            shown.figures("GRPO", 1, 2, {"reward": 0.5})

    text = written(False, use)
    assert "GRPO 1/2  reward 0.500" in text and "making samples" in text and "3/3" in text
    assert "\x1b" not in text
