"""The mail sink as a process of its own: a kill of notify must not take it along."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

_ROOT: Final = Path(__file__).parents[2]
_STOP_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class MailSink:
    """A running sink. `log` is its append-only file."""

    smtp_port: int
    http: str
    log: Path
    process: subprocess.Popen[str]

    def mails(self, **query: str) -> list[dict[str, Any]]:
        """What lies in the mailbox, oldest first, each with headers and parts."""
        with httpx.Client(base_url=self.http) as client:
            found = client.get("/api/mails", params=query).json()["mails"]
            return [client.get(f"/api/mails/{mail['number']}").json() for mail in reversed(found)]

    def numbers(self) -> int:
        """How many mails it has taken since it was started."""
        return int(httpx.get(f"{self.http}/api/mails", params={"limit": 1}).json()["stored"])

    def script(self, *rules: dict[str, Any]) -> None:
        """What goes wrong from now on; none: all goes well."""
        httpx.put(f"{self.http}/api/script", json={"rules": list(rules)}).raise_for_status()

    def used(self) -> list[int]:
        """How often each rule of the script was used."""
        return list(httpx.get(f"{self.http}/api/script").json()["used"])

    def connections(self) -> int:
        """How many connections there have been."""
        return int(httpx.get(f"{self.http}/api/script").json()["connections"])

    def listen(self, on: bool) -> None:
        """Open or close the port."""
        httpx.put(f"{self.http}/api/listening", json={"on": on}).raise_for_status()

    def logged(self, event: str = "stored") -> list[dict[str, Any]]:
        """Lines of the log about an event, in order."""
        lines = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if line["event"] == event]


@contextmanager
def mail_sink(folder: Path, *flags: str, script: Sequence[dict[str, Any]] = ()) -> Iterator[MailSink]:
    """Run a sink for the block."""
    log = folder / "mails.log"
    command = [sys.executable, "-m", "deploy.local.mailsink", "--log", str(log), "--script", json.dumps(list(script)), *flags]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            smtp, http = (process.stdout.readline().strip().partition("=")[2] for _ in range(2))
            assert http, "the sink did not start"
            yield MailSink(int(smtp.rpartition(":")[2]), http, log, process)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
