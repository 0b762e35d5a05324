"""The examples as a user runs them: as programs, on a real student's file, against what Python's runtime says."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sondo
from sondo.runtime import OnnxClassifier

EXAMPLES = Path(__file__).parents[1] / "examples"
CLASSES = ("calm", "loud", "other", "rest")


@pytest.fixture
def sound():
    """Five seconds at 16 kHz that change: int16."""
    rng = np.random.default_rng(0)
    clock = np.arange(5 * 16000) / 16000
    level = np.where(clock < 2.2, 0.02, 0.4)
    wave = level * (np.sin(2 * np.pi * 300 * clock * (1 + clock)) + 0.3 * rng.standard_normal(len(clock)))
    return np.round(32767 * wave.clip(-1, 1)).astype(np.int16)


def raspberry_pi(*arguments, path=None):
    """Lines that the script printed, each as (time in seconds, text)."""
    environment = os.environ | ({"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"} if path else {})
    command = [sys.executable, str(EXAMPLES / "raspberry_pi.py"), *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert ran.returncode == 0, ran.stderr
    lines = [line.split(" s  ") for line in ran.stdout.splitlines()]
    return [(float(time_s), text) for time_s, text in lines]


def fake_arecord(folder, sound, *, status=0):
    """A program of that name that records the given samples."""
    folder.mkdir()
    (folder / "sound.raw").write_bytes(sound.tobytes())
    program = folder / "arecord"
    program.write_text(f'#!/bin/sh\necho "$@" > {folder}/asked\ncat {folder}/sound.raw\nexit {status}\n')
    program.chmod(0o755)
    return folder


def test_a_student_tells_how_much_the_sound_changes(tmp_path, exported, sound):
    soundfile.write(tmp_path / "a.wav", sound, 16000)
    shown = raspberry_pi(exported.path, tmp_path / "a.wav", "--hop_s", "0.7", "--window_s", "1.5")
    vectors, times_s = sondo.load(exported.path, threads=1).embed_sliding(tmp_path / "a.wav", hop_s=0.7, window_s=1.5)
    assert [time_s for time_s, _ in shown] == pytest.approx(times_s, abs=0.05)  # the last is the rest
    assert shown[0][1] == "listening"
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    want = (unit[1:] * unit[:-1]).sum(axis=1)
    assert [float(text.split()[0]) for _, text in shown[1:]] == pytest.approx(want, abs=6e-4)
    assert min(want) < 0.99  # the change is there to be seen


@pytest.mark.slow
def test_a_sound_shorter_than_a_hop_is_heard_and_a_reader_may_stop_early(tmp_path, exported, sound):
    soundfile.write(tmp_path / "short.wav", sound[:4800], 16000)
    assert raspberry_pi(exported.path, tmp_path / "short.wav") == [(0.3, "listening")]
    soundfile.write(tmp_path / "long.wav", sound, 16000)
    command = [sys.executable, EXAMPLES / "raspberry_pi.py", exported.path, tmp_path / "long.wav"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout.readline() == "     0.5 s  listening\n"
        program.stdout.close()
        assert (program.wait(), program.stderr.read()) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for arecord is a shell script")
@pytest.mark.slow
@pytest.mark.parametrize("several", [False, True])
def test_a_classifier_listens_to_the_microphone(tmp_path, exported, sound, several):
    path = classifier(exported.path, tmp_path / "classifier.onnx", several=several)
    heard = fake_arecord(tmp_path / "bin", sound)
    shown = raspberry_pi(path, "--hop_s", "1", path=heard)
    assert (heard / "asked").read_text().split() == ["-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "16000"]
    model = OnnxClassifier(path, threads=1)
    assert [time_s for time_s, _ in shown] == [1.0, 2.0, 3.0, 4.0, 5.0]
    for time_s, text in shown:
        window = sound[max(0, round((time_s - 2) * 16000)) : round(time_s * 16000)]
        best = model.classify(window, sample_rate=16000)[:3]
        words = text.replace(",", "").split()
        assert words[::2] == [item.label for item in best]
        found = [float(word.removesuffix("*")) for word in words[1::2]]
        assert found == pytest.approx([i.probability for i in best], abs=0.006)
        assert [word.endswith("*") for word in words[1::2]] == [several and item.is_chosen for item in best]
    assert any("*" in text for _, text in shown) == several


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for arecord is a shell script")
@pytest.mark.slow
def test_what_goes_wrong_is_said_in_a_line(tmp_path, exported, sound):
    heard = fake_arecord(tmp_path / "bin", sound[:0], status=1)
    environment = os.environ | {"PATH": f"{heard}{os.pathsep}{os.environ['PATH']}"}
    soundfile.write(tmp_path / "a.flac", np.resize(sound, 20 * 16000), 16000)
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2] + bytes(5000) + whole[len(whole) // 2 + 5000 :])
    for arguments, said in (
        (["nowhere.onnx"], "no model at nowhere.onnx"),
        ([exported.path, "nowhere.wav"], "nowhere.wav: no such file"),
        ([exported.path, "--hop_s", "5"], "hop_s=5.0 does not fit"),
        ([exported.path, tmp_path / "a.flac"], f"{tmp_path / 'a.flac'}: damaged or truncated, cannot be decoded after"),
        ([exported.path], "arecord ended with status 1"),
    ):
        command = [sys.executable, str(EXAMPLES / "raspberry_pi.py"), *map(str, arguments)]
        ran = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert (ran.returncode, ran.stderr.startswith(said)) == (1, True), ran.stderr


@pytest.mark.slow
def test_cpp_gives_the_vector_of_python(tmp_path, exported, sound):
    found = importlib.util.find_spec("openvino")
    if found is None or not all(map(shutil.which, ("cmake", "c++"))):
        pytest.skip("needs CMake, a C++ compiler and the package openvino")
    openvino = Path(found.origin).parent / "cmake"
    build = tmp_path / "build"
    configure = ["cmake", "-S", EXAMPLES / "cpp", "-B", build, f"-DOpenVINO_DIR={openvino}"]
    for command in (configure, ["cmake", "--build", build]):
        made = subprocess.run(command, capture_output=True, text=True)
        assert made.returncode == 0, made.stdout + made.stderr
    model = sondo.load(exported.path, threads=1)
    for seconds in (0.1, 5.0, 12.5):  # longer than a window: the file averages windows itself
        samples = np.resize(sound, round(seconds * 32000)) / np.float32(32768)
        samples.tofile(tmp_path / "sound.f32")
        ran = subprocess.run([build / "embed", exported.path, tmp_path / "sound.f32"], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        space_id, numbers = ran.stdout.splitlines()
        assert space_id == model.space_id
        got, want = np.array(numbers.split(), dtype=np.float64), model.embed(samples, sample_rate=32000)
        assert got.shape == (model.embedding_dim,)
        assert got @ want / np.linalg.norm(got) / np.linalg.norm(want) >= 0.9999
        np.testing.assert_allclose(got, want, atol=1e-3 * np.abs(want).max())
    samples[:3000].tofile(tmp_path / "short.f32")
    ran = subprocess.run([build / "embed", exported.path, tmp_path / "short.f32"], capture_output=True, text=True)
    assert (ran.returncode, "at least 0.1 s" in ran.stderr) == (1, True)
    soundfile.write(tmp_path / "a.wav", np.resize(sound, 32000), 32000)
    ran = subprocess.run([build / "embed", exported.path, tmp_path / "a.wav"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, "is it a WAV file" in ran.stderr) == (1, "", True)


def classifier(student_path, path, *, several):
    """A classifier's file on a student's: a random head, for one label or for several."""
    from sondo.classifier.head import Head
    from sondo.classifier.onnx_file import write_classifier

    model = sondo.load(student_path, threads=1)
    rng, dim = np.random.default_rng(1), model.embedding_dim
    clips = [(0.1 * rng.standard_normal(16000)).astype(np.float32) for _ in range(2)]
    scale = np.std([model.embed(clip, sample_rate=32000) for clip in clips]) * np.ones(dim)
    layer = (rng.standard_normal((dim, len(CLASSES))) / dim**0.5, np.zeros(len(CLASSES)))
    head = Head(mean=np.zeros(dim), scale=scale, layers=(layer,), classes=CLASSES, multi_label=several)
    if several:
        head = head.with_thresholds([0.5] * len(CLASSES))
    embed = lambda clip: model.embed(clip, sample_rate=32000)  # noqa: E731
    write_classifier(student_path, head, path, note={}, embed=embed, clips=clips)
    return path
