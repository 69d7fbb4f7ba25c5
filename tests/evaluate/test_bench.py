from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kuleshov.audit import Findings
from kuleshov.audit.findings import Finding, Floor, Probed
from kuleshov.dataset import load_samples, write
from kuleshov.errors import UsageError
from kuleshov.evaluate.bench import MANIFEST, freeze, load, verify
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.metrics import published_table
from kuleshov.evaluate.runner import evaluate
from kuleshov.recipe import load as load_recipe
from kuleshov.recipe import packaged
from kuleshov.run import environment
from kuleshov.sample import Sample
from kuleshov.synthesize import MakeConfig, make
from tests.cli.test_commands import run
from tests.evaluate.backends.stub import answers, completion, endpoint

FINDINGS = Findings(
    errors=[Finding("leak", "jigsaw", "boundary beats chance")],
    floors=[Floor("jigsaw", 12, 0.5, 0.6, "2,1", 0.55)],
    probes=[Probed("jigsaw", "boundary", "set", 0.9, 0.5, (0.8, 1.0), 12, "leak", True)],
)
KNOBS = {"num_clips": 2, "num_frames": 4, "min_frames": 4, "min_pixels": 1024, "max_pixels": 1024}


@pytest.fixture
def data(short_clips: Path, tmp_path: Path) -> Path:
    """A set that lies beside its videos, both of which a test may change."""
    videos, out = tmp_path / "videos", tmp_path / "set"
    shutil.copytree(short_clips, videos)
    make(videos, out, MakeConfig(workers=0, tasks={"jigsaw": KNOBS}, held_out=1.0))
    return out


def changed(data: Path, change: Callable[[list[Sample]], list[Sample]]) -> None:
    write(data, change(load_samples(data)), {"videos": str(data.parent / "videos")})


def test_a_manifest_says_what_is_frozen(data: Path) -> None:
    manifest = freeze(data, "small", FINDINGS)
    assert manifest == load(data) and (data / MANIFEST).is_file()
    samples = load_samples(data)
    assert list(manifest["samples"]) == [sample.id for sample in samples]
    assert set(manifest["videos"]) == {sample.video_ids[0] for sample in samples}
    assert manifest["recipe"]["tasks"]["jigsaw"]["num_clips"] == 2
    assert {"av", "kuleshov"} <= set(manifest["versions"])
    assert manifest["audit"]["errors"] == ["leak: jigsaw: boundary beats chance"]
    assert manifest["audit"]["floors"][0]["best_constant"] == 0.6
    assert manifest["audit"]["probes"][0]["verdict"] == "leak"
    # Where it was made is of no matter.
    assert str(data.parent) not in (data / MANIFEST).read_text()


def test_a_set_that_is_what_it_was_is_verified_wherever_it_lies(
    data: Path, short_clips: Path, tmp_path: Path
) -> None:
    assert verify(data) is None
    freeze(data, "small", FINDINGS)
    told: list[tuple[int, int]] = []
    found = verify(data, lambda _, done, total: told.append((done, total)))
    assert found is not None and found["name"] == "small" and told[-1] == (12, 12)
    again = tmp_path / "elsewhere"
    make(short_clips, again, MakeConfig(workers=0, tasks={"jigsaw": KNOBS}, held_out=1.0))
    freeze(again, "the same", Findings())
    assert verify(again) == {"name": "the same", "hash": found["hash"]}


def test_a_changed_sample_is_named(data: Path) -> None:
    freeze(data, "small", FINDINGS)
    first = load_samples(data)[0]
    changed(
        data,
        lambda samples: [replace(samples[0], prompt=f"{samples[0].prompt} Why?"), *samples[1:]],
    )
    with pytest.raises(UsageError, match=rf"1 samples changed \({first.id}\). Put back"):
        verify(data)


def test_missing_and_added_samples_are_counted(data: Path) -> None:
    freeze(data, "small", FINDINGS)
    changed(data, lambda samples: [replace(samples[0], id="new"), *samples[5:]])
    with pytest.raises(UsageError, match=r"5 samples missing \(\w+, \w+, \w+, ...\); 1 samples ad"):
        verify(data)


def test_changed_and_missing_videos_are_named(data: Path) -> None:
    freeze(data, "small", FINDINGS)
    one, other = sorted((data.parent / "videos").iterdir())[:2]
    one.write_bytes(one.read_bytes() + b"more")
    other.unlink()
    message = rf"2 videos missing or changed \({one.name}, {other.name}\)"
    with pytest.raises(UsageError, match=message):
        verify(data)


def test_videos_that_changed_places_are_named(data: Path) -> None:
    freeze(data, "small", FINDINGS)
    one, other = sorted((data.parent / "videos").iterdir())[:2]
    one.rename(data / "kept")
    other.rename(one)
    (data / "kept").rename(other)
    message = rf"2 videos missing or changed \({one.name}, {other.name}\)"
    with pytest.raises(UsageError, match=message):
        verify(data)


