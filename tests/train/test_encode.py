from __future__ import annotations

import copy
import re
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText

from kuleshov.errors import UsageError
from kuleshov.reward import extract
from kuleshov.sample import Frame, MediaItem, Sample
from kuleshov.tasks.text_order import TextOrder
from kuleshov.train.encode import Encoder, batch, messages, metadata, vision_tokens
from tests.conftest import a_video
from tests.test_sample import a_sample
from tests.train.conftest import CLOSED, OPEN, OPEN_LINE, Setup, thinking


def item(*shown: float) -> MediaItem:
    return MediaItem(tuple(Frame("v", 9.0, second) for second in shown), 4, 4)


def test_messages_hold_a_video_for_each_placeholder_and_the_text_between() -> None:
    parts = messages(a_sample())[0]["content"]
    assert [part["type"] for part in parts] == ["video", "text", "video", "text"]
    # No key but its own: templates test for the presence of "video".
    assert all("video" not in part for part in parts)
    assert parts[1]["text"] == " and "


def test_a_prompt_that_does_not_fit_its_media_is_refused() -> None:
    with pytest.raises(UsageError, match="the prompt has 1 <video> or <image> for 2 media items"):
        messages(replace(a_sample(), prompt="<video>"))


def test_metadata_tells_the_shown_times() -> None:
    # Four frames over 1.5 s: two a second.
    even = metadata(item(0, 0.5, 1.0, 1.5))
    assert even == {"total_num_frames": 4, "fps": 2.0, "frames_indices": [0, 1, 2, 3]}
    # Uneven times keep their place: index / fps is the time.
    uneven = metadata(item(0, 1, 2, 6))
    assert [i / uneven["fps"] for i in uneven["frames_indices"]] == pytest.approx([0, 1, 2, 6])
    assert metadata(item(0, 0)) == {"total_num_frames": 2, "fps": 1.0, "frames_indices": [0, 0]}


