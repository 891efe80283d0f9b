"""evaluators/tasks/families/main: delimiter_tracking, what is open, what closes it, and what stands inside it.

A sign that is an answer follows a word or a line break, because tokenizers merge runs of signs.
"""

from itertools import product

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DIGITS, LETTERS, NAMES, NOUNS, PLACES

BRACKETS = (("(", ")", "round"), ("[", "]", "square"), ("{", "}", "curly"), ("<", ">", "pointed"))
DOUBLES = (("((", "))"), ("[[", "]]"), ("{{", "}}"), ("<<", ">>"))
MARKS = ('"', "*", "~", "`", "^")
PAIRS = [(left, right, left == other) for left, _, _ in BRACKETS for other, right, _ in BRACKETS]
TAGS = NOUNS[:6]


def depths(length: int) -> list[tuple[str, ...]]:
    """Every way to open, close or do nothing, with the number of brackets left open."""
    found = []
    for signs in product("()-", repeat=length):
        depth = 0
        for sign in signs:
            depth += {"(": 1, ")": -1, "-": 0}[sign]
            if depth < 0:
                break
        else:
            found.append((*signs, str(depth)))
    return found


TABLES: Tables = {
    "word": NOUNS,
    "name": NAMES,
    "letter": LETTERS,
    "digit": DIGITS,
    "color": COLORS,
    "place": PLACES,
    "open close kind": BRACKETS,
    "lopen lclose": [(left, right) for left, right, _ in BRACKETS[:3]],
    "dopen dclose": DOUBLES,
    "mark": MARKS,
    "sign": ("**", "~~", "==", "++"),
    "na nb nc depth": depths(3),
    # three times the pairs that match: as often yes as no
    "left right match": [
        (left, right, "yes" if match else "no") for left, right, match in PAIRS for _ in range(3 if match else 1)
    ],
    "tag end same": [
        (a, b, "yes" if a == b else "no") for a in TAGS for b in TAGS for _ in range(len(TAGS) - 1 if a == b else 1)
    ],
    "ea eb ec ed wrong": [
        (*first[:2], *second[:2], "2" if first[2] else "1")
        for first in PAIRS
        for second in PAIRS
        if first[2] != second[2]
    ],
}

TEXTS = (
    # the sign that closes what is open
    "Close: $open1$word1 $open2$word2$close2 $word3|$close1",
    "$open1$word1, $open2$word2, $word3 - first close the inner one:\n|$close2",
    "$open1$word1\n$open2$word2\n$close2\n$word3\n|$close1",
    "$word1 = $lopen1$digit1, $lopen2$digit2, $digit3$lclose2, $digit4|$lclose1",
    "$digit1 * $lopen1$letter1 + $lopen2$letter2 - $digit2$lclose2 + $letter3|$lclose1",
    "$word1$lopen1$word2$lopen2$letter$lclose2 + $digit|$lclose1",
    "$open1$word1$close1 $open2$word2$close2 $open3$word3|$close3",
    '$name writes "$open1" in quotes and then $open2$word1 $word2|$close2',
    "$dopen1 $word1 $dopen2 $word2 $dclose2 $word3\n|$dclose1",
    "Pairs: $open1$close1, $open2$close2. $name opens $?open$word1 $word2|$?close",
    "$name: $word1$open1$letter$close1 = $word2$open2$digit|$close2",
    "$mark1$word1 $mark2$word2$mark2 $word3|$mark1",
    "$name said $mark$word1 $word2 and forgot the end:\n|$mark",
    # the tag or block that ends
    "<$word1><$word2>$name</$word2></|$word1",
    "<$word1>\n  <$word2>$name1</$word2>\n  <$word3>$name2</|$word3",
    '<$word1 id="$digit"><$word2/>$name</|$word1',
    "<!-- <$word1> --> <$word2>$name </|$word2",
    "[$word1][$word2]$name[/$word2] $color[/|$word1",
    "{{#$word1}}{{#$word2}}$name{{/$word2}}{{/|$word1",
    "begin $word1; begin $word2; $name; end $word2; end| $word1",
    "<$word1> <$word2> <$word3> are open. The first to close is| $word3",
    "<$word1><$word2></$word2><$word3></$word3> not closed:| $word1",
    "<$word1></$word1><$word2><$word3></$word3> not closed:| $word2",
    "$word1 {\n  $word2 {\n    $name;\n  }\n  $color;\n} # end of| $word1",
    # which word stands in which bracket
    "$open1$word1$close1 $open2$word2$close2 $open3$word3$close3 and in $?open ... $?close:| $?word",
    "$name1 $open1$place1$close1 met $name2 $open2$place2$close2. Between $?open and $?close stands| $?place",
    "Between $?open and $?close\n$open1 $word1 $close1\n$open2 $word2 $close2\nstands| $?word",
    "$open1$word1 $color1$close1\n$open2$word2 $color2$close2\nIn one bracket with $?word stands| $?color",
    "$word1($name1), $word2($name2): $?name is in the brackets of| $?word",
    "($name ($word1 $digit1) ($word2 $digit2)) and in the brackets of $?word:|$?digit",
    "Open: $open1 for $word1, $open2 for $word2. The sign $?close ends| $?word",
    "$mark1$word1$mark1 $mark2$word2$mark2 $mark3$word3$mark3 between the signs $?mark stands| $?word",
    "$sign1 is $color1, $sign2 is $color2: $sign2$word2$sign2 $sign1$word1$sign1 - the $?color word:| $?word",
    '$word1, "$word2, $word3", $word4: the comma in the quotes follows| $word2',
    "$word1<$word2<$word3<$digit>>> - right around $digit is| $word3",
    "$word1 ($word2 ($word3) $word4): in both brackets is| $word3",
    "/* $word1 */ $word2 /* $word3 */ - in no comment is| $word2",
    # what is open, how deep, what matches
    "$open1$word1 $open2$word2$close2 $word3 - still open is the bracket that is| $kind1",
    "$na $word1 $nb $word2 $nc $word3. Open brackets:|$depth",
    "$left$word1 $word2$right - $name: is it a pair?| $match",
    "<$tag>$name $color</$end> is well formed:| $same",
    "1: $ea$word1$eb\n2: $ec$word2$ed\nWrong line:|$wrong",
)

DELIMITER_TRACKING = register(Family.of("delimiter_tracking", (Pattern(text, TABLES) for text in TEXTS)))
