"""evaluators/tasks/families/main: small sums, differences, steps and comparisons; the first digit or word decides.

A digit that is an answer follows punctuation or a line break without a space, because tokenizers
disagree on whether a space belongs to a digit.
"""

from collections.abc import Iterable

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import DAYS, NAMES, NUMBERS, PLACES, words

DIGITS = range(1, 10)
THINGS = words("cups pens hats cars keys maps books rings lamps balls coins trees")


def table(rows: Iterable[tuple[int, ...]]) -> list[tuple[str, ...]]:
    """Rows of numbers, first as digits and then as words."""
    return [(*map(str, row), *(NUMBERS[number] for number in row)) for row in rows]


# w before a column's name: the same number in words; b is 2 or more, so that "b more hats" is right
TABLES: Tables = {
    "a b sum wa wb wsum": table((a, b, a + b) for a in range(1, 6) for b in range(2, 6) if a + b < 10),
    "c d diff wc wd wdiff": table((c, d, c - d) for c in range(2, 8) for d in range(1, c)),
    "x y z total wx wy wz wtotal": table(
        (x, y, z, x + y + z) for x in range(1, 5) for y in range(1, 4) for z in (1, 2)
    ),
    "s t tens": [(f"{s}0", f"{t}0", f"{s + t}0") for s in range(1, 6) for t in range(1, 5)],
    "n succ wn wsucc": table((n, n + 1) for n in range(1, 9)),
    "i j k l wi wj wk wl": table(
        (i, i + s, i + 2 * s, i + 3 * s) for s in (1, 2, -1, -2) for i in range(1, 10) if 0 < i + 3 * s < 10
    ),
    "p q more less wp wq wmore wless": table((p, q, max(p, q), min(p, q)) for p in DIGITS for q in DIGITS if p != q),
    "ta tb tc td": [
        tuple(f"{10 * (k + i * s)}" for i in range(4)) for s in (1, -1) for k in range(1, 10) if 0 < k + 3 * s < 10
    ],
    "f g bigger": [(NUMBERS[f], NUMBERS[g], "yes" if f > g else "no") for f in range(10) for g in range(10) if f != g],
    "h parity": [(NUMBERS[h], "odd" if h % 2 else "even") for h in range(11)],
    "half double whalf wdouble": table((n, 2 * n) for n in range(1, 6)),
    "name": NAMES,
    "things": THINGS,
    "place": PLACES,
    "day": DAYS,
}

TEXTS = (
    # sums
    "$a1+$b1=$sum1\n$a2+$b2=$sum2\n$a3+$b3=|$sum3",
    "$name saw $a red and $b blue $things. Number of $things:|$sum",
    "add($a1,$b1)=$sum1; add($a2,$b2)=$sum2; add($a3,$b3)=|$sum3",
    "$name1 asks: what is $wa plus $wb? $name2 answers:| $wsum",
    "$name: $wa1 and $wb1 make $wsum1, $wa2 and $wb2 make| $wsum2",
    '{"user":"$name","$things":[$a,$b],"sum":|$sum',
    "$name: $x1+$y1+$z1=$total1, $x2+$y2+$z2=|$total2",
    "At the $place $name counts $wb $things and then $wa more. In all $name counts| $wsum",
    "$name works $b hours on $day1 and $a more on $day2. Hours of work:|$sum",
    "$s1 + $t1 = $tens1\n$s2 + $t2 = $tens2\n$s3 + $t3 =\n|$tens3",
    "It is $wa o'clock at the $place. $name will come $wb hours later, at| $wsum",
    # the missing part of a sum
    "$a1+x=$sum1, x=$b1\n$a2+x=$sum2, x=$b2\n$a3+x=$sum3, x=|$b3",
    "$name wants $wsum $things and has only $wa. Still needed:| $wb",
    "$sum1=$a1+$b1, $sum2=$a2+$b2, $sum3=$a3+|$b3",
    # differences
    "$c1-$d1=$diff1, $c2-$d2=$diff2, $c3-$d3=|$diff3",
    "$name had $c $things and gave away $d of them. Left:|$diff",
    "$name: $wc1 minus $wd1 is $wdiff1 and $wc2 minus $wd2 is| $wdiff2",
    "There were $wc $things at the $place. $name took $wd, so now the number is| $wdiff",
    "$name1 is $c, and $name2 is younger by $d. Age of $name2:|$diff",
    "def f(c, d): return c - d\nf($c1, $d1) -> $diff1\nf($c2, $d2) -> $diff2\nf($c3, $d3) ->\n|$diff3",
    "Steps from $d1 to $c1: $diff1. Steps from $d2 to $c2: $diff2. Steps from $d3 to $c3:\n|$diff3",
    # one more, one less, and so on
    "$name: after $wn1 comes $wsucc1, after $wn2 comes $wsucc2, after $wn3 comes| $wsucc3",
    "$name1 is number $wn in the line. $name2 is next, so $name2 is number| $wsucc",
    "$name steps down: $succ1 -> $n1, $succ2 -> $n2, $succ3 ->\n|$n3",
    "Before $wsucc comes, as $name1 and $name2 know,| $wn",
    "$i1,$j1,$k1,$l1\n$i2,$j2,$k2,$l2\n$i3,$j3,$k3,|$l3",
    "Tens of $name1 and $name2: $ta, $tb, $tc,\n|$td",
    "$name1 and $name2 count the $things: $wi, $wj, $wk,| $wl",
    "$things=$n1 # $name\n$things+=1\nprint($things)\n|$succ1",
    # comparisons
    "bigger of $p1,$q1: $more1; bigger of $p2,$q2: $more2; bigger of $p3,$q3:\n|$more3",
    "$name1 has $wp $things, $name2 has $wq. The smaller number is| $wless",
    "Is $f more than $g? $name1 and $name2 say| $bigger",
    "sort($p1,$q1)=[$less1,$more1] sort($p2,$q2)=[|$less2",
    "Of $wp1 and $wq1 the larger is $wmore1. Of $wp2 and $wq2 the larger is| $wmore2",
    "$f1 > $g1: $bigger1. $f2 > $g2: $bigger2. $f3 > $g3:| $bigger3",
    "$name1 threw $p and $name2 threw $q. Best throw on $day:|$more",
    # even, odd, double, half
    "$name1 drew the number $h. $name2 says that it is| $parity",
    "$name: $h1 is $parity1, $h2 is $parity2, $h3 is| $parity3",
    "On $day the number of $things was $whalf. $name says it is now twice that:| $wdouble",
    "$name1 and $name2 share $wdouble $things, half for each. Each gets| $whalf",
    "double($half1)=$double1, double($half2)=$double2, $a1+$b1=$sum1, double($half3)=|$double3",
)

ARITHMETIC = register(Family.of("arithmetic", (Pattern(text, TABLES) for text in TEXTS)))