def test_video_tokens_and_features_match(setup: Setup) -> None:
    token = setup.token("video")
    for sample in setup.samples:
        encoded = setup.encoder(sample)
        if setup.tiled:
            # A tile for each frame; 56 x 56 pixels, patches of 14, merged 2 x 2: 4 tokens.
            frames = sum(len(item.frames) for item in sample.media)
            assert encoded.videos["pixel_values"].shape == (frames, 3, 56, 56)
            assert (encoded.input_ids == token).sum() == 4 * frames
            assert encoded.token_types is None and len(encoded.videos) == 1
            continue
        grid = encoded.videos["video_grid_thw"]
        # Frames in pairs, patches of 14 pixels, merged 2 x 2.
        wanted = [[len(m.frames) // 2, m.height // 14, m.width // 14] for m in sample.media]
        assert grid.tolist() == wanted
        assert (encoded.input_ids == token).sum() == grid.prod(dim=1).sum() // 4
        assert len(encoded.videos["pixel_values_videos"]) == grid.prod(dim=1).sum()
        assert encoded.token_types is not None
        assert ((encoded.token_types == 2) == (encoded.input_ids == token)).all()


def test_a_question_without_media_is_text_alone(setup: Setup) -> None:
    made = TextOrder().synthesize(a_video(), np.random.default_rng(0), lambda n: [])
    assert isinstance(made, Sample)
    text, video = setup.encoder(made), setup.encoder(setup.samples[0])
    assert text.videos == {} and len(text.input_ids) > 10
    if text.token_types is None:
        assert setup.tiled
    else:
        assert len(text.token_types) == len(text.input_ids) and not text.token_types.any()
    inputs = batch([text, video], setup.encoder.processor.tokenizer.pad_token_id)
    assert all((inputs[key] == video.videos[key]).all() for key in video.videos)
    # The same question alone and beside one with a video gets the same scores.
    model = AutoModelForImageTextToText.from_pretrained(setup.folder).eval()
    with torch.no_grad():
        beside = model(**inputs).logits[0, -1]
        alone = model(**batch([text], 0)).logits[0, -1]
    assert torch.allclose(beside, alone, atol=1e-4)


def test_each_family_is_told_the_shown_times(setup: Setup) -> None:
    sample = next(s for s in setup.samples if s.task == "anomaly")
    encoded = setup.encoder(sample)
    shown = [frame.shown_seconds for frame in sample.media[0].frames]
    if setup.family == "qwen2_5_vl":
        step = shown[1] - shown[0]
        # Seconds for each pair of frames.
        assert encoded.videos["second_per_grid_ts"].tolist() == pytest.approx([2 * step])
        return
    text = setup.encoder.processor.decode(encoded.input_ids)
    if setup.family == "internvl":
        told = re.findall(r"</img>\n\nThe frames are shown at (.*) seconds\.\nIn one segment", text)
        assert [float(second) for second in told[0].split(", ")] == pytest.approx(shown, abs=5e-3)
        assert text.count("Frame8: <img>") == len(told) == 1
    else:
        for first, second in zip(shown[::2], shown[1::2], strict=True):
            assert f"<{(first + second) / 2:.1f} seconds>" in text


def test_frames_reach_the_model_unchanged(setup: Setup) -> None:
    sample = next(s for s in setup.samples if s.task == "jigsaw")
    encoded = setup.encoder(sample)
    video = setup.encoder.processor.video_processor
    mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (video.image_mean, video.image_std))
    if setup.tiled:
        tiles = encoded.videos["pixel_values"].transpose(0, 1)
        rendered = np.concatenate(setup.encoder.render(sample))
        whole = torch.from_numpy(rendered).permute(3, 0, 1, 2)
        assert torch.allclose((tiles * std + mean) * 255, whole.float(), atol=0.01)
        return
    # The first patch is the top left 14 x 14 pixels of the first two frames: channel, time, y, x.
    patch = encoded.videos["pixel_values_videos"][0].view(3, 2, 14, 14)
    pixels = (patch * std + mean) * 255
    frames = torch.from_numpy(setup.encoder.render(sample)[0][:2, :14, :14]).permute(3, 0, 1, 2)
    assert torch.allclose(pixels, frames.float(), atol=0.01)


def test_batch_pads_on_the_left_and_labels_only_the_completion(setup: Setup) -> None:
    encoded = [setup.encoder(sample) for sample in setup.samples[:3]]
    answers = [setup.encoder.answer_ids(text) for text in ("1", "1234", "<answer>")]
    pad = setup.encoder.processor.tokenizer.pad_token_id
    inputs = batch(encoded, pad, answers)
    for row, (prompt, answer) in enumerate(zip(encoded, answers, strict=True)):
        mask = inputs["attention_mask"][row].bool()
        ids = torch.cat([prompt.input_ids, answer])
        assert (inputs["input_ids"][row][mask] == ids).all()
        assert mask.tolist() == sorted(mask.tolist())
        assert inputs["labels"][row][-len(answer) :].tolist() == answer.tolist()
        assert (inputs["labels"][row][: -len(answer)] == -100).all()
    for key in encoded[0].videos:
        assert len(inputs[key]) == sum(len(e.videos[key]) for e in encoded)


def test_an_answer_ends_its_turn(setup: Setup) -> None:
    ids = setup.encoder.answer_ids("12")
    tokenizer = setup.encoder.processor.tokenizer
    assert ids[-1] == tokenizer.eos_token_id
    # Every digit is a token of its own.
    assert len(ids) == 3 and tokenizer.decode(ids[:-1]) == "12"


@pytest.mark.parametrize("opened", [OPEN, OPEN_LINE, "<think>\n\n"])
def test_a_target_closes_the_thought_that_the_prompt_opens(setup: Setup, opened: str) -> None:
    encoder = Encoder(thinking(setup.encoder.processor, opened), setup.encoder.render)
    tokenizer = encoder.processor.tokenizer
    sample = setup.samples[0]
    prompt = tokenizer.decode(encoder(sample).input_ids)
    assert prompt.endswith(opened)
    for text in ("<answer>12</answer>", "12"):
        ids = encoder.answer_ids(text)
        assert ids[-1] == tokenizer.eos_token_id
        # What the model is taught to have written is what the family's template writes for a turn
        # without thoughts.
        written = tokenizer.decode(ids[:-1])
        assert opened + written == f"{CLOSED}{text}"
        assert extract(written, "tagged" if "<" in text else "direct") == "12"
        assert encoder.texts([ids.tolist()]) == [f"{CLOSED}{text}"]


@pytest.mark.parametrize("written", ["", CLOSED])
def test_an_answer_stands_alone_where_no_thought_is_open(setup: Setup, written: str) -> None:
    encoder = Encoder(thinking(setup.encoder.processor, written), setup.encoder.render)
    assert encoder.opening == ""
    ids = encoder.answer_ids("12")
    assert encoder.processor.tokenizer.decode(ids[:-1]) == "12"
    assert encoder.texts([ids.tolist()]) == ["12"]


@pytest.mark.parametrize(
    ("template", "opening"),
    [("qwen3_5_think", OPEN_LINE), ("qwen3_5_nothink", ""), ("qwen3_6", OPEN_LINE)],
)
def test_the_families_own_templates_are_read(setup: Setup, template: str, opening: str) -> None:
    if setup.family != "qwen3_vl":
        pytest.skip("templates of families with the tokens of Qwen3-VL")
    processor = copy.deepcopy(setup.encoder.processor)
    folder = files("trl").joinpath("chat_templates")
    processor.chat_template = folder.joinpath(f"{template}.jinja").read_text("utf-8")
    encoder = Encoder(processor, setup.encoder.render)
    assert encoder.opening == opening
    # The target is what the template itself makes of a turn without thoughts.
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "4"}]
    whole = processor.apply_chat_template(chat, tokenize=False)
    asked = processor.apply_chat_template(chat[:1], tokenize=False, add_generation_prompt=True)
    written = processor.tokenizer.decode(encoder.answer_ids("4"))
    assert f"{asked}{written}" == whole.rstrip()
    assert CLOSED in whole


