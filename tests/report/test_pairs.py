from __future__ import annotations

import re
from pathlib import Path

import pytest

from kuleshov.errors import UsageError
from kuleshov.pairing import Pairing
from kuleshov.report.pairs import drawn, write
from kuleshov.synthesize import MakeConfig, make


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Path:
    folder = tmp_path_factory.mktemp("pairs_page") / "set"
    make(clips, folder, MakeConfig(workers=0, tasks={"counting": {}, "jigsaw": {}}))
    return folder


def test_both_sides_and_the_curve_are_on_the_page(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "pairs.html"
    shown, without = write(data, page, Pairing(keys="novelty"), count=1)
    text = page.read_text()
    assert shown == 2 and without == 0
    # 48 frames of counting, and those clips of jigsaw that differ, twice each.
    assert text.count('alt="full, frame') == text.count('alt="degraded, frame') >= 48
    assert text.count("<polyline") >= 2
    # Key frames are framed on both sides.
    assert text.count('class="absent"') == 2 * text.count('fill-opacity=".15"') > 0


def test_evidence_has_no_curve(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "pairs.html"
    write(data, page, Pairing(), count=1)
    text = page.read_text()
    assert "<polyline" not in text and 'class="absent"' in text


def test_the_curve_lies_over_the_middles_of_the_frames() -> None:
    # Three frames of 78 pixels; 84 high with a margin of 8: from 76 up to 8.
    assert drawn([0.0, 0.5, 1.0]) == [(39.0, 76.0), (117.0, 42.0), (195.0, 8.0)]
    assert drawn([2.0, 2.0]) == [(39.0, 76.0), (117.0, 76.0)]


def test_a_set_without_pairs_is_said(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no sample of .* gives a pair by relevance"):
        write(data, tmp_path / "pairs.html", Pairing.paper(), count=1)


def test_the_command_says_how_many(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from typer.testing import CliRunner

    from kuleshov.cli import app

    ran = CliRunner().invoke(app, ["pairs", str(data), "--keys", "motion", "--count", "1"])
    assert ran.exit_code == 0
    assert re.match(r"2 pairs; 0 of the samples", ran.output) and (data / "pairs.html").is_file()
