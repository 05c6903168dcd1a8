"""The client of the side-by-side run against a web server that behaves as gunicorn's synchronous workers do."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.peers.loop import Answer, Ask, Line, crowd
from bench.peers.pretix import judge


class _OneOfTwo(BaseHTTPRequestHandler):
    """Says yes to every other order, and hangs up each time as a synchronous worker does."""

    def do_POST(self) -> None:
        number = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(201 if number % 2 else 409)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_crowd_at_a_server_that_hangs_up__each_request_once() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _OneOfTwo) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            lines = [Line(server.server_port, {}, judge) for _ in range(4)]
            run = crowd([Ask("/", str(number).encode()) for number in range(50)], lines)
        finally:
            server.shutdown()
            serving.join()

    assert (run.count(Answer.CONFIRMED), run.count(Answer.BUSY), len(run.each)) == (25, 25, 50)


def test_line_to_nobody__failed() -> None:
    line = Line(1, {}, judge)

    assert line.send(Ask("/", b"")) is Answer.FAILED
