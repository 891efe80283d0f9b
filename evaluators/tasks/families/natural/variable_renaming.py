"""evaluators/tasks/families/natural: variable_renaming_natural, new names for what is in a program, told in prose."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, LETTERS, NAMES, NOUNS, NUMBERS

TABLES: Tables = {
    "letter": LETTERS,
    "word": NOUNS,
    "name": NAMES,
    "color": COLORS,
    "num": NUMBERS[1:10],
}

TEXTS = (
    # one name
    "$name renamed the variable $letter to $word. So where the code printed $letter, it now prints| $word",
    "The loop variable $letter is called $word from now on. In each round $name printed $letter; "
    "now in each round $name prints| $word",
    "The variable $word took the place of $letter. You will not find $letter in the program of $name, so look "
    "for| $word",
    "A program of $name keeps a number in $letter. After each $letter is changed to $word, it keeps the number "
    "in| $word",
    "$name1 wrote that $letter is at most $num. But $name2 likes the name $word better, and writes that at most $num "
    "is| $word",
    "In the text of $name, each $word1 must be turned into $word2. "
    'The line "print the $word1" becomes "print the| $word2',
    'From "let $letter be $num" $name made "let $word be $num". Likewise "show $letter" becomes "show| $word',
    "To make the code clear, $name says $word where it said $letter. "
    "It added $num to $letter, and now adds $num to| $word",
    # several names at once
    "In the old code there were $letter1 and $letter2. They are now called $word1 and $word2. "
    "The line that returned $?letter now returns| $?word",
    "$name asks that $letter1 become $word1 and $letter2 become $word2. Before, we added $num to $?letter. "
    "Now we add $num to| $?word",
    "The three variables $letter1, $letter2 and $letter3 get the new names $word1, $word2 and $word3. "
    "So $?letter becomes| $?word",
    "For $letter1 we now say $word1; for $letter2 we say $word2. $name took the value of $?letter, that is, of| $?word",
    "Read $word1 where $letter1 stands and $word2 where $letter2 stands. The code of $name stops at $?letter, "
    "so read that it stops at| $?word",
    "The old line adds $letter1 to $letter2, and the new line of $name adds $word1 to $word2. "
    "What was $?letter is therefore| $?word",
    "Since $letter1 was a bad name, it is $word1 now, and $letter2, as bad, is $word2. To print the old $?letter, "
    "print| $?word",
    "If $letter1 is renamed to $word1 and $letter2 to $word2, the sum of $letter1 and $letter2 is the sum of $word1 "
    "and| $word2",
    "Say $word1, not $letter1. Say $word2, not $letter2. What should $name say for $?letter? It is| $?word",
    '"Return $letter1 or $letter2" was turned into "return $word1 or $word2" by $name. '
    "The new name of $?letter is| $?word",
    "Two names are new: $word1, once $letter1, and $word2, once $letter2. "
    "The test that asked for $?letter asks for| $?word",
    "$name likes long names. So $letter1 became $word1, while $letter2 became $word2, and lines about $?letter "
    "are now about| $?word",
    "What one file calls $letter1, the other calls $word1, and $letter2 is $word2 there. For the other file "
    "we change $?letter to| $?word",
    "The first argument, $letter1, shall be $word1; the second, $letter2, shall be $word2. In the function, "
    "$name changes $?letter to| $?word",
    "Do not write $letter1 or $letter2 any more! It is $word1 for the first and $word2 for the second. "
    "Instead of $?letter, write| $?word",
    "The program loads $word1 under the short name $letter1, and $word2 under the short name $letter2. "
    "When it uses $?letter, it really uses| $?word",
    # one after the other, and back
    "The name $word was $letter before. $name wants the old name back, and so $word is again| $letter",
    "The names $word1 and $word2 trade places in the program. What was $word1 for $name is now| $word2",
    "First $letter was renamed to $word1, and later $word1 was renamed to $word2. "
    "Today the old $letter of $name is| $word2",
    "$name1 changed $letter to $word1. Then $name2 did not like $word1 and chose $word2. "
    "In the end it is called| $word2",
    "Today the names are $word1 and $word2; last year they were $letter1 and $letter2. Last year $?word was| $?letter",
    "The plan to rename $word1 to $word2 was dropped, says $name. So the variable is still called| $word1",
    # what stays
    "Call $word1 by the new name $word2! The line of $name said that $word1 is more than $word3; "
    "now it says that $word2 is more than| $word3",
    "Nothing but $word1 was renamed. Its new name is $word2. $name looks for $word3 and finds it, as before, "
    "under| $word3",
    "Only inside the function of $name1 is $word1 renamed to $word2. In that of $name2 it is still| $word1",
    '$name renames $word1 to $word2, but what is in quotes stays. So the text "$word1" is still "|$word1',
    "The variable $word1 had the value $color. $name gave it the new name $word2, nothing else. "
    "The value of $word2 is| $color",
    "Two variables were both called $word1. The one of $name1 keeps this name; the one of $name2 is now $word2. "
    "The one of $?name is| $?word",
    # functions, arguments, classes, files
    "The function $name1 is now the function $name2. Where the program called $name1 with $num, it now calls| $name2",
    "Once the function of $name had the argument $letter. The argument is now $word, so who calls it gives $num "
    "as| $word",
    "Our class $word1 has become the class $word2. So $name no longer makes a $word1, but a| $word2",
    "The key $word1 is now the key $word2, with the value $color as before. To get $color, $name asks for| $word2",
    "The file of $name1 says $word1 for what the file of $name2 calls $word2. A line about $word1, "
    "copied into the file of $name2, must be about| $word2",
)

VARIABLE_RENAMING_NATURAL = register(Family.of("variable_renaming_natural", (Pattern(text, TABLES) for text in TEXTS)))
