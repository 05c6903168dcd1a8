"""How this house connects to Kafka: one place for addresses, login and the settings of `bus.md` §7."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from aiokafka import AIOKafkaConsumer
from confluent_kafka import Consumer, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLScram512

from contracts.topics import Topic
from hubkit.messaging.reader import Reader
from hubkit.settings import KafkaSecurity, ServiceSettings

GRACEFUL_SECONDS = 20.0  # longer than any batch; None would mean: do not wait
REQUEST_MS_MAX = 15_000
# Then a message fails, and the relay begins anew at the first row that was not deleted. Below the 5 s after which a frozen
# leader is replaced: librdkafka drops what is older when it wakes, and does not send it behind what the next leader has sent.
MESSAGE_MS_MAX = 4_000
LINGER_MS = 1  # the relay hands over a whole batch and flushes: waiting longer gathers nothing
PRODUCER_BATCH_BYTES = 131_072
REQUEST_BYTES_MAX = 1_048_576  # above the largest record of any topic, dead letters included
ADMIN_SECONDS_MAX = 10.0

Raw = tuple[bytes | None, Sequence[tuple[str, bytes | None]], bytes | None]  # key, headers, value


class _Broker(KafkaBroker):
    """FastStream's broker with our reader in place of aiokafka's plain consumer."""

    async def _connect(self) -> Callable[..., AIOKafkaConsumer]:
        plain = await super()._connect()
        assert isinstance(plain, partial), "FastStream binds the connection's settings to the consumer's class"
        self.config.broker_config.builder = partial(Reader, **plain.keywords)
        return self.config.broker_config.builder


@dataclass(frozen=True, slots=True)
class Bus:
    """One process's way to the broker; makes clients, holds none."""

    bootstrap: str
    security: KafkaSecurity
    client_id: str
    topic_prefix: str = ""
    user: str | None = None
    password: str | None = None
    ca_file: str | None = None

    @classmethod
    def of(cls, settings: ServiceSettings, *, service: str) -> "Bus":
        """The bus that a service's settings describe."""
        return cls(
            bootstrap=settings.kafka,
            security=settings.kafka_security,
            client_id=f"{settings.topic_prefix}{service}",
            topic_prefix=settings.topic_prefix,
            user=settings.kafka_user,
            password=settings.kafka_password.get_secret_value() if settings.kafka_password else None,
            ca_file=str(settings.kafka_ca_file) if settings.kafka_ca_file else None,
        )

    def _tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.ca_file) if self.security == "scram-tls" else None

    def _security(self) -> BaseSecurity:
        if self.security == "plaintext-internal":
            return BaseSecurity(use_ssl=False)
        assert self.user is not None and self.password is not None, "the settings have checked the login"
        return SASLScram512(
            username=self.user, password=self.password, ssl_context=self._tls(), use_ssl=self.security == "scram-tls"
        )

    def broker(self) -> KafkaBroker:
        """FastStream's broker, without its log lines per message and without argument injection: we need neither."""
        return _Broker(
            self.bootstrap.split(","),
            client_id=self.client_id,
            security=self._security(),
            request_timeout_ms=REQUEST_MS_MAX,
            allow_auto_create_topics=False,
            graceful_timeout=GRACEFUL_SECONDS,
            logger=None,
            apply_types=False,
        )

    def producer(self) -> Producer:
        """The relay's own producer: idempotent, zstd, all in-sync replicas, the partitioner of the Java client."""
        return Producer(
            {
                **self.client_settings(f"{self.client_id}-relay"),
                "enable.idempotence": True,
                "linger.ms": LINGER_MS,
                "batch.size": PRODUCER_BATCH_BYTES,
                "message.max.bytes": REQUEST_BYTES_MAX,
                "message.timeout.ms": MESSAGE_MS_MAX,
                "socket.timeout.ms": REQUEST_MS_MAX,
                "compression.type": "zstd",
                "partitioner": "murmur2_random",
                "allow.auto.create.topics": False,
            }
        )

    def client_settings(self, client_id: str) -> dict[str, str | int | float | bool]:
        """What each of librdkafka's clients needs to connect."""
        settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.bootstrap,
            "client.id": client_id,
            "log_level": 0,  # it writes to standard error by itself; what it says reaches us as errors too
            "reconnect.backoff.max.ms": 1_000,
        }
        if self.security != "plaintext-internal":
            assert self.user is not None and self.password is not None, "the settings have checked the login"
            settings |= {
                "security.protocol": "SASL_SSL" if self.security == "scram-tls" else "SASL_PLAINTEXT",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": self.user,
                "sasl.password": self.password,
            }
        if self.ca_file is not None:
            settings["ssl.ca.location"] = self.ca_file
        return settings

    async def read_one(self, topic: Topic, partition: int, offset: int) -> Raw | None:
        """Key, headers and value of one record; None if it is not there any more, or cannot be had in some seconds."""
        return await asyncio.to_thread(self._read_one, TopicPartition(self.topic_prefix + topic.name, partition, offset))

    def _read_one(self, place: TopicPartition) -> Raw | None:
        own = {"group.id": f"{self.client_id}-again", "enable.auto.commit": False, "auto.offset.reset": "error"}
        consumer = Consumer({**self.client_settings(f"{self.client_id}-again"), **own})
        try:
            consumer.assign([place])
            message = consumer.poll(ADMIN_SECONDS_MAX)
            if message is None or message.error() is not None or message.offset() != place.offset:
                return None
            headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
            return message.key(), headers, message.value()
        finally:
            consumer.close()

    async def topic_id(self, topic: Topic) -> str:
        """The id that the cluster gave this topic; one made anew under the same name has another.

        Errors: `OSError` while the broker is away or does not know the topic.
        """
        return await asyncio.to_thread(self._topic_id, self.topic_prefix + topic.name)

    def _topic_id(self, name: str) -> str:
        admin = AdminClient(self.client_settings(f"{self.client_id}-admin"))
        future = admin.describe_topics(TopicCollection([name]), request_timeout=ADMIN_SECONDS_MAX)[name]
        try:
            return str(future.result(ADMIN_SECONDS_MAX + 1).topic_id)
        except Exception as exc:  # librdkafka has one exception for everything, and here all of it means: not yet
            raise ConnectionError("the broker did not describe the topic") from exc
