"""specs: what a place in a document accepts, read from the schema that pydantic validates with.

pydantic locates an error by a mixture of document keys and names of union branches; a `Shapes` tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .errors import listed

Schema = Mapping[str, Any]

_NAMES = {"str": "text", "int": "a whole number", "float": "a number", "bool": "`true` or `false`", "none": "nothing"}
_LISTS = frozenset(("list", "tuple", "set", "frozenset"))
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


class Spot(NamedTuple):
    """Where an error's location leads."""

    path: tuple[str | int, ...]
    """Path in the document."""
    schema: Schema | None
    """What is accepted there; None for a field that should not be there."""
    holder: Schema | None = None
    """The mapping with the field that was stepped into last."""


class Shapes:
    """The places of one kind of document."""

    def __init__(self, core_schema: Any) -> None:
        self.root: Schema = core_schema
        self._definitions: dict[str, Schema] = {each["ref"]: each for each in core_schema.get("definitions", ())}

    def follow(self, loc: Sequence[str | int], schema: Schema | None = None) -> Spot | None:
        """The place that a pydantic error location leads to; None where the schema does not explain it."""
        schema = self.bare(self.root if schema is None else schema)
        if not loc or (schema["type"] == "union" and len(loc) == 1):
            return Spot((), schema)
        step, rest = loc[0], loc[1:]
        if schema["type"] == "tagged-union":
            if not rest and callable(schema["discriminator"]):
                return Spot((), schema)
            return self.follow(rest, schema["choices"][step]) if step in schema["choices"] else None
        if schema["type"] == "union":
            return next(filter(None, (self.follow(rest, choice) for choice in _choices(schema))), None)
        inside = self._inside(schema, step)
        if inside is None:
            return None if rest or schema["type"] != "model-fields" else Spot((step,), None, schema)
        found = self.follow(rest, inside)
        return found and Spot((step, *found.path), found.schema, found.holder if rest else schema)

    def bare(self, schema: Schema) -> Schema:
        """A schema without the layers (defaults, validators, references) that the document does not show."""
        while True:
            if schema["type"] == "definition-ref":
                schema = self._definitions[schema["schema_ref"]]
            elif schema["type"] == "json-or-python":
                schema = schema["python_schema"]
            elif schema["type"] == "lax-or-strict":
                schema = schema["strict_schema"]
            elif schema["type"] == "chain":
                schema = schema["steps"][0]
            elif "schema" in schema:
                schema = schema["schema"]
            else:
                return schema

    def fields(self, mapping: Schema) -> list[str]:
        """The names of a mapping's fields."""
        return list(_fields(mapping))

    def words(self, schema: Schema | None, path: Sequence[str | int] = ()) -> list[str]:
        """The literal words that any branch accepts at a document path below a schema."""
        found = (word for place in self._anywhere(schema, path) for word in place.get("expected", ()))
        return list(dict.fromkeys(str(word) for word in found))

    def describe(self, schema: Schema | None) -> str:
        """What a schema accepts, in a few words."""
        if schema is None:
            return ""
        schema = self.bare(schema)
        match schema["type"]:
            case "literal" | "enum":
                return listed(self.words(schema))
            case "union" | "tagged-union" if not isinstance(schema.get("discriminator"), str):
                return ", or ".join(self.describe(choice) for choice in _choices(schema))
            case "tagged-union":
                return f"a mapping whose `{schema['discriminator']}` is {listed(schema['choices'])}"
            case "model-fields":
                return f"a mapping of {listed(_fields(schema))}"
            case kind if kind in _LISTS:
                items = self._inside(schema, 0)
                return f"a list of: {self.describe(items)}" if items else "a list"
            case kind:
                return " ".join([_NAMES.get(kind, "a mapping" if kind == "dict" else ""), *_limits(schema)]).strip()

    def _inside(self, schema: Schema, step: str | int) -> Schema | None:
        """The schema of a field or an item."""
        inside: Schema | None
        if schema["type"] == "model-fields":
            inside = _fields(schema).get(str(step))
        elif schema["type"] == "tuple":
            items, variadic = schema["items_schema"], schema.get("variadic_item_index")
            inside = items[int(step)] if variadic is None else items[min(int(step), len(items) - 1)]
        else:
            inside = schema.get("items_schema") or schema.get("values_schema")
        return inside

    def _anywhere(self, schema: Schema | None, path: Sequence[str | int]) -> Iterator[Schema]:
        if schema is None:
            return
        schema = self.bare(schema)
        if schema["type"] in ("union", "tagged-union"):
            for choice in _choices(schema):
                yield from self._anywhere(choice, path)
        elif path:
            yield from self._anywhere(self._inside(schema, path[0]), path[1:])
        else:
            yield schema


def _choices(union: Schema) -> list[Schema]:
    choices = union["choices"].values() if isinstance(union["choices"], Mapping) else union["choices"]
    return [choice[0] if isinstance(choice, tuple) else choice for choice in choices]


def _fields(mapping: Schema) -> dict[str, Schema]:
    named = ((field.get("validation_alias", name), field) for name, field in mapping["fields"].items())
    return {str(name): field["schema"] for name, field in named}


def _limits(schema: Schema) -> Iterator[str]:
    bounds = [f"{words} {schema[bound]:g}" for bound, words in _BOUNDS.items() if schema.get(bound) is not None]
    if bounds:
        yield "of " + " and ".join(bounds)
    if schema.get("pattern"):
        yield f"of the form `{schema['pattern']}`"
    if schema.get("min_length") is not None or schema.get("max_length") is not None:
        least, most = schema.get("min_length"), schema.get("max_length")
        lengths = (f"at least {least}" if least else "", f"at most {most}" if most else "")
        yield f"of {' and '.join(filter(None, lengths))} characters"
