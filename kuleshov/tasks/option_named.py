"""Which one of some options a text names, by its name or by its text, or None.

    options   A. Blue bus   B. A red car   C. The dog   D. I see a cat

    "(C)."   "Option C"   "The answer is C because ..."   "the dog"   "C. The dog"     C
    "B or C"   "A, B"   "C. A red car"   "not C"   "C is wrong"   "A man"   "none"     None

A text gives an answer if it names exactly one option. It gives none if it names two, denies the one
that it names ("not C", "C is wrong"), or names it as one of several that are possible ("either C",
"C or"). A letter is a name where it stands by itself and not in a word, a compound ("vitamin C")
or as the article or pronoun that it may be ("A man", "I see"). These rules are ours; what a
published benchmark reads is in published_readings.py.

The text is read from left to right as tokens, so the time is linear in its length.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from kuleshov.tasks.tokens import Token, tokens, words

# A name may follow these words; after another word a letter is a part of what that word means.
_CUES = words(
    """a an the is was be are being it its it's that's that this so thus hence therefore then say
    says saying think thinks believe guess choose chose pick picked select selected take go with
    prefer conclude conclusion yes no maybe perhaps and or nor not than of for to as at by on in
    would will should must could may might can cannot can't isn't isnt wasn't am i'd i'm best
    correct right true final actual likely only just but neither either both only except without
    instead from between among versus vs if whether because since while though although where
    when also even still indeed namely like option options choice choices answer answers ans
    letter letters clip clips video videos image images picture frame caption captions sentence
    statement description alternative candidate response solution number no. numbers event event
    segment case item wrong incorrect false exclude excluding eliminate reject avoid unlike
    never out don't didn't doesn't won't wouldn't shouldn't couldn't aren't weren't dont cant
    rule ruled 是 为 為 选 選 择 擇 项 項 案 不 非 或 和 与 及 は 은 는"""
)
# After these nouns the letter is a name, whatever follows it.
_NOUNS = words(
    """option options choice choices answer answers ans letter letters clip clips video videos
    image images picture caption captions sentence statement description alternative candidate
    response solution number event segment item"""
)
# After "A" or "I", or a number, these go on with the sentence and do not make it an article.
_GOES_ON = words(
    """is was would will should must could may might can cannot can't isn't wasn't or and nor but
    because since as so seems looks appears fits matches best then therefore though although
    while not being it only if which where when to from with for over rather instead than"""
)
_VOWEL_NOUNS = frozenset(noun for noun in _NOUNS if noun[0] in "aeio")
_GLUE = frozenset("-+&")
_DENIALS = words(
    """not never neither nor cannot cant dont isnt doesnt wont without except excluding exclude
    excludes excluded eliminate eliminates eliminated rule rules ruled reject rejects rejected
    avoid unlike wrong incorrect incorrectly false unlikely impossible hardly doubt doubtful
    contradict contradicts contradicted refute refutes refuted mistake mistaken improbable
    implausible discard discarded dismiss dismissed disagree nobody 不 非 没 沒 错 錯"""
)
_DENIED_AFTER = _DENIALS | frozenset(("no", "out", "untrue", "inaccurate", "invalid", "nope"))
_DENYING_PAIRS = frozenset(
    (
        ("instead", "of"),
        ("rather", "than"),
        ("other", "than"),
        ("apart", "from"),
        ("aside", "from"),
        ("anything", "but"),
        ("everything", "but"),
        ("option", "but"),
        ("options", "but"),
        ("all", "but"),
        ("opposite", "of"),
        ("far", "from"),
        ("opposed", "to"),
    )
)
_UNLIKELY = frozenset(
    (how, what) for how in ("least", "less") for what in ("likely", "probable", "plausible")
)
_OPEN = words("either neither whether between among if 或 unless")
_JOINS = frozenset(("or", "and/or", "vs", "versus", "/", "|", "或"))
_BREAKS_BEFORE = words(
    """because since as but although though while whereas so therefore thus hence then however
    except and"""
)
_BREAKS_AFTER = _BREAKS_BEFORE | frozenset(("that", "which", "who", "where", "when", "if", "given"))
_ENDS = frozenset((".", "!", "?", ";", "\n", "。"))
_PIECES = _ENDS | frozenset((",", "—", "–", "、"))
_ASKS = words("""is are was were could can would should do does did might may what which why how""")
_NO_OPTION = frozenset(
    (
        ("none", "of"),
        ("neither", "of"),
        ("all", "of"),
        ("both", "of"),
        ("any", "of"),
        ("each", "of"),
        ("none", "fits"),
        ("several", "of"),
    )
)
# They sound like a denial and are none.
_CERTAIN = frozenset(
    (
        ("no", "doubt"),
        ("without", "doubt"),
        ("without", "a", "doubt"),
        ("without", "any", "doubt"),
        ("beyond", "doubt"),
        ("no", "question"),
        ("not", "only"),
        ("can't", "go", "wrong"),
    )
)
# "No" that is the determiner of these, or a part of them, is not the answer no.
_EMPTY_NO = words(
    """idea clue way one doubt question answer longer more less comment information matter problem
    telling sign need opinion preference"""
)
_YES = frozenset(("yes", "yeah", "yep", "yup"))
_NO = frozenset(("no", "nope", "nah"))
_SPEAKS = words("it the there he she they we i you this that these those not a an its")
_OPENING, _CLOSING = frozenset("([{【<"), frozenset(")]}】>")
_SKIPPED = _OPENING | _CLOSING | _NOUNS | {"the", "a", "."}
_LABEL_ENDS = frozenset((".", ")", ":", "]", "、"))
_FAR = 6
_MOST_LETTERS = 8
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")


@dataclass(frozen=True)
class _Mention:
    """Where a text names an option.

    Args:
        start, stop: the tokens that do.
        names: the options that it may mean; none of them for one that does not exist.
        sure: whether it certainly names one. What may do so ("vitamin C") gives no answer, and
            still stands in the way of another one.
    """

    start: int
    stop: int
    names: frozenset[str]
    sure: bool = True


def option_named(text: str, options: Mapping[str, str]) -> str | None:
    """The one option that a text names.

    Args:
        text: what was answered, without a thought before it.
        options: name -> text. Names are capital letters or numbers, as the prompt has them.

    Returns:
        A name, or None for a text that names none, more than one, or denies the one it names.
    """
    said = tokens(text)
    bare = [token.text for token in said if token.kind in ("word", "figure")]
    if len(bare) == 1 and bare[0].upper() in options and all(_is_quiet(t) for t in said):
        return bare[0].upper()
    mentions = [*_texts(said, options)]
    taken = _taken(mentions, len(said))
    mentions += _names(said, options, taken, mentions)
    mentions += _no_options(said, taken)
    meant = frozenset(options).intersection(*(mention.names for mention in mentions))
    if len(meant) != 1 or not any(mention.sure for mention in mentions):
        return None
    asked, named = _asked(said), _taken(mentions, len(said))
    for mention in mentions:
        unsure = asked[mention.start] or _open(said, mention, taken, named)
        if unsure or _denied(said, mention, taken):
            return None
    return next(iter(meant))


def yes_or_no(text: str) -> str | None:
    """Yes or no, or None for a text that says neither or both.

    "No" counts where it is an answer ("No, ...", "the answer is no"), or, where nothing else is
    said, denies that something is there ("there is no car"); not in "no idea" or "no one".
    """
    said = tokens(text)
    taken = [False] * len(said)
    for start, stop in _phrases(said, _CERTAIN):
        taken[start:stop] = [True] * (stop - start)
    answers = [token.low in _YES | _NO for token in said]
    spoken = [a or b for a, b in zip(taken, answers, strict=True)]
    strong: set[str] = set()
    weak: set[str] = set()
    for i, token in enumerate(said):
        low = token.low
        if taken[i] or low not in _YES | _NO:
            continue
        mention = _Mention(i, i + 1, frozenset((low,)))
        if _open(said, mention, taken, answers):
            return None
        denied = _denied_before(said, i, spoken)
        # "No it does not" takes nothing back.
        if denied or (low in _YES and _denied_after(said, i + 1, spoken)):
            weak.add("")
        elif low in _YES:
            strong.add("yes")
        elif _is_answer(said, i):
            strong.add("no")
        elif _denies_being(said, i):
            weak.add("no")
    found = strong or weak
    only = next(iter(found)) if len(found) == 1 else None
    return only or None


def _is_quiet(token: Token) -> bool:
    """Whether a token beside a name takes nothing back from it."""
    return token.kind != "mark" or token.text not in "/|?-–—+&%=≠"


def _content(said: Sequence[Token]) -> list[int]:
    return [i for i, token in enumerate(said) if token.kind in ("word", "figure")]


def _texts(said: Sequence[Token], options: Mapping[str, str]) -> Iterator[_Mention]:
    """Where the text of an option stands, the longest first where several begin."""
    named: dict[tuple[str, ...], set[str]] = {}
    for name, text in options.items():
        spoken = tuple(token.low for token in tokens(text) if token.kind in ("word", "figure"))
        # An option that is called like another one's name: the prompt asks for the name.
        if spoken and not (len(spoken) == 1 and spoken[0].upper() in options):
            named.setdefault(spoken, set()).add(name)
    lengths = sorted({len(spoken) for spoken in named}, reverse=True)
    firsts = {spoken[0] for spoken in named}
    places = _content(said)
    lows = [said[i].low for i in places]
    k = 0
    while k < len(places):
        length = 0
        if lows[k] in firsts:
            rest = len(places) - k
            fitting = (n for n in lengths if n <= rest and tuple(lows[k : k + n]) in named)
            length = next(fitting, 0)
        if length and not _is_empty_no(lows, k, length):
            names = named[tuple(lows[k : k + length])]
            yield _Mention(places[k], places[k + length - 1] + 1, frozenset(names))
        k += max(1, length)


def _is_empty_no(lows: Sequence[str], k: int, length: int) -> bool:
    return (
        length == 1 and lows[k] == "no" and lows[k + 1 : k + 2] != [] and lows[k + 1] in _EMPTY_NO
    )


def _taken(mentions: Collection[_Mention], length: int) -> list[bool]:
    """For each token whether it is part of an option's text."""
    taken = [False] * length
    for mention in mentions:
        taken[mention.start : mention.stop] = [True] * (mention.stop - mention.start)
    return taken


