"""judges/checks: words, sentences, lines and list entries of an answer, and the texts that it is compared with."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

WORD = re.compile(r"\d+(?:[.,:/]\d+)+|[^\W_]+(?:['’\-‐‑][^\W_]+)*")
"""Letters and digits, with apostrophes and hyphens inside; numbers with points inside."""

QUOTES = "\"'`“”‘’«»„*_"

_MARK = re.compile(r"(?:([-*•–+])|(\d{1,3})[.)])\s+(?=\S)")

_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]*_]*(?=\s|$)")

_ABBREVIATION = re.compile(
    r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|vs|etc|approx|No|Fig|e\.g|i\.e|a\.m|p\.m|[A-Z]))\.$|(?:\b[A-Z]\.)+$"
)

_FENCE = re.compile(r"^(`{3,}|~{3,})[^\n`]*\n(.*?)^\1[ \t]*$", re.DOTALL | re.MULTILINE)


def folded(text: str, case: bool = False) -> str:
    """A text in one form of Unicode, of quotes and of blanks; in lower case, unless case counts."""
    text = unicodedata.normalize("NFC", text).replace("’", "'").replace("‘", "'")
    text = text.replace("“", '"').replace("”", '"').replace("\u00a0", " ")
    return text if case else text.casefold()


def bare(text: str) -> str:
    """A short answer without blanks and quotes around it and without one full stop at its end."""
    text = " ".join(text.split()).strip(QUOTES + " ")
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1]
    return text.strip(QUOTES + " ")


def words(text: str) -> list[str]:
    """The words of a text."""
    return WORD.findall(text)


def lines(text: str) -> list[str]:
    """The lines that are not empty, without blanks around them."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def paragraphs(text: str) -> list[str]:
    """What empty lines separate."""
    return [part for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


def sentences(text: str) -> list[str]:
    """What ends in a sentence's punctuation or at the end of a line, and has a word."""
    found = []
    for line in lines(text):
        marked = _MARK.match(line)
        rest, start = line[marked.end() :] if marked else line, 0
        for end in _SENTENCE_END.finditer(rest):
            piece = rest[start : end.end()]
            if _ABBREVIATION.search(piece.rstrip("\"'”’)]*_")) and end.end() < len(rest):
                continue
            found.append(piece)
            start = end.end()
        found.append(rest[start:])
    return [piece.strip() for piece in found if words(piece)]


def marked(line: str) -> tuple[str, int | None, str] | None:
    """(sign, number, entry) of a line that begins with a list sign."""
    found = _MARK.match(line.strip())
    if found is None:
        return None
    sign, number = found.groups()
    return sign or "1", None if number is None else int(number), line.strip()[found.end() :]


def entries(text: str) -> list[str]:
    """The entries of a list: one a line, else separated by commas or semicolons."""
    found = lines(text)
    if len(found) == 1:
        found = [re.sub(r"^\s*and\s+", "", part) for part in re.split(r"[;,、，]", found[0])]
    return [bare(mark[2] if (mark := marked(entry)) else entry.rstrip(" ,;")) for entry in found if entry.strip()]


def phrase(text: str, case: bool = False) -> re.Pattern[str]:
    """What finds a word or phrase that stands as whole words, whatever blanks are between them.

    An apostrophe or a hyphen joins a word to what it touches: `can` is not in `can't`, nor `well` in `well-known`.
    """
    inner = r"\s+".join(re.escape(part) for part in folded(text, case).split())
    before = r"(?<![^\W_])(?<![^\W_]['\-])" if text[0].isalnum() else ""
    after = r"(?![^\W_])(?!['\-][^\W_])" if text[-1].isalnum() else ""
    return re.compile(before + inner + after)


def occurrences(text: str, wanted: Iterable[str], case: bool = False) -> Iterator[list[int]]:
    """For each word or phrase, where it stands."""
    text = folded(text, case)
    for each in wanted:
        yield [found.start() for found in phrase(each, case).finditer(text)]


def fenced(text: str) -> list[str]:
    """The contents of fenced blocks."""
    return [found.group(2) for found in _FENCE.finditer(text.strip() + "\n")]


def only_fence(text: str) -> str | None:
    """The content of the one fenced block that a text is, with nothing around it."""
    found = _FENCE.fullmatch(text.strip())
    return found.group(2) if found else None


def program(text: str) -> str | None:
    """The one fenced block of an answer, or all of it where it has none; None where it has several."""
    blocks = fenced(text)
    return (blocks[0] if blocks else text) if len(blocks) < 2 else None
