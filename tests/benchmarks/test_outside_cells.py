from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.outside_cells import Cell, _expanded, _runs, cells, differences, stored
from benchmarks.referee import decoded, ffmpeg

CELLS = {cell.name: cell for cell in cells()}


def test_there_are_many_cells_and_each_is_stored() -> None:
    assert len(CELLS) == len(cells()) >= 120
    assert set(CELLS) == set(stored())


@pytest.mark.parametrize("name", CELLS)
def test_frames_and_times_are_those_of_ffmpeg(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    CELLS[name].write(path)
    assert differences(CELLS[name], path, stored()[name]) == []


@pytest.mark.skipif(ffmpeg() is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("name", list(CELLS)[::9])
def test_what_is_stored_is_what_the_command_shows(name: str, tmp_path: Path) -> None:
    path, command = tmp_path / name, ffmpeg()
    assert command is not None
    CELLS[name].write(path)
    frames, known = decoded(command, path), stored()[name]
    assert [one for one, _ in frames] == [one for one, _ in known]
    # Versions differ in where a raw stream starts.
    times, expected = ([time - one[0][1] for _, time in one] for one in (frames, known))
    assert times == pytest.approx(expected, abs=1e-3)


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    cell, path = CELLS["mp4-h264-b3.mp4"], tmp_path / "mp4-h264-b3.mp4"
    cell.write(path)
    right = stored()[cell.name]
    assert differences(cell, path, right) == []
    assert "40 frames" in differences(cell, path, right[:-1])[0]
    swapped = [right[1], right[0], *right[2:]]
    assert "40 frames" in differences(cell, path, swapped)[0]
    late = [(one, time + 0.04 * (one > 20)) for one, time in right]
    assert differences(cell, path, late) == ["times are off by up to 0.0400 s"]
    path.write_bytes(b"")
    assert differences(cell, path, right)[0].startswith("skipped: cannot be opened")
    assert differences(Cell(cell.name, cell.write, "cannot be opened"), path, right) == []


def test_runs_hold_what_they_were_made_of() -> None:
    frames = [(0, 0.0), (1, 0.033333), (2, 0.066667), (5, 1.0), (4, 0.9), (4, 0.9), (9, 2.0)]
    found = _expanded(_runs(frames))
    assert [one for one, _ in found] == [one for one, _ in frames]
    assert [time for _, time in found] == pytest.approx([time for _, time in frames], abs=3e-4)
