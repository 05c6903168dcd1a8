"""`python -m deploy.local.mailsink`: a relay that keeps the last 1,000 mails and delivers none, until SIGTERM.

    --smtp-host HOST    where mails are taken (127.0.0.1)
    --smtp-port PORT    0 (default): a free one
    --http-host HOST    where they are shown (127.0.0.1)
    --http-port PORT    0 (default): a free one
    --log FILE          append one JSON object per mail and per fault
    --tls-certificate FILE, --tls-key FILE    offer STARTTLS
    --script JSON       rules from the start, as PUT /api/script takes them

Once both ports are open it prints two lines, `smtp=<host>:<port>` and `http=http://<host>:<port>`. Pages: `/`. For tests:
`GET /api/mails?recipient=&message_id=`, `GET /api/mails/<number>`, `DELETE /api/mails`, `GET|PUT /api/script`,
`PUT /api/listening {"on": false}`.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import json
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from deploy.local.mailsink.mailbox import Mailbox
from deploy.local.mailsink.pages import Rules, create_pages
from deploy.local.mailsink.script import Script
from deploy.local.mailsink.server import SmtpServer


class _Web(uvicorn.Server):
    """uvicorn without its signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _run(chosen: argparse.Namespace) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with contextlib.ExitStack() as files:
        log = files.enter_context(chosen.log.open("a", encoding="utf-8")) if chosen.log else None
        script = Script()
        script.replace(Rules.model_validate({"rules": chosen.script}).rules)
        server = SmtpServer(Mailbox(log), script, chosen.smtp_host, chosen.smtp_port, _tls(chosen))
        only_local = chosen.http_host == "localhost" or ipaddress.ip_address(chosen.http_host).is_loopback
        pages = create_pages(server, only_local=only_local)
        web = _Web(uvicorn.Config(pages, lifespan="off", log_level="warning"))
        with socket.create_server((chosen.http_host, chosen.http_port)) as sock:
            await server.listen()
            serving = asyncio.create_task(web.serve(sockets=[sock]))
            sys.stdout.write(f"smtp={chosen.smtp_host}:{server.port}\n")
            sys.stdout.write(f"http=http://{chosen.http_host}:{sock.getsockname()[1]}\n")
            sys.stdout.flush()
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
            web.should_exit = True
            await serving
            await server.refuse()
    return 0 if stop.is_set() else 1


def _tls(chosen: argparse.Namespace) -> ssl.SSLContext | None:
    if not chosen.tls_certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chosen.tls_certificate, chosen.tls_key)
    return context


def main(arguments: list[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.mailsink", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smtp-host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=int, default=0)
    parser.add_argument("--http-host", default="127.0.0.1")
    parser.add_argument("--http-port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--tls-certificate", type=Path)
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument("--script", type=json.loads, default=[])
    return asyncio.run(_run(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
