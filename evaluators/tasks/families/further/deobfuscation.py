"""evaluators/tasks/families/further: deobfuscation, what a meaningless name, a code or a detour stands for."""

from ...family import Family, register
from ...pattern import Tables
from ...words import COLORS, DIGITS, LETTERS, NAMES, NOUNS, words
from ..main.dead_code import Roles

KEYS = words("age city size price title code team")
SHORT = [word for word in NOUNS if len(word) == 3]
LEET = str.maketrans("aeo", "430")

# a word by its letters and by those after them
TABLES: Tables = {
    "name": NAMES,
    "letter": LETTERS,
    "digit": DIGITS,
    "color": COLORS,
    "key": KEYS,
    "x y z u v w plain": [
        (
            *word,
            *(chr(ord(letter) + 1) for letter in word),
            word,
        )
        for word in SHORT
    ],
    "leet clear": [(word.translate(LEET), word) for word in SHORT if word.translate(LEET) != word],
}
FATES: Tables = {"bit at sum": (("0", "0", "1-1"), ("1", "2", "1+1"))}
"""What picks the first word of two, or of three with another between them, and what picks the last."""

TEXTS = (
    # a legend of names
    "v$digit1: $word1\nv$digit2: $word2\nv$digit3: $word3\nv$?digit is| $?word",
    "/* $letter1: $word1, $letter2: $word2 */\nvar x = $?letter; // x is the| $?word",
    '{"x$digit1": "$word1", "x$digit2": "$word2"}\nx$?digit = "|$?word',
    "$name renamed $word1 to q$digit1 and $word2 to q$digit2. The real name of q$?digit is| $?word",
    "names: n$digit1<-$word1 n$digit2<-$word2\ncode: n$?digit\nplain:| $?word",
    "s/v$digit1/$word1/; s/v$digit2/$word2/\nin: v$?digit = 0\nout:| $?word",
    "$letter1=$word1, $letter2=$word2, $letter3=$word3\n$?letter($digit) =>| $?word",
    "def $letter1(): # $word1\ndef $letter2(): # $word2\n\n$?letter() # does the| $?word",
    'def f$digit1(x): "finds the $word1"\ndef f$digit2(x): "finds the $word2"\nf$?digit finds the| $?word',
    "id;was\n$digit1;$word1\n$digit2;$word2\n$digit3;$word3\n\nv$?digit was| $?word",
    # a name's meaning from a call, an assignment or a use
    "def $name($word1, $word2): ...\n$name(v$digit1, v$digit2)\n# v$?digit is the| $?word",
    '$letter1 = input("$key1: ")\n$letter2 = input("$key2: ")\n# $?letter holds the| $?key',
    "v$digit1 = $name.$key1\nv$digit2 = $name.$key2\n# call v$?digit| $?key",
    "$letter1 = get_$key1($name1); $letter2 = get_$key2($name2); show($?letter) # shows the| $?key",
    'print("$key1 $digit1 =", $letter1, "$key2 $digit2 =", $letter2) # so $?letter is| $?key',
    "$word($key1=$letter1, $key2=$letter2) # $?letter:| $?key",
    "SELECT $key1 AS $letter1, $key2 AS $letter2 FROM $word; -- $?letter means| $?key",
    "import $word1 as $letter1, $word2 as $letter2\n$?letter.run($digit) # runs| $?word",
    "class $name:\n    def __init__(self, $letter1, $letter2):\n        self.$key1 = $letter1\n"
    "        self.$key2 = $letter2\n# $?letter:| $?key",
    'if not $letter1: need("$key1")\nif not $letter2: need("$key2")\n# $?letter is the $word\'s| $?key',
    "$name gives $word1 the $key1 and $word2 the $key2. In $?word(v$digit) the name v$digit is the| $?key",
    "for $letter1 in $name.$key1:\n    for $letter2 in $name.$key2: print($?letter)\n# prints every| $?key",
    # names and functions that only pass on
    "def v$digit1(x): return $word1(x)\ndef v$digit2(x): return $word2(x)\nv$?digit($letter) is just| $?word",
    "$letter1 = $word1\n$letter2 = $word2\n$letter3 = $?letter\n$letter3($digit) # calls| $?word",
    "$letter1 = lambda *a: $word1(*a); $letter2 = lambda *a: $word2(*a); $?letter($digit) ==| $?word",
    "$letter1() { $word1() } $letter2() { $word2() } $name() { return $?letter() } // $name runs| $?word",
    "class v$digit1($word1): pass\nclass v$digit2($word2): pass\n# v$?digit is only another| $?word",
    # codes with a key
    "$digit1=$word1 $digit2=$word2 $digit3=$word3\n$digit3 $?digit -> $word3| $?word",
    "key: $letter1 $color1, $letter2 $color2, $letter3 $color3. secret: $?letter. plain:| $?color",
    "$name1 writes $word1 for $color1 and $word2 for $color2. $name2 reads $?word and thinks| $?color",
    "table = {'$letter1': '$word1', '$letter2': '$word2'}\n# '$?letter' stands for| $?word",
    # words and letters out of order or changed
    "backwards: $word3 $word2 $word1 $color\nforwards: $color $word1 $word2| $word3",
    "$digit1$digit1 $word1 $digit1$digit1 $word2 $digit1$digit1 $word3 => $word1, $word2,| $word3",
    "$name1 reads from right to left. For $name1 and $name2, $z $y $x is the word| $plain",
    '"$x" + "$y" + "$z" # $name1, $name2\n# is one word, the| $plain',
    '"".join(reversed(["$z", "$y", "$x"])) # $name1 - $name2\n# spells| $plain',
    "$name1 moves every letter one on, so $u-$v-$w tells $name2:| $plain",
    "4=a 3=e 0=o ($name1, $name2): $leet ->| $clear",
    # constants and branches that fold
    '["$one", "$word", "$two"][$at] # $name\n# gives| $live',
    't = ["$one", "$word", "$two"]\nrun(t[$sum], $digit)\n# runs| $live',
    'f(!$bit ? "$one" : "$two", $digit) // the same as f with| $live',
    "s = 0x$bit\nswitch (s) { case 0: $one($digit); break; case 1: $two() }\n// calls only| $live",
)

DEOBFUSCATION = register(Family.of("deobfuscation", (Roles(text, TABLES, FATES) for text in TEXTS)))
