"""Workers of Ray: the column of one process, in the same order; what cannot work is told in a sentence."""

import sys

import numpy as np
import pytest

from sondo.bank import Bank, ingest
from sondo.distill import teach as teach_module
from sondo.distill.ray_teachers import check_ray, ray_teachers
from sondo.distill.teach import teach
from sondo.errors import MissingExtraError, SondoError
from sondo.recipe import RayConfig, TeacherConfig
from sondo.teachers import create

TEACHER = """
import os, pathlib, signal
import numpy as np

def loudness(audio: np.ndarray) -> np.ndarray:
    flag = pathlib.Path(__file__).with_name("kill")
    if flag.exists() and audio.shape[1] > 160000 - 1:
        if flag.read_text() == "once":
            flag.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return np.stack([np.square(audio).mean(1), np.abs(audio).mean(1), np.full(len(audio), audio.shape[1] / 16000)], 1)
"""
LOUD = TeacherConfig(name="some_teachers:loudness", sample_rate=16000, label="loud", batch_size=2)


@pytest.fixture
def bank(sound_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(teach_module, "CLIPS_PER_COMMIT", 2)
    ingest(tmp_path / "b.lance", audio=sound_folder)
    return Bank(tmp_path / "b.lance")


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """Where this process and its workers find the teacher."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "some_teachers.py").write_text(TEACHER)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        yield folder
    sys.modules.pop("some_teachers", None)


@pytest.fixture(scope="module")
def ray(code):
    """A Ray of this process, with two cores."""
    module = pytest.importorskip("ray")
    with pytest.warns(UserWarning, match="not fork-safe"):  # Lance's, which `sondo` keeps off the screen
        module.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield module
    module.shutdown()


def taught(bank, config=LOUD, *, workers=2, teacher=None):
    teacher = teacher or create(config.name, **config.options())
    ray = ray_teachers(RayConfig(workers=workers), config)
    name = teach(bank, teacher, batch_size=config.batch_size, elsewhere=ray)
    return np.array(bank.read([name]).column(0).to_pylist())


@pytest.mark.slow
def test_workers_give_the_column_of_one_process_and_their_ray_ends(bank, code, capfd, monkeypatch):
    module = pytest.importorskip("ray")
    monkeypatch.setattr("sondo.distill.ray_teachers.num_cores", lambda: 8)
    found = taught(bank, workers=100)
    assert not module.is_initialized()
    alone = TeacherConfig(name=LOUD.name, sample_rate=16000, label="alone", batch_size=2)
    assert np.array_equal(found, taught(bank, alone, workers=0))
    assert bank.origin("teacher.loud") == bank.origin("teacher.alone") | {"teacher": "loud"}
    out, err = capfd.readouterr()
    assert out == ""
    assert {line.split(":")[0] for line in err.splitlines()} == {"teach"}
    assert "4 of 100 workers, for there is no more to do" in err


@pytest.mark.slow
def test_no_more_workers_are_started_than_the_machine_has_cores(bank, code, capfd, monkeypatch):
    module = pytest.importorskip("ray")
    monkeypatch.setattr("sondo.distill.ray_teachers.num_cores", lambda: 2)
    started, init = [], module.init
    monkeypatch.setattr(module, "init", lambda **options: started.append(options["num_cpus"]) or init(**options))
    assert len(taught(bank, workers=3)) == len(bank)
    assert started == [2]
    assert "2 of 3 workers, for this machine has no more cores than 2" in capfd.readouterr().err


@pytest.mark.slow
def test_a_worker_that_dies_is_started_again(bank, ray, code, capfd):
    (code / "kill").write_text("once")
    found = taught(bank)
    assert found[:, 2] == pytest.approx(bank.read(["duration_s"]).column(0).to_numpy(), abs=0.01)
    assert ray.is_initialized(), "who started it ends it"
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("a worker died, and Ray started it again") == 1


@pytest.mark.slow
def test_workers_that_always_die_end_in_a_sentence_and_what_was_done_is_kept(bank, ray, code, monkeypatch):
    uris = bank.read(["uri"]).column(0).to_pylist()
    row = next(row for row, uri in enumerate(uris) if uri.endswith("long.flac"))  # its first clip is the fatal one
    (code / "kill").write_text("always")
    with pytest.raises(SondoError, match=r"died 4 times at .* what was done is kept"):
        taught(bank, workers=1)
    (code / "kill").unlink()
    heard, embed = [], teach_module.embed_clips
    monkeypatch.setattr(
        teach_module, "embed_clips", lambda teacher, clips, *rest: heard.extend(clips) or embed(teacher, clips, *rest)
    )
    taught(bank, workers=0)
    assert [clip.uri for clip in heard] == uris[row - row % 2 :] != uris


@pytest.mark.slow
def test_sound_that_is_gone_is_named_as_by_one_process(bank, ray, sound_folder):
    (sound_folder / "3.wav").unlink()
    with pytest.raises(SondoError, match=r"3\.wav is gone"):
        taught(bank, workers=1)


@pytest.mark.slow
def test_a_worker_with_another_teacher_is_refused(bank, ray, code):
    teacher = create(LOUD.name, **LOUD.options())
    (code / "some_teachers.py").write_text(TEACHER.replace("np.abs", "2 * np.abs"))
    try:
        with pytest.raises(
            SondoError, match=r"has another teacher loud: fingerprint was .* All machines need the same"
        ):
            taught(bank, workers=1, teacher=teacher)
    finally:
        (code / "some_teachers.py").write_text(TEACHER)


@pytest.mark.slow
def test_more_workers_than_cores_are_refused_and_not_waited_for(bank, ray):
    with pytest.raises(SondoError, match=r"3 workers of 1 CPU each do not fit: Ray has 2. Set fewer --ray.workers"):
        taught(bank, workers=3)


def test_what_workers_cannot_make_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    check_ray(RayConfig(), [LOUD], is_object=True)
    with pytest.raises(MissingExtraError, match=r"--ray.workers\) needs Ray, which is not installed: .*sondo\[ray\]"):
        check_ray(RayConfig(workers=1), [LOUD])
    monkeypatch.setitem(sys.modules, "ray", sys)  # there is one
    check_ray(RayConfig(workers=1), [LOUD])
    with pytest.raises(SondoError, match="make their own teacher"):
        check_ray(RayConfig(workers=1), [LOUD], is_object=True)
    with pytest.raises(SondoError, match="put its code into a module"):
        check_ray(RayConfig(workers=1), [LOUD, TeacherConfig(name="__main__:mine")])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workers": -1}, "ray.workers is -1: expected at least 0"),
        ({"gpus_per_worker": 1.5}, "ray.gpus_per_worker is 1.5: expected 0, a part of one such as 0.5"),
        ({"gpus_per_worker": -1.0}, "ray.gpus_per_worker is -1.0"),
        ({"address": 3}, "ray.address is 3: expected a text"),
    ],
)
def test_settings_that_ray_would_not_take_are_refused(settings, message):
    with pytest.raises(SondoError, match=message):
        RayConfig(**settings)
