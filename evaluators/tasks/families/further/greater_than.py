"""evaluators/tasks/families/further: greater_than, the larger, later or cheaper of two, or the one beyond a bound.

An answer is a number whose first digit or word decides, or the name of what has the number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...dice import Dice
from ...example import Draft
from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DAYS, LETTERS, NAMES, NOUNS, NUMBERS, PLACES

_VERSIONS = re.compile(r"<([^<>~]+)~([^<>~]+)>")


class Either:
    """A text in two versions, filled alike, each the corrupt twin of the other.

    `<a~b>` is `a` in one version and `b` in the other; a slot must not first appear there, unless both
    slots are columns of the same row.
    """

    def __init__(self, text: str, tables: Tables) -> None:
        self.text = text
        self._versions = [Pattern(_VERSIONS.sub(rf"\{side}", text), tables) for side in (1, 2)]

    def draft(self, dice: Dice) -> Draft:
        """One version, at random; its twin is the other."""
        seed, clean = int(dice.random() * 2**40), dice.pick((0, 1))
        one, other = (self._versions[side].draft(Dice("either", seed)) for side in (clean, 1 - clean))
        return Draft(one.clean, one.target, lambda _: (other.clean, other.target))


def table(rows: Iterable[tuple[int, ...]]) -> list[tuple[str, ...]]:
    """Rows of numbers: as digits, as words, as tens, as years."""
    return [
        tuple(form(number) for form in (str, NUMBERS.__getitem__, "{}0".format, "19{}0".format) for number in row)
        for row in rows
    ]


N = range(1, 10)

# w before a column's name: the same number in words; t: ten times as much; y: as a year, 1910 to 1990
TABLES: Tables = {
    "p q more less wp wq wmore wless tp tq tmore tless yp yq ymore yless": table(
        (p, q, max(p, q), min(p, q)) for p in N for q in N if p != q
    ),
    "a b bound over under wa wb wbound wover wunder ta tb tbound tover tunder ya yb ybound yover yunder": table(
        (a, b, bound, max(a, b), min(a, b)) for a in N for b in N for bound in N if min(a, b) < bound < max(a, b)
    ),
    "low high wlow whigh tlow thigh ylow yhigh": table((low, high) for low in N for high in N if low < high),
    "lo mid hi wlo wmid whi tlo tmid thi ylo ymid yhi": table(
        (lo, mid, hi) for lo in N for mid in N for hi in N if lo < mid < hi
    ),
    "f g relation": [(NUMBERS[f], NUMBERS[g], "more" if f > g else "less") for f in range(10) for g in N if f != g],
    "name": NAMES,
    "word": NOUNS,
    "letter": LETTERS,
    "color": COLORS,
    "day": DAYS,
    "place": PLACES,
}

TEXTS = (
    # who has more or less
    "$name1 has <$low~$high> of the $color balls, $name2 has <$high~$low>. The one with more is| <$name2~$name1>",
    "name,points\n$name1,<$tlow~$thigh>\n$name2,<$thigh~$tlow>\n\nmost points:| <$name2~$name1>",
    "$word1 = <$tlow~$thigh>\n$word2 = <$thigh~$tlow>\nmax is| <$word2~$word1>",
    '{"$name1":<$low~$high>,"$name2":<$high~$low>} has the least for the key "|<$name1~$name2>',
    "($letter1) <$low~$high> ($letter2) <$high~$low>. $name must find the larger one. It is| <$letter2~$letter1>",
    "Goals of the $color1 team: <$wlow~$whigh>. Goals of the $color2 team: <$whigh~$wlow>. "
    "$name says that the winner is| <$color2~$color1>",
    "Which is cheaper, a $word1 for <$tlow~$thigh> or a $word2 for <$thigh~$tlow>? The| <$word1~$word2>",
    "$name walks <$tlow~$thigh> minutes to the $place1, <$thigh~$tlow> minutes to the $place2. "
    "Not so far is the| <$place1~$place2>",
    "$word1 <$tlow~$thigh> / $word2 <$thigh~$tlow> / $name buys what costs more /| <$word2~$word1>",
    "def f():\n  if <$low~$high> > <$high~$low>: return $word1\n  return $word2\nf() is| <$word2~$word1>",
    "Hot days: $day1 (<$tlow~$thigh>), $day2 (<$thigh~$tlow>). $name liked the hotter one,| <$day2~$day1>",
    "Top of the list - $name1: <$lo~$hi> - $name2: $mid - $name3: <$hi~$lo> - is| <$name3~$name1>",
    "$word1=$mid; $word2=<$lo~$hi>; $word3=<$hi~$lo>; the smallest of the three is| <$word2~$word3>",
    # who was earlier or later
    "$name1 was born in <$ylow~$yhigh>. $name2 was born in <$yhigh~$ylow>. The older one is| <$name1~$name2>",
    "The $word1 was made in <$ylow~$yhigh> but the $word2 in <$yhigh~$ylow>, so what came later is the| "
    "<$word2~$word1>",
    "<$ylow~$yhigh>: $name1 in $place1\n<$yhigh~$ylow>: $name2 in $place2\nlast entry:| <$name2~$name1>",
    "At <$wlow~$whigh> o'clock came $name1 and at <$whigh~$wlow> came $name2. First at the $place was| <$name1~$name2>",
    '$name reads {"$word1":{"year":<$ylow~$yhigh>},"$word2":{"year":<$yhigh~$ylow>}} and takes the newer "|'
    "<$word2~$word1>",
    "[<$tlow~$thigh> min] $name1 [<$thigh~$tlow> min] $name2. The race to the $place was won by| <$name1~$name2>",
    # who is beyond a bound
    "You need $tmid points: $name1 got <$tlo~$thi>, $name2 got <$thi~$tlo>, and only one passed. It was| "
    "<$name2~$name1>",
    "$name has $mid coins. The $word1 costs <$hi~$lo>, the $word2 costs <$lo~$hi>. $name can only buy the| "
    "<$word2~$word1>",
    "limit: $tmid\n$word1: <$tlo~$thi>\n$word2: <$thi~$tlo>\nover the limit:| <$word2~$word1>",
    "The $place closed in $ymid. Who came too late: $name1 (<$ylo~$yhi>) or $name2 (<$yhi~$ylo>)? Only| "
    "<$name2~$name1>",
    "Ages <$wlo~$whi> and <$whi~$wlo>, of $name1 and $name2. No one under $wmid may enter. Not let in:| "
    "<$name1~$name2>",
    "x > $mid? $letter1 has x=<$lo~$hi>, $letter2 has x=<$hi~$lo>. $name answers| <$letter2~$letter1>",
    "From <$ylo~$yhi> $name1, from <$yhi~$ylo> $name2. Who was there in $ymid? Only| <$name1~$name2>",
    # the larger or the smaller number
    "max($p1,$q1)=$more1 max($p2,$q2)=$more2 max($p3,$q3)=|$more3",
    "$name: out of $wp and $wq, the larger number is| $wmore",
    "$name1 saw $p of the birds, $name2 saw $q. The most that anyone saw:|$more",
    "Prices of a $word: $tp here, $tq there. $name pays the lower price:\n|$tless",
    "min of\n  $tp\n  $tq\nfor $name:\n|$tless",
    'if $name says "$wp" and then "$wq", the greater is| $wmore',
    # the number beyond a bound
    "The war of $name1 and $name2 began in year $tbound. It ended in year $ta or $tb, that is:\n|$tover",
    "[x for x in ($a, $b) if x > $bound] # $name\n[|$over",
    "$name, say a number under $wbound! Is it $wa? Is it $wb? It is| $wunder",
    "Buses leave at $wa and at $wb. On $day $name comes at $wbound o'clock and takes the bus at| $wover",
    "bound $tbound, first $ta, second $tb, keep what is lower ($name):\n|$tunder",
    "$bound < x, x in {$a,$b}, $name: x=|$over",
    "$name wants more than $wbound eggs. There are bags with $wa or $wb eggs. Take a bag with| $wover",
    # more or less
    "Is $f more or less than $g? As $name1 tells $name2, it is| $relation",
    "$f1 to $g1 = $relation1; $f2 to $g2 = $relation2; $name says: $f3 to $g3 =| $relation3",
)

GREATER_THAN = register(
    Family.of("greater_than", (Either(text, TABLES) if "~" in text else Pattern(text, TABLES) for text in TEXTS))
)
