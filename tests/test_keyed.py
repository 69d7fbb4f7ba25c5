from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kuleshov.cli import app
from kuleshov.dataset import load_samples, load_skips, load_summary, videos_root
from kuleshov.errors import UsageError
from kuleshov.frames import write_video
from kuleshov.keyed import with_key_frames, write_keyed
from kuleshov.keywords import parsed
from kuleshov.media import render
from kuleshov.pairing import Pairing
from kuleshov.pairs import KEY_FRAMES, differing
from kuleshov.peaks import Peaks
from kuleshov.sample import Sample
from kuleshov.synthesize import MakeConfig, make
from kuleshov.train.preference import degraded
from tests.evaluate.backends.stub import answers, completion, endpoint, together
from tests.features.test_aligned import save_aligned

FLASH = Pairing(keys="novelty", peaks=Peaks(smoothing=1))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flash in a quiet clip and a clip without any, each with a caption; and counting on both."""
    folder = tmp_path_factory.mktemp("keyed")
    still = np.full((48, 64, 64, 3), 60, np.uint8)
    still[:, 20:30, 20:30] = (90, 60, 30)
    flash = still.copy()
    flash[20:23] = 240
    (folder / "videos").mkdir()
    write_video(folder / "videos" / "flash.mp4", flash, 12)
    write_video(folder / "videos" / "still.mp4", still, 12)
    rows = [
        {"video": f"{name}.mp4", "question": "What happens?", "answer": answer}
        for name, answer in [("flash", "The light flashes."), ("still", "A box stands there.")]
    ]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    labelled = {"path": str(folder / "rows.jsonl"), "num_frames": 48}
    config = MakeConfig(
        tasks={"counting": {}}, labelled=labelled, held_out=0.0, near_duplicates=None
    )
    make(folder / "videos", folder / "set", config)
    return folder / "set"


def by_task(out: Path, task: str) -> list[Sample]:
    return [sample for sample in load_samples(out) if sample.task == task]


def test_training_takes_out_what_was_found(data: Path, tmp_path: Path) -> None:
    counts = write_keyed(data, tmp_path / "keyed", FLASH)
    before, after = load_samples(data), load_samples(tmp_path / "keyed")
    assert sum(counts.values()) == len(after) == len(before) and counts["not_for"] == 0
    root = videos_root(tmp_path / "keyed")
    assert Path(str(root)).resolve() == Path(str(videos_root(data))).resolve()
    kinds = []
    for old, new in zip(before, after, strict=True):
        found = FLASH(old, root)
        assert replace(new, provenance=old.provenance) == old
        less = degraded(new, "key_frames")
        kinds.append(found is not None)
        if found is None or less is None:
            assert found is None and less is None and new.provenance[KEY_FRAMES] == []
        else:
            assert differing(found.pair.degraded, less) == []
            assert [tuple(place) for place in new.provenance[KEY_FRAMES]] == list(found.pair.absent)
    assert counts["with"] == sum(kinds) and counts["without"] == len(kinds) - sum(kinds)
    (flash,) = [s for s in by_task(tmp_path / "keyed", "labelled") if s.answer.endswith("flashes.")]
    assert flash.provenance[KEY_FRAMES] == [[0, 20], [0, 21], [0, 22]]
    less = degraded(flash, "key_frames")
    assert less is not None
    (whole,), (dark,) = render(flash, root), render(less, root)
    assert whole[21].mean() > 200 > 100 > dark.max()
    assert load_summary(tmp_path / "keyed")["key_frames"] == counts
    assert load_skips(tmp_path / "keyed") == load_skips(data)


def test_paper_key_frames_at_the_start_show_themselves_in_training_too(data: Path) -> None:
    """As in the paper a first frame stays, though training's own evidence would hide it."""
    (sample, *_) = by_task(data, "labelled")
    told = replace(sample, provenance={**sample.provenance, KEY_FRAMES: [[0, 0], [0, 1], [0, 5]]})
    pairing, root = Pairing(first="itself"), videos_root(data)
    found = pairing(told, root)
    keyed, kind = with_key_frames(told, root, pairing)
    less = degraded(keyed, "key_frames")
    assert found is not None and less is not None and kind == "with"
    assert differing(keyed, less) == list(found.pair.absent) == [(0, 1), (0, 5)]
    assert differing(found.pair.degraded, less) == []


