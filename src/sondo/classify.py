"""`sondo classify`: files through a classifier, a line for each sound or for each of its windows.

May import: `sondo.audio`, `sondo.in_threads`, `sondo.runtime`, `sondo.loading`, `sondo.weights`; never torch.
"""

from __future__ import annotations

from pathlib import Path

from sondo.audio.folders import sounds_of
from sondo.errors import SondoError
from sondo.in_threads import in_order
from sondo.loading import load
from sondo.runtime import OnnxClassifier, Prediction
from sondo.screen import one_line, say, tell
from sondo.weights.layout import CLASSIFIER

_TOP = 3


def classify_files(
    model: str | Path, files: list[Path], *, top: int | None = None, segments: bool = False, threads: int | None = None
) -> int:
    """Tell what is heard in files, as soon as each is done.

    A line is for a whole sound, of any length: the head is asked about the average embedding of its windows. With one
    label per sound it shows the most probable classes, with several all that reach their thresholds; or as many of
    several as `top` says, with a `*` at those that reach their thresholds.

    Args:
        model: A classifier's `.onnx` file, or `hf://owner/repository/file.onnx`; or the run of `sondo finetune`.
        files: Sound files, or folders of them.
        top: Classes to show; left out, 3 where one is the answer, and with several those that reach their thresholds.
        segments: A line for each window of 10 s instead.
        threads: Threads of onnxruntime.

    Returns:
        How many files were classified to their ends.

    Raises:
        SondoError: No classifier, a file that is not there, no sound, or no file that could be read. A single bad file
            among others is named on the screen and left out.
    """
    of_run = Path(model) / CLASSIFIER
    classifier = load(of_run if of_run.is_file() else model, threads=threads)
    if not isinstance(classifier, OnnxClassifier):
        raise SondoError(
            f"{model} is a student without a head: make a classifier of it first, with "
            f"`sondo probe {model} --data YOUR_CLASS_FOLDERS --out classifier.onnx`; of a fine-tuned one on the hub, "
            f"name hf://owner/name/{CLASSIFIER}"
        )
    sounds = sounds_of(files)
    bad: list[str] = []
    with in_order(classifier.classify, [] if segments else sounds, at_once=classifier.at_once) as whole:
        for sound in sounds:
            heard = ""
            try:
                if segments:
                    for part in classifier.each_segment(sound):
                        line = _line(part.predictions, top=top, multi_label=classifier.multi_label)
                        tell(one_line(f"{sound} {part.start_s:.1f} to {part.end_s:.1f} s: {line}"))
                        heard = f" from {part.end_s:.1f} s on"
                else:
                    line = _line(next(whole).result(), top=top, multi_label=classifier.multi_label)
                    tell(one_line(f"{sound}: {line}"))
            except SondoError as error:
                bad.append(str(error))
                say(f"left out{heard}: {error}")
    if len(bad) == len(sounds):
        raise SondoError(f"none of {len(sounds)} files could be classified to its end: {bad[0]}")
    return len(sounds) - len(bad)


def _line(predictions: list[Prediction], *, top: int | None, multi_label: bool) -> str:
    if not multi_label:
        return ", ".join(map(_item, predictions[: _TOP if top is None else top]))
    if top is not None:
        return ", ".join(f"{_item(item)}{'*' if item.is_chosen else ''}" for item in predictions[:top])
    shown = [item for item in predictions if item.is_chosen]
    if not shown:
        return f"no class reaches its threshold (highest: {_item(predictions[0])})"
    return ", ".join(map(_item, shown))


def _item(prediction: Prediction) -> str:
    return f"{prediction.label} {prediction.probability:.3f}"
