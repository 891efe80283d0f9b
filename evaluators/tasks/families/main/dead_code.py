"""evaluators/tasks/families/main: dead code, what is never run or never used, or what alone is."""

from ...dice import Dice
from ...example import Draft
from ...family import Family, register
from ...pattern import Pattern, Row, Tables
from ...words import COLORS, DIGITS, LETTERS, NAMES, NOUNS

TABLES: Tables = {
    "name": NAMES,
    "digit": DIGITS,
    "letter": LETTERS,
    "line next": [(str(line), str(line + 1)) for line in range(1, 9)],
}
FATES: Tables = {"gone kept": (("no", "yes"), ("yes", "no"))}
"""What a text may say where the first of two words is live, and where it is dead."""
PAIRS: Tables = {
    "nameone nametwo who": NAMES,
    "colorone colortwo shown": COLORS,
    "digitone digittwo set": DIGITS,
}
"""Two conditions, one for each word, and the one of them that holds."""


class Roles:
    """A text about two words: `$one` and `$two` as they come, `$live` and `$dead` as it makes them.

    The corrupt prompt exchanges the roles. A `$word` is none of the two.
    """

    def __init__(
        self, text: str, tables: Tables = TABLES, fates: Tables = FATES, pool: tuple[str, ...] = NOUNS
    ) -> None:
        self.text = text
        self._pool = pool
        ((columns, (lives, dies)),) = fates.items()
        self._columns = " ".join(["one two live dead", *PAIRS, columns])
        self._lives, self._dies = tuple(lives), tuple(dies)
        either = [("",) * len(self._columns.split())] * 2
        self._pattern = Pattern(text, {**tables, self._columns: either, "word": NOUNS[2:]})

    def draft(self, dice: Dice) -> Draft:
        """A prompt about two words of the pool."""
        one, two = dice.some(self._pool, 2)
        pairs = [dice.some(pool, 2) for pool in PAIRS.values()]
        lives = [word for first, second in pairs for word in (first, second, first)]
        dies = [word for first, second in pairs for word in (first, second, second)]
        alive, dead = [one, two, one, two, *lives, *self._lives], [one, two, two, one, *dies, *self._dies]
        roles: list[str | Row] = [tuple(map(str, alive)), tuple(map(str, dead))]
        others = [word for word in NOUNS if word not in (one, two)]
        return self._pattern.among({self._columns: roles, "word": others}).draft(dice)


TEXTS = (
    # unused variables, imports, functions, arguments
    "$one = $digit1\n$two = $digit2\nprint($live)\n# unused:| $dead",
    "def $name($one, $two):\n    return $live + $digit\n# unused argument:| $dead",
    "import $one\nimport $two\n$name = $live.$letter\n# unused import:| $dead",
    "from $name import $one, $two\nassert $live($digit)\n# never used:| $dead",
    "def $one(): return $digit1\ndef $two(): return $digit2\nprint($live())\n# never called:| $dead",
    "for $one, $two in $name.items(): print($live, $digit) # not needed:| $dead",
    "f = lambda $one, $two: $live * $digit # never read:| $dead",
    "class $name:\n    $one = $digit1\n    $two = $digit2\n\nprint($name.$live)\n# unused field:| $dead",
    'd = {"$one": $digit1, "$two": $digit2}\nprint(d["$live"])\n# never read: "|$dead',
    "$one, $two = $name[$digit]\n$name.append($live)\n# not used again:| $dead",
    "int $one = $digit1, $two = $digit2;\nreturn $live;\nwarning: unused variable '|$dead",
    "def $name($one=$digit1, *, $two=$digit2): yield $live\n# useless argument:| $dead",
    'with open("$letter1") as $one, open("$letter2") as $two:\n    print($live.read())\n# opened for nothing:| $dead',
    "$name = [$live + $digit for $one, $two in $name] # unused name:| $dead",
    "$one = $digit1\n$word = $digit2\n$two = $digit3\nprint($word, $live)\n# can be deleted:| $dead",
    "$one = $digit1\n$two = $digit2\n$word = $live + 1\nprint($word)\n# does not change what is printed:| $dead",
    "$one = $digit1; $two = $digit2; print($live) # is $one unused?| $gone",
    # after return, break, continue, raise, exit
    'def $name():\n    print("$live")\n    return $digit\n    print("$dead")\n# never printed:| $dead',
    "while $name:\n    $live($digit)\n    break\n    $dead($digit)\n# unreachable:| $dead",
    "for $letter in $name:\n    $live()\n    continue\n    $dead($letter)\n# never reached:| $dead",
    "$live($digit1); exit($digit2); $dead($digit1) # dead call:| $dead",
    "def f(x):\n    if x: return $live($digit)\n    else: return x\n    $dead(x)\n# dead:| $dead",
    "function $name() { return $live; log($dead); } // what is never logged:| $dead",
    "def $word(): # of 9 lines, line $line is: return $digit\nfirst dead line:\n|$next",
    '1 PRINT "$live"\n2 END $name\n3 PRINT "$dead" + "$digit"\nnever shown:| $dead',
    'def $name(x):\n    raise Exception("$live")\n    return "$dead", $digit\n# never returned:| $dead',
    "def $name():\n    if $digitone == $set: return\n    $one($digit)\n# does $one run?| $gone",
    'for x in $name:\n    if $digitone == $set: break\n    print("$one")\n# is the print reached?| $gone',
    # conditions that never change
    "if $digitone == $set:\n    $one($digit)\nelse:\n    $two()\n# dead branch:| $dead",
    'print("$one" if $digitone == $set else "$two", $letter) # not shown:| $dead',
    'M = $set\nif M == $digitone: print("$one", $digit)\nif M != $digitone: print("$two")\n# prints only| $live',
    "{% if $set == $digitone %} $one($digit) {% else %} $two() {% endif %}\nleft out:| $dead",
    'def f():\n    if $set == $digitone: return "$one"\n    return "$two"\n# f never gives| $dead',
    "x = $set\n$name = $one if x == $digitone else $two # not chosen:| $dead",
    "$name = $set\nif $name == $digitone:\n    $one($digit)\n# is $one dead code?| $gone",
    "match $set:\n    case $digitone: $one($letter)\n    case $digittwo: $two()\n# dead case:| $dead",
    # values that are overwritten
    '$letter = "$dead"\n$letter = "$live"\nprint($letter, $digit)\n# value never used:| $dead',
    "$one = $digit1\n$two = $digit2\n$dead = $digit3\nprint($one, $two)\n# set twice, the first time in vain:| $dead",
    'd = {"$letter": $dead, "$letter": $live}\n# lost from d:| $dead',
    "def f($one, $two):\n    $dead = $digit\n    return $one + $two\n# argument never read:| $dead",
    # branches that another one hides
    "if $letter == $digit:\n    $live()\nelif $letter == $digit:\n    $dead()\n# unreachable branch:| $dead",
    "try: $name()\nexcept Exception: $live($digit)\nexcept KeyError: $dead()\n# never handles:| $dead",
)

DEAD_CODE = register(Family.of("dead_code", (Roles(text) for text in TEXTS)))
