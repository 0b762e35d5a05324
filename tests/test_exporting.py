"""What int8 is calibrated with and compared on: clips of all clusters, and never the same for both."""

import json
import sys

import numpy as np
import pytest
import soundfile

from sondo.bank import Bank, ingest
from sondo.cli import main
from sondo.distill.cluster import cluster
from sondo.distill.teach import teach
from sondo.errors import MissingExtraError, SondoError
from sondo.export.litert import to_litert
from sondo.exporting import check_own_student, export_run, note_in_run, read_source, sound_of_bank, sound_of_files
from sondo.recipe import StudentConfig
from sondo.report.tables import show_int8
from sondo.students import create, save
from sondo.teachers import create as create_teacher

RATE = 32_000


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """190 clips of noise and 10 tones, in two clusters; each clip's level is its own."""
    root = tmp_path_factory.mktemp("exporting")
    (root / "sound").mkdir()
    generator = np.random.default_rng(0)
    for index in range(200):
        noise = generator.standard_normal(4000)
        wave = np.sin(np.arange(4000) * 0.3) if index % 20 == 0 else noise / np.abs(noise).max()
        soundfile.write(root / "sound" / f"{index:03}.wav", wave * (100 + index) / 400, RATE)
    ingest(root / "b.lance", audio=root / "sound")
    bank = Bank(root / "b.lance")
    teach(bank, create_teacher("modulation"))
    cluster(bank, teacher="teacher.modulation", k=2)
    return Bank(root / "b.lance")


def levels(clips):
    return {round(float(np.abs(clip).max()), 4) for clip in clips}


def test_clips_are_compared_on_that_calibration_did_not_hear(bank):
    sound = sound_of_bank(bank)
    compared, calibration = sound.to_compare("int8"), sound.to_calibrate("int8")
    assert (len(compared), len(calibration)) == (32, 128)
    assert not levels(compared) & levels(calibration)
    assert (len(sound.to_compare("float32")), len(sound.to_calibrate("float32"))) == (4, 0)


def test_a_small_cluster_is_heard_whole(bank):
    # 160 of 200 clips without replacement, evenly from both clusters: all of the ten that are the smaller one
    tones = [clip for clip in (clip for clip, _, _ in sound_of_bank(bank).clips) if int(clip[-7:-4]) % 20 == 0]
    assert len(tones) == 10


def test_files_are_as_good(bank, tmp_path):
    folder = bank.path.parent / "sound"
    sound = sound_of_files([folder, folder / "000.wav"], RATE)
    assert len(sound.clips) == 201
    assert len(sound.to_compare("int8")) == 32


def test_a_student_without_a_bank_needs_sound(tmp_path, capsys):
    save(create("mobilenetv3", width_mult=0.1).eval(), tmp_path / "student")
    with pytest.raises(SondoError, match="there is no bank of .*: name some"):
        export_run(tmp_path / "student", precision="int8")
    with pytest.raises(SystemExit):
        main(["export", str(tmp_path / "student"), "--int8", "--weights", "float16"])
    assert "leave out --weights" in capsys.readouterr().err


def test_too_little_sound_for_int8_is_counted_before_it_is_divided(bank, tmp_path):
    save(create("mobilenetv3", width_mult=0.1).eval(), tmp_path / "student")
    sounds = [bank.path.parent / "sound" / f"{index:03}.wav" for index in range(9)]
    with pytest.raises(SondoError, match="int8 needs 10 clips of real sound or more, .* not 9"):
        export_run(tmp_path / "student", precision="int8", sounds=sounds)
    with pytest.raises(SondoError, match="10 clips of real sound or more, .* not 9"):  # as `distill --int8` asks
        sound_of_files(sounds, RATE).to_calibrate("int8")
    assert len(sound_of_files([*sounds, bank.path.parent / "sound" / "009.wav"], RATE).to_calibrate("int8")) == 8


def test_an_exported_file_is_no_source_of_another(tmp_path):
    (tmp_path / "student.onnx").touch()
    with pytest.raises(SondoError, match=r"student\.onnx is an exported file already: give the run or"):
        export_run(tmp_path / "student.onnx", tmp_path / "again.onnx")


def test_a_file_of_a_fine_tuned_run_stands_in_its_summary(tmp_path):
    (tmp_path / "summary.json").write_text('{"classifier": {}}')
    (tmp_path / "student.onnx").write_bytes(b"four")
    report = {"precision": "float32", "judged_cosine": 1.0, "judged": "every clip"}
    (tmp_path / "student.onnx.json").write_text(json.dumps(report))
    found = note_in_run(tmp_path, tmp_path / "student.onnx")
    assert found["bytes"] == 4
    assert json.loads((tmp_path / "summary.json").read_text()) == {"classifier": {}, "export": {"onnx": found}}


