"""evaluators/tasks/families/natural: uncertainty in plain English: who can be sure, and whose words only suggest."""

from ...family import Family, register
from ...pattern import Pattern
from ..main.uncertainty import TABLES

TEXTS = (
    # what someone did
    "Everybody asked about the $word. Since $name $cue that day, $name is| $state",
    "When $name1 told $name2 about the $color $word, it was clear that $name1 $cue and so was| $state",
    "On $day I asked who was at the $place. $name $cue, which means that $name is| $state",
    "My friend $name $cue last $day, so what my friend tells us has a confidence that is| $level",
    "We should note that $name $cue before speaking of the $word; the confidence is therefore| $level",
    "On $day the teacher writes that $name $cue, and that the trust to put in $name is| $level",
    "It is $color, says $name, who $cue. Put better, it| $modal be that color",
    "$name $cue at the $place on $day, so $name does not wonder or tell: $name only| $verb",
    "Of the two, $name1 $cue and will be asked first by $name2. About the $word, $name1| $verb",
    "Is the $word $color? Because $name $cue, the honest answer of $name must be| $reply",
    '"Is it at the $place?" asks the child on $day. $name, who $cue, answers:| $reply',
    "Somebody who $cue1 is $state1, but somebody who $cue2 is, as $name would say,| $state2",
    "With $name1, who $cue1, the level was $level1. With $name2, who $cue2, it was| $level2",
    # two people
    "On $day $name1 $cue1 while $name2 $cue2. If you ask $?name, you will find someone who is| $?state",
    "$name1 $cue1, whereas $name2 $cue2, and that is why $?name| $?verb",
    "There were two of them: $name1 $cue1, and $name2 $cue2. The confidence of $?name was| $?level",
    "First $name1 $cue1. Then $name2 $cue2. So when we asked, $?name said| $?reply",
    # sources
    "All that $name has about the $word is a $source, so we should call it a| $status",
    "In the end the news of $name from the $place on $day came from a $source, and that makes it a| $status",
    "What $name says is based on a $source about a $color $word. What it deserves is| $trust",
    "Before you believe $name1 about the $word, ask $name2 where it comes from. It is a $source, so it earns| $trust",
    "The judge heard on $day that there was a $source of $name at the $place. The judge called the evidence| $weight",
    "If a $source1 makes a case $weight1 on $day, then a $source2, thought $name, makes it| $weight2",
    "$name1 came with a $source1, and $name2 with a $source2. The words of $?name were taken as a| $?status",
    "Every $source1 is a $status1, and every $source2 is, as $name learned on $day, a| $status2",
    "My mother would say on a $day that a $source of a $word like that of $name is no more and no less than a| $status",
    "Nobody came to the $place for the $word. $name had only a $source, and so the case of $name was| $weight",
    # wording
    "When $name says that there will be, $adverbial, a $word at the $place on $day, we hear that $name is| $feeling",
    '"It was, $adverbial, $name2 who took the $word," said $name1, and this told us that $name1 was| $feeling',
    "The letter of $name said that the $word was, $adverbial, at the $place. The matter is therefore| $kind",
    "$name wrote '$adverbial' in front of $color, which leaves the color of the $word| $kind",
    "On $day a person who says '$adverbial1' is $feeling1, while $name, who says '$adverbial2', is| $feeling2",
    "It $auxiliary be $color, says the man about the $word of $name, so for him the color is| $ruling",
    "If they say that $name $auxiliary be at the $place on $day, then a visit is| $ruling",
    "$name1 $auxiliary1 win and $name2 $auxiliary2 win, they write. So the win of $?name is| $?ruling",
    "In the plan we read that they $auxiliary sell the $color $word to $name, and so the sale is| $ruling",
    "The $word $auxiliary belong to $name. That is how the paper puts it on $day, and it sounds| $ruling",
    # chance
    "On $day there is a chance of $percent in 100 that $name comes to the $place, so a visit is| $chance",
    "They say on $day that $percent of 100 such cars are $color. That the car of $name is $color, then, is| $chance",
    "Would you bet that $name wins the $word, with $percent chances in 100? The wise answer is| $bet",
    "With $percent1 chances in 100, says $name on $day, a thing is $chance1, but with $percent2 it is| $chance2",
    "$name1 has $percent1 chances in 100 and $name2 has $percent2, which makes a win of $?name| $?chance",
)

UNCERTAINTY_NATURAL = register(Family.of("uncertainty_natural", (Pattern(text, TABLES) for text in TEXTS)))
