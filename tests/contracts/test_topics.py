"""The table of topics: complete, without orphans, and kept as long as the house says."""

import re
from collections import Counter

import pytest

from contracts import topics
from contracts.booking import BookingConfirmed, RequestBooking
from contracts.envelope import Model
from contracts.schema import examples
from contracts.topics import ALL, DEAD_LETTERS, SERVICES, WITHOUT_MODELS, Topic

DAY = 86_400_000
PARTIES = {*SERVICES, topics.FRONTENDS, topics.PARTNERS, topics.OPERATORS}
COMPACTED = {"cleanup.policy": "compact", "delete.retention.ms": str(45 * DAY), "max.message.bytes": "262144"}
SHARED = COMPACTED | {
    "min.compaction.lag.ms": str(DAY),
    "max.compaction.lag.ms": str(7 * DAY),
    "message.timestamp.after.max.ms": "300000",
}


def deleted(days: int, bytes_max: int = 262_144) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * DAY), "max.message.bytes": str(bytes_max)}


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: topic.name)
def test_topic__owner_key_writers_and_readers(topic: Topic) -> None:
    assert topic.owner in SERVICES
    assert topic.key
    assert topic.writers
    assert topic.readers
    assert {*topic.writers, *topic.readers} <= PARTIES
    assert topic.partitions in {1, 3, 6}


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: topic.name)
def test_topic_name__area_name_and_major_without_underscore(topic: Topic) -> None:
    assert re.fullmatch(r"[a-z]+(\.[a-z-]+)+\.v[1-9]", topic.name)


def test_topic_names__each_once() -> None:
    assert len({topic.name for topic in ALL}) == len(ALL)


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: topic.name)
def test_topic__written_by_own_services_alone_unless_frontends_write_it(topic: Topic) -> None:
    assert topic.own_writers_only == (topics.FRONTENDS not in topic.writers)


def test_messages__each_on_exactly_one_topic_with_its_area() -> None:
    areas = {topic.name: "federation" if topic.name.startswith("fed.") else topic.name.partition(".")[0] for topic in ALL}
    used = Counter(model for topic in ALL for model in topic.models)

    assert set(used.values()) == {1}
    assert [model.__name__ for topic in ALL for model in topic.models if model.area != areas[topic.name]] == []


def subclasses(model: type[Model]) -> set[type[Model]]:
    found = {below for below in model.__subclasses__() if below.__module__.startswith("contracts.")}
    return found.union(*(subclasses(below) for below in found)) if found else found


def test_messages__no_class_that_is_on_no_topic() -> None:
    concrete = {model for model in subclasses(Model) if not subclasses(model)}

    assert concrete == {model for topic in ALL for model in topic.models}


def test_messages__names_and_types_each_once_and_without_underscore() -> None:
    models = [model for topic in ALL for model in topic.models]

    assert len({model.bare_type() for model in models}) == len(models)
    assert all(re.fullmatch(r"de\.hubnetz\.[a-z]+\.[A-Z][A-Za-z]+\.v1", model.ce_type) for model in models)


def test_topics_with_messages__every_one_has_an_example() -> None:
    shown = {name for name, _, _ in examples()}

    assert [topic.name for topic in ALL if topic.models and not shown & {model.bare_type() for model in topic.models}] == []


def test_topics_without_messages__are_the_ones_that_say_so() -> None:
    assert {topic.name for topic in ALL if not topic.models} == {topic.name for topic in (*WITHOUT_MODELS, *DEAD_LETTERS)}


@pytest.mark.parametrize(
    ("topic", "partitions", "config"),
    [
        (topics.BOOKING_REQUESTS, 6, deleted(14) | {"message.timestamp.type": "LogAppendTime"}),
        (topics.BOOKING_EVENTS, 6, deleted(427)),
        (topics.CATALOG_OFFERS, 6, COMPACTED | {"min.compaction.lag.ms": str(427 * DAY)}),
        (topics.PEOPLE_CONTACTS, 3, COMPACTED | {"max.compaction.lag.ms": str(DAY)}),
        (topics.NOTIFY_DELIVERIES, 6, deleted(427)),
        (topics.ANALYTICS_FIGURES, 1, COMPACTED),
        (topics.FED_OUT_HUB, 1, SHARED),
        (topics.FED_OUT_OFFERS, 6, SHARED),
        (topics.FED_OUT_AVAILABILITY, 6, SHARED),
        (topics.FED_OUT_FIGURES, 1, SHARED),
        (topics.FED_IN_OFFERS, 6, SHARED),
        (topics.FED_IN_BOOKING, 3, deleted(45) | {"message.timestamp.after.max.ms": "300000"}),
        (topics.FED_IN_FIGURES, 1, SHARED),
        (topics.to_partner("sued"), 1, deleted(45) | {"message.timestamp.after.max.ms": "300000"}),
        *((topic, 1, deleted(30, 327_680)) for topic in DEAD_LETTERS),
    ],
    ids=lambda value: value.name if isinstance(value, Topic) else "",
)
def test_topic__partitions_and_configuration(topic: Topic, partitions: int, config: dict[str, str]) -> None:
    assert topic.partitions == partitions
    assert topic.config() == config
    assert topic.tombstones == (config["cleanup.policy"] == "compact")


def test_dead_letters__one_for_each_service() -> None:
    assert [topic.name for topic in DEAD_LETTERS] == [f"{service}.dead-letter.v1" for service in SERVICES]
    with pytest.raises(ValueError, match="payments"):
        topics.dead_letter("payments")


def test_to_partner__named_after_the_partner_who_alone_reads_it() -> None:
    topic = topics.to_partner("sued")

    assert (topic.name, topic.readers) == ("fed.out.to-sued.booking.v1", ("sued",))
    assert topic.own_writers_only


def test_limits__commands_are_shorter_than_states_and_a_dead_letter_holds_the_longest_record() -> None:
    assert topics.BOOKING_REQUESTS.value_bytes_max == 64 * 1024
    assert {model.value_bytes_max for topic in ALL for model in topic.models if topic is not topics.BOOKING_REQUESTS} == {
        248 * 1024
    }
    assert {model.value_bytes_max for model in topics.BOOKING_REQUESTS.models} == {64 * 1024}
    assert topics.BOOKING_EVENTS.max_message_bytes < topics.DEAD_LETTER_BYTES_MAX


def test_by_type__leads_to_the_message() -> None:
    assert topics.BOOKING_REQUESTS.by_type[RequestBooking.ce_type] is RequestBooking
    assert BookingConfirmed.ce_type not in topics.BOOKING_REQUESTS.by_type


def test_answers_invalid__requests_alone() -> None:
    assert [topic for topic in ALL if topic.answers_invalid] == [topics.BOOKING_REQUESTS]
