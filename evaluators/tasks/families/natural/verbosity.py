"""evaluators/tasks/families/natural: verbosity, how long an answer should be and where it stops, told in prose."""

from ...family import Family, register
from ...pattern import Pattern
from ..main.verbosity import TABLES

TEXTS = (
    # what each of two asks for
    "$name1 likes $style1 letters and $name2 likes $style2 letters. On $day I write to $?name, so my letter is| $?kind",
    "Be $style1 when you write about the $word1 and $style2 when you write about the $word2, $name. The text on the"
    " $?word should be| $?kind",
    "Teacher $name1 wants $style1 answers, teacher $name2 wants $style2 ones. I am in the $color class of $?name, so"
    " my answers are| $?kind",
    "Rule $digit1 says to be $style1, rule $digit2 says to be $style2. $name obeys rule $?digit, and what $name writes"
    " is| $?kind",
    "A short answer is just Yes, a long one starts with Well. $name1 wants a $style1 answer, $name2 a $style2 one. On"
    ' $day I tell $?name, "|$?opener',
    "When I am short I say Yes and when I am long I say Well. I am $style1 with $name1 and $style2 with $name2. Is it"
    " $color? To $?name I say| $?opener",
    "For a $word1 they want a $style1 text, for a $word2 a $style2 text. $name sells a $?word and sends a text that"
    " is| $?kind",
    "The story of $name1 is too $fault1 and that of $name2 is too $fault2. On $day I tell $?name to make it| $?wish",
    '"Too $fault1 about the $word1, too $fault2 about the $word2," said $name. So the part about the $?word must'
    " be| $?wish",
    "$name sent me a $color1 card with a $style1 text and a $color2 card with a $style2 text. The text on the $?color"
    " card is| $?kind",
    "$name1 told me to be $style1 and $name2 told me to be $style2. About the $word I obey $?name, so I am| $?kind",
    # one word or all of it
    'From "The $word is $shade" we keep 1 word, the color, or all 4 words. $name keeps $words, and the text begins'
    " with| $begin",
    '"The $word is $shade" has 4 words, and those who may use 1 word say just the color. $name may use $words and the'
    " first of them is| $begin",
    'You can say "The $word is $shade" in 4 words, or just the color in 1. $name, say it in $words, please, and start'
    " with| $begin",
    "In 1 word it is a $noun, in 2 words it is a $adj $noun. On $day $name has to use $n, so what comes first"
    " is| $head",
    "Room for 1 word means just the noun, room for 2 means the color first. On $day $name has room for $n and a $adj"
    " $noun to name, so begins with| $head",
    "I ask $name on $day for a name of the $adj $noun, with the noun alone if I want 1 word and the color first if I"
    " want 2. I want $n, so I hear first| $head",
    # where to stop
    "$name has to say $many of the words $word1, $word2 and $third, one by one, and then stop. After $word1 and $word2"
    " comes| $next",
    '"Give me $many things and then say stop," I said. We had a $word1, a $word2 and a $third. After the $word2 $name'
    " said| $next",
    "We read out the list of $word1, $word2, $third, but only the first $many, and then say stop. $name has read"
    " $word1 and $word2, and now says| $next",
    "In game 1 you say a word once, in game 2 twice, and then you say end. On $day $name plays game $often and has"
    " said $item, so the next word is| $again",
    "The bird says a word as often as I clap, and then it says end. For $name I clapped $often times on $day. The bird"
    " said $item, and the next thing it said was| $again",
    # cut to a length
    '$name cuts the text "$wa $wb $wc" on $day after word $cut, so that it ends with the word| $last',
    "There are three words, $wa, $wb and $wc, but $name on $day has room for only $cut. The last one to fit in"
    " is| $last",
    "The $color note says $wa, then $wb, then $wc. $name stops after $cut of them. The last word read by $name"
    " is| $last",
    "I said to $name, keep $cut of these on $day and begin at the start, with $wa, $wb, $wc. The end will be| $last",
    # how long it is, and who obeys
    '$name1 wrote "$line1" and $name2 wrote "$line2". The number of words written by $?name is| $?number',
    'I asked for just one word. $name1 said "$line1" and $name2 said "$line2". Did $?name obey? I would say| $?one',
    '"No more than 2 words," said the boss. $name1 came with "$line1" and $name2 with "$line2". The text of $?name'
    " will| $?fits",
    'One word is short, more words are long. The $color1 sign says "$line1", the $color2 sign says "$line2". $name'
    " reads the $?color one, which is| $?size",
    'I asked both about the $word. "$phrase1," said $name1. "$phrase2," said $name2. The answer of $?name'
    " was| $?length",
    'There were two replies to the letter of $day, "$phrase1" from $name1 and "$phrase2" from $name2. The one from'
    " $?name was| $?length",
    '$name1 said "$say1", $name2 said "$say2" and $name3 said "$say3". The number of words is $?said in what was said'
    " by| $?name",
    'The number of words had to be $?said on $day. "$say1," said $name1. "$say2," said $name2. The one who obeyed'
    " was| $?name",
    'The $word1 has the sign "$say1", the $word2 the sign "$say2" and the $word3 the sign "$say3". $name reads a text'
    " of length $?said, on the| $?word",
    # units and numbers
    "$name1 asks for a $ua and $name2 asks for a $ub to read on $day. The shorter text of the two is the| $less",
    "What takes longer to read, a $ua or a $ub? $name1 asked $name2 that on $day. What takes longer is the| $more",
    "I have little time on $day at the $place, so of a $ua and a $ub, $name, I would rather read the shorter one,"
    " the| $less",
    "The first text has $lx words and the second has $ly words. On $day $name wants the shorter one and takes"
    " the| $shorter",
    "On $day $name has time for a long letter. There are $lx pages in the first one and $ly pages in the second. The"
    " longer one is the| $longer",
    "Of two notes about the $word, the first takes up $lx lines and the second $ly lines. $name picks the brief one,"
    " the| $shorter",
)

VERBOSITY_NATURAL = register(Family.of("verbosity_natural", (Pattern(text, TABLES) for text in TEXTS)))
