"""AudioSet's official files in a folder, and a web server that has them."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from stand_in import LABELS, SEGMENTS

from sondo.audioset import lists


@pytest.fixture
def files(tmp_path):
    """A folder with the two official files."""
    folder = tmp_path / "official"
    folder.mkdir()
    (folder / "balanced_train_segments.csv").write_text(SEGMENTS)
    (folder / "class_labels_indices.csv").write_text(LABELS)
    return folder


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        file = self.server.folder / self.path.rpartition("/")[2]
        if not file.is_file():
            self.send_error(404)
            return
        data = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "audio/flac" if file.suffix == ".flac" else "text/csv")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(files, tmp_path, monkeypatch):
    """Has the files where the official address would be; the cache is the test's alone."""
    monkeypatch.setenv("SONDO_HOME", str(tmp_path / "home"))
    for name in ("SONDO_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.folder, running.asked = files, []
    running.address = f"http://127.0.0.1:{running.server_port}"
    monkeypatch.setattr(lists, "ADDRESS", f"{running.address}/v1/csv")
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()
