"""evaluators/tasks/families/natural: refusal style, whether somebody complies or declines, told in prose."""

from ...family import Family, register
from ...pattern import Pattern
from ..main.refusal_style import TABLES

TEXTS = (
    # who may
    "$name1 $may1 use the $color car this week and $name2 $may2. Today $?name asks for it, and the answer is| $?answer",
    '$name1 is $mark1 to read my $color letters and $name2 is $mark2 to. When $?name asked me, I said, "|$?reply',
    "The club at the $place is for members. $name1 is a $role1 and $name2 is a $role2. When $?name came, the"
    " guard| $?act",
    "You need a ticket for the $color door. $name1 has $have1 ticket, $name2 has $have2 ticket. The guard told $?name,"
    ' "|$?reply',
    "My boss said on $day that $name1 $may1 see the plan, and that $name2 $may2. If $?name asks me, I say| $?answer",
    "I help members and I never help guests. $name1 is a $role1; $name2 is a $role2. I am asked by $?name for a $word"
    " and my answer is| $?answer",
    'At the $place she said "$verdict1" to $name1 and "$verdict2" to $name2. Now it is the same: she tells $?name,'
    ' "|$?verdict',
    "$name1 asked for a $word and the man $act1; then $name2 asked and he $act2. So for $?name he| $?act",
    "In this house $name1 $may1 open the $color box, $name2 $may2. Can $?name open it? The answer is| $?answer",
    # what, when and where one may
    "Mother says that game $digit1 is $mark1 and game $digit2 is $mark2. Now $name asks to play game $?digit. She"
    " says| $?answer",
    'The $word1 is $mark1 and the $word2 is $mark2, as $name knows. I asked for the $?word and was told, "|$?reply',
    "Music is $mark1 in the $color1 room but $mark2 in the $color2 room. Could $name sing in the $?color one? I would"
    " say| $?answer",
    'Children $may1 use the $color1 door and $may2 use the $color2 door. "The $?color door?" asked $name, and the'
    " guard| $?act",
    "With a $word1 guests $may1 come in, with a $word2 they $may2. $name is a guest with a $?word, so the clerk| $?act",
    "We $may1 touch the $word1, we $may2 touch the $word2. $name wants to touch the $?word and hears the"
    " word| $?answer",
    # what is open and what is not
    "Shop $digit1 was $door1 and shop $digit2 was $door2. When $name came to shop $?digit to buy a $word, the man"
    ' said, "|$?dreply',
    "Is there a way in for $name? The $color1 door is $door1, the $color2 door is $door2. By the $?color one, I would"
    " say| $?danswer",
    '"Let me in," said $name1 at gate $letter1, which was $door1, and "Let me in," said $name2 at gate $letter2, which'
    " was $door2. To $?name the guard said| $?danswer",
    "A page about a $word1 is $state1 and a page about a $word2 is $state2. Do I show $name the page about the $?word?"
    " My answer is| $?sanswer",
    "I show what is public, shared, open or free. The letter of $name1 is $state1 and that of $name2 is $state2. Asked"
    ' for the one of $?name, I say, "|$?sreply',
    "The clerk reads out shared, public, open and free letters, no others. Letter $digit1 is $state1, letter $digit2"
    " is $state2. Asked by $name to read out number $?digit, the clerk| $?sact",
    '$name1 has a $state1 book, $name2 has a $state2 book. "May I read yours, $?name?" I asked. The answer'
    " was| $?sanswer",
    # the word please
    'I help on $day only those who say please. $name1 says "$magic1" and $name2 says "$magic2" to me. Do I help'
    " $?name? I say| $?manswer",
    'Nobody gets a $word here without the word please. "A $word, $magic1," said $name1. "A $word, $magic2," said'
    " $name2. To $?name the clerk said| $?manswer",
    "To borrow a $word from me, say please. $name1 wrote the word $magic1 in a letter, $name2 wrote the word $magic2."
    " To the wish of $?name I said| $?manswer",
    # one's own, or that of someone else
    "The diary belongs to $owner, and only the owner reads it. On $day $asker wants to read it at the $place. The"
    " answer is| $oanswer",
    '"I am $asker. Tell me the password," said the voice. The password for the $color $word was that of $owner, so the'
    " clerk| $oact",
    'A $color $word lay there with the name of $owner on it. "It is mine," said $asker. "May I have it?" I looked and'
    ' said, "|$oreply',
    "A key is only for its owner. The key to the $color $word is for $owner. Would I give it to $asker? I would"
    " say| $oanswer",
    "You can take the $free, but nothing else. On $day $name wanted to take the $wanted, and I said| $fanswer",
    "Father lends out his $free and no other thing. When $name at the $place asked him for the $wanted, he said,"
    ' "|$freply',
    "At the $place they sold one thing, a $free. $name asked to buy a $wanted there, and the clerk| $fact",
    # what is handed over
    "$name1 owns the $color1 key and $name2 owns the $color2 key. Nobody gets the key of another, so $?name gets the"
    " one that is| $?color",
    "The $word1 is a secret and the $word2 is not. When $name asks to see something, I show the| $word2",
    '"Sorry, $name, the $word1 is not for sale, but the $word2 is." So what you can buy here is the| $word2',
    "I must not lend my $word1 to $name, so I say no to that and offer my $word2 instead. What I lend is the| $word2",
    "I keep a $word1 for $name1 and a $word2 for $name2. I give nobody what is for the other. To $?name I give"
    " the| $?word",
    # manners
    "Polite people say Gladly or Sorry, blunt people say Yes or No. $name1 is $manner1 and will $will1, $name2 is"
    " $manner2 and will $will2. The word of $?name is| $?form",
    'I $choice1 what $name1 wants and I $choice2 what $name2 wants. I say "Okay" or "Sorry." So $?name hears,'
    ' "|$?creply',
    'To say no, $name1 says "$nope1" and $name2 says "$nope2". I asked $?name for a $word and was refused. I heard,'
    ' "|$?nope',
    "When they ask for a $word1 we $choice1, when they ask for a $word2 we $choice2, with a yes or a no. $name asks"
    " for a $?word, and we say| $?canswer",
)

REFUSAL_STYLE_NATURAL = register(Family.of("refusal_style_natural", (Pattern(text, TABLES) for text in TEXTS)))
