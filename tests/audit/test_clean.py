from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kuleshov.audit import audit
from kuleshov.audit.clean import write_clean
from kuleshov.dataset import load_samples, load_skips, write
from kuleshov.errors import UsageError
from kuleshov.synthesize import MakeConfig, make


@pytest.fixture
def faulty(short_clips: Path, tmp_path: Path) -> Path:
    """Twelve jigsaws, of which one has another answer than its frames say."""
    out = tmp_path / "set"
    make(short_clips, out, MakeConfig(workers=0, tasks={"jigsaw": {}}))
    first, *others = load_samples(out)
    wrong = replace(first, answer=first.answer[::-1])
    write(out, [wrong, *others], {"videos": str(short_clips), "seed": 5})
    return out


def test_faulty_samples_become_skips_with_the_reason(faulty: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    findings = audit(faulty, every=True)
    assert [e.kind for e in findings.errors] == ["contradicted"]
    summary = write_clean(faulty, findings, clean)
    assert (summary["samples"], summary["skips"]) == (11, 1)
    (skip,) = load_skips(clean)
    assert skip.reason.startswith("dropped by check: contradicted: source times say")
    assert skip.task == "jigsaw"
    assert audit(clean).errors == []
    assert "seed: 5" in (clean / "config.yaml").read_text()


def test_a_set_is_not_written_over_itself(faulty: Path) -> None:
    with pytest.raises(UsageError, match="is the set itself"):
        write_clean(faulty, audit(faulty), faulty)
