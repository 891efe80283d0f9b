"""evaluators/tasks/families/main: copying, the continuation stands in the prompt (induction, look-up, echo)."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DIGITS, LETTERS, NAMES, NOUNS, PLACES

TABLES: Tables = {
    "word": NOUNS,
    "name": NAMES,
    "letter": LETTERS,
    "digit": DIGITS,
    "color": COLORS,
    "place": PLACES,
}

TEXTS = (
    # a sequence that is repeated
    "$word1 $word2 $word3 $word1 $word2| $word3",
    "$word1 $word2 $word3 $word4 $word1 $word2 $word3| $word4",
    "$word1 $word2 $word3 $word4 $word5 $word1| $word2",
    "$name1: $word1, $word2, $word1, $word2, $word1,| $word2",
    "$letter1 $letter1 $letter2 $letter2 $letter3 $letter3 $letter4| $letter4",
    "$name1 - $word1 - $color1 - $name1 - $word1 -| $color1",
    "$digit1 $word1 $digit2 $word2 $digit1| $word1",
    "$word1 $word2 $word3\n$word1 $word2 $word3\n$word1 $word2| $word3",
    "$word1 $word1 $word2 $word3 $word1 $word1 $word2| $word3",
    "$color1 $word1, $color2 $word2, $color3 $word3, $color1 $word1, $color2| $word2",
    "$word1 $word2 $word3 and again $word1 $word2| $word3",
    "Line: $word1 $word2 $word3 $word4. Same line: $word1 $word2 $word3| $word4",
    # a sequence that comes back the other way round
    "$word1 $word2 $word3 $word4 / $word4 $word3 $word2| $word1",
    "Forward: $word1 $word2 $word3. Back: $word3 $word2| $word1",
    # look-up: the same key has the same value
    "$letter1 is $word1, $letter2 is $word2. $?letter is| $?word",
    "$letter1 $word1\n$letter2 $word2\n$letter3 $word3\n$?letter| $?word",
    "$name1 has a $word1. $name2 has a $word2. $?name has a| $?word",
    "$digit1 -> $word1; $digit2 -> $word2; $digit3 -> $word3; $?digit ->| $?word",
    "The $color1 box holds a $word1 and the $color2 box holds a $word2. The $?color box holds a| $?word",
    "$name1 likes $color1, $name2 likes $color2. So $?name likes| $?color",
    "Owner of the $word1: $name1. Owner of the $word2: $name2. Owner of the $?word:| $?name",
    "$name1 went to the $place1 and $name2 went to the $place2. $?name is at the| $?place",
    "key $letter1 value $word1 key $letter2 value $word2 key $?letter value| $?word",
    "/ $name1 / $word1 /\n/ $name2 / $word2 /\n/ $?name /| $?word",
    "The $word1 is $color1 and the $word2 is $color2. What color is the $?word? It is| $?color",
    "$name1 sits by $name2, and $name3 sits by $name4. Who sits by $name1? The answer is| $name2",
    # echo: say what was said
    '$name1 told $name2 the secret word "$word1". The secret word is| $word1',
    '$name1 said "$word1 $word2". $name2 said it too: "$word1| $word2',
    "$name1: $word1 $word2 $word3\n$name2: $word1 $word2 $word3\n$name3: $word1 $word2| $word3",
    "Remember $word1. Forget $word2 and $word3. The word to remember is| $word1",
    "Password of $name1: $word1 $color1. $name1 types $word1| $color1",
    "in: $word1 $color1 out: $word1 $color1 in: $word2 $color2 out: $word2| $color2",
    # the same thing named again
    "My friend $name1 met $name2 at the $place1. $name2 was glad to see| $name1",
    "I see a $color1 $word1 and a $color2 $word2. The $color1 one is the| $word1",
    "First $word1, then $word2, last $word3. The first was| $word1",
    "List: $word1, $word2, $word3. The last word of the list is| $word3",
    "Dear $name1, I bought a $word1 at the $place1. Yours, $name2. This letter is to| $name1",
    # code and markup
    "x = $word1\ny = $word2\nz = $word3\nprint(y)\n# prints| $word2",
    "<$word1><$word2>$color1</$word2></|$word1",
    "def $word1($letter1, $letter2): return ($letter1, $letter2)\ncall $word1($name1, $name2) returns ($name1,| $name2",
)

COPYING = register(Family.of("copying", (Pattern(text, TABLES) for text in TEXTS)))