def test_frames_are_added_to_captions_alone(data: Path) -> None:
    root = videos_root(data)
    pairing = replace(FLASH, share=0.02, fps=24.0)
    for sample in load_samples(data):
        keyed, kind = with_key_frames(sample, root, pairing)
        if kind == "with":
            more = len(keyed.media[0].frames) > len(sample.media[0].frames)
            assert more == (sample.task == "labelled")
            less = degraded(keyed, "key_frames")
            assert less is not None
            assert len(differing(keyed, less)) == len(keyed.provenance[KEY_FRAMES])


def test_relevance_leaves_pretext_samples_as_they_are(data: Path, tmp_path: Path) -> None:
    pairing = Pairing(keys="relevance", model=str(save_aligned("clip", tmp_path / "clip")))
    replies = {"The light flashes.": '["light"]', "A box stands there.": "I see none."}

    def keywords(text: str) -> list[str]:
        return parsed(replies[text.split("\n")[-1]])

    counts = write_keyed(data, tmp_path / "keyed", pairing, keywords)
    pretext = len(by_task(data, "counting"))
    assert counts["not_for"] == pretext and counts["bad_reply"] == 1
    assert counts["with"] + counts["without"] == 1
    assert by_task(tmp_path / "keyed", "counting") == by_task(data, "counting")


def test_a_set_is_not_written_over_itself(data: Path) -> None:
    with pytest.raises(UsageError, match="is the set itself"):
        write_keyed(data, data, FLASH)
    with pytest.raises(UsageError, match="holds no finished set"):
        write_keyed(data / "samples", data / "other", FLASH)


# The command.


def pairs(*arguments: object) -> tuple[int, str]:
    ran = CliRunner().invoke(app, ["pairs", *map(str, arguments)])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.output


def test_the_command_counts_them_and_its_set_is_shown_by_evidence(
    data: Path, tmp_path: Path
) -> None:
    code, output = pairs(data, "--keys", "novelty", "--into", tmp_path / "keyed")
    counts = load_summary(tmp_path / "keyed")["key_frames"]
    assert code == 0 and counts["with"] > 0
    for kind, number in counts.items():
        assert re.search(rf"{kind.replace('_', ' ')} +{number}\n", output)
    assert not (data / "pairs.html").exists()
    code, output = pairs(tmp_path / "keyed")
    assert code == 0 and (tmp_path / "keyed" / "pairs.html").is_file()


def test_an_endpoint_finds_the_keywords(data: Path, tmp_path: Path) -> None:
    model = save_aligned("clip", tmp_path / "clip")
    asks = ["--keys", "relevance", "--model", model, "--into", tmp_path / "keyed"]
    with endpoint() as stub:
        stub.otherwise = together(stub, 2, answers(body=completion('["light flashes"]')))
        code, output = pairs(data, *asks, "--endpoint", stub.url, "--model-name", "m")
    assert code == 0, output
    # Several at a time, before the samples are gone through one by one.
    assert stub.most_at_once == 2
    texts = [call.body["messages"][0]["content"] for call in stub.calls]
    assert len(texts) == 2 and any("The light flashes." in text for text in texts)
    for sample in by_task(tmp_path / "keyed", "labelled"):
        if sample.provenance[KEY_FRAMES]:
            assert sample.provenance["keywords"] == ["light flashes"]


def test_an_endpoint_is_refused_where_it_does_nothing_or_has_no_model(data: Path) -> None:
    with pytest.raises(UsageError, match="for relevance; --keys is motion"):
        pairs(data, "--keys", "motion", "--endpoint", "http://127.0.0.1:1/v1")
    with pytest.raises(UsageError, match="needs --model-name"):
        pairs(data, "--keys", "relevance", "--endpoint", "http://127.0.0.1:1/v1")
