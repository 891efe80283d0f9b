"""evaluators/tasks/families/further: counting up to five: a word, words of a kind, marks, the letters of a word."""

import re
from collections.abc import Iterator, Sequence
from itertools import product

from ...dice import Dice
from ...example import Draft
from ...family import Family, Source, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DAYS, DIGITS, LETTERS, NAMES, NOUNS, NUMBERS, PLACES

COUNTED, OTHER = "@", "%"
_MARKERS = re.compile(f"[{COUNTED}{OTHER}]")


class Marked:
    """A pattern whose prompts hold markers, filled last: `@` by something that counts, `%` by something that does not.

    The twin has one `@` for a `%` or the other way round, and all other words of the clean prompt.
    """

    def __init__(self, text: str, counted: Sequence[str], others: Sequence[str], same: bool = False) -> None:
        self.text = text
        self._pattern = Pattern(text, TABLES)
        self._counted, self._others, self._same = counted, others, same

    def draft(self, dice: Dice) -> Draft:
        """A prompt with its markers filled; what is `same` is counted by one word, else by words of a kind."""
        draft = self._pattern.draft(dice)
        places = len(_MARKERS.findall(draft.clean))
        word = dice.pick(self._counted)
        counted = [word] * places if self._same else _some(self._counted, places, dice)
        others = _some([other for other in self._others if other != word], places, dice)

        def fill(prompt: str, answer: str) -> tuple[str, str]:
            fillers = iter(zip(counted, others, strict=True))
            return _MARKERS.sub(lambda marker: next(fillers)[marker[0] == OTHER], prompt), answer

        return Draft(*fill(draft.clean, draft.target), lambda dice: fill(*draft.twin(dice)))


def _some(kind: Sequence[str], count: int, dice: Dice) -> list[str]:
    """Different items, where there are enough."""
    return dice.some(kind, count) if count <= len(kind) else [dice.pick(kind) for _ in range(count)]


def masks(size: int) -> list[tuple[str, ...]]:
    """Rows of markers with the number of `@` in digits and in words."""
    rows = [row for row in product(COUNTED + OTHER, repeat=size) if COUNTED in row]
    return [(*row, str(row.count(COUNTED)), NUMBERS[row.count(COUNTED)]) for row in rows]


SPELLED = (*NOUNS, *COLORS, *NUMBERS[1:])

TABLES: Tables = {
    "e f g t wt": masks(3),
    "a b c d n wn": masks(4),
    "v w x y z m wm": masks(5),
    "spelled length wlength": [(word, str(len(word)), NUMBERS[len(word)]) for word in SPELLED],
    "name": NAMES,
    "digit": DIGITS,
    "place": PLACES,
    "day": DAYS,
}

# the word that is counted stands in the question
NOUN_TEXTS = (
    "$a $b $c $d: the number of @ is| $wn",
    "How many times does @ stand in this list: $v, $w, $x, $y, $z? Answer:| $wm",
    "['$a', '$b', '$c', '$d'].count('@')\n|$n",
    "$name says: $a! $b! $c! $d! How often did $name say @? The answer is| $wn",
    "[$e1 $f1 $g1] @=$t1\n[$e2 $f2 $g2] @=|$t2",
    "count @\n- $a\n- $b\n- $c\n- $d\ntotal:|$n",
    "In the boxes of $name are $e, $f, $g. Boxes with a @:|$t",
    "$a / $b / $c / $d\nsearch: @\nfound:|$n",
    '{"list":["$a","$b","$c","$d"],"find":"@","count":|$n',
    "Find every @ on page $digit: $v $w $x $y $z. Found in all:| $wm",
    "sum(word == '@' for word in ('$e', '$f', '$g')) ==\n|$t",
    "$name1 draws a $a, $name2 a $b, $name3 a $c, $name4 a $d. Pictures of a @:| $wn",
    "On $day $name sold: $a, $b; $c, $d. Number of @ sold:|$n",
)
NAME_TEXTS = (
    "Votes: $v, $w, $x, $y, $z. Votes for @:|$m",
    "$a won on Monday, $b on Tuesday, $c on Thursday, $d on Friday. The number of days that @ won is| $wn",
    "From: $e\nFrom: $f\nFrom: $g\nLetters from @ at the $place:|$t",
)
COLOR_TEXTS = (
    "$name has balls in a bag ($a, $b, $c, $d), and the number of @ ones is| $wn",
    "Cars at the $place: $e - $f - $g. Cars that are @:|$t",
)
LETTER_TEXTS = (
    "$name typed $a-$b-$c-$d with so many of the letter @:|$n",
    "'$v $w $x $y $z'.count('@')\n|$m",
)
DIGIT_TEXTS = (
    "$name throws $a,$b,$c,$d. How many times a @? The answer is| $wn",
    "Digits: ($v,$w,$x,$y,$z). The digit @ comes up this often:| $wm",
)

