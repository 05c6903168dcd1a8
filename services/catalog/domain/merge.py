"""JSON Merge Patch (RFC 7396)."""

from services.catalog.domain.entities import Json


def merged(target: Json, patch: Json) -> Json:
    """`target` with the members of `patch` put in, null taking one out. Depth is bounded by the body's size."""
    if not isinstance(patch, dict):
        return patch
    result: dict[str, Json] = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
