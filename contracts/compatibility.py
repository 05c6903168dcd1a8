"""The compatibility gate: what a change of a schema would break, within a major.

Two questions for each change. Do readers that exist read what is written from now on? Do readers from now on read what is
written already, and what older writers still write? Fields that a reader does not know are passed over, so a new optional
field breaks nobody; a removed one does, for its readers miss it. Widening the length of a text is allowed within a major.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Schema = Mapping[str, Any]

READERS: Final = "readers"
WRITERS: Final = "writers"

# Keyword: True if a larger number admits more.
_LIMITS: Final = {
    "maximum": True,
    "exclusiveMaximum": True,
    "maxItems": True,
    "maxProperties": True,
    "maxLength": True,
    "minimum": False,
    "exclusiveMinimum": False,
    "minItems": False,
    "minProperties": False,
    "minLength": False,
}
_MUST_STAY: Final = ("pattern", "format", "const", "default", "uniqueItems", "multipleOf")
_KNOWN: Final = frozenset(_LIMITS) | frozenset(_MUST_STAY) | {
    "$defs", "$id", "$ref", "$schema", "additionalProperties", "anyOf", "description", "enum", "items", "oneOf", "properties",
    "propertyNames", "required", "title", "type", "x-open",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Break:
    """One change that is not allowed within a major: whom it breaks, and why."""

    name: str
    pointer: str
    breaks: str
    why: str

    def __str__(self) -> str:
        return f"{self.name}{self.pointer}: {self.why} (breaks {self.breaks})"


def breaks(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[Break]:
    """All breaking changes between two sets of schemas, by name; a new type is none. ValueError for unknown keywords."""
    found: list[Break] = []
    for name, schema in old.items():
        if name not in new:
            found.append(Break(name, "", READERS, "the type is gone"))
            continue
        pair = _Pair(name, schema, new[name])
        found.extend(pair.compare(schema, new[name], ""))
    return found


class _Pair:
    """The walk through one schema and its successor, side by side."""

    def __init__(self, name: str, old: Schema, new: Schema) -> None:
        self._name = name
        self._roots = (old, new)

    def compare(self, old: Schema, new: Schema, pointer: str) -> Iterator[Break]:
        old, new = self._resolved(0, old), self._resolved(1, new)
        for schema in (old, new):
            if unknown := schema.keys() - _KNOWN:
                raise ValueError(f"{self._name}{pointer}: the gate has no rule for {sorted(unknown)}")
        if "anyOf" in old or "oneOf" in old or "anyOf" in new or "oneOf" in new:
            yield from self._alternatives(old, new, pointer)
            return
        if old.get("type") != new.get("type"):
            for whom in (READERS, WRITERS):
                yield self._break(pointer, whom, f"type {old.get('type')} becomes {new.get('type')}")
            return
        yield from self._limits(old, new, pointer)
        yield from self._values(old, new, pointer)
        yield from self._properties(old, new, pointer)
        for keyword, below in (("items", "/*"), ("additionalProperties", "/*"), ("propertyNames", "/(names)")):
            if keyword in old or keyword in new:
                yield from self.compare(old.get(keyword, {}), new.get(keyword, {}), pointer + below)

    def _resolved(self, side: int, schema: Schema) -> Schema:
        reference = schema.get("$ref")
        if reference is None:
            return schema
        target = self._roots[side]["$defs"][reference.rpartition("/")[2]]
        # What stands beside a reference (a default) is part of the field.
        beside = {name: entry for name, entry in schema.items() if name != "$ref"}
        return {**target, **beside}

    def _break(self, pointer: str, whom: str, why: str) -> Break:
        return Break(self._name, pointer, whom, why)

    def _limits(self, old: Schema, new: Schema, pointer: str) -> Iterator[Break]:
        for keyword, larger_admits_more in _LIMITS.items():
            before, after = old.get(keyword), new.get(keyword)
            if before == after:
                continue
            wider = after is None if before is None or after is None else (after > before) == larger_admits_more
            if not wider:
                yield self._break(pointer, WRITERS, f"{keyword} {before} becomes {after}")
            elif keyword != "maxLength":
                yield self._break(pointer, READERS, f"{keyword} {before} becomes {after}")

    def _values(self, old: Schema, new: Schema, pointer: str) -> Iterator[Break]:
        for keyword in _MUST_STAY:
            if old.get(keyword) != new.get(keyword):
                for whom in (READERS, WRITERS):
                    yield self._break(pointer, whom, f"{keyword} {old.get(keyword)!r} becomes {new.get(keyword)!r}")
        before, after = old.get("enum"), new.get("enum")
        if old.get("x-open") and not new.get("x-open"):
            yield self._break(pointer, WRITERS, "an open list is closed")
        if before == after:
            return
        if before is None or after is None:
            yield self._break(pointer, WRITERS if before is None else READERS, "a list of values comes or goes")
            return
        if gone := sorted(set(before) - set(after)):
            yield self._break(pointer, WRITERS, f"values {gone} are gone")
        if not old.get("x-open") and (added := sorted(set(after) - set(before))):
            yield self._break(pointer, READERS, f"values {added} are new in a closed list")

    def _properties(self, old: Schema, new: Schema, pointer: str) -> Iterator[Break]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for field in before.keys() - after.keys():
            yield self._break(f"{pointer}/{field}", READERS, "the field is gone")
        needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
        for field in sorted(needed_after - needed_before):
            yield self._break(f"{pointer}/{field}", WRITERS, "the field is required now")
        for field in sorted((needed_before - needed_after) & after.keys()):
            yield self._break(f"{pointer}/{field}", READERS, "the field may be missing now")
        for field in before.keys() & after.keys():
            yield from self.compare(before[field], after[field], f"{pointer}/{field}")

    def _alternatives(self, old: Schema, new: Schema, pointer: str) -> Iterator[Break]:
        """Alternatives are matched by their tag (`kind`) or type; each pair is then compared like anything else."""
        before, after = self._by_tag(0, old), self._by_tag(1, new)
        for tag in before.keys() - after.keys():
            yield self._break(pointer, WRITERS, f"the alternative {tag} is gone")
        for tag in after.keys() - before.keys():
            yield self._break(pointer, READERS, f"the alternative {tag} is new")
        for tag in before.keys() & after.keys():
            yield from self.compare(before[tag], after[tag], pointer)
        if old.get("default") != new.get("default"):
            yield self._break(pointer, READERS, f"default {old.get('default')!r} becomes {new.get('default')!r}")

    def _by_tag(self, side: int, schema: Schema) -> dict[str, Schema]:
        found: dict[str, Schema] = {}
        for alternative in schema.get("anyOf") or schema.get("oneOf") or [schema]:
            one = self._resolved(side, alternative)
            kind = one.get("properties", {}).get("kind", {}).get("const")
            found[f"kind {kind}" if kind else f"{one.get('type')} {one.get('const', '')}".strip()] = one
        return found