# words of a kind, among nouns
COLORS_TEXTS = (
    "Colors in the list $a, $b, $c, $d:|$n",
    "$name reads: $v $w $x $y $z. How many of these words are colors? It is| $wm",
    "$e; $f; $g -> colors ->| $wt",
)
PEOPLE_TEXTS = (
    "$a and $b and $c and $d, of which the number of people is| $wn",
    "who=$v,$w,$x,$y,$z\npeople(who) ==\n|$m",
)

# words of a kind, among colors
THINGS_TEXTS = ("Things, not colors, among $e, $f, $g? That many:|$t",)
GUESTS_TEXTS = ("<li> $a </li> <li> $b </li> <li> $c </li> <li> $d </li> and the people of these are| $wn",)

# marks, yes or no, other than a cat
MARKED = (
    ("x", "o", "$name1 against $name2: $v $w $x $y $z. The points (each x is one) are| $wm"),
    ("/", "-", "Tally of $name on $day $digit:\n$a $b $c $d =\n|$n"),
    ("1", "0", "sum([$v,$w,$x,$y,$z]) # $name1 to $name2\n|$m"),
    ("yes", "no", "$name1, $name2 and two others said $a, $b, $c, $d. How many said yes? It was| $wn"),
    ("sun", "cup", "Cards that $name1 and $name2 turn over at the $place: ( $v $w $x $y $z ). Suns among them:| $wm"),
)
WITHOUT_TEXTS = (
    "$name has four boxes: $a, $b, $c, $d. Boxes without a cat:|$n",
    "len([w for w in '$v $w $x $y $z'.split() if w != 'cat'])\n|$m",
)

# letters of a word
LENGTH_TEXTS = (
    "len('$spelled1') == $length1\nlen('$spelled2') == $length2\nlen('$spelled3') ==\n|$length3",
    "$name1 asks $name2: how many letters has the word $spelled? Answer:| $wlength",
    "$spelled1 has $wlength1 letters, $spelled2 has $wlength2 letters, $spelled3 has| $wlength3",
    "$spelled1 ($length1), $spelled2 ($length2), $spelled3 (|$length3",
    "Letters that $name writes on card $digit, $spelled:|$length",
    "A word of $wlength1 letters: $spelled1\nA word of $wlength2 letters: $spelled2\n$spelled3 is a word of| $wlength3",
)

SAME = ((NOUN_TEXTS, NOUNS), (NAME_TEXTS, NAMES), (COLOR_TEXTS, COLORS), (LETTER_TEXTS, LETTERS), (DIGIT_TEXTS, DIGITS))
KINDS = (
    (COLORS_TEXTS, COLORS, NOUNS),
    (PEOPLE_TEXTS, NAMES, NOUNS),
    (THINGS_TEXTS, NOUNS, COLORS),
    (GUESTS_TEXTS, NAMES, COLORS),
)


def sources() -> Iterator[Source]:
    """The templates, in the order of the texts."""
    for texts, same in SAME:
        yield from (Marked(text, same, same, same=True) for text in texts)
    for asked, kind, others in KINDS:
        yield from (Marked(text, kind, others) for text in asked)
    yield from (Marked(text, [mark], [nothing]) for mark, nothing, text in MARKED)
    yield from (Marked(text, [noun for noun in NOUNS if noun != "cat"], ["cat"]) for text in WITHOUT_TEXTS)
    yield from (Pattern(text, TABLES) for text in LENGTH_TEXTS)


COUNTING = register(Family.of("counting", sources()))
