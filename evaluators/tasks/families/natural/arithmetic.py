"""evaluators/tasks/families/natural: small sums, differences, steps and comparisons told as stories; a word answers."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import NUMBERS
from ..main.arithmetic import DIGITS
from ..main.arithmetic import TABLES as MAIN

TABLES: Tables = {
    **MAIN,
    "u v rank": [(NUMBERS[u], NUMBERS[v], "first" if u > v else "second") for u in DIGITS for v in DIGITS if u != v],
}

TEXTS = (
    # sums
    "$name has $wb $things and finds $wa more at the $place. The number of $things is now| $wsum",
    "There are $wb $things on the table and $wa in the box, so that, in all, $name can count| $wsum",
    "The age of $name1 is $wa. Since $name2 is older by $wb, the age of $name2 is| $wsum",
    "If $name1 pays $wb coins and $name2 pays $wa, then the coins paid by the two together are| $wsum",
    "$name sold $wb $things in the morning and $wa in the evening. Sold on that day:| $wsum",
    "The train left at $wa o'clock and took $wb hours. When $name came to the $place, the clock showed| $wsum",
    '"Take $wa and add $wb to it," said $name1 to $name2, who thought for a while and then said: "|$wsum',
    "In the box of $name there are $wy red, $wx blue and $wz white $things. All together that makes| $wtotal",
    "The sum of $wa1 and $wb1 is $wsum1. The sum of $wa2 and $wb2, says $name, is| $wsum2",
    "From the $place to $name1 it is $wb miles, and from there to $name2 $wa more. In all, the miles are| $wsum",
    # the missing part of a sum
    "$name1 needs $wsum $things but has only $wa. The number that $name2 still has to bring is| $wb",
    "Together $name1 and $name2 own $wsum $things. As $wa of these belong to $name1, those of $name2 must be| $wb",
    "What must be added to $wa to make $wsum? This is what $name1 asked, and $name2 was right to say| $wb",
    # differences
    "$name1 had $wc $things and gave $wd of them to $name2. What $name1 kept was| $wdiff",
    "Of the $wc $things in the box $name lost $wd at the $place. The number still in the box is| $wdiff",
    "The price is $wd, but $name pays $wc for the $things. What the seller gives back is| $wdiff",
    "There were $wc children at the $place on $day. Then $name took $wd home, and the number that stayed was| $wdiff",
    "$name1 has $wc $things; $name2 has $wd. To have as many as $name1, the number that $name2 must buy is| $wdiff",
    "Take $wd1 away from $wc1 and you keep $wdiff1. Take $wd2 away from $wc2, $name, and you keep| $wdiff2",
    "$name has a book of $wc pages. By $day $wd of them are read, and the number left to read is| $wdiff",
    "$name1, whose age is $wc, has a friend called $name2, who is younger by $wd. So the age of $name2 is| $wdiff",
    # one more, one less, and so on
    "$name1 sleeps in room $wn and $name2 in the room after that, which has the number| $wsucc",
    "Each day $name1 and $name2 write one page more than the day before. After a day of $wn there is a day of| $wsucc",
    "We had $wsucc $things until $name took one away, and ever since we have had| $wn",
    "At the $place $name counts the $things. We hear $wi, then $wj, then $wk, and after that, of course,| $wl",
    "$name1 and $name2 go up. After step $wn1 they come to step $wsucc1, and after step $wn2 to step| $wsucc2",
    '"Guess the number just before $wsucc!" cried $name1. "That is easy," said $name2. "It is| $wn',
    "It is $wn o'clock, $name1 told $name2, and in one hour from now it will be| $wsucc",
    # comparisons
    "$name1 has $wp $things and $name2 has $wq. The one of them who has more has| $wmore",
    "On $day1 $name bought $wp $things, on $day2 $wq. The smaller of these two numbers is| $wless",
    "$name1 and $name2 look at two numbers, $u and then $v. The larger one is the| $rank",
    "$name1 says that $f is more than $g. Asked if this is right, $name2 must say| $bigger",
    "In this game the higher number wins. $name1 has $f, and $name2 has $g. Has $name1 won? The answer is| $bigger",
    "To get to the $place one pays $wp by bus and $wq by train. $name takes the cheaper way and pays| $wless",
    "$name1 holds two cards, $wp and $wq. Of these, $name2 is given the higher one, which is the| $wmore",
    # even, odd, double, half
    "$name1 thinks of $h, and $name2 has to say whether this number is even or odd. It is| $parity",
    "We know that $h1 is $parity1. But what about $h2? $name1 tells $name2 that it is| $parity2",
    "$name1 has $whalf of the $things, and $name2 has twice as many, which makes| $wdouble",
    "Two friends, $name1 and $name2, share $wdouble $things so that both get the same. Each of them gets| $whalf",
    "On $day1 $name counted $wdouble $things, but by $day2 half of them were gone. What was left was| $whalf",
    "At the $place $name filled two boxes with $things. Into each box went $whalf, into both together| $wdouble",
)

ARITHMETIC_NATURAL = register(Family.of("arithmetic_natural", (Pattern(text, TABLES) for text in TEXTS)))
