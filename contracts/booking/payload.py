"""The payload hash: what makes two requests the same request, whatever envelope they came in."""

import hashlib
import json
from typing import Final

from contracts.envelope.event import Model

_dumps: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
).encode


def payload_hash(bare_type: str, body: Model | bytes) -> str:
    """SHA-256, lower-case hex, of `<bare type>\\n` and the body.

    A validated body counts as JSON without fields equal to their default, keys sorted, no blanks, not escaped: copies by HTTP
    and by Kafka agree, and a new optional field changes no old hash. A body that does not validate counts as its bytes.
    """
    if isinstance(body, Model):
        # Booked times are whole seconds by their type, so the JSON form already has instants as the hash needs them.
        plain = body.__pydantic_serializer__.to_python(body, mode="json", exclude_defaults=True, by_alias=True)
        body = _dumps(plain).encode()
    return hashlib.sha256(bare_type.encode() + b"\n" + body).hexdigest()
