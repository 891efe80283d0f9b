"""evaluators/tasks/families/natural: delimiter_tracking in prose: brackets, boxes, quotes, asides and stories."""

from itertools import accumulate, product

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, NAMES, NOUNS, NUMBERS, PLACES


def steps(count: int) -> list[tuple[str, ...]]:
    """Every way in and out, never out of what was not gone into, and how deep it ends."""
    found = []
    for signs in product((1, -1), repeat=count):
        depths = list(accumulate(signs))
        if min(depths) >= 0:
            found.append((*("in" if sign > 0 else "out" for sign in signs), NUMBERS[depths[-1]]))
    return found


TABLES: Tables = {
    "word": NOUNS,
    "name": NAMES,
    "color": COLORS,
    "place": PLACES,
    "sa sb sc depth": steps(3),
    "ta tb tc td deep": steps(4),
    # seven times the pairs that match: as often yes as no
    "left right match": [
        (a, b, "yes" if a == b else "no") for a in COLORS for b in COLORS for _ in range(7 if a == b else 1)
    ],
}

TEXTS = (
    # brackets
    "$name opened a $color1 bracket, at $word1 a $color2 one, and closed that at $word2. Still open is the| $color1",
    "For $name a $color1 bracket opens and in it, at $word, a $color2 one. First to close is the| $color2",
    "The $word1 stands in $color1 brackets and the $word2 in $color2 brackets. In $?color brackets you read| $?word",
    "Before $word1 $name put a bracket that is $color. It needs an end after $word2: a bracket that is| $color",
    "$name wrote $word1, $word2 and $word3. A bracket opens after $word1 and closes before $word3. It holds| $word2",
    "$name opened a $left bracket and closed it, after $word, with one that was $right. Do they match?| $match",
    "$name has two brackets; the word $word1 is in both, $word2 only in the outer one. So the inner one holds| $word1",
    # boxes, bags and doors
    "$name put the $color1 box into the $color2 box. Closed after the other is the box that is| $color2",
    "The $color1 box is in the $color2 box, which is in the $color3 box. From outside $name sees the| $color3",
    "$name opens the $color1 door, the $color2 door, the $color3 door. On the way back, first close the| $color3",
    "$name opened a $color1 bag, in it a $color2 bag, and in that a $color3 bag! The last to be closed is the| $color1",
    "$name opened the $color1 box and the $color2 box, and then closed the $color2 one. Still open is the| $color1",
    "$name1 opened the $color1 book, closed it, and opened the $color2 one of $name2. Which is open? The| $color2",
    "There is a $word1 in the $color1 box and a $word2 in the $color2 box. The $?word is in the box that is| $?color",
    "The $color1 key closes the $word1, the $color2 key the $word2. To close the $?word, $name takes the| $?color",
    "$name1 opened the $place1 and closed it; $name2 opened the $place2 and went home. Not closed is the| $place2",
    "The $word1 holds the $word2, and the $word2 holds the $word3. Right around the $word3 is the| $word2",
    "In the $word1 is a $word2; in that, a $word3. $name takes out first, from the middle, the| $word3",
    # quotes
    '"A $word1," said $name1 to $name2, "and a $word2." The words in quotes are those of| $name1',
    '$name1 said: "My $word1 is here." Then, without quotes, comes $word2. The word in the quotes is| $word1',
    '$name1 said "$word1" and $name2 said "$word2". In the quotes of $?name is the word| $?word',
    'The note reads: "$word1, $word2" and $word3. Outside the quotes is the word| $word3',
    "A quote opens before $word1, and closes after $word2. Then $name wrote $word3. Not quoted is| $word3",
    "$name1 said: \"$name2 told me: 'No $word1!' and I left the $word2.\" The inner quote is about the| $word1",
    "\"When $name1 said, 'Give me a $word1,' I gave a $word2,\" said $name2. The outer quote belongs to| $name2",
    # asides between commas or dashes
    "The $word1 - it lay near a $color $word2 - is old. What the sentence calls old is the| $word1",
    "$name1, who met $name2 at the $place, is tired. Without the part between the commas, tired is| $name1",
    "We saw $name1 - or was it $name2? - at the $place. Between the dashes is the name| $name2",
    "$name1, as $name2 says, has a $word. The part between the commas names| $name2",
    "The $word1, the $word2 of $name, and - I forgot - the $word3: after the dashes comes the| $word3",
    "My $word1, not the $word2, nor the $word3, was lost. What was lost is my| $word1",
    "The $word1 that $name1 took was $color1; the $word2 that $name2 took was $color2. $?name took the| $?word",
    "The $word1 that the $word2 of $name hit fell down. Down fell the| $word1",
    # stories and parts that begin and end
    "$name1 began a story about a $word1. In it, $name2 told one about a $word2, to its end. Now back to the| $word1",
    "$name1 began to tell of a $word1, and in that story $name2 began to tell of a $word2. First must end the| $word2",
    "A part ends with the word that began it. The part of $name1 and $name2 began with $word, so it ends with| $word",
    "Part $word1 of $name began; in it part $word2 began and ended. As every part must end, the next is| $word1",
    "At the $place $name1 went in, $name2 went in, $name2 came out. Who is still inside? It is| $name1",
    "Last in, first out: $name1 came in, then $name2, then $name3. The first to leave is| $name3",
    "Each in opens a bracket, each out closes one: $sa, $sb, $sc. For $name1 and $name2, open are now| $depth",
    "$name went $ta, $tb, $tc, and $td at the doors of the $place with a $word. How many doors deep now?| $deep",
    "$name1 began to work at the $place1 and $name2 at the $place2. Only $?name stopped, so work ended at the| $?place",
)

DELIMITER_TRACKING_NATURAL = register(
    Family.of("delimiter_tracking_natural", (Pattern(text, TABLES) for text in TEXTS))
)
