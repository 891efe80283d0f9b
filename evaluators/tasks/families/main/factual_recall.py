"""evaluators/tasks/families/main: factual recall, the continuation is a well-known fact about the prompt's subject."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import DAYS, DIGITS, NAMES, PLACES, rows

COUNTRIES = """France Paris French Europe/Spain Madrid Spanish Europe/Italy Rome Italian Europe/
Germany Berlin German Europe/Greece Athens Greek Europe/Poland Warsaw Polish Europe/Austria Vienna German Europe/
Japan Tokyo Japanese Asia/China Beijing Chinese Asia/Iran Tehran Persian Asia/Iraq Baghdad Arabic Asia/
Egypt Cairo Arabic Africa/Ghana Accra English Africa"""

ANIMALS = """dog puppy/cat kitten/cow calf/horse foal/sheep lamb/chicken chick/duck duckling/goose gosling/
pig piglet/deer fawn/frog tadpole"""

THINGS = """grass green/snow white/blood red/coal black/chocolate brown/milk white/peas green/lemons yellow/
carrots orange/bananas yellow/crows black/tomatoes red"""

OPPOSITES = """hot cold/big small/up down/day night/wet dry/fast slow/rich poor/early late/high low/good bad/
north south/east west/happy sad/strong weak/full empty"""

PASTS = """go went/see saw/eat ate/run ran/come came/give gave/take took/make made/write wrote/find found/
buy bought/think thought/sing sang/fall fell/know knew/sleep slept"""

TABLES: Tables = {
    "country capital language continent": rows(COUNTRIES),
    "animal young": rows(ANIMALS),
    "thing color": rows(THINGS),
    "word opposite": [row for pair in rows(OPPOSITES) for row in (pair, pair[::-1])],
    "verb past": rows(PASTS),
    "day next": list(zip(DAYS, DAYS[1:] + DAYS[:1], strict=True)),
    "name": NAMES,
    "place": PLACES,
    "digit": DIGITS,
}

TEXTS = (
    # countries
    "$name1 told $name2 that the capital of $country is| $capital",
    "Capital of $country1: $capital1. Capital of $country2: $capital2. Capital of $country3:| $capital3",
    "Question $digit from $name: which city is the capital of $country? Answer:| $capital",
    "$name flew to $country and after $digit days saw its capital, the city of| $capital",
    "$name: $country1 has $capital1, $country2 has| $capital2",
    '{"id": $digit, "user": "$name", "country": "$country", "capital": "|$capital',
    "In $country, $name1 and $name2 speak| $language",
    "As $name says, people speak $language1 in $country1, but in $country2 they speak| $language2",
    "$name was born in $country and writes page $digit in the language called| $language",
    "country / language\n$country1 / $language1\n$country2 / $language2\n$country3 /| $language3",
    "$name lives at $digit Park Street in $country, a country in| $continent",
    "$country1 is in $continent1. $name says that $country2 is in| $continent2",
    "The city of $capital1 is in $country1. $name knows that the city of $capital2 is in| $country2",
    "$name1 has a map. Its capital is $capital, says $name2, so it is a map of| $country",
    # animals
    "$name1 and $name2 know that a young $animal is called a| $young",
    "$name: a young $animal1 is a $young1. A young $animal2 is a $young2. A young $animal3 is a| $young3",
    "In picture $digit of $name1 and $name2 the mother is a $animal and the baby is a| $young",
    "# $name\nbaby($animal1) = $young1\nbaby($animal2) = $young2\nbaby($animal3) =| $young3",
    "$name saw a $young at the $place. It will grow up to be a| $animal",
    "young: $young1, adult: $animal1; young: $young2, adult: $animal2; young: $young3, adult:| $animal3",
    # colors
    "$name1 asks $name2 for the color of $thing. The color is| $color",
    "$name: $thing1 $color1, $thing2 $color2, $thing3| $color3",
    "$name paints $digit pictures of $thing, so the paint to buy is| $color",
    "Everybody at the $place knows, said $name1 to $name2, that the color of $thing is| $color",
    "$name1 and $name2 paint $thing1 $color1 and $thing2| $color2",
    # opposites
    '$name: the opposite of "$word1" is "$opposite1" and the opposite of "$word2" is "|$opposite2',
    "$word1 - $opposite1\n$word2 - $opposite2\n$word3 -| $opposite3",
    "$name1 says $word and $name2 says the opposite:| $opposite",
    "$name is not $word1 but $opposite1, not $word2 but| $opposite2",
    "Game $digit with $name: I say a word, you say its opposite. I say $word, you say| $opposite",
    "opposite('$word1') == '$opposite1'; opposite('$word2') == '$opposite2'; opposite('$word3') == '|$opposite3",
    # past tense
    "Today $name and I $verb1, yesterday we $past1. Today we $verb2, yesterday we| $past2",
    "$name1 asked $name2 for the past tense of $verb. It is| $past",
    "verb $verb1 past $past1 verb $verb2 past $past2 verb $verb3 past| $past3",
    "Lesson $digit, teacher $name. Present: $verb. Past:| $past",
    # days
    "$name1 meets $name2 on the day after $day, on| $next",
    "Today is $day. Tomorrow $name1 and $name2 go to the $place, because tomorrow is| $next",
    "$name works $digit hours at the $place on $day and rests on the next day,| $next",
    # a fact of any kind among other facts
    "$country1 $capital1 / $word1 $opposite1 / $animal1 $young1 / $country2| $capital2",
    "$animal1 -> $young1, $verb1 -> $past1, $country1 -> $capital1, $animal2 ->| $young2",
    "$name says: a young $animal is a $young, $country speaks $language, and the opposite of $word is| $opposite",
)

FACTUAL_RECALL = register(Family.of("factual_recall", (Pattern(text, TABLES) for text in TEXTS)))
