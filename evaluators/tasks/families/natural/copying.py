"""evaluators/tasks/families/natural: copying in prose, the answer was said before, by someone or of something."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import DAYS
from ..main.copying import TABLES as MAIN

TABLES: Tables = {**MAIN, "day": DAYS}

TEXTS = (
    # words that are said or done again, in the same order or the other way round
    "$name sang of a $word1, a $word2 and a $word3, and then once more of a $word1, a $word2 and a| $word3",
    "First $name and the others shouted $word1 and $word2. Then all shouted it again, $word1 and| $word2",
    'My friend $name1 said "$word1 $word2 $word3" and then $name2 said the very same words: "$word1 $word2| $word3',
    "Every day $name1 greets $name2, then $name3, then $name4. Today too, after $name2 it is the turn of| $name3",
    "Each week $name eats at the $place1 on $day1 and at the $place2 on $day2. This $?day too it is the| $?place",
    "$name walked past a $word1, a $word2 and a $word3. On the way back came the $word3, the $word2 and the| $word1",
    "To get into the $place $name had to say $word. To get out one says the same word, so $name again said| $word",
    "$name1 says all that $name2 says: if $name2 says $word1, so does $name1; if it is $word2, $name1 says| $word2",
    # who has what, and who did what
    "$name1 has a $word1 and $name2 has a $word2. If you need a $?word, ask| $?name",
    "Today $name1 bought the $color1 $word1, and $name2 the $color2 $word2. The $?word now belongs to| $?name",
    "One day $name1 lost a $word1 at the $place and $name2 lost a $word2. The thing that $?name lost was a| $?word",
    "Since $name1 loves $color1 but $name2 loves $color2, the door of $?name should be| $?color",
    "You can find $name1 at the $place1, $name2 at the $place2, $name3 at the $place3. I met $?name at the| $?place",
    "$name1 works only on $day1 and $name2 only on $day2. The one day of work for $?name is| $?day",
    "The cook wrote down two orders, a $word1 for $name1 and a $word2 for $name2; so $?name gets the| $?word",
    "Room $digit1 is for $name1, room $digit2 for $name2, room $digit3 for $name3. In room $?digit we saw| $?name",
    "Of my friends $name1 is the one with the $word1 and $name2 the one with the $word2; with the $?word comes| $?name",
    # which thing is where, and what it is like
    "A $color1 box has a $word1, a $color2 one a $word2, a $color3 one a $word3. In the $?color one is the| $?word",
    "On the table were a $color1 $word1 and a $color2 $word2. Asked about the $?word, $name said that it was| $?color",
    "On chair $letter1 there is a $word1, and on chair $letter2 a $word2. $name sits on chair $?letter, on the| $?word",
    "In our code $letter1 stands for $word1 and $letter2 for $word2. When $name writes $?letter, it means| $?word",
    "We put a $word1 to the left of the $word2. $name asks what is to the left of the $word2. It is the| $word1",
    "Between the $word1 and the $word2, says $name, there is a $word3. So the thing in the middle is the| $word3",
    "We had two things, a $color1 $word1 and a $color2 $word2. As $name took the $?color one, we lost the| $?word",
    "The $word of $name1 is $color. $name2 wants one just like it, so $name2 buys a $word that is also| $color",
    "$name1 sits next to $name2, and $name3 sits next to $name4. Turning to the next seat, $name3 talks to| $name4",
    # say what was said
    '$name1 told $name2 to remember the word "$word" well. Later that day $name2 was asked for it and said: "|$word',
    "Forget the $word1, $name, but remember the $word2. The one thing you must remember is the| $word2",
    '"I like $color1 best," said $name1. "And I like $color2," said $name2. What $?name likes best is| $?color',
    '"Bring me the $word from the $place," $name1 asked, and so $name2 went there to get the| $word',
    '"$word!" cried $name1. "What did you say?" asked $name2. "I said| $word',
    # the same person named again
    "When $name1 and $name2 went to the $place, $name1 gave a $word to| $name2",
    "For hours $name1 waited at the $place for $name2. At last $name2 came with a $word and said sorry to| $name1",
    "$name1 wrote a letter about a $word to $name2. $name2 read it, sat down and wrote an answer to| $name1",
    "Dear $name1, thank you for the $color $word. Yours, $name2. This letter of thanks was sent by| $name2",
    "It was not $name1 but $name2 who took the $word from the $place. The one to be blamed is| $name2",
    "$name1 asked $name2 for help with the $word. Because $name2 had no time, no help came to| $name1",
    # first, last and only
    "$name saw a $word1 first, then a $word2 and at the end a $word3. What came first was the| $word1",
    "At the $place we met $name1, $name2 and $name3, in this order. The last of them was| $name3",
    "$name1 won the race, $name2 came second and $name3 was last. The prize goes to the winner,| $name1",
    "We had a $word1 and a $word2 until $name broke the $word1. All we have now is the| $word2",
    "$name1, $name2 and $name3 were invited. $name1 and $name3 stayed at home, so the only guest was| $name2",
)

COPYING_NATURAL = register(Family.of("copying_natural", (Pattern(text, TABLES) for text in TEXTS)))
