"""What stands beside the page, and each section alone."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.answered import answered, knows
from benchmarks.browser import CHECKS, OF_HOSTILE, hostile
from benchmarks.chromium import DESKTOP, chromium, find_browser
from kuleshov.audit.findings import Finding, Findings, Probed
from kuleshov.cli import app
from kuleshov.dataset import load_samples
from kuleshov.evaluate.bench import freeze, verify
from kuleshov.evaluate.results import Result, load_results
from kuleshov.evaluate.scores import by_condition
from kuleshov.report import tables
from kuleshov.report.audited import audit_of, audit_warnings, audited
from kuleshov.report.build import build, page_of
from kuleshov.report.compared import Compared, compared
from kuleshov.report.entries import Entry, entry
from kuleshov.report.floors import floors
from kuleshov.report.forest import forest
from kuleshov.report.headline import headline, headlines
from kuleshov.report.items import FLAGS, FLIPS, LONGEST, Item, details, items
from kuleshov.report.letters import letters, shares
from kuleshov.report.needs_time import needs_time, panels
from kuleshov.report.page import Section, write_page
from kuleshov.report.results import columns, lines, regressed, results
from kuleshov.report.settings import received
from kuleshov.report.sub_scores import sub_scores
from kuleshov.sample import Sample
from kuleshov.synthesize import MakeConfig, make
from kuleshov.tasks import task_of
from tests.report.test_report import checked

NAMES = ("base", "trained")
HOSTILE = "</script><b id=hostile>\\|$_&%{x}~^\udcff"


@pytest.fixture(scope="module")
def data(short_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data")
    tasks: dict[str, Any] = {"anomaly": {}, "arrow": {}, "jigsaw": {}}
    make(short_clips, out, MakeConfig(workers=0, tasks=tasks, held_out=1))
    return out


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [
        answered(folder / name, data, knows(share, seed))
        for name, share, seed in (("base", 0.3, 0), ("trained", 0.7, 1))
    ]


@pytest.fixture(scope="module")
def one(runs: list[Path]) -> Compared:
    return compared(runs)[0]


def said(sample: Sample, score: float, text: str = "x", **values: Any) -> Result:
    answer = sample.answer if score else None
    row = Result(sample.id, sample.entry, "v", "full", 0, text, answer, score, 1, 1)
    return replace(row, **values)


def with_answers(one: Compared, before: Sequence[Result], after: Sequence[Result]) -> Compared:
    """A sample set with other answers; its rows stay."""
    samples = [sample for sample in one.samples if sample.id in {r.sample for r in before}]
    return replace(
        one, samples=samples, before=by_condition(before), after=by_condition(after), rows={}
    )


# ---- sections


def test_every_section_is_a_page_of_its_own(one: Compared, tmp_path: Path) -> None:
    sections = {
        "results": results([one], NAMES, 0.0),
        "forest": forest([one], NAMES),
        "sub_scores": sub_scores([one], NAMES),
        "needs_time": needs_time([one], NAMES),
        "floors": floors([one], NAMES),
        "letters": letters([one], NAMES),
    }
    for name, section in sections.items():
        assert isinstance(section, Section)
        write_page(tmp_path / f"{name}.html", name, [section])
        text = (tmp_path / f"{name}.html").read_text()
        checked(text)
        assert (section.title in text and "anomaly" in text) or name == "letters"


def test_the_forest_puts_an_interval_where_it_belongs(one: Compared) -> None:
    # The scale reaches as far as the widest end, and 8 % more; 0 is in the middle, at 50 %.
    row = replace(one.rows["jigsaw"], difference=-0.25, interval=(-0.5, 0.0))
    only = replace(one, rows={"jigsaw": row})
    body = forest([only], NAMES).body
    # -0.5 of a scale from -0.54 to 0.54: 2 + 96 * 0.04 / 1.08 = 5.56.
    assert 'x1="5.56%" x2="50.0%"' in body
    # -0.25: 2 + 96 * 0.29 / 1.08 = 27.78.
    assert 'cx="27.78%"' in body and "-0.250" in body
    assert 'aria-label="jigsaw: -0.250"' in body


def test_sub_scores_are_means_over_items_and_no_answer_counts_as_0(
    one: Compared,
) -> None:
    first, second = one.of("jigsaw")[:2]
    before = [said(first, 1.0, scores={"exact": 1.0}), said(second, 0.0)]
    after = [said(first, 1.0, scores={"exact": 1.0}), said(second, 1.0, scores={"exact": 0.5})]
    rows = {"jigsaw": one.rows["jigsaw"]}
    section = sub_scores([replace(with_answers(one, before, after), rows=rows)], NAMES)
    assert section is not None
    # (1 + 0) / 2 and (1 + 0.5) / 2, of two videos.
    found = re.findall(r"<td[^>]*>\s*(.*?)\s*</td>", section.body)
    assert found == ["exact (published metric)", "0.500", "0.750", "+0.250", "too few videos"]


def test_a_metric_of_ours_is_not_called_published(one: Compared) -> None:
    masked = replace(one.of("jigsaw")[0], task="masked", provenance={"entry": "jigsaw"})
    both = [said(masked, 1.0, scores={"exact": 1.0})], [said(masked, 1.0, scores={"exact": 1.0})]
    rows = {"jigsaw": one.rows["jigsaw"]}
    section = sub_scores([replace(with_answers(one, *both), samples=[masked], rows=rows)], NAMES)
    assert section is not None and ">exact</td>" in section.body


def test_letters_are_counted_with_those_that_are_no_answer(one: Compared) -> None:
    samples = one.of("arrow")[:4]
    right = [sample.answer for sample in samples]
    before = [said(s, 1.0, answer="A") for s in samples]
    after = [said(s, 0.0) for s in samples[:1]] + [said(s, 1.0, answer="B") for s in samples[1:]]
    rows = {"arrow": one.rows["arrow"]}
    (found,) = shares([replace(with_answers(one, before, after), rows=rows)])
    assert found.shares == [
        ("A", [right.count("A") / 4, 1.0, 0.0]),
        ("B", [right.count("B") / 4, 0.0, 0.75]),
        ("", [0.0, 0.0, 0.25]),
    ]


def test_tasks_without_letters_have_no_such_section(one: Compared) -> None:
    rows = {"jigsaw": one.rows["jigsaw"]}
    assert letters([replace(one, rows=rows)], NAMES) is None


def test_without_controls_there_is_no_panel(one: Compared) -> None:
    row = one.rows["jigsaw"]
    bare = replace(row, conditions={"full": row.conditions["full"]})
    assert needs_time([replace(one, rows={"jigsaw": bare})], NAMES) is None
    (panel,) = panels([replace(one, rows={"jigsaw": row})], alone=False)
    assert panel.bars[0][0] == "with the video"
    assert panel.bars[0][1] == [row.before, row.after]
    assert panel.gains == [row.time_gain_before, row.time_gain_after]


def frozen(data: Path, folder: Path, findings: Findings) -> list[Path]:
    """Runs of a set that was frozen with these findings."""
    shutil.copytree(data, folder / "bench")
    freeze(folder / "bench", "VIUBench <paper>", findings)
    made = [answered(folder / name, folder / "bench", knows(0.5), ("full",)) for name in NAMES]
    for run in made:
        record = json.loads((run / "environment.json").read_text())
        record["bench"] = verify(folder / "bench")
        (run / "environment.json").write_text(json.dumps(record))
    return made


def a_leak() -> Findings:
    row = Probed("jigsaw", "boundary", "set", 0.91, 0.5, (0.85, 0.97), 12, "leak", True)
    error = Finding("leak", "jigsaw", "boundary <b>frames</b> tell the order")
    return Findings([error], [Finding("floor", "anomaly", "always 1-2")], [], [row])


def test_the_audit_of_a_frozen_benchmark_stands_beside_its_scores(
    data: Path, tmp_path: Path
) -> None:
    made = frozen(data, tmp_path, a_leak())
    build(made, tmp_path / "site", sheets=0)
    text = (tmp_path / "site" / "index.html").read_text()
    checked(text)
    said = "the audit of VIUBench &lt;paper&gt; found 1 error, leaks in jigsaw"
    assert said in text[: text.index("<h2>Audit")]
    audit = text[text.index("<h2>Audit") : text.index("<h2>Differences")]
    assert "leak: jigsaw: boundary &lt;b&gt;frames" in audit and "always 1-2" in audit
    for cell in ("boundary", "0.910", "0.850 to 0.970", "0.500", '<span class="bad">leak</span>'):
        assert cell in audit
    (told,) = json.loads((tmp_path / "site" / "report.json").read_text())["sets"]
    assert told["audit"]["probes"][0]["score"] == 0.91 and told["bench"]["name"] == told["name"]


def test_a_set_that_is_not_frozen_or_another_by_now_has_no_audit(
    data: Path, tmp_path: Path, one: Compared
) -> None:
    assert audit_of(one) is None and audited([one]) is None
    made = frozen(data, tmp_path, a_leak())
    (now,) = compared(made)
    assert audit_of(now) is not None
    path = tmp_path / "bench" / "bench.json"
    path.write_text(path.read_text().replace('"samples": {', '"samples": {"more": "0",'))
    assert audit_of(now) is None and audited([now]) is None
    path.unlink()
    assert audit_of(now) is None


def test_a_frozen_set_has_its_figures_in_published_metrics(data: Path, tmp_path: Path) -> None:
    (now,) = compared(frozen(data, tmp_path, Findings()))
    # Of two jigsaw subtypes one is a mean of 1 (2 of 2 exact) and one of 0.5 (1 of 2): 0.75.
    first, second, third, fourth = (
        replace(s, provenance={**s.provenance, "entry": "easy" if i < 2 else "hard"})
        for i, s in enumerate(now.of("jigsaw")[:4])
    )
    samples = [first, second, third, fourth]
    before = [said(s, 0.0) for s in samples]
    after = [said(s, 0.4, scores={"exact": float(s is not fourth)}) for s in samples]
    rows = headlines([replace(with_answers(now, before, after), samples=samples)])
    assert [(r.name, r.metric, r.values, r.items) for r in rows] == [
        ("overall", "exact, mean of subtypes", [0.0, 0.75], 4)
    ]
    assert rows[0].interval is None and rows[0].videos == 4


def test_a_set_that_is_no_benchmark_reports_nothing_of_its_own(one: Compared) -> None:
    assert headline([one], NAMES) is None


def test_an_audit_without_findings_says_how_far_it_got(data: Path, tmp_path: Path) -> None:
    (now,) = compared(frozen(data, tmp_path, Findings()))
    section = audited([now])
    assert section is not None and "No probe was run: that takes" in section.body
    assert "0 errors, 0 warnings" in section.body and audit_warnings([now]) == []


# ---- videos that were trained on


def test_a_score_that_may_be_memory_is_warned_of(data: Path, tmp_path: Path) -> None:
    made = [answered(tmp_path / name, data, knows(0.5), ("full",)) for name in NAMES]
    asked = sorted({v for sample in compared(made)[0].samples for v in sample.video_ids})
    # Two of these videos by one model, one of them by the other too, and one that is not asked.
    for run, seen in zip(made, (asked[:1], [*asked[:2], "f" * 32]), strict=True):
        record = json.loads((run / "environment.json").read_text())
        (run / "environment.json").write_text(json.dumps({**record, "videos_trained_on": seen}))
    build(made, tmp_path / "site", sheets=0)
    said = f"2 of the {len(asked)} videos of {data.name} were trained on: a gain may be memory"
    assert said in (tmp_path / "site" / "index.html").read_text()
    assert said in json.loads((tmp_path / "site" / "report.json").read_text())["warnings"]


# ---- items


def test_items_are_sorted_by_what_became_of_them(one: Compared) -> None:
    samples = one.of("jigsaw")[:4]
    scores = [(1.0, 1.0), (1.0, 0.2), (0.2, 1.0), (0.2, 0.5)]
    before = [said(s, b) for s, (b, _) in zip(samples, scores, strict=True)]
    after = [said(s, a) for s, (_, a) in zip(samples, scores, strict=True)]
    found = items([with_answers(one, before, after)], NAMES)
    assert [FLIPS[item.kind] for item in found] == list(FLIPS)
    places = {sample.id: place for place, sample in enumerate(samples)}
    assert [places[item.key] for item in found] == [2, 1, 3, 0]
    assert found[0].scores == (0.2, 1.0)


def test_flags_say_what_is_known_of_an_item(one: Compared) -> None:
    (sample,) = one.of("jigsaw")[:1]
    before = [said(sample, 0.0, finish="length")]
    after = [said(sample, 1.0), said(sample, 1.0, condition="blind")]
    (item,) = items([with_answers(one, before, after)], NAMES)
    assert [FLAGS[i] for i in item.flags] == ["solved blind", "no answer", "one answer was cut"]


def test_details_are_in_memory_a_chunk_at_a_time(
    one: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(sample: Sample) -> Entry:
        made.append(sample.id)
        return entry(sample)

    found = items([one], NAMES)
    monkeypatch.setattr("kuleshov.report.items.entry", counted)
    monkeypatch.setattr("kuleshov.report.items.CHUNK", 4)
    texts = details(found)
    for chunk in range(1, 3):
        next(texts)
        assert made == [item.key for item in found[: 4 * chunk]]


def told(found: Sequence[Item]) -> dict[str, Any]:
    """The details of the first item."""
    text = next(details(found)).removeprefix("details(").removesuffix(");\n")
    sample: dict[str, Any] = json.loads(f"[{text}]")[1]["samples"][0]
    return sample


def test_huge_completions_are_cut_and_say_so(one: Compared) -> None:
    (sample,) = one.of("jigsaw")[:1]
    long = "y" * (LONGEST + 5)
    before, after = [said(sample, 1.0, long)], [said(sample, 1.0)]
    outputs = told(items([with_answers(one, before, after)], NAMES))["outputs"]
    assert [(len(o["text"]), o["more"]) for o in outputs] == [(LONGEST, 5), (1, 0)]


def test_intervals_become_bars_and_orders_strips(one: Compared) -> None:
    anomaly, jigsaw = one.of("anomaly")[0], one.of("jigsaw")[0]
    for sample, key in ((anomaly, "span"), (jigsaw, "strip")):
        both = [said(sample, 0.0)], [said(sample, 1.0)]
        shown = told(items([with_answers(one, *both)], NAMES))
        assert shown["outputs"][0][key] is None
        assert shown["outputs"][1][key] == shown[key] is not None
    assert told(items([with_answers(one, *both)], NAMES))["strip"] == [
        number - 1 for number in jigsaw.answer
    ]


def test_nothing_that_a_model_says_can_end_a_script(one: Compared) -> None:
    (sample,) = one.of("jigsaw")[:1]
    both = [said(sample, 1.0, HOSTILE)], [said(sample, 1.0)]
    (text,) = details(items([with_answers(one, *both)], (HOSTILE, "b")))
    assert "</" not in text
    text.encode()  # lone surrogates could not be written


# ---- what was run


def test_what_a_model_really_received_is_said() -> None:
    row = Result("s", "jigsaw", "v", "full", 0, "x", [1], 1.0, 8, 1040, sizes=[[56, 84]])
    more = replace(row, num_frames=16, num_tokens=None, sizes=[[56, 84], [112, 112]])
    blind = replace(row, condition="blind", num_frames=99)
    expected = {"frames": "8 to 16", "pixels": "84 x 56 to 112 x 112", "tokens": "1,040"}
    assert received([row, more, blind]) == expected
    # A policy was shown nothing.
    assert received([replace(row, num_frames=0)]) == {}


# ---- tables


def test_markdown_and_latex_hold_what_the_page_says(one: Compared) -> None:
    line = lines([one])[0].cells()
    markdown, latex = tables.markdown([one], NAMES), tables.latex([one], NAMES)
    head, rule, first, *_ = markdown.splitlines()
    assert head.count("|") == rule.count("|") == first.count("|") == len(columns(NAMES)) + 1
    assert all(cell in first for cell in line)
    assert f"{line[0]} & ${line[1]}$ & ${line[2]}$" in latex
    assert latex.count(r"\\") == 1 + len(one.rows) + 1


def test_hostile_names_stay_text_in_every_table(one: Compared, tmp_path: Path) -> None:
    rows = {HOSTILE: one.rows["jigsaw"]}
    bad = replace(one, rows=rows)
    first = tables.markdown([bad], NAMES).splitlines()[2]
    assert "<b" not in first.replace("\\<", "") and len(re.findall(r"(?<!\\)\|", first)) == 9
    assert r"\textless{}/script\textgreater{}" in tables.latex([bad], NAMES)
    section = floors([bad], NAMES)
    write_page(tmp_path / "page.html", HOSTILE, [section])
    checker = checked((tmp_path / "page.html").read_text())
    assert ("script" not in checker.tags and "b" not in checker.tags) or "<b id" not in section.body


def test_report_json_holds_the_figures_of_the_rows(one: Compared) -> None:
    loaded = json.loads(tables.as_json([one], NAMES))
    assert loaded["format"] == tables.FORMAT and loaded["names"] == list(NAMES)
    (found,) = loaded["sets"]
    assert found["tasks"]["jigsaw"] == json.loads(json.dumps(one.rows["jigsaw"].to_json()))
    assert found["overall"]["after"] == one.overall.after
    assert [run["model"] for run in found["runs"]] == list(NAMES)


# ---- folders


def test_a_page_has_its_files_beside_it(runs: list[Path], tmp_path: Path) -> None:
    build(runs, tmp_path / "site", sheets=1)
    build(runs, tmp_path / "x.html", sheets=0)
    beside = ["index.html", "report.json", "report.md", "report.tex", "report_files"]
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == beside
    others = ["site", "x.html", "x.json", "x.md", "x.tex", "x_files"]
    assert sorted(path.name for path in tmp_path.iterdir()) == others
    assert page_of(tmp_path / "x.html") == tmp_path / "x.html"
    # One item of each of three tasks; an anomaly and a jigsaw have a second sheet, as in the video.
    assert len(list((tmp_path / "site" / "report_files" / "sheets").glob("*-0.jpg"))) == 3


def test_written_again_it_keeps_its_sheets_and_no_others(
    data: Path, runs: list[Path], tmp_path: Path
) -> None:
    build(runs, tmp_path, sheets=1)
    sheets = tmp_path / "report_files" / "sheets"
    before = {path.name: path.stat().st_mtime_ns for path in sheets.iterdir()}
    (sheets / f"{'0' * 32}-0.jpg").write_bytes(b"")
    build(runs, tmp_path, sheets=0)
    assert {path.name: path.stat().st_mtime_ns for path in sheets.iterdir()} == before


# ---- regressions


def test_a_task_has_regressed_if_its_whole_interval_lies_below_0(one: Compared) -> None:
    row = one.rows["jigsaw"]
    ends = {"worse": (-0.3, -0.1), "none": None, "touches": (-0.3, 0.0), "better": (0.1, 0.2)}
    rows = {name: replace(row, interval=interval) for name, interval in ends.items()}
    mean = replace(one.overall, interval=(-0.2, -0.1))
    steady = replace(one.overall, interval=(-0.2, 0.1))
    assert [line.name for line in regressed([replace(one, rows=rows, overall=steady)])] == ["worse"]
    # What no task shows surely, their mean may.
    found = regressed([replace(one, rows={**rows, "worse": row}, overall=mean)])
    assert [line.name for line in found] == ["mean of tasks"]


def test_the_command_fails_on_a_regression_if_asked(
    data: Path, runs: list[Path], tmp_path: Path
) -> None:
    def ran(*arguments: str | Path) -> tuple[int, str]:
        given = ["report", *map(str, arguments), "-o", str(tmp_path / "site"), "--sheets", "0"]
        result = CliRunner().invoke(app, given)
        return result.exit_code, result.output

    perfect = answered(tmp_path / "perfect", data, right, ("full",))
    silent = answered(tmp_path / "silent", data, lambda sample, condition: "", ("full",))
    code, output = ran(perfect, silent, "--fail-on-regress")
    assert code == 1 and all(
        f"{name} has become worse" in output for name in ("anomaly", "arrow", "mean of tasks")
    )
    assert ran(perfect, silent)[0] == 0
    assert ran(silent, perfect, "--fail-on-regress")[0] == 0


def right(sample: Sample, condition: str) -> str:
    return task_of(sample).completion(sample.answer)


# ---- in a browser


@pytest.mark.skipif(find_browser() is None, reason="there is no Chromium")
def test_hostile_text_stays_text_in_a_browser(tmp_path: Path) -> None:
    site = hostile(tmp_path)
    with chromium() as tab:
        for check in OF_HOSTILE:
            tab.screen(DESKTOP)
            check(tab, site.page)
        assert tab.console == []


def test_every_check_has_a_name_of_its_own() -> None:
    assert len(CHECKS) >= 14 and set(OF_HOSTILE) <= set(CHECKS.values())


def test_made_answers_are_results_like_any(runs: list[Path], data: Path) -> None:
    found = load_results(runs[1])
    assert len(found) == 6 * len(load_samples(data, "held_out"))
    full = [r for r in found if r.condition == "full"]
    blind = [r for r in found if r.condition == "blind"]
    assert sum(r.score for r in full) > sum(r.score for r in blind)
