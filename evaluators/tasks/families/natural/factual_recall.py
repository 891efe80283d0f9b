"""evaluators/tasks/families/natural: factual recall in prose, well-known facts told in passing."""

from ...family import Family, register
from ...pattern import Pattern
from ..main.factual_recall import TABLES

TEXTS = (
    # countries
    "Each $day, when $name1 and $name2 travel to the capital of $country, they buy a ticket to| $capital",
    "As $name knows, the government of $country1 sits in $capital1 and that of $country2 sits in| $capital2",
    "If you live in $capital, says $name1 to $name2, then the country you live in is| $country",
    "$name has friends in three capitals: $capital1 in $country1, $capital2 in $country2, and $capital3 in| $country3",
    "After a year at a $place in $country both $name1 and $name2 knew the language of the land,| $language",
    "A letter from $country1 came in $language1, so $name thinks that one from $country2 will be in| $language2",
    "To see $country1 you have to go to $continent1. To see $country2, my dear $name, you have to go to| $continent2",
    "On a map of the world $name1 and $name2 looked for $country, and they found it in| $continent",
    "$name1 drove $name2 for days, all the way from $capital1 in $country1 to $capital2 in| $country2",
    '"Which country has $capital as its capital?" asked $name1. "That is easy," said $name2. "It is| $country',
    "Our friend $name went from $country1 to $country2, that is, from $capital1 to| $capital2",
    # animals
    "$name1 has a $animal with a little one, and $name2 knows that the little one is called a| $young",
    "Some day the $young that $name1 gave to $name2 at the $place will be big, and then it will be a| $animal",
    "The $young1 runs after the $animal1, and, as $name can see, after the $animal2 runs a| $young2",
    "At the $place $name1 showed $name2 not an old $animal but a very young one, that is, a| $young",
    "The mother of a $young1 is a $animal1, so, $name, the mother of a $young2 is a| $animal2",
    # colors
    "$name1 was painting $thing at the $place and asked for the right color, and $name2 passed the| $color",
    "If the color of $thing1 is $color1, asked $name, then what is the color of $thing2? It is| $color2",
    "The new coat of $name1 had the color of $thing. It was, as $name2 saw at once,| $color",
    "With the $color1 pen you can draw $thing1, says $name, but for $thing2 you need the one that is| $color2",
    "Close your eyes at the $place, $name1 and $name2, and think of $thing. The color that you see is| $color",
    # opposites
    "$name1 never agrees with $name2. Where $name2 says $word, we hear $name1 say the opposite,| $opposite",
    "What is not $word1 may be $opposite1. What is not $word2, dear $name, may be| $opposite2",
    "The way from $word1 to $opposite1 is as long, said $name, as the way from $word2 to| $opposite2",
    '"Do you mean $word?" asked $name1. "No, I mean the opposite," answered $name2. "I mean| $opposite',
    "$name writes down pairs of opposites, such as $word1 and $opposite1, or $word2 and| $opposite2",
    "For every word $name1 finds the opposite. For $opposite1 it was $word1, and for $opposite2 it was| $word2",
    # past tense
    "We $verb every day, $name1 told $name2, and so yesterday too we| $past",
    "Now they $verb1, but long ago they $past1. Now they $verb2, but long ago, says $name, they| $past2",
    'Small children get the past of "$verb" wrong, but $name1 and $name2, who are big, say "|$past',
    "$name wrote that we $past1 because we had to $verb1, and that we $past2 because we had to| $verb2",
    "The teacher took the word $verb and told $name1 and $name2 to put it into the past. The new word was| $past",
    "Last year they $past, $name1 told $name2, and next year they will once again| $verb",
    # days
    "On $day $name1 was too tired to work, so $name2 did the work one day later, on| $next",
    "It rained on $day1 and the day after, $next1. It snowed, $name1 told $name2, on $day2 and the day after,| $next2",
    "$name1 left the $place on $next. One day before that, $name2 had left it too, on| $day",
    "If yesterday at the $place it was $day, then, as both $name1 and $name2 say, today must be| $next",
    # a fact after facts of other kinds
    "In $country $name saw a $animal and its $young, and heard the people there speak| $language",
    "$name comes from $capital in $country, where all love the $animal, and even more its baby, the| $young",
    "On $day $name made a $color picture of $thing, and did nothing on the day that came next,| $next",
    "In $capital $name was told that $word1 is the opposite of $opposite1, and $word2 the opposite of| $opposite2",
    "On $day the answer was $word, said $name, but on $next it was the opposite,| $opposite",
)

FACTUAL_RECALL_NATURAL = register(Family.of("factual_recall_natural", (Pattern(text, TABLES) for text in TEXTS)))
