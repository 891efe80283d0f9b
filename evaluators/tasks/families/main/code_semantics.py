"""evaluators/tasks/families/main: code_semantics, what small Python code does: values, branches, look-ups, calls."""

from itertools import permutations

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DIGITS, LETTERS, NAMES, NOUNS, rows, words

VARIABLES = words("a b c d k m p q x y z")
FUNCTIONS = words("f g h get pick take make show")
BRANCHES = rows("cat dog/dog cat/sun box/box sun")
SMALL = range(1, 7)

TABLES: Tables = {
    "var": VARIABLES,
    "fn": FUNCTIONS,
    "word": NOUNS,
    "name": NAMES,
    "digit": DIGITS,
    "letter": LETTERS,
    "color": COLORS,
    "n succ plustwo": [(str(n), str(n + 1), str(n + 2)) for n in range(1, 8)],
    "num size": [(str(n), "big" if n > 5 else "small") for n in range(1, 10)],
    "m sign o verdict then other chosen": [
        (str(m), sign, str(o), str(holds), then, other, then if holds else other)
        for m, o in permutations(SMALL, 2)
        for sign in "<>"
        for holds in [m < o if sign == "<" else m > o]
        for then, other in BRANCHES
    ],
    "flag negated pro con elect": [
        (str(flag), str(not flag), pro, con, pro if flag else con) for flag in (0, 1) for pro, con in BRANCHES
    ],
    "yes no both either": [(str(p), str(q), str(p and q), str(p or q)) for p in (0, 1) for q in (0, 1)],
    "ra rb rc idx item": [(*order, str(i), order[i]) for order in permutations("ABC") for i in range(3)],
    "first second thing inside": [(a, b, c, str(c in (a, b))) for a, b in permutations("ABCD", 2) for c in "AB"],
    "e f more less": [(a, b, max(a, b), min(a, b)) for a, b in permutations(DIGITS, 2)],
    "lower upper": [(letter.lower(), letter) for letter in LETTERS],
    "given initial": [(name, name[0]) for name in NAMES],
}

TEXTS = (
    # the value after assignments
    "$var1 = $digit1\n$var2 = $digit2\nprint($?var)\n|$?digit",
    '$var = "$word1"\n$var = "$word2"\nprint($var)\n# prints| $word2',
    "$var1 = $digit3; $var2 = $digit2; $var1 = $digit1; print($?var)\n|$?digit",
    "$var1 = $digit2\n$var2 = $var1\n$var1 = $digit1\nprint($?var)\n|$?digit",
    '$var1, $var2 = "$word1", "$word2"\nprint($?var)\n# prints| $?word',
    '$var1 = $var2 = "$word1"\n$var2 = "$word2"\nprint($?var)\n# prints| $?word',
    "$var1, $var2 = $digit2, $digit1\n$var1, $var2 = $var2, $var1\nprint($?var)\n|$?digit",
    '$var1 = "$word2"; $var2 = "$word1"\nt = $var1; $var1 = $var2; $var2 = t\nprint($?var)\n# prints| $?word',
    '$var = "$word1"\ndef f():\n  $var = "$word2"\nf()\nprint($var)\n# prints| $word1',
    "$var1 = $n\n$var2 = $digit\n$var1 += 1\nprint($var1, $var2)\n|$succ",
    # the branch that runs
    'def $word($var):\n  if $var>5: return "big"\n  return "small"\nprint("$name", $word($num))\n# prints $name| $size',
    '$var = $m\nprint("$then" if $var $sign $o else "$other")\n# prints| $chosen',
    '$var = $?digit\nif $var == $digit1: print("$word1")\nelif $var == $digit2: print("$word2")\n# prints| $?word',
    'match "$?letter":\n  case "$letter1": print("$word1")\n  case "$letter2": print("$word2")\n# prints| $?word',
    'def $name($var1, $var2):\n  if $var2: return "$pro"\n  else: return "$con"\nprint($name($digit,$flag))\n'
    "# prints| $elect",
    # lists and tuples
    '$var = ["$word1", "$word2", "$word3"]\nprint($var[0])\n# prints| $word1',
    "$var = [$digit1, $digit2, $digit3]\nprint($var[-1])\n|$digit3",
    '$var = ("$ra", "$rb", "$rc")\nprint("$name:", $var[$idx])\n# prints $name:| $item',
    '$var = ["$ra", "$rb", "$rc", "$name"]\nprint($var.index("$item"))\n|$idx',
    'print("$word1 $word2 $word3".split()[1])\n# prints| $word2',
    # loops of two steps
    'for w in ["$word1", "$word2"]:\n  $var = w\nprint($var)\n# prints| $word2',
    '$var = $n\nfor w in "$name", "$word":\n  $var += 1\nprint($var)\n|$plustwo',
    # dictionaries
    '$var = {"$word1": $digit1, "$word2": $digit2}\nprint($var["$?word"])\n|$?digit',
    'ages = {"$name1": $digit1, "$name2": $digit3}\nages["$name2"] = $digit2\nprint(ages["$?name"])\n|$?digit',
    '$var = dict($name1="$color1", $name2="$color2")\nw = "$?name"\nprint($var[w])\n# prints| $?color',
    'print({$digit1: "$word1", $digit2: "$word2"}[$?digit])\n# prints| $?word',
    # functions and classes
    "def $fn($var1, $var2):\n  return $?var\nprint($fn($digit1, $digit2))\n|$?digit",
    'f = lambda $var1, $var2: $?var\nassert f("$word1", "$word2") == "|$?word',
    "def f($var1, $var2): return $?var\nprint(f($var2=$digit2, $var1=$digit1))\n|$?digit",
    'def $fn($var1, $var2="$word2"): return $?var\nprint($fn("$word1"))\n# prints| $?word',
    'class $name:\n  $var1 = "$color1"\n  $var2 = "$color2"\nprint($name.$?var)\n# prints| $?color',
    "$var1 = lambda: $digit1\n$var2 = lambda: $digit2\nassert $?var()==|$?digit",
    # and, or, not, comparisons
    '$word1=$yes; $word2=$no\nprint($word1 and $word2, "$name")\n|$both',
    "($name1,$name2)=($yes,$no)\n$var = $name1 or $name2\nassert $var==|$either",
    'def $word($var): return not $var\nprint("$name", $word($flag))\n# prints $name| $negated',
    "$var1 = $m\n$var2 = $o\nprint($var1 $sign $var2)\n# prints| $verdict",
    '$var = ["$first", "$name", "$second"]\nassert ("$thing" in $var) is| $inside',
    # numbers and strings
    "$var1, $var2 = $e, $f\nprint(max($var1, $var2))\n|$more",
    '$var = [$e, $f]\nprint(min($var), "$name")\n|$less',
    '$var = "$lower"\nprint("$name", $var.upper())\n# prints $name| $upper',
    'print("{1} {0}".format("$word1", "$word2"), "$name")\n# prints| $word2',
    '$var = "$given"\nprint("$word", $var[0])\n# prints $word| $initial',
)

CODE_SEMANTICS = register(Family.of("code_semantics", (Pattern(text, TABLES) for text in TEXTS)))
