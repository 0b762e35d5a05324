"""From one machine to the hub and to another, through the hub's own client and a hub of our own."""

import os
import shutil
import subprocess
import sys

import pytest

from hub_server import TOKEN, running_hub
from sondo.students import save

LOADED = "import sondo; model = sondo.load('me/first'); print(type(model).__name__, model.space_id)"
WITHOUT_TORCH = f"import sys; sys.modules['torch'] = None; {LOADED}"


@pytest.mark.slow
def test_what_is_pushed_opens_elsewhere_with_torch_and_without(exported, tmp_path):
    run = tmp_path / "run"
    save(exported.student, run / "student", projector=exported.student.make_projector(5))
    for name in ("student.onnx", "student.onnx.json"):
        shutil.copy(exported.path.with_name(name), run)
        shutil.copy(exported.path.with_name(name), run / name.replace("student", "student.again"))

    def told(home, *command, token=TOKEN):
        place = {"HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / home / "hf")}
        place |= {"SONDO_HOME": str(tmp_path / home / "sondo"), "HF_TOKEN": token}
        done = subprocess.run(
            [sys.executable, *command], env=os.environ | place, cwd=tmp_path, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    push = ("-m", "sondo", "push", str(run), "me/first", "--accept_licence")
    with running_hub() as hub:
        code, text = told("here", *push, token="hf_another")
        assert (code, "does not accept the token" in text, hub.repositories) == (1, True, {})
        code, text = told("here", *push)
        assert (code, 'sondo.load("me/first") opens it' in text) == (0, True), text
        (run / "student.again.onnx").unlink()
        code, text = told("here", *push)
        assert (code, "removed there, as this student has none" in text) == (0, True), text
        _, first, second = (set(files) for _, files in hub.repositories["me/first"])
        assert first - second == {"student.again.onnx", "student.again.onnx.json"}
        space = exported.student.space_id
        assert f"TorchModel {space}" in told("there", "-c", LOADED, token="")[1]
        assert f"OnnxModel {space}" in told("elsewhere", "-c", WITHOUT_TORCH, token="")[1]
        code, text = told("there", "-c", LOADED.replace("first", "frist"), token="")
        assert (code, "there is no me/frist here, and it could not be had" in text) == (1, True), text
