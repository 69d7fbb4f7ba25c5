"""What a training run has declared whole: its checkpoints, and the models of its phases.

    RUN/PHASE/whole                            the finished model, its adapter, and the logs
    RUN/PHASE/checkpoints/checkpoint-20/whole  the checkpoint, and the logs

    {"grpo/model/model.safetensors": {"size": 48213, "hash": "9f…"}, "metrics.jsonl": …}

Names are relative to the run, so that the files of another phase or step do not pass either. Runs
of 0.1.0 have no such lists: their marks are empty, or not there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from kuleshov.errors import UsageError
from kuleshov.files import is_temporary, replace_text
from kuleshov.manifest import entry, fault, faults
from kuleshov.owned import listed, read_mark
from kuleshov.sample import Json

FILE = "whole"
LOGS = ("metrics.jsonl", "completions.jsonl", "left_out.jsonl")
"""Files of a run to which lines are added as it goes on."""

Entries = Mapping[str, Mapping[str, Json]]


def files_of(folder: Path) -> set[Path]:
    """What a folder holds that may be declared; nothing where it is not there."""
    found = {path for path in folder.rglob("*") if path.is_file() and not is_temporary(path)}
    return found - {folder / FILE}


def declare(run: Path, mark: Path, files: Mapping[Path, Path]) -> None:
    """Say of files that they are whole, and what they are. They are on the disk already.

    Args:
        run: the run folder, whose logs are listed too.
        mark: where it is said.
        files: from the path that a file has, or is about to get, to where it is now.
    """
    logs = {run / name: run / name for name in LOGS if (run / name).is_file()}
    told = {
        path.relative_to(run).as_posix(): entry(now, whole=False)
        for path, now in sorted({**files, **logs}.items())
    }
    replace_text(mark, json.dumps(told, indent=0) + "\n")


def read(mark: Path) -> Entries:
    """What was declared; nothing where there is no list.

    Raises:
        UsageError: it is another file.
    """
    try:
        text = mark.read_text(encoding="utf-8")
        told: Entries = json.loads(text) if text else {}
        if not any(".." in PurePosixPath(name).parts for name, _ in told.items()):
            return told
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise UsageError(f"{mark} is no list of files as `kuleshov train` writes it")


def wrong(run: Path, mark: Path, *folders: Path) -> str | None:
    """What of some folders is not as it was declared, in words; None if all of it is.

    Args:
        run: the run folder.
        mark: with a list.
        folders: below the run; of the first one there is something in the list.
    """
    try:
        told = read(mark)
    except UsageError as error:
        return str(error)
    files = {n: told[n] for n in told if any((run / n).is_relative_to(one) for one in folders)}
    found = faults(run, files)
    if not any((run / name).is_relative_to(folders[0]) for name in files):
        found = ["its files are not listed there"]
    return f"{folders[0]} is not what {mark} says: {listed(found)}" if found else None


def check_finished(run: Path, phase: str, model: Path) -> None:
    """See that the model of a finished phase is the one that was trained; one without a list, as of
    0.1.0, gets one.

    Args:
        run: the run folder.
        phase: such as "sft".
        model: the folder of its model.

    Raises:
        UsageError: it is not.
    """
    mark, adapter = run / phase / FILE, run / phase / "adapter"
    if not mark.exists():
        logging.getLogger(__name__).warning(
            "%s has no list of its files (%s), so they are taken as they are", model, mark
        )
        # From now on it has one; its card is anybody's to change.
        ours = (files_of(model) | files_of(adapter)) - {model / "README.md"}
        declare(run, mark, {path: path for path in ours})
    elif why := wrong(run, mark, model, adapter):
        raise UsageError(
            f"{why}. Put back what was there; or remove {model}, and the same command trains it "
            "again"
        )


def check_trained(model: str) -> None:
    """See that a model is the one that was trained, where it lies in the run that trained it.

    Args:
        model: name or path of any.

    Raises:
        UsageError: it is not.
    """
    folder = Path(model).resolve()
    for run in folder.parents[:3]:
        if read_mark(run).get("kind") != "train":
            continue
        for mark in sorted([*run.glob(f"*/{FILE}"), *run.glob(f"*/checkpoints/*/{FILE}")]):
            if not any((run / name).is_relative_to(folder) for name in read(mark)):
                continue
            if why := wrong(run, mark, folder):
                raise UsageError(
                    f"{why}. Put back what was there; or remove {folder}, and train it again with "
                    "the command that made it; a copy elsewhere is taken as it is"
                )


def check_logs(run: Path, mark: Path) -> None:
    """Warn of logs that are not what they were when a mark was written, lines added since apart."""
    told = read(mark)
    for name in LOGS:
        if name in told and (why := fault(run / name, told[name], grown=True)):
            logging.getLogger(__name__).warning(
                "%s %s, as %s says: it was changed, or that is of another run. Training goes on "
                "without what is lost; put the file back first if you want to keep it",
                run / name,
                why,
                mark,
            )