def test_a_question_about_thoughts_opens_none(setup: Setup) -> None:
    prompt = "Think between <think> and </think>, <think>"
    sample = replace(setup.samples[0], prompt=prompt, media=())
    encoder = Encoder(thinking(setup.encoder.processor, CLOSED), setup.encoder.render)
    assert "<think> and" in encoder.text(sample) and encoder.opening == ""


def test_marks_of_a_thought_that_are_special_tokens_are_read(setup: Setup) -> None:
    processor = thinking(setup.encoder.processor, OPEN_LINE)
    tokenizer = processor.tokenizer
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    encoder = Encoder(processor, setup.encoder.render)
    ids = tokenizer("3 or 4?</think>4<|im_end|><|endoftext|>")["input_ids"]
    assert "</think>" not in tokenizer.decode(ids, skip_special_tokens=True)
    (text,) = encoder.texts([ids])
    assert text == "<think>\n3 or 4?</think>4" and extract(text, "direct") == "4"


def test_vision_tokens_are_those_of_the_model(setup: Setup) -> None:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(setup.folder)
    tokenizer = setup.encoder.processor.tokenizer
    names = {"<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"}
    if setup.tiled:
        names = {"<IMG_CONTEXT>"}  # the one that features belong to
    assert set(tokenizer.convert_ids_to_tokens(vision_tokens(config))) == names


def uneven(sample: Sample) -> Sample:
    """The same frames, the last one a second later."""
    (item,) = sample.media
    late = item.frames[-1]._replace(shown_seconds=item.frames[-1].shown_seconds + 1)
    return replace(sample, media=(replace(item, frames=(*item.frames[:-1], late)),))


def test_an_uneven_clock_is_told_or_refused(setup: Setup) -> None:
    sample = uneven(next(s for s in setup.samples if s.task == "anomaly"))
    shown = [frame.shown_seconds for frame in sample.media[0].frames]
    if setup.family == "qwen2_5_vl":
        with pytest.raises(UsageError, match=r"shown times are uneven.*answer is a time; allowed"):
            setup.encoder(sample)
        # Where nothing is asked about time, the mean rate does.
        step = shown[-1] / (len(shown) - 1)
        free = setup.encoder(replace(sample, task="counting", knobs={}))
        assert free.videos["second_per_grid_ts"].tolist() == pytest.approx([2 * step])
        return
    text = setup.encoder.processor.decode(setup.encoder(sample).input_ids)
    last = f"<{(shown[-2] + shown[-1]) / 2:.1f} seconds>"
    assert (f", {round(shown[-1], 2):g} seconds." if setup.tiled else last) in text


def test_a_processor_with_a_clock_of_its_own_is_refused(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processors fall back on 24 frames a second where they take no times."""
    if setup.family != "qwen2_5_vl":
        pytest.skip("times are text, which the test above reads")
    video = setup.encoder.processor.video_processor
    read = video.preprocess

    def deaf(videos: Any, video_metadata: Any = None, **kwargs: Any) -> Any:
        return read(videos, **kwargs)

    monkeypatch.setattr(video, "preprocess", deaf)
    monkeypatch.setattr(type(video), "__call__", lambda self, *a, **k: deaf(*a, **k))
    with pytest.raises(UsageError, match=r"tells 0.0416667 s from frame to frame, shown are"):
        setup.encoder(next(s for s in setup.samples if s.task == "anomaly"))


def test_whether_a_processor_tells_times_is_found_out(setup: Setup) -> None:
    assert setup.encoder.tells_times == (setup.family != "internvl")


def test_times_in_words_are_those_of_each_video() -> None:
    sample = a_sample()
    parts = messages(sample, spell=True)[0]["content"]
    assert [part["type"] for part in parts] == ["video", "text", "video", "text"]
    shown = [[frame.shown_seconds for frame in item.frames] for item in sample.media]
    for text, times in zip((parts[1]["text"], parts[3]["text"]), shown, strict=True):
        told = ", ".join(f"{second:g}" for second in times)
        assert (f"\nThe frames are shown at {told} seconds." in text) == (times[0] != times[-1])
    assert parts[1]["text"].endswith(" and ")
    still = messages(replace(sample, media=(item(0, 0), item(0, 0))), spell=True)
    assert still == messages(sample)


def test_a_template_that_moves_the_media_is_refused(setup: Setup) -> None:
    # As those of LLaVA do, which put images and videos first.
    processor = copy.deepcopy(setup.encoder.processor)
    video = processor.video_token
    processor.chat_template = (
        "{% for m in messages %}{% for p in m.content if p.type == 'video' %}" + video + "\n"
        "{% endfor %}{% for p in m.content if p.type == 'text' %}{{ p.text }}{% endfor %}"
        "{% endfor %}"
    )
    sample = next(s for s in setup.samples if s.task == "jigsaw")
    with pytest.raises(UsageError, match=r"sample \w+: the chat template moves videos"):
        Encoder(processor, setup.encoder.render)(sample)