def test_sound_that_is_named_and_not_there_is_no_sound(bank, tmp_path):
    with pytest.raises(SondoError, match=r"there is no .*absent\.wav: name files and folders that are here"):
        sound_of_files([bank.path.parent / "sound", tmp_path / "absent.wav"], RATE)


def test_sound_that_cannot_be_read_is_told_once(bank, tmp_path, capsys):
    files = [tmp_path / f"{number}.wav" for number in range(20)]
    for file in files:
        file.touch()
    assert sound_of_files([*files, bank.path.parent / "sound"], RATE).to_compare("int8")
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "passed over" in line]
    assert "cannot be read and are passed over" in said


def test_a_bank_that_is_gone_is_told(tmp_path, capsys):
    save(create("mobilenetv3", width_mult=0.1).eval(), tmp_path / "run" / "student")
    (tmp_path / "run" / "train.json").write_text(json.dumps({"bank": {"path": "bank.lance"}}))
    assert not read_source(tmp_path / "run").sound.clips
    assert f"{tmp_path / 'run' / 'bank.lance'}, is not there" in capsys.readouterr().err


def test_a_file_in_int8_without_a_task_is_told_of(capsys):
    show_int8({"path": "s.int8.onnx", "bytes": 1_500_000, "cosine_to_torch": 0.9987})
    show_int8({"path": "s", "bytes": 1, "cosine_to_torch": 1.0, "task": "esc10", "score": 0.9, "float32": 0.91})
    show_int8({"refused": "too little sound"})
    said = capsys.readouterr().out
    assert "s.int8.onnx: 1.50 MB in int8, mean cosine to torch 0.998700\n" in said
    assert "esc10 90.0, 91.0 in float32" in said
    assert "no file in int8: too little sound" in said


OWN = """
from torch import nn

def pooled(*size):
    values = size[0] * size[1]
    return nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Flatten(), nn.Linear(values, 7))

def any_length():
    return pooled(1, 1)

def one_length():
    return pooled(4, 8)

class Louder(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = pooled(1, 1)

    def forward(self, log_mel):
        return self.network(log_mel) * (2 if log_mel.shape[3] > 300 else 1)

def of_another_length():
    return Louder()

class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = pooled(1, 1)

    def forward(self, log_mel):
        vector = self.network(log_mel)
        return vector if vector.sum() > 0 else -vector

def branching():
    return Branching()

def otherwise():
    return pooled(4, 1)  # exported as a mean over as many frames as ten seconds have, whatever comes
"""


@pytest.mark.slow
def test_a_network_that_cannot_be_exported_is_refused_before_anybody_listens(bank, tmp_path, monkeypatch, capfd):
    (tmp_path / "ownnets.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    check_own_student(StudentConfig(name="ownnets:any_length"), tmp_path / "run")
    with pytest.raises(SystemExit):
        main(["distill", "--bank", str(bank.path), "--student", "ownnets:one_length", "--out", "run"])
    said = " ".join(capfd.readouterr().err.split())
    assert "the same graph for any number of frames" in said
    assert "train:" not in said
    with pytest.raises(SystemExit):
        main(["train", "--bank", str(bank.path), "--student", "ownnets:otherwise", "--out", "by_hand"])
    said = " ".join(capfd.readouterr().err.split())  # by the file's vectors, or because it cannot run at another length
    assert "is another network once exported: cosine" in said or "the same graph for any number of frames" in said
    with pytest.raises(SondoError, match=r"vectors whose length differs by (1e\+02|50|100) %"):
        check_own_student(StudentConfig(name="ownnets:of_another_length"), tmp_path / "other")
    with pytest.raises(
        SondoError, match=r"ownnets\.py, line \d+: return vector if vector\.sum\(\) > 0 else -vector\)$"
    ):
        check_own_student(StudentConfig(name="ownnets:branching"), tmp_path / "other")
    assert "def forward" not in "".join(capfd.readouterr())
    (tmp_path / "begun" / "checkpoints").mkdir(parents=True)
    check_own_student(StudentConfig(name="ownnets:one_length"), tmp_path / "begun")
    sys.modules.pop("ownnets")


def test_a_converter_in_a_new_environment_comes_with_sondo_from_a_clone(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    with pytest.raises(MissingExtraError, match=r'pip install "\.\[train\]" litert-torch.*clone'):
        to_litert(create("mobilenetv3", width_mult=0.1), tmp_path / "student.tflite")
