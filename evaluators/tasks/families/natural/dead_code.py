"""evaluators/tasks/families/natural: dead code in prose, and plans with steps that never happen or serve nothing."""

from itertools import pairwise, permutations

from ...family import Family, register
from ...pattern import Tables
from ...words import DAYS, NAMES, NUMBERS, PLACES
from ..main.dead_code import Roles

TABLES: Tables = {
    "name": NAMES,
    "day": DAYS,
    "place": PLACES,
    "number": NUMBERS[1:],
    "line next": list(pairwise(NUMBERS[1:10])),
    "many any": [("no", "no"), *((number, "yes") for number in NUMBERS[2:])],
    "end start runs": [
        (a, b, "yes" if NUMBERS.index(b) < NUMBERS.index(a) else "no") for a, b in permutations(NUMBERS[1:], 2)
    ],
    "low high": [(a, b) for i, a in enumerate(NUMBERS) for b in NUMBERS[i + 1 :]],
}
THINGS = (
    # code: what is never used
    "The program sets $one to $number1 and $two to $number2 and then prints only $live. The unused variable is| $dead",
    "The function of $name takes two arguments, $one and $two, but looks only at $live. It could do without| $dead",
    "$name imports $one and $two. The rest of the file needs nothing but $live. We can delete the import of| $dead",
    "We have two functions, $one and $two. $name calls $live every $day and never the other. No one would miss| $dead",
    "$name has a $colorone list with $one and a $colortwo list with $two and reads the $shown list. Unused is| $dead",
    "What $name does with $dead changes nothing, while $live decides the result. The code can do without| $dead",
    "Two variables are set, $one and $two, and $name reads only $live. Is $one unused? The answer is| $gone",
    "$name has a table with the columns $one and $two. All reports show $live, none the other. Drop the column| $dead",
    # code: what is never run
    "First $name prints $live; then the function of $word returns; then it prints $dead. No one will see| $dead",
    "In the loop $name calls $live, breaks out, and below that calls $dead. The call that never happens is| $dead",
    "In line $number the program of $name ends. Above it stands $live, below it $dead. It never gets to| $dead",
    "The function of $name returns in line $end and calls $word in line $start. Is the call ever reached?| $runs",
    "The function $word of $name has ten lines and returns in line $line. The first dead line is line| $next",
    "On $day the list of $name has $many words, and $word is called for each. Does $word ever run? We say| $any",
    "The loop of $name counts up from $start and prints $word while below $end. Is it ever printed? I think| $runs",
    "If the mode is $colorone we run $one, otherwise $two. $name set it to $shown for good. We can cut| $dead",
    "The program calls $one for $nameone and $two for $nametwo. Only $who ever uses it. Dead code is| $dead",
    "$one runs if the light is $colorone, says $name. The light is always $shown. Is $one dead code? Answer:| $gone",
    # code: overwritten values and hidden branches
    "The value $dead goes into the variable and $live replaces it at once, says $name. No one ever reads| $dead",
    "$name sets $one, sets $two, gives $dead a new value and only now reads both. Wasted was the first value of| $dead",
    "$name lists a case twice, on $day: first with $live, then with $dead. The first wins. Never chosen is| $dead",
    "All errors are caught by $live. Behind it $name put $dead for missing keys. Nothing ever arrives at| $dead",
    "Above $low we take the $live. Otherwise, above $high, the $dead. The second rule will never give $name the| $dead",
    "$name turned the line with $dead into a comment and left the line with $live alone. What still runs is| $live",
    # plans and instructions: a step that never happens
    "$name rides to the $live and gets off there on $day. The bus goes on to the $dead. $name never sees the| $dead",
    "Step one, take the $live. Step two, stop here. Step three, take the $dead. So $name will not take the| $dead",
    "If the light is $colorone, bring a $one; otherwise a $two. It is always $shown, so $name never brings a| $dead",
    "$nameone uses the $one and $nametwo the $two. On $day only $who will come, so there is no use for the| $dead",
    "The $one is behind the $colorone door, the $two behind the $colortwo. Only $shown opens. $name gets no| $dead",
    "$name gets a $one on $colorone days, a $two on $colortwo days, and all are $shown. Never given is the| $dead",
    'Says $name: "We stop on $day. The $live comes before that and the $dead after it." No one will see the| $dead',
    # plans and instructions: a step that serves nothing
    "The list says to buy a $one and a $two, but $name needs just the $live. Do not buy the| $dead",
    "$name took a $one and a $two to the $place and used the $live. What could have stayed at home? The| $dead",
    "$name wrote about the $dead, crossed it out, and wrote about the $live. The reader learns only about the| $live",
    "A $colorone note tells of the $one, a $colortwo one of the $two. $name opens the $shown one, about the| $live",
    "We pay $nameone with a $one and $nametwo with a $two. We only meet $who, so leave at home the| $dead",
    "Clean the $one, clean the $two, then throw the $dead away, says the plan. $name can skip cleaning the| $dead",
)
PEOPLE = (
    "The $word goes to $live at the $place, then to $dead. But $live never passes it on. It never reaches| $dead",
    "Ask $live for the $word, and $dead only if there is no answer. There always is one. Nobody asks| $dead",
    "$one guards the $colorone gate, $two the $colortwo one. Only the $shown gate still stands. Out of work is| $dead",
    "Is $one needed? On $day the $place has work for one, there are $one and $two, and it goes to $live:| $kept",
    "They asked $one and $two for the number of the $word. Only what $live said was used, not the answer of| $dead",
)

DEAD_CODE_NATURAL = register(
    Family.of(
        "dead_code_natural",
        (*(Roles(text, TABLES) for text in THINGS), *(Roles(text, TABLES, pool=NAMES) for text in PEOPLE)),
    )
)
