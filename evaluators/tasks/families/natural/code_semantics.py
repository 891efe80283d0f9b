"""evaluators/tasks/families/natural: code_semantics_natural, what programs do that are described in prose."""

from itertools import permutations, product

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, LETTERS, NAMES, NOUNS, NUMBERS, PLACES
from ..main.code_semantics import BRANCHES, SMALL

VALUES = range(1, 10)
LOW_OR_HIGH = (2, 3, 7, 8)

# in the tables of numbers only their words are asked for
TABLES: Tables = {
    "letter": LETTERS,
    "word": NOUNS,
    "name": NAMES,
    "num": NUMBERS[1:10],
    "color": COLORS,
    "place": PLACES,
    "n succ plustwo": [NUMBERS[n : n + 3] for n in range(1, 8)],
    "given size": [(NUMBERS[n], "big" if n > 5 else "small") for n in VALUES],
    "m o then other chosen": [
        (NUMBERS[m], NUMBERS[o], then, other, then if m > o else other)
        for m, o in permutations(SMALL, 2)
        for then, other in BRANCHES
    ],
    "p q verdict": [(NUMBERS[p], NUMBERS[q], "yes" if p < q else "no") for p, q in permutations(VALUES, 2)],
    "e f more less": [
        (NUMBERS[e], NUMBERS[f], NUMBERS[max(e, f)], NUMBERS[min(e, f)]) for e, f in permutations(VALUES, 2)
    ],
    "x y both either": [
        (NUMBERS[x], NUMBERS[y], "yes" if min(x, y) > 5 else "no", "yes" if max(x, y) > 5 else "no")
        for x, y in product(LOW_OR_HIGH, repeat=2)
    ],
    "text initial": [(name, name[0]) for name in NAMES],
}

TEXTS = (
    # the value after assignments
    "A program puts $word1 in $letter1 and $word2 in $letter2. Then it prints $?letter. On the screen we read| $?word",
    "First the code sets $letter to $word1. After that it sets $letter to $word2. The value of $letter is now| $word2",
    "$name wrote a program that keeps $num1 in $letter1 and $num2 in $letter2, and then prints $?letter. "
    "It prints| $?num",
    "Let $letter1 be $word2. Let $letter2 be a copy of $letter1. Now $letter1 becomes $word1. If we print $?letter, "
    "we get| $?word",
    "In the code, $letter1 holds $word2 and $letter2 holds $word1. The two are then swapped. "
    "Now $?letter holds| $?word",
    "The variables $letter1 and $letter2 start as $word3 and $word2. Then $letter1 is changed to $word1. "
    "At the end, $?letter is| $?word",
    "Both $letter1 and $letter2 are set to $word1; then $letter2 alone is set to $word2. "
    "Printing $?letter gives| $?word",
    "The variable $letter of $name holds $n. After one is added to it at the $place, $letter is| $succ",
    "Inside the function $letter is $word1, but outside it $letter is still $word2. $name prints $letter outside "
    "and sees| $word2",
    # the branch that runs
    "If the number is more than five, program $letter says big, and if not, small. "
    "$name types $given and it says| $size",
    "When the user types $word1, the program answers $color1, and when the user types $word2, it answers $color2. "
    "$name types $?word. It answers| $?color",
    "If the input is $letter1, print $word1. If it is $letter2, print $word2. If not, stop. The input is $?letter, "
    "so we see| $?word",
    "The function checks whether $m is more than $o. If so, it returns $then, else $other. "
    "$name calls it and gets| $chosen",
    "$name asks the program at the $place: is $p less than $q? The program says| $verdict",
    "Only if both numbers are more than five, the code of $name prints yes; if not, no. "
    "It gets $x as $letter1 and $y as $letter2, so it prints| $both",
    "It is enough for program $letter that one of two numbers is more than five. Then it says yes, else no. "
    "$name gives it $x and $y, and it says| $either",
    # lists
    "A list holds $word1, $word2 and $word3, in this order. Its first item is printed, which is| $word1",
    "$name puts $num1, then $num2, then $num3 into a list and asks for the last. The program gives back| $num3",
    "From the list with $word1, $word2 and then $color, the code takes away the first. Now the first is| $word2",
    "At first the list of $name holds only $word1. Then $word2 is added at its end. Now the last item is| $word2",
    "The list $word1, $word2, $word3 is turned around by the code. Now it begins with| $word3",
    "The second of the words $word1, $word2 and $word3 is printed, and so $name reads| $word2",
    # loops
    "A loop goes over $word1, and after it over $word2, for $name. It prints each of them. "
    "The last to be printed is| $word2",
    "A loop runs two times and adds one to $letter each time. For $name, $letter starts at $n, so it ends at| $plustwo",
    "The loop says hello to $name1, $name2 and $name3 in turn, but ends right after $name2. "
    "The last hello is for| $name2",
    # dictionaries
    "A table in the program maps $word1 to $color1 and $word2 to $color2. Looking up $?word gives| $?color",
    "The program stores that $name1 is $num1 years old, and that $name2 is $num2. "
    "Asked about $?name, it returns| $?num",
    "In a dictionary, the key $letter1 had the value $word3. Now $letter1 gets $word1 and $letter2 gets $word2. "
    "For $?letter we find| $?word",
    "The entry for $name1 says $place1. The entry for $name2 says $place2. "
    "The code prints the entry for $?name:| $?place",
    # functions and objects
    "The function takes two arguments and returns the first one. Called by $name with $word1 and $word2, "
    "it returns| $word1",
    "One function always gives back its second argument. If it gets $word1 and $word2 from $name, it gives back| "
    "$word2",
    "This function has the arguments $letter1 and $letter2 and returns $?letter. Called with $word1 as $letter1 "
    "and $word2 as $letter2, it returns| $?word",
    "If no color is named, the function paints things $color. $name calls it for a $word and names no color, "
    "so the $word turns| $color",
    "Of the two functions, $letter1 always returns $num1, and $letter2 always returns $num2. "
    "We call $?letter and get| $?num",
    "The object called $word1 has the color $color1; the object called $word2 is $color2. "
    "Printing the color of the $?word shows| $?color",
    "All that the function of $name does is to return what it gets. "
    'It gets "$word", not "$color", and so it returns| $word',
    # numbers and texts
    "The program prints the larger of two numbers. $name gives it $e and $f at the $place. It prints| $more",
    "After the numbers $e and $f are sorted, the small one before the large one, the list of $name starts with| $less",
    "The code joins the words $word1 and $word2, with a space between, for $name. The text begins with| $word1",
    "What the code takes is the first letter of the text $text and a $color $word. The letter is| $initial",
    "Every $word1 in a text is replaced by $word2. The text of $name said only $word1, and now it says| $word2",
)

CODE_SEMANTICS_NATURAL = register(Family.of("code_semantics_natural", (Pattern(text, TABLES) for text in TEXTS)))
