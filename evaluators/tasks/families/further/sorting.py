"""evaluators/tasks/families/further: sorting of two or three letters, digits, days or names: first, last, next."""

import re
from collections.abc import Sequence
from itertools import permutations

from ...dice import Dice
from ...example import Draft
from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import DAYS, DIGITS, LETTERS, NAMES, NUMBERS, PLACES

_TWINS = 16


class Nearest:
    """A pattern whose twin is the nearest of several: most rows of its tables differ in all that is sorted."""

    def __init__(self, text: str, tables: Tables) -> None:
        self.text = text
        self._pattern = Pattern(text, tables)

    def draft(self, dice: Dice) -> Draft:
        """A prompt of the pattern; its twin differs from it in few words."""
        draft = self._pattern.draft(dice)

        def twin(dice: Dice) -> tuple[str, str]:
            return min((draft.twin(dice) for _ in range(_TWINS)), key=lambda each: _distance(draft.clean, each[0]))

        return Draft(draft.clean, draft.target, twin)


def _distance(prompt: str, other: str) -> int:
    """How many words differ."""
    return sum(a != b for a, b in zip(re.findall(r"\w+", prompt), re.findall(r"\w+", other), strict=True))


def table(order: Sequence[str], count: int) -> list[tuple[str, ...]]:
    """Rows of `count` different items as they come, then the same items in order."""
    return [(*items, *sorted(items, key=order.index)) for items in permutations(order, count)]


def numbers(count: int) -> list[tuple[str, ...]]:
    """Such rows of digits, then once more in words."""
    return [(*row, *(NUMBERS[int(digit)] for digit in row)) for row in table(DIGITS, count)]


# w before a column's name: the same number in words
TABLES: Tables = {
    "a b c first second last": table(LETTERS[:9], 3),
    "x y z small middle large wx wy wz wsmall wmiddle wlarge": numbers(3),
    "l m front back inorder": [(*row, "yes" if row[:2] == row[2:] else "no") for row in table(LETTERS[:9], 2)],
    "p q less more wp wq wless wmore ordered": [
        (*row, "True" if row[:2] == row[2:4] else "False") for row in numbers(2)
    ],
    "d e early late": table(DAYS, 2),
    "n o upper lower": table(NAMES, 2),
    "f g h which chosen": [
        (*row[:3], which, row[3 + place])
        for row in table(LETTERS[:6], 3)
        for place, which in enumerate(("first", "middle", "last"))
    ],
    "i j extreme wanted": [
        (*row[:2], extreme, row[2 + place])
        for row in table(DIGITS, 2)
        for place, extreme in enumerate(("smallest", "largest"))
    ],
    "ra rb rc rd": [tuple("ABCDEFGH"[i : i + 4]) for i in range(5)] + [tuple("HGFEDCBA"[i : i + 4]) for i in range(5)],
    "prev succ": list(zip("ABCDEFG", "BCDEFGH", strict=True)),
    "day next": list(zip(DAYS, DAYS[1:] + DAYS[:1], strict=True)),
    "name": NAMES,
    "place": PLACES,
    "digit": DIGITS,
}

TEXTS = (
    # sorted lists, their first item
    "$name sorts $a1 $b1 $c1: $first1 $second1 $last1. $name sorts $a2 $b2 $c2:| $first2",
    "sorted([$x,$y,$z]) # $name\n[|$small",
    "sorted([$p1,$q1]) == [$less1,$more1]\nsorted([$p2,$q2]) == [|$less2",
    '{"user":"$name","list":["$a","$b","$c"],"sorted":["|$first',
    "$name1 and $name2 put the letters $l and $m in order:| $front",
    "sorted([$x,$y,$z], reverse=True) # $name\n[|$large",
    "swap, $p1,$q1 -> $less1,$more1; swap, $p2,$q2 ->\n|$less2",
    # sorted lists, a later item
    "$x,$y,$z by $name: [$small,|$middle",
    "$a, $b, $c in alphabetical order, by $name: $first, $second,| $last",
    "in: $a1 $b1 $c1\nout: $first1 $second1 $last1\nin: $a2 $b2 $c2\nout: $first2| $second2",
    "list=$x,$y,$z user=$name sorted=$small,$middle,|$large",
    "Letters of $name from Z to A: $a, $b and $c become $last, $second and| $first",
    "$name: $x $y $z\n$large>$middle>|$small",
    "<list> $a $b $c </list> <sorted by $name> $first $second| $last",
    "$name1 lines up the boxes $a, $b and $c by letter: first box $first, then box| $second",
    "files of $name: $a $b $c\nls\n$first\n$second\n|$last",
    # first, last, smallest, largest
    "min($x1,$y1,$z1)=$small1, min($x2,$y2,$z2)=|$small2",
    "max($x,$y,$z) # $name\n|$large",
    "Of the numbers $wx, $wy and $wz, says $name, the largest is| $wlarge",
    "$name holds the cards $x, $y, $z. Lowest card:|$small",
    "Which letter comes first in the alphabet, $a, $b or $c? $name says| $first",
    "$l1 and $m1 -> $front1\n$l2 and $m2 -> $front2\n$l3 and $m3 ->| $front3",
    "$name1 ran for $wp minutes, $name2 for $wq. The best time is the smallest:| $wless",
    "rows: $a, $b, $c; user: $name; SELECT MAX(letter) gives| $last",
    "Among the letters $a, $b, $c of $name the one nearest to Z is| $last",
    # one of three, as asked
    "$name wants the $which of $f, $g, $h in the alphabet:| $chosen",
    "$f-$g-$h, $which in order for $name? It is| $chosen",
    "$extreme($i,$j) for $name1 and $name2 =\n|$wanted",
    "The middle one of $x, $y, $z for $name:|$middle",
    # days
    "In week $digit, from Monday to Sunday, $name meets $d before or after $e. First of the two is| $early",
    "In week $digit $name works on $d and $e, never on another day of the week (Monday to Sunday). Later day:| $late",
    "Monday first: $d1/$e1: $early1\nMonday first: $d2/$e2:| $early2",
    "Plan of week $digit: $name1 comes on $day and $name2 one day later, so on| $next",
    # next in order
    "Alphabet, $name1 and $name2: $ra, $rb, $rc,| $rd",
    "At the $place $name1 sits in row $prev. $name2 sits in the next row, row| $succ",
    "$name1 & $name2 fill in: $ra $rb ? $rd\n? =| $rc",
    # in order or not
    "$name asks page $digit: are $l and $m in alphabetical order?| $inorder",
    "[$p1,$q1] == sorted([$p1,$q1]) # $ordered1\n[$p2,$q2] == sorted([$p2,$q2]) #| $ordered2",
    # names
    "Class $digit, names from A to Z. Of $n and $o the first is| $upper",
    "$n1, $o1 => $upper1, $lower1; $n2, $o2 => $upper2,| $lower2",
    "At the $place, $n and $o stand in a line by name ($digit: A first, Z last). At the end:| $lower",
)

SORTING = register(Family.of("sorting", (Nearest(text, TABLES) for text in TEXTS)))