def test_a_broken_manifest_is_refused(data: Path) -> None:
    with pytest.raises(UsageError, match="is not frozen"):
        load(data)
    for text in ("{", "[]", '{"format": 99}'):
        (data / MANIFEST).write_text(text)
        with pytest.raises(UsageError, match="is not a manifest of format 1"):
            verify(data)


def test_freezing_again_changes_no_benchmark(data: Path) -> None:
    first = freeze(data, "small", FINDINGS)
    assert freeze(data, "small", FINDINGS) == first
    changed(data, lambda samples: samples[1:])
    with pytest.raises(UsageError, match="frozen already, and has changed since: 1 samples mis"):
        freeze(data, "small", FINDINGS)
    assert load(data) == first


def test_an_evaluation_says_which_benchmark_it_is_of_and_refuses_another(
    data: Path, tmp_path: Path
) -> None:
    freeze(data, "small", FINDINGS)
    with endpoint() as stub:
        config = EvalConfig(backend="openai", endpoint=stub.url, conditions=("full",))
        evaluate("m", data, tmp_path / "run", config)
        assert environment(tmp_path / "run")["bench"] == verify(data)
        stub.calls.clear()
        manifest = json.loads((data / MANIFEST).read_text())
        manifest["samples"][next(iter(manifest["samples"]))] = "0" * 32
        (data / MANIFEST).write_text(json.dumps(manifest))
        with pytest.raises(UsageError, match="not the benchmark small as it was frozen: 1 samples"):
            evaluate("m", data, tmp_path / "other", config)
        assert stub.calls == []


def test_the_commands_freeze_a_set_and_print_its_metric(data: Path, tmp_path: Path) -> None:
    code, output = run("freeze", data, "--name", "small")
    assert code == 0 and "audit: 0 errors" in output and "bench.json" in output
    with endpoint() as stub:
        words = ("--backend", "openai", "--endpoint", stub.url)
        code, output = run("eval", "m", data, "-o", tmp_path / "run", *words)
    assert code == 0 and "audit: 0 errors" in output
    lines = [line.split() for line in output.splitlines()]
    assert ["small", "metric", "items", "value"] in lines
    assert ["jigsaw", "exact", "12", "0.000"] in lines
    # A floor is of the same benchmark and has the same metric.
    code, output = run("eval", "policy:majority", data, "-o", tmp_path / "floor")
    assert code == 0 and environment(tmp_path / "floor")["bench"] == verify(data)
    share = max(Counter(tuple(s.answer) for s in load_samples(data)).values()) / 12
    assert ["jigsaw", "exact", "12", f"{share:.3f}"] in [
        line.split() for line in output.splitlines()
    ]


def test_viubench_has_the_columns_of_the_published_table(short_clips: Path, tmp_path: Path) -> None:
    recipe = packaged("viubench.yaml")
    changes = {"share": 1e-3, "disjoint": False, "workers": 0}
    made = load_recipe(recipe, "make", MakeConfig, changes)
    # The sizes of a test; the recipe's own are in tests/test_recipes.py.
    small = {name: {**knobs, "max_pixels": 128 * 128} for name, knobs in made.tasks.items()}
    make(short_clips, tmp_path / "set", replace(made, tasks=small))
    with endpoint() as stub:
        # The whole interval of 4 s less a tenth, and neither three counts nor an order.
        stub.otherwise = answers(200, completion("0.0-3.6"))
        changed = {"backend": "openai", "endpoint": stub.url, "conditions": ["full"]}
        config = load_recipe(recipe, "eval", EvalConfig, changed)
        results = evaluate("m", tmp_path / "set", tmp_path / "run", config)
    table = published_table(results, load_samples(tmp_path / "set"))
    grounding = ["channel_swap", "mirror", "rotate180", "shuffle", "zoom_out"]
    assert [row.name for row in table] == [
        *grounding,
        "anomaly",
        "counting_easy",
        "counting_hard",
        "counting",
        "jigsaw_easy",
        "jigsaw_hard",
        "jigsaw",
        "overall",
    ]
    values = {row.name: row.value for row in table}
    assert {r.num_frames for r in results} == {48}
    # A segment of 8 to 16 of 48 frames.
    assert all(1 / 7 < values[kind] < 3 / 7 for kind in grounding)
    assert values["anomaly"] == pytest.approx(sum(values[kind] for kind in grounding) / 5)
    assert values["counting"] == values["jigsaw"] == 0
    assert values["overall"] == pytest.approx(values["anomaly"] * 5 / 9)


def test_a_frozen_set_keeps_its_name(data: Path) -> None:
    freeze(data, "one", Findings())
    with pytest.raises(UsageError, match="is frozen already, as one"):
        freeze(data, "two", Findings())


@pytest.mark.parametrize("text", ["", "[" * 9999, '{"format": 1}', '{"format": 1, "name": 3}'])
def test_a_manifest_that_was_harmed_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(UsageError, match=r"bench\.json (is|has|lacks) .*; freeze the set again"):
        load(tmp_path)
