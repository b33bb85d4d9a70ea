"""A ClickHouse server's HTTP interface over the embedded engine, for tests: enough for clickhouse-connect to read through.

https://clickhouse.com/docs/en/interfaces/http
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_FORMAT = re.compile(r"\s+FORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_OWN = {"query", "database", "client_protocol_version", "session_id", "query_id", "default_format", "wait_end_of_query"}
_OWN |= {
    "compress",
    "decompress",
    "role",
    "enable_http_compression",
    "http_headers_progress_interval_ms",
    "user",
    "password",
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    session: Any
    lock: threading.Lock
    database: str

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        given = {
            name: values[-1] for name, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()
        }
        query = (given.get("query", "") + body.decode()).strip() or "SELECT 1"
        form = found[1] if (found := _FORMAT.search(query)) else given.get("default_format", "TabSeparated")
        query = _FORMAT.sub("", query)
        settings = {name: value for name, value in given.items() if name not in _OWN and not name.startswith("param_")}
        if settings and query.upper().startswith("SELECT"):
            listed = ", ".join(f"{name} = '{value}'" for name, value in settings.items() if _NAME.fullmatch(name))
            query += f"{', ' if ' SETTINGS ' in query else ' SETTINGS '}{listed}"
        parameters = {name.removeprefix("param_"): value for name, value in given.items() if name.startswith("param_")}
        try:
            with self.lock:
                self.session.query(f"USE {self.database}")
                result = bytes(self.session.query(query, form, params=parameters).bytes())
        except RuntimeError as error:
            self._send(500, str(error).encode(), {"X-ClickHouse-Exception-Code": "1"})
            return
        self._send(200, result, {"X-ClickHouse-Format": form, "X-ClickHouse-Timezone": "UTC"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name in the base class)
        """Nothing: tests are quiet."""


@contextmanager
def clickhouse_http(session: Any, database: str) -> Iterator[str]:
    """Serves a chDB session on loopback; gives the DSN."""
    handler = type("Handler", (_Handler,), {"session": session, "lock": threading.Lock(), "database": database})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://default:@127.0.0.1:{server.server_address[1]}/{database}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
