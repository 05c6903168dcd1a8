"""The years' keys: a folder with one file per year, or one file with a line per year; readable by this service only."""

import base64
import binascii
import os
import re
from pathlib import Path
from typing import Final

from services.analytics.limits import KEY_BYTES_MIN, KEY_FILE_BYTES_MAX

_YEAR: Final = re.compile(r"[12]\d{3}", re.ASCII)


class BadKeys(Exception):
    """A key file that cannot be read as keys; `where` names file or line, never what stands there."""

    def __init__(self, where: str) -> None:
        super().__init__(f"no key of {KEY_BYTES_MIN} bytes or more in base64: {where}")
        self.where = where


def read_keys(path: Path) -> dict[int, bytes]:
    """Year -> key. Other files of a folder are passed over; a path where nothing is holds no keys.

    Errors: BadKeys; OSError where the files may not be read.
    """
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if _YEAR.fullmatch(each.name))
        return {int(file.name): _key(_read(file), str(file.name)) for file in files}
    if not path.exists():
        return {}
    found = {}
    for number, line in enumerate(_read(path).splitlines(), 1):
        if line.strip():
            year, _, text = line.strip().partition(" ")
            if not _YEAR.fullmatch(year) or int(year) in found:
                raise BadKeys(f"line {number}")
            found[int(year)] = _key(text, f"line {number}")
    return found


def write_key(path: Path, year: int, key: bytes) -> None:
    """Add the key of a year: a file of the folder, or a line of the file. FileExistsError if the year has one."""
    text = base64.b64encode(key).decode() + "\n"
    if path.is_dir():
        descriptor = os.open(path / str(year), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        return
    if year in read_keys(path):
        raise FileExistsError(str(year))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a") as file:
        file.write(f"{year} {text}")


def _read(file: Path) -> str:
    with file.open("rb") as content:
        return content.read(KEY_FILE_BYTES_MAX).decode("ascii", "replace")


def _key(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise BadKeys(where) from None
    if len(key) < KEY_BYTES_MIN:
        raise BadKeys(where)
    return key
