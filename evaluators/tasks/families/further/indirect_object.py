"""evaluators/tasks/families/further: indirect_object, of two people one is named again and the other gets the thing."""

from ...dice import Dice
from ...example import Draft
from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DAYS, DIGITS, NAMES, NOUNS, PLACES

TABLES: Tables = {"name": NAMES, "word": NOUNS, "place": PLACES, "color": COLORS, "day": DAYS, "digit": DIGITS}


class Other(Pattern):
    """A text that names two people and then one of them again, `$?name`; the answer is the other, `$other`.

    Who is named again is the first of the two (A B A: B) or the second (A B B: A), at random. The corrupt
    prompt names the other one again.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text.replace("$other", "$?name"), TABLES)
        self.text = text

    def draft(self, dice: Dice) -> Draft:
        """Each prompt has the answer that would be the repeated name of its twin."""
        again = super().draft(dice)
        corrupt, other = again.twin(dice)
        return Draft(again.clean, other, lambda _: (corrupt, again.target))


TEXTS = (
    # a story of two people
    "When $name1 and $name2 went to the $place, $?name gave a $word to| $other",
    "Then $name1 and $name2 had a long talk at the $place. At the end $?name handed the $word to| $other",
    "$name1 and $name2 were at the $place; $?name had a $word, so $?name gave it to| $other",
    "While $name1 was playing with $name2 in the $place, a $word fell down and $?name threw it back to| $other",
    "On $day $name1 worked with $name2 at the $place. When it was late, $?name said good night to| $other",
    "Friends since $day: $name1, $name2. Today $?name shows the $color $word to| $other",
    "My two friends, $name1 and $name2, met at the $place. It was $?name, with a $word, who first smiled at| $other",
    "Between $name1 and $name2 lay a $color $word. Slowly $?name pushed it to| $other",
    "$name1 sat by $name2. There was only one $word, and $?name left it for| $other",
    "Before $day, $name1 did not know $name2. Now $?name lends the $word to| $other",
    "Look, there are $name1 and $name2 again! I think that $?name wants to sell a $color $word to| $other",
    # a conversation
    "$name1: Good morning!\n$name2: Good morning!\nNow $?name hands the $color $word to| $other",
    '"Hello, $name2," said $name1 at the $place. "Hello!" Then $?name passed the $word to| $other',
    "A: Did $name1 see $name2 at the $place?\nB: Yes, and $?name gave a $word to| $other",
    "Teacher: $name1! $name2! Be quiet! And you, $?name, pass the $color $word to| $other",
    "Q: $name1 and $name2 share a $word. If $?name had it on $day, who has it next?\nA:| $other",
    "Who is here? $name1 and $name2. Who has the $color $word now? $?name gave it to| $other",
    '"I have a $word for you," said $?name. Only $name1 and $name2 were at the $place, so this was said to| $other',
    # notes and lists
    "Present: $name1, $name2. Gift: $word. Day: $day. From: $?name. To:| $other",
    "- $name1\n- $name2\n- one $color $word, from $?name to| $other",
    "$day, $place: $name1 & $name2. The $word: $?name owes it to| $other",
    "Players in the $place: $name1 / $name2. $?name has the ball / $?name kicks / it goes to| $other",
    "Letter of $day. People: ($name1) ($name2). Place: ($place). By: $?name. For:| $other",
    "No. $digit, $name1. No. $digit, $name2. Both of the $place. Tell $?name to sit by| $other",
    "To do:\n1. find $name1 and $name2\n2. get the $color $word from $?name\n3. give it to| $other",
    "$word... $name1... $name2... Ah! $?name, on $day, got it from| $other",
    # what is left when one is taken away
    "$name1 and $name2 share the $color $word. Today it is not with $?name, so it is with| $other",
    "Not $?name! The $color $word is for $name1 or for $name2, so give it to| $other",
    "A game for a $word: $name1 against $name2, on $day. Lost: $?name. Won:| $other",
    "In the race to the $place were only $name1 and $name2. On $day $?name came last. First came| $other",
    "Two keys to the $word, one of $name1, one of $name2. $?name lost a key on $day. A key is still with| $other",
    "$word + $color: $name1 + $name2 - $?name =| $other",
    "Either $name1 or $name2 took the $color $word. As $?name did not, the thief is| $other",
    # code and markup
    'pair = ("$name1", "$name2")\ngive("$color $word", giver="$?name", taker="|$other',
    '{"pair":["$name1","$name2"],"from":"$?name","item":"$color $word","to":"|$other',
    '<team a="$name1" b="$name2"/>\n<gift of="$?name" item="$word" on="$day" to="|$other',
    '$word = {"$name1", "$name2"}\n$word.remove("$?name")  # $day\nprint($word)  # one name:| $other',
    "move($word): $?name -> x; x is in [$name1, $name2]; x is not $?name; so x is| $other",
    "pairs:\n  $name1 = $name2\n  $name2 = $name1\nsend $color $word: $?name =| $other",
    "chat $digit ($name1, $name2)\n[$?name] sent a $word\n[$?name] waits\nseen by| $other",
    'SELECT name FROM $place WHERE name IN ("$name1", "$name2") AND name != "$?name" -- gets $word:| $other',
)

INDIRECT_OBJECT = register(Family.of("indirect_object", map(Other, TEXTS)))