def _names(
    said: Sequence[Token],
    options: Mapping[str, str],
    taken: Sequence[bool],
    texts: Collection[_Mention],
) -> Iterator[_Mention]:
    """Where the name of an option stands, or one that could be: E of A to D."""
    begins = {mention.start for mention in texts}
    letters = all(name in ascii_uppercase for name in options)
    possible = ascii_uppercase[:_MOST_LETTERS] if letters else ""
    for i, token in enumerate(said):
        if taken[i]:
            continue
        name = token.text.upper()
        if token.kind == "word" and letters and len(token.text) == 1:
            known = name in options
            sure = _is_letter(said, i, begins, taken)
            if sure and (known or name in possible):
                yield _Mention(i, i + 1, frozenset((name,) if known else ()))
            elif known and sure is None:
                yield _Mention(i, i + 1, frozenset((name,)), sure=False)
        elif not letters and _is_number(said, i, options):
            name = str(_ORDINALS.index(token.low) + 1) if token.low in _ORDINALS else name
            yield _Mention(i, i + 1, frozenset((name,) if name in options else ()))


def _is_letter(
    said: Sequence[Token], i: int, begins: Collection[int], taken: Sequence[bool]
) -> bool | None:
    """Whether a single letter is a name and no word or abbreviation; None if it may be one."""
    token, before, after = said[i], _at(said, i - 1), _at(said, i + 1)
    bracketed = _at(said, i - 1, "") in _OPENING and after in _CLOSING
    if bracketed:
        # "car(s)" is a plural.
        return token.text.isupper() or said[i - 1].spaced or _low(said, i - 2) in _NOUNS
    if _is_glued(said, i, begins):
        # "A+B" may name both.
        joins = before in _GLUE or after in _GLUE
        return None if joins and token.text.isupper() else False
    noun = _low(said, i - 1) in _NOUNS or (
        _low(said, i - 2) in _NOUNS and before in (":", "=", "(", "[")
    )
    starts = i == 0 or taken[i - 1] or before in _PIECES | _OPENING | {":", "=", "-", "→", "|"}
    label = starts and after in _LABEL_ENDS
    ended = _ends_here(said, i + 1)
    word = said[i + 1] if i + 1 < len(said) and said[i + 1].kind == "word" else None
    # "A option": the article would be "an".
    goes_on = word is None or word.low in _GOES_ON or word.low in _VOWEL_NOUNS
    if token.text.islower():
        if label and (i == 0 or said[i - 1].kind == "line" or before == ":"):
            return True
        announced = noun or (_low(said, i - 1) in ("is", ":") and _near(said, i, _NOUNS))
        return announced and (ended or (token.low not in ("a", "i") and goes_on))
    if _is_capital(said, i - 1) or (_is_capital(said, i + 1) and not _is_glued(said, i + 1, ())):
        return True  # "A B" is a list
    if token.text in "AI" and word is not None and not goes_on and not noun:
        # An article or a pronoun, unless the text of an option begins anew.
        if starts:
            return i + 1 in begins and word.text[0].isupper() and token.text == "A"
        return None if token.text == "A" else False  # an article within a sentence is small
    if token.text == "I" and word is not None:
        return noun
    return starts or noun or _cued(said, i) or None


