"""Settings of a service, from the environment (`HUBNETZ_<NAME>`) or from a file named by `HUBNETZ_<NAME>_FILE`.

Addresses and secrets have no default: a service that does not know where it belongs must not start.
"""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_BYTES_MAX = 64 * 1024  # a certificate bundle is the largest of them
KafkaSecurity = Literal["plaintext-internal", "scram-internal", "scram-tls"]


class ServiceSettings(BaseSettings):
    """What all services need; each service adds its own fields in `services/<name>/settings.py`."""

    model_config = SettingsConfigDict(env_prefix="HUBNETZ_", frozen=True, extra="ignore", hide_input_in_errors=True)

    hub_id: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")
    hub_name: str = Field(min_length=1, max_length=200)
    kafka: str = Field(min_length=1, description="bootstrap servers, host:port, comma-separated")
    kafka_security: KafkaSecurity
    kafka_user: str | None = None
    kafka_password: SecretStr | None = None
    kafka_ca_file: Path | None = None
    topic_prefix: str = Field(default="", pattern=r"^[a-z0-9.-]{0,40}$", description="before topic and group names, tests only")
    database_url: SecretStr
    database_pool_max: int = Field(default=8, ge=3, le=100)
    http_host: str = "127.0.0.1"
    http_port: int = Field(ge=0, le=65535)
    service_token: SecretStr = Field(min_length=16)
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="before")
    @classmethod
    def read_secret_files(cls, values: Any) -> Any:
        """Take `<NAME>_FILE` for each field whose own variable is not set; both set is an error."""
        if not isinstance(values, dict):
            return values
        for name in cls.model_fields:
            path = os.environ.get(f"HUBNETZ_{name.upper()}_FILE")
            if path is None or f"{name}_file" in cls.model_fields or name.endswith("_file"):
                continue
            if name in values:
                raise ValueError(f"HUBNETZ_{name.upper()} and HUBNETZ_{name.upper()}_FILE are both set")
            with Path(path).open("rb") as file:
                values[name] = file.read(SECRET_BYTES_MAX).decode().strip()
        return values

    @model_validator(mode="after")
    def check_kafka_login(self) -> "ServiceSettings":
        """SCRAM without a login, or TLS without a CA, would silently mean less than was asked for (`bus.md` §6)."""
        if self.kafka_security != "plaintext-internal" and (self.kafka_user is None or self.kafka_password is None):
            raise ValueError(f"{self.kafka_security} needs HUBNETZ_KAFKA_USER and HUBNETZ_KAFKA_PASSWORD")
        if self.kafka_security == "scram-tls" and self.kafka_ca_file is None:
            raise ValueError("scram-tls needs HUBNETZ_KAFKA_CA_FILE")
        return self
