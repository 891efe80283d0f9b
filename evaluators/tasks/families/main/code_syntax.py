"""evaluators/tasks/families/main: code_syntax, the keyword, name or line that the syntax of Python decides.

A `?` in code stands for one missing word.
"""

from itertools import permutations

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import DIGITS, LETTERS, NAMES, NOUNS, words

LINKS = (("from", "import"), ("import", "as"), ("for", "in"))
MIDDLES = (("for", "in"), ("if", "else"))
OPERATORS = (("not", "in"), ("is", "not"))
TYPES = words("int str list dict bool set")
KEYWORDS = words("for if in not def import")
"""Words that are no names, each of which some template uses as a keyword."""


def one_keyword() -> list[tuple[str, ...]]:
    """Three words of which one is a keyword, that keyword, and the number of its place."""
    return [
        (*rest[:place], keyword, *rest[place:], keyword, str(place + 1))
        for keyword in KEYWORDS
        for rest in permutations(NOUNS[:5], 2)
        for place in range(3)
    ]


TABLES: Tables = {
    "word": NOUNS,
    "name": NAMES,
    "letter": LETTERS,
    "digit": DIGITS,
    "lead link": LINKS,
    "mid other": MIDDLES,
    "op rest": OPERATORS,
    "ann": TYPES,
    "va vb vc keyword place": one_keyword(),
    "ca cb cc line": ((";", ":", ":", "1"), (":", ";", ":", "2"), (":", ":", ";", "3")),
    "start stop type": (("[", "]", "list"), ("{", "}", "set"), ("(", ")", "int"), ('"', '"', "str")),
}

TEXTS = (
    # the keyword that is missing
    "Line $digit: $lead $word1 ? $word2\n# ? is| $link",
    "$letter = [$word1 $mid $word2 ? $word3]\n# the missing word:| $other",
    "$letter = max($word1 $mid $word2 ...)  # still needs| $other",
    "{$word1 $mid $word2 ? $word3}  # $name puts for ? the word| $other",
    "if $word1 $op ? $word2: $letter = $digit  # put in| $rest",
    "def $letter($word1, $word2):\n    return $word1 $op ? $word2\n# for ? write| $rest",
    '$name wrote: $lead $word1 to $word2. Python wants not "to" but| $link',
    "1 $lead1 $word1 $link1 $word2\n2 $lead2 $word3 $link2 $word4\n3 $?lead $word5| $?link",
    # the error
    "1 if $word1$ca pass\n2 if $word2$cb pass\n3 if $word3$cc pass\nError in line:|$line",
    "1 $va = $digit1\n2 $vb = $digit2\n3 $vc = $digit3\nbad name in line:|$place",
    "$name: $va, $vb, $vc. A keyword of Python, and so no name, is| $keyword",
    "def $name($word1, $word2, $word1): pass\n# named twice:| $word1",
    "$name1 = $digit1\n$name2 = $digit2\nprint($name1, $name3, $name2)\n# not defined:| $name3",
    # the variable of a loop
    "for $word1 in $word2:\n    $letter = $digit +| $word1",
    "$letter = [$word1 + $digit for| $word1",
    "for $word1 in $name1:\n    for $word2 in $name2:\n        # $?word is an item of| $?name",
    "$word1 = $digit1; $word2 = $digit2\nwhile $?word > 0: $?word -= 1\n# the loop changes| $?word",
    # functions and their arguments
    "def $letter($word1): return $digit +| $word1",
    "$letter = lambda $word1: $digit *| $word1",
    "def $word1($name1, $name2): pass\n$word1($digit1, $digit2)  # $?name =\n|$?digit",
    "def $word1($word2, $word3, $word4): pass\n$word1($word4=$digit1, $word2=$digit2)\n# missing argument:| $word3",
    "def $letter($word1, $word2): pass\n$letter($word2=$digit1, $word3=$digit2)\n# unknown argument:| $word3",
    "def $name($word1=$digit1, $word2=$digit2): return $?word\nprint($name())  # prints\n|$?digit",
    'def $name1(): return "$word1"\ndef $name2(): return "$word2"\nprint($?name()) ->| $?word',
    "def $letter($word1, *$word2, **$word3): pass\n$letter($digit1, $name=$digit2)  # $name goes to| $word3",
    "def $letter($word1: $ann1, $word2: $ann2): pass\n# $?word is of type| $?ann",
    "@$word1\ndef $name1(): pass\n@$word2\ndef $name2(): pass\n# $?word is put on| $?name",
    # imports and other names given with `as`
    "import $word1 as $letter1, $word2 as $letter2\n# $?letter stands for| $?word",
    "from $word1 import $name1\nfrom $word2 import $name2\n# $?name is from| $?word",
    "from $word1 import $word2 as $word3\n# the new name is| $word3",
    "with $word1() as $name1, $word2() as $name2:\n    # $?word() is named| $?name",
    "try: $letter()\nexcept $word1 as $name1: pass\nexcept $word2 as $name2: pass\n# $?word is caught as| $?name",
    # names and classes
    "class $name1($word1): pass\nclass $name2($word2): pass\n# the base of $?name is| $?word",
    "class $name1:\n    def $word1(self): pass\nclass $name2:\n    def $word2(self): pass\n# $?word is in| $?name",
    "$word1 = $word2 = $digit1\ndef $letter():\n    global $?word\n    $word1 = $word2 = $digit2\n"
    "# $letter() changes the outer| $?word",
    "$word1 = $word2 = $word3 = $digit\ndel $word3, $word1\n# left:| $word2",
    '$word1, $word2 = "$name1", "$name2"\n# $?word is| $?name',
    # strings, blocks, branches, values
    '$word1 = "$word2"  # by $name\nprint("$word1")  # prints| $word1',
    '$word1 = "$word2"; $name = $digit\nprint($word1)  # prints| $word2',
    "if $letter:\n    $word1()\n    $word2()\n$word3()\n# without $letter runs only| $word3",
    "if $letter == $digit1: $word1()\nelif $letter == $digit2: $word2()\n# $letter = $?digit calls| $?word",
    "$word = $start$digit$stop\n# $name asks for its type:| $type",
)

CODE_SYNTAX = register(Family.of("code_syntax", (Pattern(text, TABLES) for text in TEXTS)))