def _is_capital(said: Sequence[Token], i: int) -> bool:
    return 0 <= i < len(said) and len(said[i].text) == 1 and said[i].text.isupper()


def _is_glued(said: Sequence[Token], i: int, begins: Collection[int]) -> bool:
    """Whether a letter is joined to something, as in T-shirt, A.I., B2, C++ and R&B."""
    here, after = said[i], _at(said, i + 1)
    before = _at(said, i - 1)
    close = i + 1 < len(said) and not said[i + 1].spaced
    if not here.spaced and i > 0 and (said[i - 1].kind == "figure" or before in "-'’&+"):
        return True
    if not here.spaced and before == "." and i > 1 and len(said[i - 2].text) == 1:
        return not said[i - 1].spaced and said[i - 2].kind == "word"
    if not close:
        return False
    if said[i + 1].kind == "figure" or after in ("+", "&", "'", "’", "%", "@"):
        return True
    joined = i + 2 < len(said) and not said[i + 2].spaced
    if after == "-" and joined:
        # "C-The dog" is a label.
        return i + 2 not in begins
    if after == "." and joined and said[i + 2].kind == "word" and len(said[i + 2].text) == 1:
        return _at(said, i + 3) == "." or said[i + 2].text.isupper()
    return False


def _is_number(said: Sequence[Token], i: int, options: Mapping[str, str]) -> bool:
    """Whether a number is the name of an option and does not count something."""
    token = said[i]
    if token.low in _ORDINALS:
        return _low(said, i + 1) in _NOUNS | {"one"} or _ends_here(said, i + 1)
    if token.kind != "figure" or not token.text.isdigit():
        return False
    if token.text not in options and len(token.text) > 1:
        return False
    glued = i + 1 < len(said) and not said[i + 1].spaced and said[i + 1].kind == "word"
    if glued:
        return False
    before = _low(said, i - 1)
    if before in _NOUNS:
        return True
    word = _low(said, i + 1) if i + 1 < len(said) and said[i + 1].kind == "word" else ""
    if word and word not in _GOES_ON:
        return False
    return i == 0 or said[i - 1].kind != "word" or _cued(said, i)


