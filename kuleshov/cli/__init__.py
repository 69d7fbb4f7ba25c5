"""The command line, a file for each command, which reads its arguments, calls its stage and prints.

Exit codes: 0 fine, 1 findings (samples that fail the check, none made or rendered), 2 usage, 75
told to end (SIGTERM, SIGUSR1): the same command goes on where it was (notice.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from kuleshov.cli.benchmark import benchmark
from kuleshov.cli.check import check
from kuleshov.cli.console import err
from kuleshov.cli.curate import curate
from kuleshov.cli.demo import demo
from kuleshov.cli.doctor import doctor
from kuleshov.cli.evaluate import evaluate
from kuleshov.cli.freeze import freeze
from kuleshov.cli.import_rows import import_rows
from kuleshov.cli.make import make
from kuleshov.cli.pairs import pairs
from kuleshov.cli.plan import plan
from kuleshov.cli.preflight import preflight
from kuleshov.cli.render import render
from kuleshov.cli.report import report
from kuleshov.cli.train import train
from kuleshov.cli.training import one_process
from kuleshov.cli.view import view
from kuleshov.errors import KuleshovError
from kuleshov.notice import EXIT, Notice, heeded
from kuleshov.runners.system import lacking

COMMANDS: dict[str, Callable[..., None]] = {
    "make": make,
    "import": import_rows,
    "benchmark": benchmark,
    "check": check,
    "view": view,
    "pairs": pairs,
    "curate": curate,
    "render": render,
    "preflight": preflight,
    "train": train,
    "plan": plan,
    "eval": evaluate,
    "freeze": freeze,
    "report": report,
    "demo": demo,
    "doctor": doctor,
}
"""In the order in which `kuleshov --help` lists them."""

SHARED = ("train", "eval")
"""The commands that several processes of a launcher do together."""

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(help="Self-supervised reinforcement learning for Video LLMs.")
def _before(context: typer.Context) -> None:
    if context.invoked_subcommand not in SHARED:
        one_process(str(context.invoked_subcommand))


for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def main() -> None:
    """The entry point: errors that were raised on purpose are one line, without a traceback."""
    try:
        with heeded():
            app(standalone_mode=True)
    except Notice as notice:
        text = f"kuleshov: told to end ({notice}); the same command goes on where it was"
        err.print(text, markup=False, highlight=False, soft_wrap=True)
        sys.exit(EXIT)
    except KuleshovError as error:
        err.print(f"kuleshov: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except (OSError, MemoryError, RuntimeError) as error:
        if (why := lacking(error)) is None:
            raise
        text = f"kuleshov: {why}. What was finished is kept"
        err.print(text, markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
