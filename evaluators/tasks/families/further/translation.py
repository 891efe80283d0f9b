"""evaluators/tasks/families/further: translation, words of a small fixed lexicon from English to Spanish and back."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import DIGITS, NAMES, PLACES, rows

MASCULINE = rows("cat gato/dog perro/sun sol/car coche/map mapa/book libro/ring anillo")
FEMININE = rows("box caja/cup taza/ball pelota/star estrella/pen pluma")
COLORS = rows("red rojo/blue azul/green verde/pink rosa/black negro/white blanco")
NUMBERS = rows("one uno/two dos/three tres/four cuatro/five cinco/six seis")
LEXICON = [*MASCULINE, *FEMININE, *COLORS, *NUMBERS]

# es before a column's name: the same word in Spanish; only masculine nouns stand beside a color or an article
TABLES: Tables = {
    "en es": LEXICON,
    "noun esnoun": MASCULINE,
    "color escolor": COLORS,
    "number esnumber": NUMBERS,
    "given claim yesno truth": [
        row
        for place, (en, es) in enumerate(LEXICON)
        for row in ((es, en, "yes", "true"), (es, LEXICON[(place + 1) % len(LEXICON)][0], "no", "false"))
    ],
    "name": NAMES,
    "digit": DIGITS,
    "place": PLACES,
}

TEXTS = (
    # dictionaries
    "$en1 = $es1, $en2 = $es2, $en3 =| $es3",
    "$es1: $en1\n$es2: $en2\n$es3:| $en3",
    "English -> Spanish, by $name\n$en1 -> $es1\n$en2 ->| $es2",
    '{"$es1": "$en1", "$es2": "$en2", "$es3": "|$en3',
    "Page $digit of the dictionary of $name\n$es1 $en1\n$es2| $en2",
    "$en1 ($es1), $en2 ($es2), $en3 (|$es3",
    "$es1 - $en1 / $es2 - $en2 / $es3 -| $en3",
    "<b> $en1 </b> $es1 <b> $en2 </b> $es2 <b> $en3 </b>| $es3",
    '"$en1" is "$es1", "$en2" is "$es2", "$en3" is "|$es3',
    "Spanish $es1, English $en1. Spanish $es2, English $en2. Spanish $es3, English| $en3",
    # tables
    "English / Spanish / page\n$en1 / $es1 / $digit1\n$en2 / $es2 / $digit2\n$en3 /| $es3",
    "spanish, english\n$es1, $en1\n$es2, $en2\n$es3,| $en3",
    "EN: $en1 $en2 $en3\nES: $es1 $es2| $es3",
    # lists
    "$es1 $es2 $es3 $es4 in English: $en1 $en2 $en3| $en4",
    "Shopping list of $name: $es1, $es2. The same list in English: $en1,| $en2",
    "1. $en1\n2. $en2\n3. $en3\nNow in Spanish:\n1. $es1\n2. $es2\n3.| $es3",
    # flash cards
    "Card $digit of $name\nfront: $en\nback:| $es",
    "$es1? $en1! $es2? $en2! $es3?| $en3",
    "$name1 shows the card $es to $name2, turns it over and reads the English word| $en",
    "[$name] Q$digit: $en in Spanish? A$digit:| $es",
    # subtitles
    "$digit\n[$name] $es1, $es2!\nSubtitle: $en1,| $en2",
    "$name1 (in Spanish): $es! $name2 (in English):| $en",
    'Film $digit, $name says "$es" and the English subtitle reads "|$en',
    # sentences
    "$name: the Spanish word for $en1 is $es1, and for $en2 it is| $es2",
    "$name1 asks $name2 for the Spanish word for $en. $name2 says| $es",
    "Question $digit from $name: what does $es mean in English? Answer:| $en",
    "In Madrid $name1 and $name2 do not say $en, they say| $es",
    "A sign at the $place, read by $name: $es. Translation of the sign:| $en",
    "The teacher writes $es1 and $es2 in Spanish, and $name reads: $en1 and| $en2",
    "$name lives by the $place, in house number $number. The Spanish for this, says page $digit, is| $esnumber",
    "Dear $name1, you wrote $?es. Is this Spanish for $en1 or for $en2? $name2.\nDear $name2, it is Spanish for| $?en",
    # phrases
    "$name has a $color $noun at the $place. In Spanish it is un $esnoun| $escolor",
    "Page $digit: the $color1 $noun1 = el $esnoun1 $escolor1; the $color2 $noun2 = el $esnoun2| $escolor2",
    "$name, $digit: un $esnoun $escolor - a $color| $noun",
    "the $noun1 of $name1: el $esnoun1 de $name1\nthe $noun2 of $name2: el| $esnoun2",
    # choice and check
    "$name: for $?en, choose $es1 or $es2:| $?es",
    "$es1 or $es2 or $es3? One of them is Spanish for $?en, namely| $?es",
    "Does $given mean $claim? $name1 and $name2 say| $yesno",
    "$name wrote on page $digit: $claim is $given in Spanish. This is| $truth",
    # code
    "en('$es1') == '$en1'\nen('$es2') == '$en2'\nen('$es3') == '|$en3",
    "lang=es; user=$name; id=$digit; text=$en; output:| $es",
    "print(es[$en1]) # $es1\nprint(es[$en2]) # $es2\nprint(es[$en3]) #| $es3",
)

TRANSLATION = register(Family.of("translation", (Pattern(text, TABLES) for text in TEXTS)))
