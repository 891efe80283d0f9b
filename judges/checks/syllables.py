"""judges/checks: syllables of English words, by spelling. Wrong in about one word in twenty."""

from __future__ import annotations

import re

_EITHER = """
1-2: fire fires fired hour hours our flower flowers power powers tower towers shower showers real world worlds
1-2: pearl pearls girl girls curl curls swirl swirls whirl whirls child oil soil coil boil foil toil poem poems
1-2: orange oranges feel feels tired iron buoy buoys prayer prayers mayor
2-3: every evening evenings family different several favorite favourite memory memories camera chocolate interest
2-3: history theatre theater
3-4: everything everywhere everyone everybody interesting
"""

_KNOWN = """
1: the a i be he she we me my by eye eyes one ones once whole clothes some come came through though breathes aren't
1: weren't don't won't can't
2: being seeing doing going lion lions quiet science poet ocean oceans create someone something somewhere therefore
2: people little apple table lonely lovely homework lifetime sometimes nighttime daytime rhythm prism chasm naked
2: wicked ragged rugged jagged crooked sacred hundred chaos fluid ruin ruins naive language brilliant business
2: wednesday wherefore diet
3: idea ideas area radio piano violin video museum wherever another together remember beautiful tomorrow already
3: overhead evenly firefly fireflies mosaic poetry created diary
4: reality cooperate january february
"""


def _table(text: str) -> dict[str, tuple[int, int]]:
    found = {}
    for line in text.strip().splitlines():
        count, _, words = line.partition(": ")
        low, _, high = count.partition("-")
        found.update(dict.fromkeys(words.split(), (int(low), int(high or low))))
    return found


WORDS = _table(_EITHER) | _table(_KNOWN)
"""Words that are said in two ways, and words that the rules get wrong -> fewest and most syllables."""

_VOWELS = re.compile(r"[aeiouy]+")
_APART = re.compile(
    r"ia(?!l|n\b|ns\b)|io(?!n|u)|(?<![ctgx])iou|iu|eo(?!n\b|u)|(?<!g)eou|ua(?!r|l)|uo|yi|[aeiouy]ing\b|ier\b|iest\b"
)
"""Vowels side by side that are said apart."""

_SILENT = re.compile(
    r"(?<=[^aeiouyl])e$|(?<=[aeiouylrsw]l)e$|(?<=[^aeioutdy])ed$|(?<=[^aeiouyscxzgh])es$"
    r"|(?<=[^aeiouy])e(?=(?:ful|fully|less|lessly|ly|where|place|line|time|side|light|work)$)"
)
_HISSED = re.compile(r"(?<=ch|sh)es$")
_SHORTENED = re.compile(r"(n't)$|'(?:s|d|ll|ve|re|t|m)$")


def syllables(word: str) -> tuple[int, int]:
    """Fewest and most syllables of a word; digits are not said, and count as none."""
    word = word.casefold().replace("’", "'")
    if word in WORDS:
        return WORDS[word]
    if word.endswith("ly") and word[:-2] in WORDS:
        low, high = WORDS[word[:-2]]
        return low + 1, high + 1
    count = _by_spelling(word) if any(letter.isalpha() for letter in word) else 0
    return count, count


def _by_spelling(word: str) -> int:
    short = _SHORTENED.search(word)
    stem = word[: short.start()] if short else word
    stem = re.sub(r"^y(?=[aeiou])|(?<=[aeo])y(?=[aeiou])|(?<=u)y(?=[aeiou])", "j", stem)
    stem = re.sub(r"(?<=q)u|(?<=\wg)u(?=e)", "", stem)
    stem = re.sub(r"(?<=[^aeiouy]le)s$", "", stem)
    if not _HISSED.search(stem):
        stem = _SILENT.sub("", stem)
    count = len(_VOWELS.findall(stem)) + len(_APART.findall(stem))
    return max(1, count) + bool(short and short.group(1))
