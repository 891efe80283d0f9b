"""evaluators/tasks/families/further: docstring, the arguments of a signature in its docs, calls and help."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DIGITS, LETTERS, NAMES, NOUNS, words

TABLES: Tables = {
    "word": NOUNS,
    "name": NAMES,
    "letter": LETTERS,
    "digit": DIGITS,
    "color": COLORS,
    "type": words("int str list bool dict"),
}

TEXTS = (
    # the next argument, in docstrings of Python
    'def $letter($word1, $word2, $word3):\n"""$color.\n\n:param $word1: new\n:param $word2: old\n:param| $word3',
    'def $letter(self, $word1, $word2):\n  """:param $color $word1: first\n  :param $color| $word2',
    'def $name($word1, $word2):\n  """Args:\n  - $word1 ($type1)\n  -| $word2',
    'def $letter($word1: $type1, $word2: $type2):\n"""\nParameters\n\n$word1 : $type1\n|$word2',
    'def $letter($word1, $word2, $word3): "Needs `$word1`, `$word2` and `|$word3',
    "class $name:\n  def __init__(self, $word1, $word2):\n    # attributes: $word1,| $word2",
    "def $letter($word1, *, $word2, $word3):\n# $digit @param $word1\n# $digit @param $word2\n# $digit @param| $word3",
    '"""$color $word1, $digit $word2."""\ndef $letter($word1,| $word2',
    # in the documentation of other languages
    "function $letter($word1, $word2) {}\n/**\n * @param {$type1} $word1\n * @param {$type2}| $word2",
    "int $letter(int $word1, int $word2, int $word3);\n// \\param0 $word1\n// \\param1 $word2\n// \\param2| $word3",
    'void $letter($type1 $word1, $type2 $word2)\n/// <param name="$word1"/>\n/// <param name="|$word2',
    "fn $letter($word1: $type1, $word2: $type2)\n/// * `$word1` - $color\n/// * `|$word2",
    "$name <- function($word1, $word2) {\n#' @param $word1 the first\n#' @param| $word2",
    "(defun $letter ($word1 $word2 $word3)\n  ; $word1 is $color\n  ; $word2 is $color\n  ;| $word3",
    "$letter :: ($word1, $word2, $word3) -> $type\n-- $word1 = in\n-- $word2 = in\n-- in and out =| $word3",
    # help pages
    "usage: $letter --$word1 --$word2 --$word3\n  --$word1  $color1\n  --$word2  $color2\n  --|$word3",
    "> $name $word1 [$word2]\nneeded: $word1; not needed:| $word2",
    "NAME $letter\nSYNTAX $letter $word1 $word2 $word3\nWHERE $word1 is $color1, $word2 is $color2,| $word3",
    ">>> help($letter)\n$letter($word1, $word2)\n\n[1] $word1 ($digit)\n[2]| $word2",
    '{"call":"$letter","args":["$word1","$word2"]}\n{"help":{"$word1":$digit,"|$word2',
    "## $name($word1, $word2, $word3)\n* **$word1** is $color.\n* **$word2** is $color.\n* **|$word3",
    "$letter:\n  args: [$word1, $word2]\n  docs: $word1 = $digit,| $word2",
    "The function $name takes $word1, $word2 and $word3. First give $word1, then $word2, and in the end| $word3",
    "Signature $letter($word1, $word2, $word3). What comes after $word1, $name? It is| $word2",
    "What comes before $word3 in def $name($word1, $word2, $word3)? Before it comes| $word2",
    # types and defaults
    'def $letter($word1: $type1, $word2: $type2):\n  """:type $?word:| $?type',
    "$name($type1 $word1, $type2 $word2) -> $type3; so $?word must be of type| $?type",
    'def $letter($word1=$digit1, $word2=$digit2):\n  """Default of $?word:\n|$?digit',
    "--$word1 $type1\n--$word2 $type2\n$letter: bad value of --$?word, give it a| $?type",
    'interface $name { $word1: $type1; $word2: $type2 }\n"$word1" takes $type1, "$word2" takes| $type2',
    # calls
    "def $letter($word1, $word2, $word3): ...\n$letter($word1=$digit1, $word2=$digit2,| $word3",
    "def $letter1($word1, $word2, $word3): return $letter2($word1, $word2,| $word3",
    "$letter = lambda $word1, $word2: {$word1,| $word2",
    "def $name($word1, $word2):\n  self.$word1, self.$word2 = $word1,| $word2",
    "def $letter($word1, $word2): ...\n$letter($digit1, $digit2)  # $?word is\n|$?digit",
    "def $letter($word1, $word2, $word3)\n$letter($color1, $color2, $color3)\nHere $?color goes to| $?word",
    # errors
    "def $letter($word1, $word2): ...\n$letter($word1=$digit)\nTypeError: it misses the argument| $word2",
    "def $letter($word1, $word2): ...\n>>> $letter($digit, $word1=$digit, $word2=$digit, $word3=$digit)\n"
    "unknown name:| $word3",
    "# TODO $name: the docs of $letter($word1, $word2, $word3) tell of $word3 and $word1, but not of| $word2",
    # two functions
    "def $letter1($word1): ...\ndef $letter2($word2): ...\nhelp($?letter): one argument,| $?word",
    "$letter1($word1, $word2)\n$letter2($word3, $word4)\n$letter2 has $word3, $word4. $letter1 has $word1,| $word2",
)

DOCSTRING = register(Family.of("docstring", (Pattern(text, TABLES) for text in TEXTS)))
