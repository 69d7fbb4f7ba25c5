"""What the package as a whole promises."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import kuleshov

ROOT = Path(__file__).parent.parent


def test_everything_that_is_exported_exists_and_is_sorted() -> None:
    assert kuleshov.__all__ == sorted(kuleshov.__all__)
    assert all(hasattr(kuleshov, name) for name in kuleshov.__all__)


def test_import_is_light() -> None:
    heavy = ["torch", "transformers", "trl", "datasets", "pandas", "av", "PIL", "pyarrow"]
    code = f"import sys, kuleshov; print([m for m in {heavy!r} if m in sys.modules])"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "torch" not in output.stdout


def test_the_version_is_stated_once() -> None:
    assert version("kuleshov") == kuleshov.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert f"## {kuleshov.__version__}" in changelog


def test_only_one_package_imports_the_decoder() -> None:
    importers = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "kuleshov").rglob("*.py")
        if any(line.startswith(("import av", "from av")) for line in path.read_text().splitlines())
    }
    assert {Path(name).parent.as_posix() for name in importers} == {"kuleshov/frames"}


def test_the_constraints_pin_every_dependency_by_name_and_version_only() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all("==" in pin and "/" not in pin and "@" not in pin for pin in pins)
    names = {pin.split("==")[0].lower() for pin in pins}
    assert {"av", "torch", "torchvision", "transformers", "trl", "datasets", "numpy"} <= names
