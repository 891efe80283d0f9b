"""evaluators/tasks/families/main: uncertainty, how sure a speaker can be, by evidence, source, wording or chance."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DAYS, DIGITS, LETTERS, NAMES, NOUNS, PLACES, words

CERTAIN = ("saw it", "checked it", "counted it", "was there", "found proof", "read it")
UNCERTAIN = ("forgot it", "only guessed", "was asleep", "was away", "heard rumors", "never looked")
FIRM, WEAK = words("photo video record proof"), words("rumor dream story hint")
STRONG, SOFT = ("for sure", "no doubt", "of course"), ("I think", "I guess", "it seems")
MUST, MAY = words("must will"), words("may might could")
LIKELY, UNLIKELY = words("80 85 90 95"), words("10 15 20 25")

TABLES: Tables = {
    # what someone did, and what follows for them
    "cue state modal level verb reply": [
        *((cue, "sure", "must", "high", "knows", "yes") for cue in CERTAIN),
        *((cue, "unsure", "may", "low", "guesses", "maybe") for cue in UNCERTAIN),
    ],
    # where a statement comes from
    "source status trust weight": [
        *((source, "fact", "trust", "strong") for source in FIRM),
        *((source, "guess", "doubt", "weak") for source in WEAK),
    ],
    # how it is said
    "adverbial kind feeling": [
        *((adverbial, "certain", "sure") for adverbial in STRONG),
        *((adverbial, "open", "unsure") for adverbial in SOFT),
    ],
    "auxiliary ruling": [*((word, "certain") for word in MUST), *((word, "open") for word in MAY)],
    "percent chance bet": [
        *((percent, "likely", "yes") for percent in LIKELY),
        *((percent, "unlikely", "no") for percent in UNLIKELY),
    ],
    "name": NAMES,
    "word": NOUNS,
    "color": COLORS,
    "day": DAYS,
    "place": PLACES,
    "letter": LETTERS,
    "digit": DIGITS,
}

TEXTS = (
    # what someone did, one person
    "$name $cue on $day at the $place. $name is| $state",
    "User: I $cue at the $place. How sure is $name?\nAssistant:| $state",
    "witness: $name1; evidence: $cue; asked by: $name2; answer:| $state",
    "[$name, $cue]\nThe $word $color? It| $modal",
    "$day, $place: $name $cue; confidence:| $level",
    "Report $digit by $name\n$name $cue\nconfidence =| $level",
    "$name $cue, so about the $word $name only| $verb",
    "Q: Is the $word at the $place? ($name $cue)\nA:| $reply",
    '{"who": "$name", "word": "$word", "did": "$cue", "certainty": "|$state',
    "If $name1 $cue, tell $name2 that $name1| $verb",
    "<$name> I $cue\n<$letter> So is it $color?\n<$name>| $reply",
    "* $cue1 -> $state1\n* $cue2 -> $state2\n* $cue3 ->| $state3",
    "$name1: $cue1, $level1. $name2: $cue2,| $level2",
    "log $digit: $name $cue => tag:| $state",
    # what someone did, two people
    "$name1 $cue1. $name2 $cue2. $?name is| $?state",
    "$name1 $cue1 / $name2 $cue2 / $?name| $?verb",
    "Who can tell? $name1 $cue1, $name2 $cue2.\nconfidence of $?name:| $?level",
    "($letter1) $cue1 ($letter2) $cue2\nAsk ($?letter), get a| $?reply",
    # where it comes from
    "The $word of $name is $color. Source: a $source. Status:| $status",
    "source=$source; name=$name; place=$place; color=$color; label=| $status",
    "$name has a $source of the $color $word, and that is worth| $trust",
    "A $source of a $word from $day, says $name: evidence is| $weight",
    "$source1: $status1\n$source2: $status2\n$source3 ($name):| $status3",
    "$name1 brings a $source1 and $name2 a $source2. The case of $?name is| $?weight",
    "# $name, $day, $digit\nif seen_in == '$source': return '|$trust",
    "Claim $digit of $name ($source). Reader:| $trust",
    "Can $name show the $word at the $place? There is a $source, so the evidence is| $weight",
    # how it is said
    '"The $word is, $adverbial, $color," says $name. $name is| $feeling',
    "The $word, $adverbial, is at the $place of $name. tone:| $kind",
    "$name: on $day, $adverbial!\nAbout the $word $name sounds| $feeling",
    "$name: $adverbial1 = $kind1, $adverbial2 = $kind2, $adverbial3 =| $kind3",
    "Mark each line.\n$letter) It is, $adverbial, a $color $word:| $kind",
    "It $auxiliary be the $color $word of $name. Reading:| $ruling",
    "$name $auxiliary come to the $place on $day - the plan is| $ruling",
    "'$auxiliary' ($name, page $digit, line $letter):| $ruling",
    "$name1 $auxiliary1 go, $name2 $auxiliary2 go. For $?name it is| $?ruling",
    # chance
    "$place: chance of rain on $day is $percent %, says $name. Rain is| $chance",
    "p($word, $letter) = $percent / 100 ->| $chance",
    "$name gives the $word $percent of 100. Will it be $color?| $bet",
    "$letter1 $percent1 %, $letter2 $percent2 %. $?letter is| $?chance",
    "For $name, number $digit, $percent1 is $chance1 and $percent2 is| $chance2",
    '{"place": "$place", "name": "$name", "day": "$day", "percent": $percent, "outcome": "|$chance',
)

UNCERTAINTY = register(Family.of("uncertainty", (Pattern(text, TABLES) for text in TEXTS)))
