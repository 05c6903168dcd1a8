"""Language tags, characters, and which language a reader gets."""

import pytest

from services.catalog.domain.diff import patch
from services.catalog.domain.entities import Json
from services.catalog.domain.merge import merged
from services.catalog.domain.texts import clean, faults, is_clean, normal_tag, pick
from services.catalog.limits import JSON_DEPTH_MAX, TEXT_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("de-x-simple", "de-simple"),
        ("de-x-simplified", "de-simple"),
        ("de-DE-x-simple-language", "de-simple"),
        ("DE-Simple", "de-simple"),
        ("pt-br", "pt-BR"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("gsg", "gsg"),
        ("d", None),
        ("deutsch", None),
        ("de_DE", None),
        ("", None),
        ("de-", None),
    ],
)
def test_tag__has_one_writing(written: str, normal: str | None) -> None:
    assert normal_tag(written) == normal


@pytest.mark.parametrize(
    ("dirty", "kept"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("u\u0308ber", "über"),
        ("Saal\u202egeheim\u202c", "Saalgeheim"),
        ("x\x00y\x07z\x9f", "xyz"),
        ("  Rand \n", "Rand"),
        ("a\tb", "a b"),
        ("Familie 👨‍👩‍👧", "Familie 👨‍👩‍👧"),
    ],
)
def test_clean__keeps_text_and_drops_what_is_none(dirty: str, kept: str) -> None:
    assert clean(dirty) == kept
    assert is_clean(clean(dirty))


@pytest.mark.parametrize("text", ["a\x00", "a\u2066b", "u\u0308", "\ud800", "\x1b[31m"])
def test_unclean_text__is_told(text: str) -> None:
    assert not is_clean(text)


def test_faults__name_the_place() -> None:
    deep: Json = "x"
    for _ in range(JSON_DEPTH_MAX + 1):
        deep = [deep]
    document: Json = {"a": ["gut", "schlecht\x00"], "b": "x" * (TEXT_CHARACTERS_MAX + 1), "c/d": "\x00", "e": deep}
    assert {(each.pointer, each.code) for each in faults(document)} == {
        ("/a/1", "bad_characters"),
        ("/b", "too_long"),
        ("/c~1d", "bad_characters"),
        ("/e" + "/0" * JSON_DEPTH_MAX, "too_deep"),
    }


def test_faults_of_a_long_list__is_one() -> None:
    assert [each.code for each in faults({"a": ["\x00"] * 501})] == ["too_many"]


@pytest.mark.parametrize(
    ("asked", "tag"),
    [("en", "en"), ("en-GB", "en"), ("fr", "de"), ("de-simple", "de-simple"), ("de-x-simple", "de-simple"), ("???", "de")],
)
def test_reader__gets_the_asked_language_its_base_or_german(asked: str, tag: str) -> None:
    assert pick({"de": "Raum", "en": "Room", "de-simple": "Ein Raum"}, asked) == (
        tag,
        {"de": "Raum", "en": "Room", "de-simple": "Ein Raum"}[tag],
    )


def test_reader_of_a_text_without_german__gets_what_there_is() -> None:
    assert pick({"cs": "Místnost"}, "en") == ("cs", "Místnost")
    assert pick({}, "en") is None


@pytest.mark.parametrize(
    ("target", "change", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch__as_in_the_appendix_of_rfc_7396(target: Json, change: Json, result: Json) -> None:
    assert merged(target, change) == result


@pytest.mark.parametrize(
    ("before", "after", "operations"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [{"op": "replace", "path": "/a", "value": 2}]),
        ({"a": 1}, {}, [{"op": "remove", "path": "/a"}]),
        ({}, {"a/b": 1}, [{"op": "add", "path": "/a~1b", "value": 1}]),
        ({"a": {"b": 1}}, {"a": {"b": 2, "c": 3}}, [
            {"op": "replace", "path": "/a/b", "value": 2},
            {"op": "add", "path": "/a/c", "value": 3},
        ]),
        ({"a": [1]}, {"a": [1, 2]}, [{"op": "replace", "path": "/a", "value": [1, 2]}]),
    ],
)  # fmt: skip
def test_history__is_told_in_operations_of_rfc_6902(before: Json, after: Json, operations: list[Json]) -> None:
    assert patch(before, after) == operations
