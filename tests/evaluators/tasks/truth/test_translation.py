"""tests: the translation family against a dictionary written here by hand."""

from __future__ import annotations

import re
from collections import Counter

from mi_atlas.evaluators.tasks.family import find_family

from ..test_families import answers, drafts

DICTIONARY = {
    "gato": "cat", "perro": "dog", "sol": "sun", "coche": "car", "mapa": "map", "libro": "book",
    "anillo": "ring", "caja": "box", "taza": "cup", "pelota": "ball", "estrella": "star", "pluma": "pen",
    "rojo": "red", "azul": "blue", "verde": "green", "rosa": "pink", "negro": "black", "blanco": "white",
    "uno": "one", "dos": "two", "tres": "three", "cuatro": "four", "cinco": "five", "seis": "six",
}  # fmt: skip
ENGLISH = set(DICTIONARY.values())


def found(text: str) -> list[tuple[str, str]]:
    """(language, English meaning) of every word of the lexicon, in order."""
    return [
        ("es", DICTIONARY[word]) if word in DICTIONARY else ("en", word)
        for word in re.findall(r"[a-z]+", text)
        if word in DICTIONARY or word in ENGLISH
    ]


def test_translations_are_right() -> None:
    used: Counter[str] = Counter()
    for prompt, answer in answers("translation", 60):
        answered = found(answer)
        said = found(prompt)
        if answer.strip() in ("yes", "no", "true", "false"):
            ((_, one), (_, other)) = said
            assert (answer.strip() in ("yes", "true")) == (one == other), prompt + answer
            used["verdict"] += 1
            continue
        ((language, meaning),) = answered
        if " or " in prompt or "choose" in prompt:
            (asked,) = (word for code, word in said if code != language)
            assert meaning == asked, prompt + answer
            assert [code for code, _ in said].count(language) >= 2
            used["choice"] += 1
            continue
        # without the answer exactly one word of the prompt has no partner in the other language
        lone = Counter(word for code, word in said if code != language)
        lone.subtract(word for code, word in said if code == language)
        assert {word: n for word, n in lone.items() if n} == {meaning: 1}, prompt + answer
        used["pairs"] += 1
    assert set(used) == {"verdict", "choice", "pairs"}


def test_phrases_are_in_order_and_masculine() -> None:
    texts = [draft.clean + draft.target for _, draft in drafts("translation", 60)]
    feminine = "caja|taza|pelota|estrella|pluma"
    assert not [text for text in texts if re.search(rf"\b(el|un) ({feminine})\b", text)]
    phrases = [m for text in texts for m in re.finditer(r"\b(?:el|un) (\w+) (\w+)", text) if m[1] in DICTIONARY]
    colors = {"red", "blue", "green", "pink", "black", "white"}
    noun_color = [m for m in phrases if m[2] != "de"]
    assert noun_color
    assert all(DICTIONARY[m[1]] not in colors and DICTIONARY[m[2]] in colors for m in noun_color)


def test_every_word_is_asked_both_ways() -> None:
    asked = {answer.strip() for _, answer in answers("translation", 60)}
    assert asked >= ENGLISH | set(DICTIONARY)
    assert len(find_family("translation").templates) >= 40
