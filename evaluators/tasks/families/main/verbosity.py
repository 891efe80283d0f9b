"""evaluators/tasks/families/main: verbosity, how long an answer should be, where it stops, and which answer obeys."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DAYS, DIGITS, LETTERS, NAMES, NOUNS, NUMBERS, PLACES

TRIPLES = [NOUNS[i : i + 3] for i in (0, 3, 6, 9, 12, 1, 4, 7)]
"""Three words each."""

LINES = [
    *((noun, 1) for noun in NOUNS),
    *((f"{a} {b}", 2) for a, b, _ in TRIPLES),
    *((" ".join(triple), 3) for triple in TRIPLES),
]
"""Texts and their numbers of words."""

UNITS = ("word", "line", "page", "book")
"""Each is longer than the one before."""

TABLES: Tables = {
    "name": NAMES,
    "word": NOUNS,
    "color": COLORS,
    "day": DAYS,
    "place": PLACES,
    "letter": LETTERS,
    "digit": DIGITS,
    # what is asked for
    "style kind opener": (
        ("brief", "short", "Yes"),
        ("terse", "short", "Yes"),
        ("full", "long", "Well"),
        ("detailed", "long", "Well"),
    ),
    "fault wish": (("long", "shorter"), ("short", "longer")),
    # how much is said of a sentence, of a color and a noun, and so on; last what is said first, next or last
    "words shade begin": [row for shade in COLORS for row in (("1", shade, shade), ("4", shade, "The"))],
    "n adj noun head": [
        row for adj in COLORS[:5] for noun in NOUNS[:5] for row in (("1", adj, noun, noun), ("2", adj, noun, adj))
    ],
    "many third next": [row for noun in NOUNS for row in (("2", noun, "stop"), ("3", noun, noun))],
    "often item again": [row for noun in NOUNS for row in (("1", noun, "end"), ("2", noun, noun))],
    "cut wa wb wc last": [(str(n), *triple, triple[n - 1]) for triple in TRIPLES for n in (1, 2, 3)],
    # how long something is
    "line size count number one fits": [
        (
            text,
            "short" if n == 1 else "long",
            str(n),
            NUMBERS[n],
            "yes" if n == 1 else "no",
            "pass" if n <= 2 else "fail",
        )
        for text, n in LINES
    ],
    "phrase length": (
        ("Yes", "short"),
        ("No", "short"),
        ("Well, I think so", "long"),
        ("Well, I do not know", "long"),
    ),
    "say said": (("tea", "1"), ("hot tea", "2"), ("good hot tea", "3")),
    "ua ub less more": [
        (a, b, *((a, b) if i < j else (b, a))) for i, a in enumerate(UNITS) for j, b in enumerate(UNITS) if i != j
    ],
    "lx ly low high shorter longer": [
        (x, y, *(("A", "B", "first", "second") if x < y else ("B", "A", "second", "first")))
        for x in DIGITS
        for y in DIGITS
        if x != y
    ],
}

TEXTS = (
    # what each of two asks for
    "$name1: $style1\n$name2: $style2\nReply number $digit to $?name should be| $?kind",
    'style = { "$name1": "$style1", "$name2": "$style2" }  # about the $word, to $?name:| $?kind',
    "User $name1 wants $style1 replies. User $name2 wants $style2 replies.\nAbout the $word, to $?name:| $?kind",
    "Rule $digit1: be $style1. Rule $digit2: be $style2. $name follows rule $?digit, so the text is| $?kind",
    "<a> $word1: $style1 </a> <a> $word2: $style2 </a> The text of $name on the $?word is| $?kind",
    "$letter1) $style1 $letter2) $style2\n$name picks $?letter. Length of the answer:| $?kind",
    "short: Yes\nlong: Well\n$name1: $style1\n$name2: $style2\nis the $word here? to $?name:| $?opener",
    "Short is Yes, long starts with Well. Be $style1 to $name1, $style2 to $name2. Is it $color? To $?name:| $?opener",
    "System: $style1 about $word1, $style2 about $word2; short is Yes, long is Well.\nUser $name: is it my $?word?\n"
    "Assistant:| $?opener",
    "[too $fault1] $name1 [too $fault2] $name2 -> On $day make the text of $?name| $?wish",
    # one word or all of it
    "The $word is $shade. Keep all 4 words or just 1, the color. $name keeps $words:| $begin",
    "fact: The $word is $shade\n1 -> color only\n4 -> whole fact\n$name wants $words ->| $begin",
    '{ "text": "The $word is $shade", "max": $words }  # 4: all, 1: the color. $name:| $begin',
    "limit 1 is the color, limit 4 is it all\n$name, limit $words, The $word is $shade =>| $begin",
    "1 word: the noun. 2 words: color and noun. On $day $name has a $adj $noun. In $n:| $head",
    "thing: $adj $noun\ncolor too: only if max is 2\nmax: $n\n$name on $day says:| $head",
    "describe( $adj $noun, words=$n )  # 1 is the noun, 2 is both. $name, $letter, gets| $head",
    # where to stop
    "Give $many words of $word1, $word2, $third, then stop. $name: $word1, $word2,| $next",
    "take $many: [ $word1 $word2 $third ]\nthen: stop\n$name: $word1 $word2| $next",
    "$name wants $many items. On the list: $word1, $word2. Next is $third or stop. It is| $next",
    "repeat: $often\nword: $item\nlast: end\n$name on $day: $item| $again",
    "$item x $often, then end, in $color, says $name -> $item| $again",
    "echo $often {$item} end # $name, $letter\n> $item\n>| $again",
    # cut to a length
    '$name cuts "$wa $wb $wc" on $day to length $cut. The last word is now| $last',
    "text: $wa $wb $wc\nkeep: $cut\nreader: $name, $letter\nlast word kept:| $last",
    "$letter = [ $wa, $wb, $wc ]  # $name\n$letter[:$cut] ends with| $last",
    "$day, top $cut of $wa, $wb, $wc. Then $name stops. So the last is| $last",
    # how long it is, and who obeys
    "$name1: $line1\n$name2: $line2\nWords in the line of $?name:\n|$?count",
    '$letter1 = "$line1"; $letter2 = "$line2"; $name: wordcount($?letter) =\n|$?count',
    "Asked for one word, $name1 said $line1; $name2 said $line2. Did $?name obey?| $?one",
    "max 2 words\n$name1 > $line1\n$name2 > $line2\ncheck of $?name:| $?fits",
    "short = 1 word, long = more. $letter1: $line1. $letter2: $line2. $name, line $?letter is| $?size",
    "Q of $name1 and $name2: a $word? A to $name1: $phrase1. A to $name2: $phrase2. Length of A to $?name:| $?length",
    "$letter1. $phrase1\n$letter2. $phrase2\n$name: the answer $?letter is| $?length",
    "$name1: $say1; $name2: $say2; $name3: $say3. Word count of $?said: only| $?name",
    "Limit $?said! ($say1) by $name1, ($say2) by $name2. At the limit on $day:| $?name",
    "$letter1) $say1 $letter2) $say2 $letter3) $say3\n$name needs length $?said, so takes| $?letter",
    # units and numbers
    "On $day $name1 asked for a $ua, $name2 for a $ub. Shorter is a| $less",
    "$ua / $ub\n$name on $color paper, $day, longer of both:| $more",
    "A: $lx words. B: $ly words. On $day $name wants the shorter one:| $low",
    "lines(A)=$lx; lines(B)=$ly; longer for $name on $day =>| $high",
)

VERBOSITY = register(Family.of("verbosity", (Pattern(text, TABLES) for text in TEXTS)))
