"""What reaches the screen, whatever screen it is."""

import io

import pytest
from rich.table import Table

from sondo import screen


def wide_table():
    table = Table(*(f"score{number}" for number in range(20)))
    table.add_row(*(f"{number}.25±0.1" for number in range(20)))
    return table


@pytest.mark.parametrize("columns", [0, 1, 20, 200])
def test_results_are_told_however_narrow_the_screen_says_it_is(monkeypatch, capsys, columns):
    for each in (screen.console, screen.output):
        monkeypatch.setattr(each, "_width", columns)
    screen.say("a message")
    screen.tell("a result")
    screen.output.print(Table("loss", "accuracy"), Table(*"abcdefghijklmn"))
    said = capsys.readouterr()
    assert (said.err, said.out.splitlines()[0]) == ("a message\n", "a result")
    assert {"loss", "accuracy", *"abcdefghijklmn"} <= set(said.out.split())


@pytest.mark.parametrize(("value", "is_shown"), [("0", False), ("off", False), ("1", True), ("", True)])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_can_be_left_out_and_messages_are_not(monkeypatch, capsys, value, is_shown, is_terminal):
    monkeypatch.setattr(screen, "console", screen._Screen(stderr=True, force_terminal=is_terminal))
    monkeypatch.setattr(screen, "LOG_EVERY_S", 0)
    monkeypatch.setenv("SONDO_PROGRESS", value)
    with screen.progress(), screen.track("listen", total=2) as line:
        line.advance()
        line.note("half")
        screen.say("a file is left out")
    said = capsys.readouterr().err
    assert ("listen" in said) == is_shown
    assert "a file is left out" in said


@pytest.mark.parametrize(
    ("seconds", "rate"), [(0.25, "4.0 folds/s"), (10, "0.1 folds/s"), (30, "2.0 folds/min"), (900, "4.0 folds/h")]
)
def test_slow_work_has_a_rate_too(monkeypatch, capsys, seconds, rate):
    monkeypatch.setattr(screen.time, "monotonic", lambda: 100.0)
    with screen.track("heads", total=2, unit="folds") as line:
        line.advance()
        monkeypatch.setattr(screen.time, "monotonic", lambda: 100.0 + seconds)
    assert f"heads: 1/2 folds, {rate}" in capsys.readouterr().err


def test_work_that_was_done_before_has_no_rate(capsys):
    with screen.track("listen", total=2, done=2):
        pass
    assert capsys.readouterr().err == "listen: 2/2 clips\n"


def test_what_moves_stays_within_a_narrow_terminal(monkeypatch):
    monkeypatch.setattr(screen.console, "_width", 20)
    assert screen.console.width == 20


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_wide_table_keeps_every_figure(monkeypatch, capsys, is_terminal):
    monkeypatch.setattr(
        screen, "output", screen._Screen(least_width=80, force_terminal=is_terminal, _environ={"COLUMNS": "60"})
    )
    screen.tell_table(wide_table())
    said = capsys.readouterr().out
    assert all(f"{number}.25±0.1" in said for number in range(20))
    assert "…" not in said


def test_a_long_name_beside_many_figures_is_folded_and_not_cut(monkeypatch, capsys):
    narrow = screen._Screen(least_width=80, force_terminal=True, _environ={"COLUMNS": "80"})
    monkeypatch.setattr(screen, "output", narrow)
    table = Table("model", *(f"score{number}" for number in range(8)))
    table.add_row("runs/the_second_one/student.onnx", *["100.0 ±10.2 (100.0 %)"] * 8)
    screen.tell_table(table)
    said = capsys.readouterr().out
    assert "".join(line[1:].split("│")[0].strip() for line in said.splitlines() if line[0] == "│") == (
        "runs/the_second_one/student.onnx"
    )
    assert "…" not in said


def test_letters_that_the_stream_lacks_are_told_as_their_codes(monkeypatch):
    ascii_alone, utf8 = (io.TextIOWrapper(io.BytesIO(), encoding=name) for name in ("ascii", "utf-8"))
    for stream in (ascii_alone, utf8):
        monkeypatch.setattr("sys.stdout", stream)
        screen.tell("Tür.wav")
        screen.output.print(Table("Geräusch"))
    assert ascii_alone.buffer.getvalue().startswith(rb"T\xfcr.wav")
    assert rb"Ger\xe4usch" in ascii_alone.buffer.getvalue()
    assert utf8.buffer.getvalue().startswith("Tür.wav".encode())


class Gone(io.StringIO):
    """A terminal that was closed."""

    def write(self, text=""):
        raise OSError(5, "Input/output error")

    flush = write


def test_work_goes_on_without_its_screen_but_not_without_its_results(monkeypatch):
    monkeypatch.setattr(screen, "output", screen._Screen())  # it would say to the next test what it could not say here
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(f"sys.{name}", Gone())
    screen.say("a message")
    with screen.track("work", total=1) as line:
        line.advance()
    with pytest.raises(OSError, match="Input/output"):
        screen.tell("a result")


def test_a_name_with_line_ends_stays_on_one_line():
    assert screen.one_line("a\nb\r\x1b[2J\u2028Tür \\n.wav") == r"a\nb\r\x1b[2J\u2028Tür \n.wav"


def test_what_another_process_says_is_shown_as_if_it_were_said_here(capsys):
    sent = []
    with screen.elsewhere(sent.append), screen.track("train", total=4) as line:
        screen.say("it learns")
        line.advance(3)
        line.note("loss 0.5")
    assert capsys.readouterr().err == ""
    with screen.Shown() as shown:
        for event in sent[:-1]:  # it is killed before it has closed its line
            shown(event)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "it learns"
    assert said[1].startswith("train: 3/4 clips")
    assert said[1].endswith("loss 0.5")
    with screen.progress() as first, screen.track("after it", total=1):
        assert len(first.tasks) == 1, "the line was left open"


@pytest.mark.parametrize(("count", "said"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (12345, "12,345 files")])
def test_a_number_and_its_noun_agree(count, said):
    assert screen.counted(count, "file") == said
