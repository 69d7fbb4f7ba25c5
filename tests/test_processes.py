from __future__ import annotations

import subprocess
import sys

import pytest
from accelerate import PartialState

from kuleshov.errors import UsageError
from kuleshov.processes import launched, state


def test_without_a_launcher_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "", "1"):
        monkeypatch.delenv("WORLD_SIZE", raising=False)
        if value is not None:
            monkeypatch.setenv("WORLD_SIZE", value)
        assert launched() == 1 and state().num_processes == 1


@pytest.mark.parametrize("value", ["two", "-1", "0"])
def test_a_number_of_processes_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", value)
    with pytest.raises(UsageError, match=f"WORLD_SIZE is '{value}'; allowed"):
        launched()


def test_processes_that_are_not_joined_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    PartialState()  # of one process, as accelerate makes it on a CPU
    monkeypatch.setenv("ACCELERATE_USE_CPU", "false")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="has started 2 processes, and 1 are joined"):
        state()


def test_counting_processes_needs_no_torch() -> None:
    code = "import sys; from kuleshov.processes import launched; launched(); "
    code += "print([m for m in ('torch', 'accelerate') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
