from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from math import exp
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from kuleshov.errors import UsageError
from kuleshov.sample import Frame, Json, MediaItem, Sample
from kuleshov.tasks import GIVEN
from kuleshov.train.objective_table import objective_of
from kuleshov.train.quality import entailments, exact, overlap, references

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "the", "light", "flashes", "twice", "a", "cup"]
WORDS += ["falls"]
LABELS = {0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}
CLOSED = Sample(
    id="s",
    task="labelled",
    video_ids=("v",),
    split="train",
    media=(MediaItem(tuple(Frame("v", float(i), float(i)) for i in range(2)), 28, 28),),
    prompt="<video>\nWhat falls?\n(A) cup\n(B) light",
    answer="A",
    form="tagged",
    knobs={"options": ["cup", "light"]},
    seed=0,
    chance=0.5,
)
OPEN = replace(CLOSED, answer="the light flashes", knobs={"options": []}, chance=0.0)


def tagged(text: str) -> str:
    return f"<answer>{text}</answer>"


def nli(folder: Path, labels: dict[int, str] = LABELS) -> str:
    """A tiny NLI model of random weights, saved."""
    torch.manual_seed(3)
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        initializer_range=0.4,
        pad_token_id=0,
        id2label=labels,
        label2id={label: i for i, label in labels.items()},
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


def by_hand(folder: str, premise: str, hypothesis: str, label: int) -> float:
    """Tokens, types and softmax without the tokenizer or a batch."""
    first = ["[CLS]", *premise.split(), "[SEP]"]
    second = [*hypothesis.split(), "[SEP]"]
    ids = [WORDS.index(word) for word in first + second]
    types = [0] * len(first) + [1] * len(second)
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        given = {"input_ids": torch.tensor([ids]), "token_type_ids": torch.tensor([types])}
        logits = model(**given).logits[0].tolist()
    return exp(logits[label]) / sum(exp(value) for value in logits)


def test_entailment_is_the_softmax_of_the_answer_before_the_reference(tmp_path: Path) -> None:
    model = nli(tmp_path)
    said = ["the light flashes twice", "a cup falls", "the light flashes"]
    found = entailments([OPEN] * 3, [tagged(text) for text in said], model)
    for text, chance in zip(said, found, strict=True):
        assert chance == pytest.approx(by_hand(model, text, "the light flashes", 2), abs=1e-5)
    assert len({round(chance, 3) for chance in found}) == 3
    # The other direction is another number.
    other = by_hand(model, "the light flashes", said[0], 2)
    assert found[0] != pytest.approx(other, abs=1e-3)


def test_the_label_is_found_by_its_name(tmp_path: Path) -> None:
    model = nli(tmp_path, {0: "entailment", 1: "not_entailment"})
    (found,) = entailments([OPEN], [tagged("a cup falls")], model)
    want = by_hand(model, "a cup falls", "the light flashes", 0)
    assert found == pytest.approx(want, abs=1e-5)


def test_models_that_cannot_judge_are_refused(tmp_path: Path) -> None:
    model = nli(tmp_path / "a", {0: "LABEL_0", 1: "LABEL_1"})
    with pytest.raises(UsageError, match="has the labels label_0, label_1; one of them must be"):
        entailments([OPEN], [tagged("a cup")], model)
    with pytest.raises(UsageError, match=r"cannot be loaded: .*overlap"):
        entailments([OPEN], [tagged("a cup")], str(tmp_path / "nothing"))


def test_closed_questions_are_compared_exactly_and_need_no_model() -> None:
    texts = [tagged("A"), tagged("B"), "A"]
    assert entailments([CLOSED] * 3, texts, "no model") == [1.0, 0.0, 0.0]
    assert [overlap(CLOSED, text) for text in texts] == [1.0, 0.0, 0.0]
    assert references(CLOSED) == ()


def test_a_completion_without_an_answer_entails_nothing() -> None:
    texts = ["the light flashes", tagged("a") + tagged("b"), tagged(" ")]
    assert entailments([OPEN] * 3, texts, "no model") == [0.0] * 3
    assert [overlap(OPEN, text) for text in texts] == [0.0] * 3


def given_text(answer: Json) -> Sample:
    return replace(OPEN, task="given_text", answer=answer, knobs={"judged": False})


def test_of_several_references_the_best_counts(tmp_path: Path) -> None:
    model = nli(tmp_path)
    truths = ["a cup falls", "the light flashes"]
    (found,) = entailments([given_text(truths)], [tagged("the cup falls")], model)
    want = [by_hand(model, "the cup falls", truth, 2) for truth in truths]
    assert want[0] != pytest.approx(want[1], abs=1e-3)
    assert found == pytest.approx(max(want), abs=1e-5)
    # 2 of 3 words; 1 of 3
    assert overlap(given_text(truths), tagged("the cup falls")) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ("the light flashes", 1.0),
        ("FLASHES, the Light!", 1.0),
        ("the the the", 1 / 3),
        ("it is a light that flashes", 2 / 3),
        ("a cup", 0.0),
        ("the light does not flash; nothing flashes", 1.0),  # no entailment
    ],
)
def test_overlap_is_the_share_of_the_words_of_the_reference(said: str, want: float) -> None:
    assert overlap(OPEN, tagged(said)) == pytest.approx(want)


def test_a_word_that_stands_twice_counts_twice() -> None:
    # the, cup, the, light: said are the, cup
    sample = replace(OPEN, answer="the cup, the light")
    assert overlap(sample, tagged("the cup")) == 0.5


@given(st.text(), st.text())
def test_overlap_is_a_share_and_grows_with_what_is_said(reference: str, said: str) -> None:
    sample = replace(OPEN, answer=reference, form="direct")
    shares = [overlap(sample, text) for text in (said, f"{said} {reference}")]
    assert all(0 <= share <= 1 for share in shares)
    assert all(before <= after for before, after in pairwise(shares))


def test_free_text_is_what_the_tasks_say_it_is() -> None:
    """Of each task whose truth is text; the others have the exact comparison."""
    caption = replace(OPEN, task="given_caption", answer="a cup falls", knobs={})
    assert references(OPEN) == ("the light flashes",)
    assert references(given_text(["a", "b"])) == ("a", "b")
    assert references(caption) == ("a cup falls",)
    others = set(GIVEN) - {"labelled", "given_text", "given_caption"}
    assert all(references(replace(OPEN, task=name)) == () for name in others)
    assert exact(OPEN, tagged("the light flashes")) == 1.0
    assert exact(OPEN, tagged(' "The light  flashes." ')) == 1.0  # as the task compares texts
    assert exact(OPEN, tagged("the light flashes twice")) == exact(OPEN, "no answer") == 0.0


def test_comparative_takes_it_as_its_quality(tmp_path: Path) -> None:
    knobs = {"quality": "entailment", "nli": nli(tmp_path)}
    (quality,) = objective_of("comparative", knobs, {}).reward_functions()
    completion = [{"role": "assistant", "content": tagged("a cup falls")}]
    (found,) = quality(completions=[completion], sample=[OPEN.to_json()])
    want = by_hand(knobs["nli"], "a cup falls", "the light flashes", 2)
    assert found == pytest.approx(want, abs=1e-5)
    (by_words,) = objective_of("comparative", {"quality": "overlap"}, {}).reward_functions()
    assert by_words(completions=[completion], sample=[OPEN.to_json()]) == [0.0]
    with pytest.raises(UsageError, match="'entailed'; did you mean 'entailment'"):
        objective_of("comparative", {"quality": "entailed"}, {})
    assert json.dumps(knobs)  # knobs of a recipe are plain values
