"""The payload hash: what makes two requests the same request, whatever envelope they came in."""

import hashlib

from contracts.booking.commands import Command


def payload_hash(bare_type: str, body: Command | bytes) -> str:
    """SHA-256, lower-case hex, of `<bare type>\\n` and the body.

    A validated body counts as its written form: JSON without fields equal to their default, keys sorted, no blanks, not
    escaped, UTF-8, instants as whole UTC seconds with `Z`. So copies by HTTP and by Kafka agree, and a new optional field
    changes no old hash. A body that does not validate counts as its bytes.
    """
    content = body if isinstance(body, bytes) else body.to_json()
    return hashlib.sha256(bare_type.encode() + b"\n" + content).hexdigest()
