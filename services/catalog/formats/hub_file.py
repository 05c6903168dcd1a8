"""A hub file (YAML) to entities and working copies. Every fault is told with its line and its path in the file."""

import json
from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from services.catalog.domain import texts
from services.catalog.formats.hub_reading import DeriveId, Hub, Reading, told
from services.catalog.formats.hub_schema import HubFile
from services.catalog.formats.yaml_file import BadYaml, Path, read_yaml
from services.catalog.limits import HUB_FILE_ERRORS_MAX


class BadHubFile(ValueError):
    """The file is not taken and nothing of it was applied; one line per fault, `line 12: offers.x.title: ...`."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults[:HUB_FILE_ERRORS_MAX]))
        self.faults = tuple(faults[:HUB_FILE_ERRORS_MAX])


def read_hub_file(data: bytes, *, hub_id: str, derive: DeriveId) -> Hub:
    """Read and judge the whole file; BadHubFile names all faults that can be told at once."""
    try:
        document, lines = read_yaml(data)
    except BadYaml as exc:
        raise BadHubFile([str(exc)]) from exc
    bad = [(tuple(each.pointer.split("/")[1:]), each.code) for each in texts.faults(document)]
    if bad:
        raise BadHubFile([told(path, code, lines) for path, code in bad])
    try:
        parsed = HubFile.model_validate_json(json.dumps(document))
    except ValidationError as exc:
        faults = [(_path(error["loc"]), error["msg"].removeprefix("Value error, ")) for error in exc.errors(include_url=False)]
        raise BadHubFile([told(path, message, lines) for path, message in faults]) from exc
    reading = Reading(parsed, hub_id, derive, lines)
    hub = reading.hub()
    reading.judge(hub)
    if reading.faults:
        raise BadHubFile(reading.faults)
    return hub


def _path(location: Iterable[str | int]) -> Path:
    return tuple(part for part in location if part != "[key]")
