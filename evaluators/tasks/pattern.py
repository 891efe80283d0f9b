"""evaluators/tasks: templates written as texts with slots, filled from tables.

A text is `prompt|continuation`. `$word1` and `$word2` are two different rows of the table `word`;
`$country` and `$capital`, columns of one table, come from the same row. What the corrupt prompt
changes follows from the text:

- `$letter1 is $word1, $letter2 is $word2. $?letter is| $?word` asks about one of its numbers, at
  random; the corrupt prompt asks about another.
- `The capital of $country is| $capital` has no `$?`: the row that holds the answer is replaced by one
  that has another answer, and that changes as few slots of the prompt as possible.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import copy

from .dice import Dice
from .example import Draft

Row = tuple[str, ...]
Tables = Mapping[str, Sequence[str | Row]]
"""Column names, separated by spaces -> rows; a bare string is a row of one column."""

_Rows = dict[tuple[str, str], Row]
"""(table, number or `?`) -> the row that fills its slots."""

_SLOT = re.compile(r"\$(\??)([a-z]+)([0-9]?)")
_TRIES = 32


class Pattern:
    """A text with slots and the tables that fill it.

    Raises:
        ValueError: for a text without its one `|`, a slot that no table has, or a question about fewer than two things.
    """

    def __init__(self, text: str, tables: Tables) -> None:
        self.text = text
        prompt, bar, answer = text.partition("|")
        if not bar or "|" in answer or not _SLOT.search(answer):
            raise ValueError(f"a template is 'prompt|continuation', with a slot in its continuation: {text!r}")
        self._prompt, self._answer = _format(prompt), _format(answer)
        self._columns = {table: table.split() for table in tables}
        self._rows = {table: _rows(table, rows) for table, rows in tables.items()}
        slots, answers = self._slots(text), self._slots(answer)
        self._numbers = {
            table: list(dict.fromkeys(number for other, number, _ in slots if other == table and number != "?"))
            for table in dict.fromkeys(table for table, _, _ in slots)
        }
        for table, numbers in self._numbers.items():
            if len(numbers) > len(tables[table]):
                problem = f"{len(numbers)} different rows of {table!r} are asked, there are {len(tables[table])}"
                raise ValueError(f"{problem}: {text!r}")
        self._asking = list(dict.fromkeys(table for table, number, _ in slots if number == "?"))
        self._askable = [n for n in "123456789" if all(n in self._numbers[table] for table in self._asking)]
        if self._asking and len(self._askable) < 2:
            raise ValueError(f"a question needs two things to ask about: {text!r}")
        table, number, self._column = answers[0]
        self._key = table, number
        self._visible = {column for *key, column in self._slots(prompt) if key == [table, number]}

    def among(self, tables: Tables) -> Pattern:
        """The same text, some of its tables with other rows, at least as many."""
        other = copy(self)
        other._rows = self._rows | {table: _rows(table, rows) for table, rows in tables.items()}
        return other

    def _slots(self, text: str) -> list[tuple[str, str, int]]:
        """(table, number or `?`, index of the column) of each slot."""
        homes = {name: (table, names.index(name)) for table, names in self._columns.items() for name in names}
        found = _SLOT.findall(text)
        if unknown := [name for _, name, _ in found if name not in homes]:
            raise ValueError(f"no table has a column {unknown[0]!r}: {self.text!r}")
        return [(homes[name][0], asked or number, homes[name][1]) for asked, name, number in found]

    def draft(self, dice: Dice) -> Draft:
        """A clean prompt with its continuation; twins are made when they are asked for."""
        rows = {
            (table, number): row
            for table, numbers in self._numbers.items()
            for number, row in zip(numbers, dice.some(self._rows[table], len(numbers)), strict=True)
        }
        if not self._asking:
            return Draft(*self._fill(rows), lambda dice: self._fill(self._other_answer(rows, dice)))
        asked = dice.pick(self._askable)
        others = [number for number in self._askable if number != asked]
        return Draft(*self._fill(self._ask(rows, asked)), lambda dice: self._fill(self._ask(rows, dice.pick(others))))

    def _ask(self, rows: _Rows, number: str) -> _Rows:
        return rows | {(table, "?"): rows[table, number] for table in self._asking}

    def _other_answer(self, rows: _Rows, dice: Dice) -> _Rows:
        old, taken = rows[self._key], list(rows.values())
        best, fewest = old, len(old) + 1
        for _ in range(_TRIES):
            new = dice.pick(self._rows[self._key[0]])
            changes = sum(new[column] != old[column] for column in self._visible)
            if changes < fewest and new[self._column] != old[self._column] and new not in taken:
                best, fewest = new, changes
            if fewest <= 1:
                break
        return rows | {self._key: best}

    def _fill(self, rows: _Rows) -> tuple[str, str]:
        slots = {
            number + column if number == "?" else column + number: value
            for (table, number), row in rows.items()
            for column, value in zip(self._columns[table], row, strict=True)
        }
        return self._prompt.format_map(slots), self._answer.format_map(slots)


def _rows(table: str, rows: Sequence[str | Row]) -> list[Row]:
    whole = [(row,) if isinstance(row, str) else row for row in rows]
    if any(len(row) != len(table.split()) for row in whole):
        raise ValueError(f"a row of the table {table!r} has another number of columns")
    return whole


def _format(text: str) -> str:
    """The text as a `str.format` string."""
    return _SLOT.sub(r"{\1\2\3}", text.replace("{", "{{").replace("}", "}}"))
