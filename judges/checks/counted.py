"""judges/checks: what is counted in an answer: words, sentences, lines, list entries, letters, syllables, scripts."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from ...specs import checks as specs
from . import texts
from .syllables import syllables


def words(check: specs.Words, answer: str) -> bool:
    """So many words."""
    return _between(check, len(texts.words(answer)))


def sentences(check: specs.Sentences, answer: str) -> bool:
    """So many sentences."""
    return _between(check, len(texts.sentences(answer)))


def lines(check: specs.Lines, answer: str) -> bool:
    """So many lines."""
    return _between(check, len(texts.lines(answer)))


def paragraphs(check: specs.Paragraphs, answer: str) -> bool:
    """So many paragraphs."""
    return _between(check, len(texts.paragraphs(answer)))


def characters(check: specs.Characters, answer: str) -> bool:
    """So many characters."""
    return _between(check, len(answer.strip()))


def list_of(check: specs.ListOf, answer: str) -> bool:
    """A list, and nothing but a list."""
    found = texts.lines(answer)
    if check.around and found and texts.marked(found[0]) is None:
        found = found[1:]
    if check.around and found and texts.marked(found[-1]) is None:
        found = found[:-1]
    marks = [mark for line in found if (mark := texts.marked(line)) is not None]
    if len(marks) < len(found) or not _between(check, len(marks)) or len({sign for sign, _, _ in marks}) > 1:
        return False
    numbers = [number for _, number, _ in marks]
    if any(number is not None for number in numbers) and numbers != list(range(1, len(marks) + 1)):
        return False
    if check.marker != "any" and any((number is None) != (check.marker == "bullet") for number in numbers):
        return False
    return check.words is None or all(len(texts.words(entry)) <= check.words for _, _, entry in marks)


def casing(check: specs.Casing, answer: str) -> bool:
    """All in one case."""
    letters = [letter for letter in answer if letter.isalpha() and letter.upper() != letter.lower()]
    if not letters:
        return False
    if check.case == "title":
        found = [word for word in texts.words(answer) if word[0].isalpha()]
        return bool(found) and all(word[0] == word[0].upper() for word in found)
    wanted = str.isupper if check.case == "upper" else str.islower
    return all(wanted(letter) for letter in letters)


def letters(check: specs.Letters, answer: str) -> bool:
    """None of the letters."""
    found = {letter for letter in unicodedata.normalize("NFD", answer.casefold()) if letter.isalpha()}
    return bool(found) and not found & set(check.without.casefold())


def acrostic(check: specs.Acrostic, answer: str) -> bool:
    """The lines' first letters spell the word."""
    firsts = [next((letter for letter in line if letter.isalpha()), "") for line in texts.lines(answer)]
    return "".join(firsts).casefold() == check.word.casefold()


def syllable_lines(check: specs.Syllables, answer: str) -> bool:
    """Lines of so many syllables."""
    found = texts.lines(answer)
    if len(found) != len(check.lines):
        return False
    return all(
        low <= wanted <= high
        for wanted, (low, high) in zip(check.lines, (_syllables(line) for line in found), strict=True)
    )


def _syllables(line: str) -> tuple[int, int]:
    counts = [syllables(part) for word in texts.words(line) for part in word.replace("‑", "-").split("-") if part]
    return sum(low for low, _ in counts), sum(high for _, high in counts)


SCRIPTS: dict[str, Sequence[str]] = {
    "latin": ("LATIN",),
    "cyrillic": ("CYRILLIC",),
    "greek": ("GREEK",),
    "arabic": ("ARABIC",),
    "hebrew": ("HEBREW",),
    "devanagari": ("DEVANAGARI",),
    "han": ("CJK UNIFIED",),
    "japanese": ("HIRAGANA", "KATAKANA", "CJK UNIFIED"),
    "hangul": ("HANGUL",),
}
"""Script -> how the Unicode names of its letters begin."""


def script(check: specs.Script, answer: str) -> bool:
    """Most letters are of the script; Japanese has kana among them."""
    names = [unicodedata.name(letter, "") for letter in answer if letter.isalpha()]
    mine = sum(name.startswith(tuple(SCRIPTS[check.script])) for name in names)
    if check.script == "japanese" and not any(name.startswith(("HIRAGANA", "KATAKANA")) for name in names):
        return False
    return bool(names) and mine >= check.share * len(names)


def _between(check: specs._Counted, count: int) -> bool:
    return check.min <= count and (check.max is None or count <= check.max)
