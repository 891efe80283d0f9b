"""evaluators/tasks/families/further: subject_verb_agreement, the verb has the number of its subject.

Where the forms of a verb begin alike (do, does; run, runs), the verb stands in the prompt and a noun or
a verdict is the answer.
"""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DAYS, DIGITS, NAMES, PLACES, words
from .greater_than import Either

ONE = words("cat dog bird man woman mouse child boy girl cook")
MANY = words("cats dogs birds men women mice children boys girls cooks")
THING = words("cup hat map book box ball key coat knife leaf tooth foot")
THINGS = words("cups hats maps books boxes balls keys coats knives leaves teeth feet")
SINGULAR = words("is was has this it singular one")
PLURAL = words("are were have these them plural two")
VERBS = (("runs", "run"), ("sleeps", "sleep"), ("sings", "sing"), ("eats", "eat"), ("does", "do"), ("has", "have"))

# of is, was, has, ...: the form that goes with the noun of the row
TABLES: Tables = {
    "subject is was has this it number count": [
        *((noun, *SINGULAR) for noun in ONE),
        *((noun, *PLURAL) for noun in MANY),
    ],
    "thing tis twas thas tthis tit tnumber tcount": [
        *((noun, *SINGULAR) for noun in THING),
        *((noun, *PLURAL) for noun in THINGS),
    ],
    "near": THING + THINGS,
    "who": ONE + MANY,
    "one": ONE,
    "many": MANY,
    "quantity qis qwas qhas": [
        *((word, *SINGULAR[:3]) for word in words("each one either")),
        *((word, *PLURAL[:3]) for word in words("all many both some few")),
    ],
    "join jis": (("and", "are"), ("or", "is")),
    "noun verb verdict": [
        (noun, form, "yes" if form == right else "no")
        for nouns, side in ((ONE, 0), (MANY, 1))
        for noun in nouns
        for pair in VERBS
        for right in (pair[side],)
        for form in pair
    ],
    "name": NAMES,
    "place": PLACES,
    "color": COLORS,
    "day": DAYS,
    "digit": DIGITS,
}

TEXTS = (
    # is or are
    "The $subject near the $near in the $place| $is",
    "I know that the $subject with the $color $near| $is",
    "The $thing of the $who at the $place| $tis",
    "Today, as $name says, the $subject that the $who saw| $is",
    "Is or are? The $color $thing under the $near| $tis",
    "Q: Who took the $thing of the $who?\nA: No one. On $day the $thing| $tis",
    "subject: $subject\nnear: $near\nplace: $place\nverb:| $is",
    '{"noun":"$thing","of":"$who","color":"$color","verb":"|$tis',
    "$subject1 $is1, $subject2 $is2, $subject3| $is3",
    "$name thinks that $quantity of the $many by the $near| $qis",
    "Every $day, as you know, $name1 $join $name2| $jis",
    # was or were
    "Yesterday the $subject behind the $near in the $place| $was",
    "On $day, the $thing that the $who had bought long ago| $twas",
    "Last $day $quantity of the $many - see the $near -| $qwas",
    "Was or were? $name came by the $near. There the $subject| $was",
    "- tense: past\n- subject: $subject\n- color of the $near: $color\n- verb:| $was",
    "Once upon a time (so says $name) the $subject from the $place with the $near| $was",
    '<noun by="$who" tense="past" day="$day" text="$thing"/> verb:| $twas',
    # has or have
    "The $subject that lost the $near in the $place no longer| $has",
    "Has or have: $name says the $thing on the $near| $thas",
    "Owner: $subject; gift: $near; $name writes: The $subject| $has",
    "$quantity of the $many, says $name to me, still| $qhas",
    "verb($subject1) = $has1\nverb($subject2) = $has2\nverb($subject3) =| $has3",
    "In the $place the $who can sing, but the $subject behind the $near now| $has",
    # this or these
    "this or these: $thing1 - $tthis1, $thing2 - $tthis2, $thing3 -| $tthis3",
    "Which $thing did the $who take to the $place? I think| $tthis",
    "$name1: I lost the $thing near the $near.\n$name2: Do you mean| $tthis",
    "$color $thing for the $who? Yes! Yes! $name will buy| $tthis",
    # it or them
    "$thing by the $near, in the $place: $name wants| $tit",
    "As for the $thing that the $who hid, on $day I found| $tit",
    "$name took the $thing from the $who /\n$name gave back| $tit",
    # singular or plural, one or two
    '$name: number("$subject1")="$number1", number("$subject2")="|$number2',
    "one/two? $thing1: $tcount1. $thing2: $tcount2. $thing3:| $tcount3",
    # the verb stands in the prompt, and the subject that goes with it is asked for
    "Who <is~are> here, the $one or the $many? Here, $name, <is~are> the| <$one~$many>",
    "$name: <is~are> in the $color $near - the $many? the $one? The| <$one~$many>",
    "words = $many / $one\nthe ? <is~are> in the $place with $name\n? =| <$one~$many>",
    # the verb stands in the prompt, and the verdict is asked for
    '$name wrote "the $noun $verb". Is it right?| $verdict',
    "check(the $noun, $verb) # $place, $digit\n->| $verdict",
    'In "the $noun by the $near $verb" the verb is right:| $verdict',
    "$noun1 $verb1: $verdict1\n$noun2 $verb2: $verdict2\n$noun3 $verb3:| $verdict3",
    'Do they go together: "$verb" and "the $noun"? So asks $name.| $verdict',
)

AGREEMENT = register(
    Family.of(
        "subject_verb_agreement", (Either(text, TABLES) if "~" in text else Pattern(text, TABLES) for text in TEXTS)
    )
)