def _no_options(said: Sequence[Token], taken: Sequence[bool]) -> Iterator[_Mention]:
    """Where none, all or several of the options are spoken of."""
    for start, stop in _phrases(said, _NO_OPTION):
        if not any(taken[start:stop]):
            yield _Mention(start, stop, frozenset())


def _phrases(
    said: Sequence[Token], phrases: Collection[tuple[str, ...]]
) -> Iterator[tuple[int, int]]:
    firsts = {phrase[0] for phrase in phrases}
    lengths = sorted({len(phrase) for phrase in phrases}, reverse=True)
    lows = [token.low for token in said]
    for i, low in enumerate(lows):
        if low in firsts:
            for length in lengths:
                if len(lows) >= i + length and tuple(lows[i : i + length]) in phrases:
                    yield i, i + length
                    break


def _denied(said: Sequence[Token], mention: _Mention, taken: Sequence[bool]) -> bool:
    return _denied_before(said, mention.start, taken) or _denied_after(said, mention.stop, taken)


def _denied_before(said: Sequence[Token], start: int, taken: Sequence[bool]) -> bool:
    """Whether a denial stands before a mention, in its part of the sentence."""
    passed = 0
    for i in range(start - 1, max(-1, start - 1 - 4 * _FAR), -1):
        low = said[i].low
        if said[i].text in _ENDS or said[i].kind == "line":
            return False
        if said[i].text in _PIECES or (said[i].text == "-" and said[i].spaced):
            # "It is not, I think, C": the denial waits for what it denies.
            waits = _is_denial(_low(said, i - 1)) and not _is_certain(said, i - 1)
            return waits and _low(said, i - 1) != "no"
        if taken[i]:
            continue
        if said[i].kind != "word":
            continue
        passed += 1
        if (_low(said, i - 1), low) in _DENYING_PAIRS | _UNLIKELY:
            return True
        if _is_denial(low) and not _is_certain(said, i):
            return True
        if low in _BREAKS_BEFORE and passed > 1 and low != "and":
            return False
        if low == "no" and passed == 1:
            return True
        if passed > 2 * _FAR:
            return False
    return False


