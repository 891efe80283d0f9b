"""evaluators/tasks/families/natural: what a schema says, in prose: forms and records, their fields, rules and kinds."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DAYS, NUMBERS, PLACES, words
from ..main.json_schema import KEYS
from ..main.json_schema import TABLES as MAIN

COUNTS = NUMBERS[1:]
ENTRIES = {"number": COUNTS, "color": COLORS, "day": DAYS, "place": PLACES}
KINDS = [(kind, entry) for kind, entries in ENTRIES.items() for entry in entries]


def _pairs(same: str, other: str) -> list[tuple[str, str, str]]:
    """Two keys and an answer, each of the two answers as often."""
    keys = KEYS
    return [
        (a, b, same if a == b else other) for a in keys for b in keys for _ in range(len(keys) - 1 if a == b else 1)
    ]


TABLES: Tables = {
    **{columns: MAIN[columns] for columns in ("key", "word", "name", "letter", "color")},
    "number": COUNTS,
    "sort": tuple(ENTRIES),
    "kind entry": KINDS,
    "want given verdict": [
        (want, entry, "yes" if want == kind else "no")
        for want in ENTRIES
        for kind, entry in KINDS
        for _ in range(len(ENTRIES) - 1 if want == kind else 1)
    ],
    "rule": words("required optional forbidden hidden fixed open free new old"),
    "need gave enough": _pairs("yes", "no"),
    "ban wrote legal": _pairs("no", "yes"),
    "role": words("owner buyer seller driver guest teacher"),
    "low high": [(a, b) for i, a in enumerate(COUNTS) for b in COUNTS[i + 1 :]],
    "bound amount fits": [
        (bound, amount, "yes" if j <= i else "no") for i, bound in enumerate(COUNTS) for j, amount in enumerate(COUNTS)
    ],
}

TEXTS = (
    # the order of fields
    "The form asks for $key1, then $key2, then $key3. $name has written the $key1 and the $key2. Next is the| $key3",
    "Here the $key1 comes before the $key2. $name1 and $name2 have written the $key1 and go on with the| $key2",
    "The $color1 line holds the $key1 and the $color2 line the $key2. In the $?color line $name writes the| $?key",
    "The old record had first the $key1 and then the $key2. That of $name begins the same way, with the| $key1",
    "My record has a $word, then the $key1, then the $key2. That of $name is like it: a $word, then the| $key1",
    "The part for the $key2 is inside the part for the $key1. To get to the $key2, $name must first open the| $key1",
    # required, optional and forbidden fields
    "Every record needs $key1, $key2 and $key3. $name gave only the $key1 and the $key3. Missing is the| $key2",
    "The form that $name fills in must have the $key1 and must never have the $key2. So it has the| $key1",
    "Leave out the $key1, $name1, if you like, but never leave out the $key2, says $name2. Required is the| $key2",
    "For $name the $key1 is $rule1, the $key2 $rule2 and the $key3 $rule3. The one that is $?rule is the| $?key",
    "A form is good only with the $need, says $name1. $name2 gave just the $gave. Is that good? The answer is| $enough",
    "Nobody may give the $ban of a $word, but all else is fine. $name gave the $wrote. Was that right? We say| $legal",
    "$name1 takes the $key1 out of the record of $name2, which had only the $key1 and the $key2. Left is the| $key2",
    "We know the $key1 of $name, which is $word, but not the $key2. The field that is still empty is the| $key2",
    # fields that are added, renamed or put elsewhere
    "The record had only the $key1 and the $key2. Then $name added the $key3. The newest field is the| $key3",
    "The field $key1 is now called $key2. The $word that $name once put under $key1 is therefore found under| $key2",
    "The $key1 goes into box $letter1, the $key2 into box $letter2. To give the $?key, $name writes in box| $?letter",
    "Box $letter1 is for the $key1, box $letter2 for the $key2, box $letter3 for the $key3. In $?letter is the| $?key",
    # entries that are fixed, allowed or put in where nothing was written
    "If empty, the $key1 counts as $number1, the $key2 as $number2. $name left the $?key empty, so it is| $?number",
    "The color must be $color1, $color2 or $color3. $name cannot use $color1 or $color3, so the color is| $color2",
    "In our club the $key1 is always $word1 and the $key2 always $word2. So $name, too, enters as the $?key| $?word",
    "For the $key one can choose only between $word1 and $word2. Because $word1 is taken, $name has to choose| $word2",
    "As the $key all numbers from $low to $high are allowed. The smallest that $name may enter is| $low",
    "Nothing under $low and nothing over $high can be the $key, says $name. The largest number one may enter is| $high",
    "$name entered $amount as the $key. No number over $bound is allowed there. Was this entry right? We say| $fits",
    # entries taken from a story
    "$name has a $color $word. On the card for this $word, in the field for the color, we write| $color",
    'My $key1 is "$word1" and my $key2 is "$word2", said $name. In the field for the $?key we enter "|$?word',
    "A form asks for the giver and for the owner. $name1 gave a $word to $name2. As the owner we write down| $name2",
    "The form names $name1 as the $role1 and $name2 as the $role2 of a $word. In the field for the $?role is| $?name",
    "$name wrote down two numbers for a $word: as $key1 $number1 and as $key2 $number2. So its $?key is| $?number",
    "The record of $name1 gives $number1 as the $key, that of $name2 gives $number2. For $?name it is| $?number",
    "Take the $?key from the record of $name! In it the $key1 is $word1 and the $key2 is $word2. You take| $?word",
    "Two records became one, with $word1 as the $key1 from $name1 and $word2 as the $key2. Its $?key is| $?word",
    # entries that change, and entries that stay
    "$name1 copied the card of $name2 but changed the $key from $word1 to $word2. On the new card the $key is| $word2",
    "The $key1 was $word1 and the $key2 $word2. Then $name changed the $key1 to $word3. The $key2 is still| $word2",
    # kinds of entries
    "Under $key stands $entry. When $name1 asks what kind of entry this is, $name2 answers that it is a| $kind",
    "By our rules the $key1 is a $sort1 and the $key2 a $sort2. Asked for the $?key, $name must give a| $?sort",
    "$name put $given into the field for the $key, which takes only a $want. Is this right? The answer is| $verdict",
    'Only a $want is good here, and "$given" is what $name1 and $name2 wrote. Is that good? We say| $verdict',
    "$name1 entered $entry, and $name2 said it was of the right kind. So the form wants as the $key a| $kind",
    "For a missing $sort1 we write $number1; for a missing $sort2, $number2. $name forgot a $?sort, so write| $?number",
    "A field for a $sort1 is called $key1, one for a $sort2 $key2. $name has a $?sort and fills in the| $?key",
)

JSON_SCHEMA_NATURAL = register(Family.of("json_schema_natural", (Pattern(text, TABLES) for text in TEXTS)))
