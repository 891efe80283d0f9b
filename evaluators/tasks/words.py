"""evaluators/tasks: the small vocabulary that the families share, so that a small tokenizer knows its words."""


def words(text: str) -> tuple[str, ...]:
    """`a b c` -> (a, b, c)."""
    return tuple(text.split())


def rows(text: str) -> list[tuple[str, ...]]:
    """`a b/c d` -> [(a, b), (c, d)]."""
    return [words(row) for row in text.split("/")]


NAMES = words("Anna Ben Carl Dora Emma Gina Hugo Ivan Jane Lena Nora Omar Paul Sam Tom Vera")
NOUNS = words("cat dog sun box cup pen hat car map book tree fish ring ball star lamp")
COLORS = words("red blue green pink black white brown")
DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
PLACES = words("park shop school farm beach market")
LETTERS = tuple("ABCDEFGHKLMN")
DIGITS = tuple("123456789")
NUMBERS = words("zero one two three four five six seven eight nine ten")
