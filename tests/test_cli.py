"""The command line as a user meets it: options, messages, exit codes, and no torch before it is needed."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sondo.cli import main
from sondo.cli.arguments import spelled_out
from sondo.cli.parser import make_parser
from sondo.cli.verbs import load_verb
from sondo.errors import near_path
from sondo.recipe import Recipe, TrainConfig

VERBS = ["demo", "distill", "ingest", "teach", "cluster", "train", "evaluate", "export", "embed"]
VERBS += ["probe", "finetune", "classify", "reproduce"]
VERBS += ["index", "search", "bench", "push", "verify"]
VERBS += ["audioset", "teachers", "students", "tasks"]


def run(capsys, *arguments):
    """Exit code and what was said."""
    code = 0
    try:
        main(list(arguments))
    except SystemExit as stop:
        code = stop.code or 0
    said = capsys.readouterr()
    return code, said.out + said.err


@pytest.mark.parametrize("statement", ["import sondo", "import sondo.cli", "import sondo.runtime, sondo.audio"])
def test_importing_loads_nothing_heavy(statement):
    heavy = "{'torch', 'lightning', 'lance', 'sklearn', 'pyarrow', 'onnx', 'av', 'huggingface_hub'}"
    code = f"{statement}; import sys; assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_onnxruntime_writes_nothing_into_the_home_folder(tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ORT_", "XDG_"))}
    code = "import sondo, onnxruntime"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment | {"HOME": str(tmp_path)})
    assert not any(tmp_path.iterdir())


def test_help_loads_nothing_heavy_and_names_the_verbs():
    code = (
        "import sys\nfrom sondo.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit as stop: assert stop.code == 0\n"
        "assert not {'torch', 'lance', 'sklearn', 'huggingface_hub'} & set(sys.modules)"
    )
    text = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for verb in VERBS:
        assert f" {verb} " in text


def test_python_m_is_the_same_command_and_loads_nothing_heavy():
    ran = subprocess.run([sys.executable, "-X", "importtime", "-m", "sondo", "--help"], capture_output=True, text=True)
    assert ran.returncode == 0
    assert ran.stdout.startswith("usage: sondo ")
    imported = {line.split("|")[-1].strip() for line in ran.stderr.splitlines()}
    assert "sondo.cli" in imported
    assert not {"torch", "lance", "sklearn"} & imported


def test_only_the_verb_that_was_typed_gets_its_options(capsys, monkeypatch):
    from sondo.cli.verbs import distill

    monkeypatch.setattr(distill, "build", lambda verb: pytest.fail("nobody asked for it"))
    assert run(capsys, "students")[0] == 0
    with pytest.raises(pytest.fail.Exception):
        run(capsys, "distill", "--out", "r")


@pytest.mark.parametrize(
    ("arguments", "sounds"),
    [
        (["run", "--int8", "a", "b"], ["a", "b"]),
        (["run", "a", "--out", "x.onnx", "--int8", "b"], ["a", "b"]),
        (["--format", "litert", "run", "--", "-a.wav"], ["-a.wav"]),
        (["--int8", "run"], []),
    ],
)
def test_files_may_stand_behind_options_and_before_them(arguments, sounds):
    settings = make_parser(["export"]).parse_args(["export", *arguments]).export
    assert (settings.run, settings.sounds) == ("run", sounds)
    assert settings.int8 == ("--int8" in arguments)
    assert settings.out == ("x.onnx" if "--out" in arguments else None)


@pytest.mark.parametrize("verb", ["verify", "export"])
def test_help_calls_no_file_required_that_may_be_left_out(capsys, verb):
    _, text = run(capsys, verb, "--help")
    file, sounds = text.split("positional arguments:")[1].split("options:")[0].split("  sounds ")
    assert "(required)" in file
    assert "(required)" not in sounds


def test_numbers_of_threads_end_where_the_next_option_begins():
    settings = make_parser(["bench"]).parse_args(["bench", "a", "--threads", "1", "2", "--batch", "4", "--", "b"]).bench
    assert (settings.models, settings.threads, settings.batch) == (["a", "b"], [1, 2], [4])


def test_the_version_is_said(capsys):
    from sondo import __version__

    assert run(capsys, "--version") == (0, f"sondo {__version__}\n")


def test_every_verb_has_help(capsys):
    for verb in VERBS:
        code, text = run(capsys, verb, "--help")
        assert code == 0
        assert "usage" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ingest", "--audio", "/no/such", "--bank", "b.lance"], "no such folder: /no/such"),
        (["distill", "--audio", "x", "--out", "r", "--train.epoch", "3"], "train.epoch"),
        (["distill", "--audio", "x", "--out", "r", "--train.epochs", "0"], "train.epochs is 0"),
        (["distill", "--audio", "x", "--out", "r", "--student", "mobilnet"], "mobilenetv3"),
        (["distill", "--out", "r"], "nothing to listen to"),
        (["distill", "--audio", "x", "--out", "r", "--task", "esc10"], "task and data go together"),
        (["teach", "--bank", "absent.lance"], "no bank at absent.lance"),
        (["evaluate", "absent.onnx", "--task", "esc10", "--data", "x"], "no model at absent.onnx"),
        (["embed", "absent.onnx", "x.wav", "--out", "e.npz"], "no model at absent.onnx"),
        (["export", "absent"], "there is no run, student or checkpoint at absent; by name there is matpac-"),
        (["classify", "c.onnx", "x.wav", "--top", "0"], "--top is '0': expected a whole number from 1 on"),
        (["ingest", "--audio", "x", "--bank", "b", "--workers", "two"], "--workers is 'two': expected a whole number"),
        (["audioset", "download", "--out", "a", "--n", "0"], "--n is '0': expected a whole number from 1 on"),
        (["distill", "--audio", "x", "--out", "r", "--cluster.k", "a"], "--cluster.k is 'a': expected a whole number"),
        (["frobnicate"], "frobnicate"),
        (["distil"], "(see sondo --help)"),
        (["finetune", "r", "--data", "d", "--out", "o", "--augment.views", "3"], "augment.views"),
        (["evaluate", "r", "--task", "esc10", "--data", "d", "--teacher.online"], "teacher.online"),
        (
            ["teach", "--bank", "b", "--teacher.online"],
            "--teacher.online has a teacher listen in training, and nothing is",
        ),
        (
            ["cluster", "--bank", "b", "--teacher", "m2d", "--teacher", "matpac", "--teacher.online"],
            "give it to `sondo",
        ),
        (["embed"], "required: model, files, --out (see sondo embed --help)"),
        (["audioset", "manifest", "--labels", "l"], "required: --segments, --out (see sondo audioset --help)"),
        ([], "no command is given: expected one of demo, distill, "),
        (["embed", "a:x:b[c].onnx", "x.wav", "--out", "e.npz"], "no model at a:x:b[c].onnx"),
    ],
)
def test_a_mistake_gets_one_message_and_a_code(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, text = run(capsys, *arguments)
    assert code in (1, 2)
    assert message in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest", "--audio", "SOUND", "--bank", "afile/b.lance"],
        ["cluster", "--bank", "absent.lance", "--report", "afile"],
        ["probe", "absent.onnx", "--data", "SOUND", "--out", "afile/deep/c.onnx"],
        ["bench", "absent.onnx", "--markdown", "afile/m.md"],
        ["evaluate", "absent.onnx", "--task", "esc10", "--data", "x", "--json", "afile/e.json"],
        ["evaluate", "absent.onnx", "--task", "esc10", "--data", "x", "--out", "afile"],
    ],
)
def test_a_file_where_a_folder_is_needed_is_said_before_the_work(
    capsys, tmp_path, sound_folder, monkeypatch, arguments
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").touch()
    code, text = run(capsys, *(str(sound_folder) if each == "SOUND" else each for each in arguments))
    assert code == 1
    assert ": afile is a file" in text
    assert "Traceback" not in text


def test_a_library_that_is_installed_and_broken_is_said(capsys, tmp_path, monkeypatch):
    def broken(module):
        if module == "lightning":
            raise RuntimeError("operator torchvision::nms does not exist")
        return __import__(module, fromlist=["build"])

    monkeypatch.setattr("sondo.errors.importlib.import_module", broken)
    code, text = run(capsys, "train", "--bank", "b.lance", "--teacher", "modulation", "--out", str(tmp_path / "r"))
    assert code == 1
    assert "lightning is installed but cannot be imported (operator torchvision::nms does not exist)" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("verb", "error", "code", "said"),
    [
        ("embed", KeyboardInterrupt(), 130, "the same command goes on"),
        ("search", KeyboardInterrupt(), 130, "interrupted\n"),
        (
            "search",
            OSError(errno.ENOSPC, "No space left on device", "o.npz"),
            1,
            "no space is left on the disk (o.npz)",
        ),
        ("search", OSError("LanceError(IO): No space left on device (os error 28), x.rs:7"), 1, "no space is left"),
        ("search", OSError("32256 requested and 15328 written"), 1, "no space is left on the disk: make room"),
        ("search", OSError("LanceError(IO): Permission denied (os error 13)"), 1, "permission denied: allow reading"),
        ("search", FileNotFoundError(errno.ENOENT, "No such file", "r/a.csv"), 1, "r/a.csv is not there: what a"),
        ("search", RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1, "not enough memory"),
        ("search", MemoryError(), 1, "--train.batch_size"),
    ],
)
def test_what_stops_a_verb_is_said_as_it_is(capsys, monkeypatch, verb, error, code, said):
    def stop(_):
        raise error

    monkeypatch.setattr(load_verb(verb), "run", stop)
    arguments = {"embed": ["m.onnx", "x.wav", "--out", "o.npz"], "search": ["i.lance", "x.wav"]}[verb]
    found, text = run(capsys, verb, *arguments)
    assert found == code
    assert said in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("options", "said"), [(["--suite", "paper"], "the same command goes on"), (["--task=esc50"], "interrupted\n")]
)
def test_an_evaluation_goes_on_where_it_keeps_vectors(capsys, monkeypatch, options, said):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(load_verb("evaluate"), "run", stop)
    found, text = run(capsys, "evaluate", "m.onnx", "--data", "d", *options)
    assert found == 130
    assert said in text


def test_an_error_of_the_code_is_not_taken_for_the_machines(capsys, monkeypatch):
    def stop(_):
        raise RuntimeError("expected a tensor")

    monkeypatch.setattr(load_verb("search"), "run", stop)
    with pytest.raises(RuntimeError, match="expected a tensor"):
        run(capsys, "search", "i.lance", "x.wav")


def test_a_wrong_option_in_a_recipe_is_named_with_its_dotted_key(capsys, tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("teacher: modulation\ntrain:\n  epoch: 3\n")
    code, text = run(capsys, "distill", "--config", str(recipe), "--audio", "x", "--out", str(tmp_path / "o"))
    assert code == 2
    assert "train.epoch" in text


def test_a_recipe_and_options_go_together_and_options_win(capsys, tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("student: mobilenetv3\ntrain:\n  epochs: 3\n  seed: 4\n")
    arguments = ["distill", "--config", str(recipe), "--out", "o", "--train.seed", "5", "--max-bad-share", "0.2"]
    code, text = run(capsys, *arguments, "--print_config")
    assert code == 0
    for line in ("epochs: 3", "seed: 5", "max_bad_share: 0.2", "name: mobilenetv3"):
        assert line in text


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (["--recipe", "paper"], ("name: matpac", "name: mobilenetv3", "init: efficientat/mn10_im", "epochs: 100")),
        (["--student", "dymn", "--recipe=paper"], ("name: dymn", "init: efficientat/dymn10_im", "k: 50")),
        (["--recipe", "paper/eres2net", "--teacher", "m2d"], ("name: m2d", "name: eres2net", "init: null")),
        (["--train.epochs", "3", "--recipe", "paper"], ("epochs: 3", "warmup_epochs: 8.0", "clips_per_epoch: 100000")),
    ],
)
@pytest.mark.parametrize("verb", [["distill"], ["train", "--bank", "b"]])
def test_the_papers_recipe_is_one_option_away(capsys, verb, options, lines):
    code, text = run(capsys, *verb, "--out", "o", *options, "--print_config")
    assert code == 0
    for line in lines:
        assert line in text


def test_options_win_over_a_recipe_file_and_that_over_a_named_recipe(capsys, tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text("student: dymn\ntrain:\n  epochs: 7\n  seed: 7\n")
    arguments = ["--train.seed", "5", "--config", str(file), "--recipe", "paper", "--out", "o", "--print_config"]
    code, text = run(capsys, "distill", *arguments)
    assert code == 0
    for line in ("seed: 5", "epochs: 7", "init: efficientat/dymn10_im", "ramp_down_start: 80.0"):
        assert line in text


def test_an_unknown_teacher_names_those_that_exist(capsys, sound_folder, tmp_path):
    code, text = run(
        capsys, "distill", "--audio", str(sound_folder), "--teacher", "modulatoin", "--out", str(tmp_path / "o")
    )
    assert code == 1
    assert "modulation" in text


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("distill --train.epochs 1.5 --out o", "--train.epochs is '1.5': expected a whole number (see sondo distill"),
        ("distill --train.learning_rate 0,1 --out o", "--train.learning_rate is '0,1': expected a number (see"),
        ("teach --bank b --teacher.layer x", "--teacher.layer is 'x': expected a whole number or mean (see"),
        ("cluster --bank b --teacher t --k 5 y", "--k is 'y': expected a whole number (see"),
        ("distill --cluster.hierarchy 12 4 --out o", "--cluster.hierarchy is '12': expected a list, such as '[12, 4]'"),
        ("train --bank b --train.precision fp8 --out o", "is 'fp8': expected auto or float32 or bfloat16 (see"),
        ("embed a b --out c --threads two", "--threads is 'two': expected a whole number (see"),
        ("distill --augment.roll 3 --out o", "--augment.roll is '3': expected true or false (see"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_in_a_sentence(capsys, typed, message):
    code, text = run(capsys, *typed.split())
    assert code == 2
    assert message in text


@pytest.mark.parametrize(
    ("typed", "guess"),
    [
        ("train --bank b --out o --train.epochz 3", "--train.epochz 3; did you mean --train.epochs? (see sondo train"),
        ("train --bank b --out o --train.epochz=3 --bnak c", "did you mean --train.epochs, --bank?"),
        ("train --bank b --out o --epochs 3", "did you mean --train.epochs?"),
        ("train --bank b --out o --seed 3", "did you mean --cluster.seed or --train.seed?"),
        ("embed m a.wav --outt e.npz", "did you mean --out?"),
        ("distill --audio s --out o --config r.yaml", "did you mean --train.epochs?"),
        ("train --bank b --out o --train.foo 3", "unrecognized arguments: --train.foo 3 (see"),
        ("evaluate r --task t --data d --teacher.online", "unrecognized arguments: --teacher.online=true (see"),
    ],
)
def test_an_option_that_there_is_not_gets_a_guess(capsys, tmp_path, monkeypatch, typed, guess):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text("train: {epochz: 3}")
    code, text = run(capsys, *typed.split())
    assert code == 2
    assert guess in text


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("evaluate runs/two/studnet --task esc10 --data d", "no model at runs/two/studnet: did you mean STUDENT?"),
        ("embed runs/twoo/student s.wav --out e.npz", "no model at runs/twoo/student: did you mean STUDENT?"),
        ("export rums/two/student", "no run, student or checkpoint at rums/two/student; did you mean STUDENT?"),
        ("verify runs/two/studnt.onnx", "no such model file: runs/two/studnt.onnx; did you mean STUDENT.onnx?"),
        ("evaluate runs/two/xyz --task esc10 --data d", "no model at runs/two/xyz: give an .onnx, "),
        ("evaluate runs/too/absent/x --task esc10 --data d", "no model at runs/too/absent/x: give an .onnx, "),
    ],
)
def test_a_path_whose_part_is_mistyped_gets_a_guess(capsys, tmp_path, monkeypatch, typed, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "two" / "student").mkdir(parents=True)
    (tmp_path / "runs" / "two" / "student.onnx").touch()
    code, text = run(capsys, *typed.split())
    assert code == 1
    assert message.replace("STUDENT", "runs/two/student") in text


def test_a_guess_looks_into_no_huge_folder_and_none_that_is_closed(tmp_path, monkeypatch):
    (tmp_path / "two").mkdir()
    assert near_path(tmp_path / "too") == f"did you mean {tmp_path / 'two'}?"
    with monkeypatch.context() as patch:
        patch.setattr("sondo.errors._MOST_COMPARED", 0)
        assert near_path(tmp_path / "too") == ""

    def closed(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", closed)
    assert near_path(tmp_path / "too" / "student") == ""


def test_two_teachers_of_one_name_are_refused_before_they_listen(capsys, sound_folder, tmp_path):
    teachers = ["--teacher", "modulation", "--teacher", "modulation"]
    code, text = run(capsys, "distill", "--audio", str(sound_folder), *teachers, "--out", str(tmp_path / "o"))
    assert code == 1
    assert "share the column teacher.modulation: give one of them a name (--teacher.label)" in text
    assert not (tmp_path / "o" / "bank.lance").exists()


def test_a_folder_with_something_else_in_it_is_left_alone(capsys, sound_folder):
    code, text = run(capsys, "distill", "--audio", str(sound_folder), "--out", str(sound_folder))
    assert code == 1
    assert "no run of sondo" in text


def test_a_run_that_stopped_before_it_did_anything_can_be_typed_again(capsys, sound_folder, tmp_path):
    out = ["--out", str(tmp_path / "o"), "--student.width_mult", "0.1", "--train.epochs", "1"]
    assert run(capsys, "distill", "--audio", str(tmp_path / "mistyped"), *out)[0] == 1
    assert run(capsys, "distill", "--audio", str(sound_folder), "--teacher", "mistyped", *out)[0] == 1
    code, text = run(capsys, "ingest", "--audio", str(sound_folder), "--bank", str(tmp_path / "b.lance"))
    assert (code, "7 clips (7 new)" in text) == (0, True)
    code, text = run(capsys, "distill", "--audio", str(tmp_path / "mistyped"), *out)
    assert "no such folder" in text


def test_lists_of_what_there_is(capsys):
    assert "modulation" in run(capsys, "teachers")[1]
    assert "mobilenetv3" in run(capsys, "students")[1]
    assert "esc10" in run(capsys, "tasks")[1]


def test_another_recipe_in_the_same_folder_is_refused(capsys, sound_folder, tmp_path):
    out = tmp_path / "o"
    out.mkdir()
    recipe = Recipe(out=str(out), audio=str(sound_folder), train=TrainConfig(epochs=7))
    (out / "recipe.json").write_text(json.dumps(recipe.to_dict()))
    (out / "student").mkdir()
    code, text = run(capsys, "distill", "--audio", str(sound_folder), "--out", str(out))
    assert code == 1
    assert "holds another run" in text
    assert "train.epochs was 7, is now 100" in text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--int8"], {"int8": True}),
        (["--int8", "--workers", "2"], {"int8": True, "workers": 2}),
        (["--int8", "false"], {"int8": False}),
        (["--augment.roll", "--teacher.online"], {"augment.roll": True, "teacher.online": True}),
        (["--trust-remote-code"], {"teacher.trust_remote_code": True}),
    ],
)
def test_a_switch_needs_no_value(options, expected):
    settings = make_parser().parse_args(spelled_out(["distill", "--out", "r", *options])).distill
    assert {name: settings[name] for name in expected} == expected


@pytest.mark.parametrize("text", ["007", "1e5", "*.npz", "@main", "yes"])
def test_a_text_of_a_second_teacher_stays_as_it_is_typed(text):
    options = ["--teacher", "modulation", "--teacher", "precomputed", "--teacher.checkpoint", text]
    options += ["--teacher.label", text, "--teacher.sample_rate", "16000"]
    settings = make_parser().parse_args(spelled_out(["distill", "--out", "r", *options])).distill
    (second,) = settings.more_teachers
    assert (second.checkpoint, second.label, second.sample_rate) == (text, text, 16000)


def test_what_stands_behind_two_strokes_is_a_file():
    settings = make_parser().parse_args(spelled_out(["embed", "m", "--out", "o.npz", "--", "--my-sound.wav"])).embed
    assert settings.files == ["--my-sound.wav"]


def test_a_switch_of_a_second_teacher_needs_no_value():
    options = ["--teacher", "modulation", "--teacher", "hf:x", "--teacher.online", "--teacher.pooling", "mean"]
    settings = make_parser().parse_args(spelled_out(["distill", "--out", "r", *options])).distill
    (second,) = settings.more_teachers
    assert (second.name, second.online, second.pooling) == ("hf:x", True, "mean")
