"""evaluators/tasks/families/main: variable_renaming, code with new names at each place, the rest kept."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import DIGITS, LETTERS, NAMES, NOUNS
from .code_semantics import VARIABLES

TABLES: Tables = {
    "var": VARIABLES,
    "word": NOUNS,
    "name": NAMES,
    "digit": DIGITS,
    "low up": [(letter.lower(), letter) for letter in LETTERS],
}

TEXTS = (
    # one name
    "rename $var to $word:\n$var = $digit\nreturn $name, $var\n->\n$word = $digit\nreturn $name,| $word",
    "rename $var to $word: print($digit * $var) -> print($digit *| $word",
    "rename $var to $word: for $var in $name -> for| $word",
    "s/$var/$word/g\n$digit1 < $var < $digit2\n$digit1 <| $word",
    "$name: call it $word, not $var.\nif $var > $digit: return $var\nif $word > $digit: return| $word",
    '"if $digit > $var:".replace("$var", "$word") == "if $digit >| $word',
    # the same name is read off the code before
    "- def $name($var): return $var\n+ def $name($word): return| $word",
    "def $name($var):\n  return $var + $digit, $var\n\ndef $name($word):\n  return $word + $digit,| $word",
    "[$digit * $var for $var in $name]\n[$digit * $word for| $word",
    "let $var = $digit;\nreturn $var;\n// now\nlet $word = $digit;\nreturn| $word",
    "lambda $var1, $var2: $?var\nlambda $word1, $word2:| $?word",
    "with open($digit) as $var: print($name, $var)\nwith open($digit) as $word: print($name,| $word",
    "except $name as $var:\n  raise $var\n=>\nexcept $name as $word:\n  raise| $word",
    "- $var1, $var2 = $digit1, $digit2\n+ $word1, $word2 = $digit1, $digit2\n- del $?var\n+ del| $?word",
    "def f($var1=$digit1, $var2=$digit2)\ndef f($word1=$digit1, $word2=$digit2)\nf($name, $?var=3)\nf($name,| $?word",
    "def f($var1, $var2) -> def f($word1, $word2)\n@param $?var\n@param| $?word",
    # several names at once
    "rename $var1 to $word1 and $var2 to $word2: return $?var -> return| $?word",
    'names = {"$var1": "$word1", "$var2": "$word2"}\nold: yield $?var\nnew: yield| $?word',
    "$var1 -> $word1\n$var2 -> $word2\n$var3 -> $word3\n$digit + $?var -> $digit +| $?word",
    "old: $var1, $var2, $var3\nnew: $word1, $word2, $word3\n\nassert $?var\nassert| $?word",
    "# $var1 is now $word1, $var2 is now $word2\n- $name($digit, $?var)\n+ $name($digit,| $?word",
    "rename $var1 to $word1, $var2 to $word2: for $var1 in $var2 -> for $word1 in| $word2",
    "$name: $var1=$word1; $var2=$word2.\nwhile $?var: => while| $?word",
    "new names in order: $word1, $word2.\nreturn $var1 - $var2\nreturn $word1 -| $word2",
    "swap the names $word1 and $word2:\n$digit - $word1\n$digit -| $word2",
    # one after the other, and back
    "rename $var to $word1, then $word1 to $word2: return $digit + $var -> return $digit +| $word2",
    "undo the renaming of $var to $word: $digit + $word -> $digit +| $var",
    "$word1 was $var1; $word2 was $var2.\nold code of print($digit, $?word): print($digit,| $?var",
    "import $word1 as $var1, $word2 as $var2\n# without as: del $?var -> del| $?word",
    # what stays
    "rename $word1 to $word2: $word1, $word3 -> $word2,| $word3",
    "rename only $word1 to $word2:\nreturn $word3 + $word1\n->\nreturn| $word3",
    "- $word1 = $word2\n+ $word3 = $word2\n- if $word1 > $word2:\n+ if $word3 >| $word2",
    "rename $var to $word1, keep $word2: $word2 = $digit * $var -> $word2 = $digit *| $word1",
    'rename $word1 to $word2: $name("$word1", $word1) -> $name("|$word1',
    'no change in quotes, rename $word1 to $word2:\n$name("$word1", $word1)\n$name("$word1",| $word2',
    "rename $word1 to $word2 in $name1 only:\ndef $name1(): return $word1\ndef $name2(): return $word1\n->\n"
    "def $name1(): return $word2\ndef $name2(): return| $word1",
    # functions, arguments, attributes, classes
    "rename the function $var to $word: $name = $var($digit) -> $name =| $word",
    "rename the argument $var to $word: f($name, $var=$digit) -> f($name,| $word",
    "rename the attribute $word1 to $word2: $name.$word1 = $word1 -> $name.$word2 =| $word1",
    'the attribute $var is now $word: getattr($name, "$var") -> getattr($name, "|$word',
    "the class $name1 is now $name2: $word = $name1($digit) -> $word =| $name2",
    # a rule
    "names in capitals: return $low1 * $digit + $low2 -> return $up1 * $digit +| $up2",
)

VARIABLE_RENAMING = register(Family.of("variable_renaming", (Pattern(text, TABLES) for text in TEXTS)))
