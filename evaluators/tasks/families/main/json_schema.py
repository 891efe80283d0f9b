"""evaluators/tasks/families/main: JSON that follows a schema, an order or an example: keys, values, types, brackets."""

from ...family import Family, register
from ...pattern import Pattern, Tables
from ...words import COLORS, DIGITS, LETTERS, NAMES, NOUNS, words

KEYS = words("name age city color size owner price title code team")
# a string and a list of one digit have as many tokens under every tokenizer; the other types seldom have
VALUES = [
    *(row for d in "258" for row in (("string", f'"{d}"'), ("list", f"[{d}]"), ("number", d))),
    *(("boolean", "true"), ("boolean", "false"), ("null", "null")),
]

TABLES: Tables = {
    "key": KEYS,
    "word": NOUNS,
    "name": NAMES,
    "digit": DIGITS,
    "letter": LETTERS,
    "color": COLORS,
    "type value": VALUES,
    "want given verdict": [
        (want, value, "yes" if want == kind else "no")
        for want in ("string", "list", "number", "boolean")
        for kind, value in VALUES
    ],
    "open separator close": (("[", ",", "]}"), ("{", ":", "}}")),
    "low high": [(a, b) for a in DIGITS for b in DIGITS if a < b],
    "sort": ("number", "boolean", "string", "list", "date"),
}

TEXTS = (
    # the order of keys, from a schema or an example
    'keys: $key1, $key2, $key3\n{"$key1":$digit1,"$key2":$digit2,"|$key3',
    '{"properties":{"$key1":{},"$key2":{}}}\n{"$key1":"$word1","|$key2',
    'Order: $key1 < $key2 < $key3. {"$key1":$digit1,"|$key2',
    '{"$key1":$digit1,"$key2":$digit2}\n{"$key1":$digit3,"|$key2',
    '[{"$key1":"$word1","$key2":"$word2"},{"$key1":"$word3","|$key2',
    '{"$key1":$digit1}\n{"$key1":$digit2}\n{"$key1":$digit3}\n{"|$key1',
    'path: /$key1/$key2/$key3 = $digit1\n{"$key1":{"$key2":{"|$key3',
    # required, forbidden, renamed, deleted keys
    'required: $key1 and $key2. {"$key2":"$word1","|$key1',
    'required: ["$key1","$key2","$key3"] given: {"$key1":$digit1,"$key2":$digit2} missing: "|$key3',
    '$name needs the key $key1 but not the key $key2. {"|$key1',
    'forbidden: "$key1", "$key2". allowed: "$key3". $name writes {"|$key3',
    'rename $key1 to $key2: {"$key1":"$word1"} -> {"|$key2',
    '"$key1" becomes "$word1", "$key2" becomes "$word2". {"$?key":$digit1} becomes {"|$?word',
    'delete $key1: {"$key1":$digit1,"$key2":$digit2} -> {"|$key2',
    '$name: answer in JSON. The key is $key1, the value is $digit. {"|$key1',
    'Tools: $word1($key1), $word2($key2). Call: {"tool":"$?word","args":{"|$?key',
    # values that a schema fixes
    '{"$key1":{"const":"$word1"},"$key2":{"const":"$word2"}}\n{"$?key":"|$?word',
    'default $key1 = $digit1, default $key2 = $digit2, default $key3 = $digit3. {"$?key":|$?digit',
    '{"$key1":{"enum":["$word1","$word2"]}} but not "$word1": {"$key1":"|$word2',
    'The color is $color1, $color2 or $color3. $name takes $?color. {"name":"$name","color":"|$?color',
    '$name: $key is from $low to $high. Smallest: {"$key":|$low',
    'enum $letter1=$word1 $letter2=$word2 $letter3=$word3\n{"code":"$?letter","value":"|$?word',
    # values from other notations
    '$name has a $color $word. {"name":"$name","item":"$word","color":"|$color',
    '$key1,$key2,$key3\n$word1,$word2,$word3\n{"$?key":"|$?word',
    '$key1: $word1\n$key2: $word2\n\n{"$?key":"|$?word',
    '<$word1 $key1="$digit1" $key2="$digit2"/>\n{"$?key":|$?digit',
    'f($key1=$digit1, $key2=$digit2) is {"f":{"$?key":|$?digit',
    'User $name: my $key1 is $word1 and my $key2 is $word2.\n{"$?key":"|$?word',
    '$name.$key1 = $word1\n$name.$key2 = $word2\n{"$name":{"$?key":"|$?word',
    '{"$key1":"$word1","$key2":"$word2"}\npretty:\n{\n  "$key1": "$word1",\n  "$key2": "|$word2',
    # changed and selected objects
    '{"$key1":"$word1","$key2":"$word2"} and now $key2 is $word3: {"$key1":"$word1","$key2":"|$word3',
    '{"$key1":$digit1,"$key2":$digit2} keep only $?key: {"$?key":|$?digit',
    '{"$name1":{"$key1":$digit1},"$name2":{"$key1":$digit2}}\n{"$?name":{"$key1":|$?digit',
    '{"$key1":["$word1","$word2"]} first one: {"$key1":"|$word1',
    # types
    '{"$key1":$value1,"$key2":$digit1,"$key3":$digit2}\nschema: {"$key1":"|$type1',
    '{"$name":{"$key1":$value1,"$key2":"$word1"}} and here $key1 has the type| $type1',
    '"$letter1" is $sort1, "$letter2" is $sort2. {"$key1":{"ref":"$?letter"}} has the type| $?sort',
    'default of $sort1 $digit1, default of $sort2 $digit2. $key1 is of type $?sort: {"$key1":|$?digit',
    '$key1 must be $want. {"$key1":$given,"$key2":"$word1"} is valid:| $verdict',
    # brackets
    'Close: {"$key1":$open"$key2"$separator$digit1|$close',
    '$name closes what is open. {"$word1":$open"$word2"$separator$digit1|$close',
    '{"$key1":$open"$word1"$separator$digit1 is cut off. At its end add:\n|$close',
)

JSON_SCHEMA = register(Family.of("json_schema", (Pattern(text, TABLES) for text in TEXTS)))
