"""JSON Patch (RFC 6902) between two documents: objects member by member, lists and values as a whole."""

from services.catalog.domain.entities import Json
from services.catalog.domain.texts import escaped


def patch(before: Json, after: Json, pointer: str = "") -> list[Json]:
    """The operations that lead from `before` to `after`; none if they are equal. Depth is bounded by the documents'."""
    if before == after:
        return []
    if not isinstance(before, dict) or not isinstance(after, dict):
        return [{"op": "replace", "path": pointer, "value": after}]
    operations: list[Json] = [{"op": "remove", "path": f"{pointer}/{escaped(name)}"} for name in before if name not in after]
    for name, value in after.items():
        inner = f"{pointer}/{escaped(name)}"
        if name in before:
            operations += patch(before[name], value, inner)
        else:
            operations.append({"op": "add", "path": inner, "value": value})
    return operations