def _denied_after(said: Sequence[Token], stop: int, taken: Sequence[bool]) -> bool:
    """Whether what follows a mention takes it back: "C is not right", "C? No.", "C, wrong"."""
    i = stop
    while i < len(said) and said[i].text in _CLOSING:
        i += 1
    if _at(said, i) in (",", "?") and _low(said, i + 1) in _DENIED_AFTER:
        return _ends_here(said, i + 2)
    passed = 0
    for k in range(i, min(len(said), i + 4 * _FAR)):
        token = said[k]
        if taken[k] or token.text in _PIECES or token.kind == "line":
            return False
        if token.text == ":" or token.low in _BREAKS_AFTER:
            return False
        if token.text == "-" and token.spaced:
            return False
        if token.low in _DENIED_AFTER or _is_denial(token.low):
            return not _is_certain(said, k)
        if (token.low, _low(said, k + 1)) in _UNLIKELY:
            return True
        passed += token.kind == "word"
        if passed == _FAR:
            return False
    return False


def _open(
    said: Sequence[Token], mention: _Mention, taken: Sequence[bool], named: Sequence[bool]
) -> bool:
    """Whether an option is named as one of several that are possible.

    Two that are joined and both named decide by what they name: "C or C" is C.
    """
    before = _skip(said, mention.start - 1, -1, named)
    after = _skip(said, mention.stop, 1, named)
    for join, step in ((before, -1), (after, 1)):
        if _low(said, join) in _JOINS and not taken[join]:
            other = _skip(said, join + step, step, named)
            if not (0 <= other < len(said) and named[other]):
                return True
    for k in range(mention.start - 1, max(-1, mention.start - 1 - _FAR), -1):
        if said[k].text in _PIECES or said[k].kind == "line":
            return False
        if said[k].low in _OPEN and not taken[k]:
            return True
    return False


def _skip(said: Sequence[Token], i: int, step: int, named: Sequence[bool]) -> int:
    """The next token that is no bracket and no "the option", or that names one.

    Beyond the next name nothing is looked at, or many names would be walked over for each of them.
    """
    while 0 <= i < len(said) and said[i].low in _SKIPPED and said[i].text != "A" and not named[i]:
        i += step
    return i


def _asked(said: Sequence[Token]) -> list[bool]:
    """For each token whether it stands in a question, such as "Is it C?"."""
    asked: list[bool] = []
    start = 0
    for i, token in enumerate(said):
        if token.text in _ENDS or i == len(said) - 1:
            question = token.text == "?" and said[start].low in _ASKS
            asked += [question] * (i + 1 - start)
            start = i + 1
    return asked


def _is_denial(low: str) -> bool:
    return low in _DENIALS or low.endswith("n't")


def _is_certain(said: Sequence[Token], i: int) -> bool:
    """Whether a denial is part of an assurance such as "without a doubt"."""
    lows = [token.low for token in said[max(0, i - 2) : i + 3]]
    place = min(i, 2)
    for start in range(place + 1):
        for length in (2, 3):
            if start <= place < start + length and tuple(lows[start : start + length]) in _CERTAIN:
                return True
    return False


def _is_answer(said: Sequence[Token], i: int) -> bool:
    """Whether a "no" is an answer, and not the determiner of what follows."""
    starts = i == 0 or said[i - 1].text in _PIECES | _OPENING | {":", "="} or _cued(said, i)
    if said[i].low != "no":
        return starts
    after = _low(said, i + 1)
    speaks = after in _SPEAKS or after in _GOES_ON or after in _NO | _YES
    return starts and (_ends_here(said, i + 1) or _at(said, i + 1) in (":", "-") or speaks)


def _denies_being(said: Sequence[Token], i: int) -> bool:
    """Whether a "no" denies that something is there: "no car", "there is no car"."""
    if _low(said, i + 1) in _EMPTY_NO or _ends_here(said, i + 1):
        return False
    starts = i == 0 or said[i - 1].text in _PIECES
    there = _low(said, i - 1) in ("is", "are", "was", "were") and _low(said, i - 2) == "there"
    return starts or there


def _cued(said: Sequence[Token], i: int) -> bool:
    """Whether the word before may be followed by a name."""
    j = i - 1
    while j >= 0 and said[j].text in _OPENING:
        j -= 1
    before = _low(said, j)
    if j >= 0 and said[j].kind != "word":
        return True
    return before in _CUES or before.endswith("ly") or before.endswith("n't")


def _near(said: Sequence[Token], i: int, nouns: Collection[str]) -> bool:
    return any(token.low in nouns for token in said[max(0, i - 4) : i])


def _ends_here(said: Sequence[Token], i: int) -> bool:
    while i < len(said) and said[i].text in _CLOSING:
        i += 1
    return i >= len(said) or said[i].text in _PIECES or said[i].kind == "line"


def _at(said: Sequence[Token], i: int, default: str = " ") -> str:
    return said[i].text if 0 <= i < len(said) else default


def _low(said: Sequence[Token], i: int) -> str:
    return said[i].low if 0 <= i < len(said) else ""
