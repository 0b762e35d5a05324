"""As much of the Hugging Face hub, on this machine, as its client needs to push to it and to load from it.

Source: what huggingface_hub 0.25 and 2.4 ask for, and the answers that they take.
"""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import urlparse

TOKEN = "hf_ours"
_LARGE = (".safetensors", ".onnx")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        hub, path = self.server.hub, urlparse(self.path).path
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid username or password."})
        elif path == "/api/repos/create":
            wanted = json.loads(sent)
            name = f"{wanted['organization']}/{wanted['name']}"
            if name in hub.repositories:
                self._answer(409, {"error": "You already created this model repo", "url": f"{hub.address}/{name}"})
            else:
                hub.repositories[name] = [("0" * 40, {".gitattributes": b""})]
                self._answer(200, {"url": f"{hub.address}/{name}"})
        elif path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif path.endswith("/info/lfs/objects/batch"):
            self._answer(
                200, {"transfer": "basic", "objects": [self._large(each) for each in json.loads(sent)["objects"]]}
            )
        elif "/preupload/" in path:
            files = [each["path"] for each in json.loads(sent)["files"]]
            modes = {file: "lfs" if file.endswith(_LARGE) else "regular" for file in files}
            self._answer(
                200,
                {"files": [{"path": file, "uploadMode": mode, "shouldIgnore": False} for file, mode in modes.items()]},
            )
        elif "/commit/" in path:
            self._commit("/".join(path.split("/")[3:5]), [json.loads(line) for line in sent.splitlines()])
        else:
            self._answer(404, {"error": path})

    def do_PUT(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.hub.large[hashlib.sha256(content).hexdigest()] = content
        self._answer(200, {})

    def do_GET(self):
        hub, parts = self.server.hub, urlparse(self.path).path.strip("/").split("/")
        is_api = parts[:2] == ["api", "models"]
        name, rest = ("/".join(parts[2:4]), parts[4:]) if is_api else ("/".join(parts[:2]), parts[2:])
        commits = hub.repositories.get(name)
        if commits is None:
            self._answer(401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return
        commit, files = next((each for each in commits if rest[1:2] == [each[0]]), commits[-1])
        if is_api and not rest:
            self._answer(200, {"id": name, "private": False, "sha": commit, "siblings": [], "tags": []})
        elif is_api:
            self._answer(200, [{"type": "file", "path": file, "size": 0, "oid": "0"} for file in files])
        elif rest[2] in files:
            content = files[rest[2]]
            self._answer(200, content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": commit})
        else:
            self._answer(404, {"error": rest[2]}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})

    do_HEAD = do_GET

    def _large(self, asked):
        upload = {"upload": {"href": f"{self.server.hub.address}/large/{asked['oid']}"}}
        return asked | ({} if asked["oid"] in self.server.hub.large else {"actions": upload})

    def _commit(self, name, lines):
        hub = self.server.hub
        files = dict(hub.repositories[name][-1][1])
        for kind, value in ((line["key"], line["value"]) for line in lines):
            if kind == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif kind == "lfsFile":
                files[value["path"]] = hub.large[value["oid"]]
            elif kind == "deletedFile":
                del files[value["path"]]
        commit = f"{len(hub.repositories[name]):040}"
        hub.repositories[name].append((commit, files))
        self._answer(200, {"success": True, "commitOid": commit, "commitUrl": f"{hub.address}/{name}/commit/{commit}"})

    def _answer(self, status, content, headers=None):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
        self.send_response(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@contextmanager
def running_hub():
    """Give a hub: its `address`, and of each of its `repositories` the commits, as (name, files) in order."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.hub = SimpleNamespace(address=f"http://127.0.0.1:{server.server_port}", repositories={}, large={})
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.hub
    finally:
        server.shutdown()
        server.server_close()
