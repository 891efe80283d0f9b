"""evaluators/tasks/families/further: key-value look-up in many notations, by two keys, by value, after writes."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DIGITS, LETTERS, NAMES, NOUNS, PLACES
from ..main.json_schema import KEYS

TABLES: Tables = {
    "key": KEYS,
    "word": NOUNS,
    "name": NAMES,
    "letter": LETTERS,
    "digit": DIGITS,
    "color": COLORS,
    "place": PLACES,
    # two keys, of which often one alone does not tell the entries apart
    "col row": [(col, row) for col in LETTERS[:3] for row in DIGITS[:3]],
    "who what": [(who, what) for who in NAMES[:4] for what in KEYS[3:6]],
}

TEXTS = (
    # one entry a line
    "$key1: $word1\n$key2: $word2\n$key3: $word3\n\n$?key:| $?word",
    "[$name]\n$key1 = $word1\n$key2 = $word2\nget $?key ->| $?word",
    "export $letter1=$word1\nexport $letter2=$word2\nexport $letter3=$word3\necho $$?letter prints| $?word",
    "Phone book\n$name1 ... 5-$digit1\n$name2 ... 5-$digit2\n$?name ... 5-|$?digit",
    "$name1, $color1 line\n$name2, $color2 line\n$name3, $color3 line\n$?name takes the line| $?color",
    "# settings of $name\n--$key1 $word1\n--$key2 $word2\nvalue of --$?key is| $?word",
    "$letter1) $word1\n$letter2) $word2\n$letter3) $word3\n$name chose $?letter), which is| $?word",
    "@$key1 $digit1\n@$key2 $digit2\n@$key3 $digit3\nread @$?key:\n|$?digit",
    # one line
    '{"$letter1": "$word1", "$letter2": "$word2", "$letter3": "$word3"} at "$?letter" is "|$?word',
    "$key1=$word1; $key2=$word2; $key3=$word3; cookie $?key:| $?word",
    "?$key1=$digit1&$key2=$digit2&$key3=$digit3 so $?key=|$?digit",
    "set $letter1 to $word1, set $letter2 to $word2, get $?letter, got| $?word",
    "($letter1 $word1) ($letter2 $word2) ($letter3 $word3) key ($?letter) value| $?word",
    "$name1/$word1 $name2/$word2 $name3/$word3 find $?name/ and read| $?word",
    "<$key1>$digit1</$key1><$key2>$digit2</$key2> text of $?key:\n|$?digit",
    '<item $key1="$word1" $key2="$word2" $key3="$word3"/> Its $?key is "|$?word',
    # rows and columns
    "name,item,color\n$name1,$word1,$color1\n$name2,$word2,$color2\ncolor of $?name:| $?color",
    "$key1,$key2,$key3\n$word1,$word2,$word3\ncolumn $?key holds| $?word",
    "id / name / place\n$digit1 / $name1 / $place1\n$digit2 / $name2 / $place2\nplace of id $?digit is the| $?place",
    "INSERT ($letter1, $word1), ($letter2, $word2); SELECT value WHERE key = $?letter gives| $?word",
    # Python
    "d = {'$letter1': '$word1', '$letter2': '$word2'}\nd['$?letter'] == '|$?word",
    "d = dict($key1=$digit1, $key2=$digit2, $key3=$digit3)\nprint(d['$?key'])\n|$?digit",
    "$word1, $word2, $word3 = $digit1, $digit2, $digit3\nprint($?word)\n|$?digit",
    "d = {'$letter1': '$word1', '$letter2': '$word2'}\nd.get('$letter3', '$word3') == '|$word3",
    "f(**{'$key1': '$color1', '$key2': '$color2'}) calls f with $?key as| $?color",
    # sentences
    "Under $letter1 there is a $word1 and under $letter2 a $word2. Under $?letter $name finds a| $?word",
    "Room $digit1 is for $name1, room $digit2 for $name2. In room $?digit sleeps| $?name",
    "$name1 lives by the $place1, $name2 by the $place2. Letters for $?name go to the| $?place",
    "My key $letter1 opens the $color1 door, my key $letter2 the $color2 one. Key $?letter opens| $?color",
    # two keys
    "$col1$row1=$word1, $col2$row2=$word2, $col3$row3=$word3. Cell $?col$?row:| $?word",
    "$who1.$what1 = $word1\n$who2.$what2 = $word2\n$who3.$what3 = $word3\n$?who.$?what is| $?word",
    '{"$who1": {"$what1": "$color1"}, "$who2": {"$what2": "$color2"}} the $?what of $?who is "|$?color',
    "row $row1: column $col1: $word1\nrow $row2: column $col2: $word2\nat row $?row, column $?col:| $?word",
    # from the value back to the key
    "$name1: $word1, $name2: $word2, $name3: $word3. Who has the $?word? It is| $?name",
    "d = {'$name1': $digit1, '$name2': $digit2}\n{v: k for k, v in d.items()}[$?digit] == '|$?name",
    "Prices: $word1 $digit1, $word2 $digit2, $word3 $digit3. For the price $?digit one gets a| $?word",
    "$letter1 -> $color1\n$letter2 -> $color2\n$letter3 -> $color3\n$?color <-| $?letter",
    # the last write wins
    "$key1 = $word1; $key2 = $word2; $key1 = $word3; now $key1 =| $word3",
    "x = {}\nx['$letter1'] = '$word1'\nx['$letter2'] = '$word2'\nx['$letter2'] = '$word3'\nx['$letter2'] == '|$word3",
    "$name was at the $place1, then at the $place2, then at the $place3. Place of $name now: the| $place3",
    "put $letter1 $word1, put $letter2 $word2, put $letter1 $word3, get $letter2, got| $word2",
    "{**{'$key1': $digit1, '$key2': $digit2}, '$key1': $digit3}['$key1'] ==\n|$digit3",
)

KEY_VALUE = register(Family.of("key_value", (Pattern(text, TABLES) for text in TEXTS)))
