"""A web server of our own, and a cache and a hub's cache that are the test's alone."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Server(ThreadingHTTPServer):
    """Gives `content` as /x.pt and /other/x.pt; what it does wrong can be chosen."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.ranges = bytes(range(256)) * 8192, []  # 2 MiB
        self.takes_ranges, self.has_tags, self.stop_after = True, True, None
        self.content_type = "application/octet-stream"

    def handle_error(self, request, client_address):
        """A client that goes away in the middle is what some tests are about."""

    def address(self, path="x.pt"):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        if not self.path.endswith("/x.pt"):
            self.send_error(404)
            return
        wanted, content = self.headers.get("Range"), server.content
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        server.ranges.append(wanted)
        is_taken = server.takes_ranges and self.headers.get("If-Range", tag) == tag
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and is_taken else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if server.has_tags:
            self.send_header("ETag", tag)
        self.send_header("Content-Type", server.content_type)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : server.stop_after])

    def log_message(self, *arguments):
        pass


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SONDO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("SONDO_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    running = Server()
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()
