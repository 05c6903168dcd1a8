"""Ids: version 7 by the bits of RFC 9562, derived ones the same again."""

import time
import uuid

from hubkit import ids


def test_new_id__has_the_bits_of_version_7_and_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    made = ids.new()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= after


def test_new_ids__are_all_different_and_later_ones_sort_behind() -> None:
    made = [ids.new() for _ in range(2_000)]
    assert len(set(made)) == 2_000
    milliseconds = [one.int >> 80 for one in made]
    assert milliseconds == sorted(milliseconds)


def test_new_id__draws_each_of_its_74_random_bits() -> None:
    ones = zeros = 0
    for _ in range(400):
        value = ids.new().int
        ones |= value
        zeros |= ~value
    random_bits = ((1 << 12) - 1) << 64 | (1 << 62) - 1
    assert ones & random_bits == zeros & random_bits == random_bits


def test_derived_id__is_uuid5_of_namespace_and_text() -> None:
    namespace = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    assert ids.derived(namespace, "www.example.com") == uuid.UUID("2ed6657d-e927-568b-95e1-2665a8aea6a2")
    assert ids.derived(namespace, "a") != ids.derived(namespace, "b")


def test_between__stays_inside_and_uses_the_span() -> None:
    drawn = [ids.between(0.5, 1.5) for _ in range(1_000)]
    assert all(0.5 <= one < 1.5 for one in drawn)
    assert min(drawn) < 0.6
    assert max(drawn) > 1.4
