"""evaluators/tasks/families/natural: code_syntax, what the syntax of Python decides, described in prose."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DIGITS, LETTERS, NAMES, NOUNS
from ..main.code_syntax import LINKS, MIDDLES, OPERATORS, TYPES, one_keyword

TABLES: Tables = {
    "word": NOUNS,
    "name": NAMES,
    "color": COLORS,
    "letter": LETTERS,
    "digit": DIGITS,
    "lead link": LINKS,
    "mid other": MIDDLES,
    "op rest": OPERATORS,
    "ann": TYPES,
    "va vb vc keyword place": one_keyword(),
}

TEXTS = (
    # the keyword that is missing
    "A line of $name begins with $lead and then has $word1. Before $word2 must come the keyword| $link",
    '$name wrote "$lead $word1 to $word2", but instead of "to" Python wants| $link',
    "$name lets Python read $lead and the name $word1: to go on to $word2, it needs| $link",
    "Between $word1 and $word2 stands $op, and after it one keyword is missing. $name adds| $rest",
    '"If $word1 $op," begins the line, and it ends: "$word2." What $name left out is| $rest',
    "In square brackets $name wrote $word1, the keyword $mid, and $word2. Before $word3 must come| $other",
    "The value of $name is $word1 $mid $word2, and then? Python cannot do without| $other",
    "The call of $name gets $word1 $mid $word2, but that is not the end. The next keyword must be| $other",
    "$name wrote the function $word2 in the function $word1; $word3 comes after both. There one may call| $word1",
    # the error
    "$name wants to use the names $va, $vb and $vc. Python takes two of them, but not| $keyword",
    "Of $va, $vb and $vc, as $name knows, only one is a keyword:| $keyword",
    "In $word, the if of $name1 ends with a colon, that of $name2 does not. Python stops at the if of| $name2",
    "$name wrote the argument $word1, then $word2, then $word1 again. The name used twice is| $word1",
    "$name set $color1 and $color2, and then printed $color1, $color3 and $color2. Python does not know| $color3",
    # the variable of a loop
    "$name wrote a loop over $word1 and calls each item $word2. In the loop the item has the name| $word2",
    "One loop runs over $word1 and calls its items $name1; one over $word2 has $name2. An item of $?word is| $?name",
    "For $word1 in $word2, says the loop of $name: so what changes at every step is| $word1",
    "To add up the numbers in $word1, $name loops: for $word2 in $word1, the sum grows by| $word2",
    "While $?word is over zero, take one from $?word, wrote $name. Of $word1 and $word2, that changes| $?word",
    # functions and their arguments
    "The function $letter of $name takes one argument, $word, and gives it back. After return comes| $word",
    "The function takes $word1, then $word2. $name calls it with $color1, then $color2. So $?word is| $?color",
    "A function needs $word1, $word2 and $word3. $name gives $word3 and $word1. The missing argument is| $word2",
    "The function knows $word1 and $word2 only. $name gives it $word2 and $word3. Python refuses| $word3",
    "If nothing is given, $word1 is $color1 and $word2 is $color2. $name gives nothing! So $?word is| $?color",
    "The function $name1 returns $word1, and the function $name2 returns $word2. A call of $?name gives| $?word",
    "One star stands before $word1 and two before $word2. $name gives a named value, which goes to| $word2",
    "The argument $word1 is marked as $ann1, $word2 as $ann2. For $?word $name gives a value of type| $?ann",
    "Above the function $name1 stands an at sign and $word1, above $name2 it is $word2. So $?word changes| $?name",
    # imports and other names given with `as`
    "$name imports the module $word1 under the name $word2. In the code it is then called| $word2",
    "$name imports $word1 as $letter1 and $word2 as $letter2. When the code says $?letter, it means| $?word",
    "The module $word1 has $name1, and the module $word2 has $name2. To import $?name, write first from| $?word",
    "With the file $word1 as $word2, begins the block of $name. So the file is used, in the block, as| $word2",
    "An error $word1 is caught as $letter1, an error $word2 as $letter2; so when $?word comes, $name reads| $?letter",
    # names and classes
    "The class $name1 is built on $word1 and the class $name2 on $word2. In brackets after $?name comes| $?word",
    "The method $word1 is in the class $name1, the method $word2 in the class $name2. Who has $?word? It is| $?name",
    'Outside are $word1 and $word2. The function of $name says "global $?word" and sets both. Outside it sets| $?word',
    "$name made $word1, $word2 and $word3; then $name deleted $word3, and $word1. The name that is left is| $word2",
    # strings, blocks, branches, values
    "The variable $word1 holds the text $word2. $name prints $word1 in quotes, and sees| $word1",
    "The variable $word1 holds the text $word2. $name prints $word1, but without quotes: it shows| $word2",
    "Under the if of $name, moved in, is $word1. Below, not moved in, is $word2. If the test fails, there runs| $word2",
    "If $letter is $digit1, call $word1; or else, if it is $digit2, call $word2. It is $?digit, so call| $?word",
    "The dict of $name has $color1 under the key $word1 and $color2 under $word2. Asked for $?word, it gives| $?color",
)

CODE_SYNTAX_NATURAL = register(Family.of("code_syntax_natural", (Pattern(text, TABLES) for text in TEXTS)))
