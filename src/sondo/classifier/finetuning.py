"""`sondo finetune`: a student and a head trained together on one's own classes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from sondo.bank import Bank, ingest
from sondo.bank.manifest import file_name
from sondo.bank.schema import BankInfo
from sondo.claim import claim_folder, write_json
from sondo.classifier.config import FinetuneConfig
from sondo.classifier.head import Head, probabilities_of
from sondo.classifier.held_out import best_thresholds
from sondo.classifier.module import Finetuning, StopWhenNoBetter, labels_of
from sondo.classifier.onnx_file import some_sound, write_classifier
from sondo.classifier.part_scores import draw_last, score_parts
from sondo.classifier.parts import check_parts, parts_of
from sondo.classifier.readable import MAX_BAD_SHARE, readable_part
from sondo.distill.checkpoint import SafetensorsCheckpointIO
from sondo.distill.data import BankBatches, BankData
from sondo.distill.fit import fit
from sondo.distill.run_folder import alone_in
from sondo.errors import SondoError
from sondo.evaluate import TRAINED_ON, Task, load_task, told_alike
from sondo.export import to_onnx
from sondo.loading import load
from sondo.recipe import AugmentConfig, TrainConfig
from sondo.runtime import OnnxClassifier
from sondo.scratch import replacing
from sondo.screen import progress, say, track
from sondo.students import Student, TorchModel, save


def finetune(
    model: str | Path,
    *,
    data: str | Path,
    out: str | Path,
    config: FinetuneConfig | None = None,
    augmentation: AugmentConfig | None = None,
    num_folds: int = 5,
    allow_code: bool = False,
) -> dict[str, Any]:
    """Train a student and a head on the classes of a folder or a CSV.

    The head is trained alone first, then the whole network at a lower rate, until the loss on the validation part falls
    no more; the weights of its lowest loss are kept. After every epoch the state is on disk, and the same call goes on
    from there. The folder then holds `student/`, `student.onnx`, `classifier.onnx`, `summary.json`, `logs/`, the
    checkpoints and the bank of log-mels.

    Args:
        model: The student to start from: a run, a student's folder, a published checkpoint or its name.
        data: A folder of class folders, or a CSV, as the task `folder` takes it; a split needs no test part here.
        out: Folder of the run.
        config: How to train.
        augmentation: How clips are changed; not at all when left out.
        num_folds: Folds that are made where the data brings none.
        allow_code: As for `sondo.load`.

    Returns:
        The summary, as it stands in `summary.json`. `valid` chose the epoch, so that its score flatters.

    Raises:
        SondoError: An exported file, which cannot be trained; data of which more than 1 file in 20 cannot be read
            (fewer are named on the screen and left out); a folder of another run, or another process in it.
    """
    out, data = Path(out), Path(data)
    config, augmentation = config or FinetuneConfig(), augmentation or AugmentConfig()
    loaded = load(model, allow_code=allow_code)
    if not isinstance(loaded, TorchModel):
        raise SondoError(f"{model} is an exported file, which cannot be trained: give the run or the student's folder")
    task = load_task("folder", data, title=data.resolve().stem, num_folds=num_folds, needs_test=False)
    parts = parts_of(task, config, data)
    settings = {
        "student": loaded.space_id,
        "data": str(data.resolve()),
        "num_clips": len(task),
        "files_and_labels": task.fingerprint,
        "num_folds": num_folds,
        "bank": {"path": "bank.lance"},  # from the run's folder: it moves with it
        "finetune": asdict(config),
        "augment": asdict(augmentation),
    }
    with alone_in(out):  # before the claim: one with other settings would note them in a run that has just begun
        claim_folder(out, settings, note="train.json")
        summary_file = out / "summary.json"
        if summary_file.exists():
            say(f"{out} is finished; this is its summary")
            finished: dict[str, Any] = json.loads(summary_file.read_text(encoding="utf-8"))
            return finished
        with progress():
            summary = _Run(loaded.student, task, parts, config, augmentation, out).run(data)
        write_json(summary_file, summary)
        return summary


class _Run:
    """The stages of one fine-tuning, in order."""

    def __init__(
        self,
        student: Student,
        task: Task,
        parts: tuple[str, ...],
        config: FinetuneConfig,
        augmentation: AugmentConfig,
        out: Path,
    ) -> None:
        self.student, self.task, self.parts = student, task, parts
        self.config, self.augmentation, self.out = config, augmentation, out
        self.start = student.space_id

    def run(self, data_path: Path) -> dict[str, Any]:
        """Ingest, train, export, score."""
        bank = self._bank(data_path)
        config = self.config
        lightning.seed_everything(config.seed, verbose=False)
        model = self.student.with_head(self.task.classes, hidden_dim=config.hidden_dim)
        data = self._data(bank)
        module = Finetuning(
            model,
            config=config,
            augmentation=self.augmentation,
            multi_label=self.task.multi_label,
            steps_per_epoch=data.steps_per_epoch,
        )
        trained = self.out / "student"
        if not (trained / "config.json").exists():
            self._train(module, data)
        epoch = self._load_best(module)
        if epoch <= config.head_epochs and config.epochs:
            say(
                f"the lowest loss is of epoch {epoch}, when the head was trained alone: the network is as it was before"
            )
        head = self._head(module, data)
        if not (trained / "config.json").exists():
            about = {"from": self.start, "data": self.task.name, "clips": len(self.task), **asdict(config)}
            save(self.student, trained, info={"finetuning": about})
        compared = self._export(head, epoch)
        return self._summary(epoch, compared)

    def _bank(self, data_path: Path) -> Bank:
        """The log-mels of all clips, made once, with their labels and parts; what cannot be read leaves the task."""
        manifest = self.out / TRAINED_ON
        table = {
            "path": [str(path.absolute()) for path in self.task.paths],
            "labels": [list(labels) for labels in self.task.label_sets],
            "split": list(self.parts),
        }
        with replacing(manifest) as scratch:
            pyarrow.parquet.write_table(pa.table(table), scratch)
        bank = self.out / "bank.lance"
        info = BankInfo(front_end=self.student.front_end.config)
        bad = ingest(bank, manifest=manifest, max_bad_share=MAX_BAD_SHARE, info=info).rejected
        if bad:
            readable = [clip for clip, path in enumerate(self.task.paths) if file_name(path) not in bad]
            self.task = readable_part(self.task, readable, data_path)
            self.parts = tuple(self.parts[clip] for clip in readable)
            check_parts(self.task, self.parts, data_path)
        heard = Bank(bank)
        self.task = told_alike(self.task, _keys(heard, self.task), [part == "train" for part in self.parts])
        return heard

    def _data(self, bank: Bank) -> BankData:
        """Every clip that is trained on once in an epoch; those that are watched by their length."""
        splits, frames, files = bank.read(["split", "frames", "uri"]).columns
        part = np.array(splits.to_pylist())
        _tell_longest([file for file, of in zip(files.to_pylist(), part, strict=True) if of == "train"])
        weights = np.where(part == "train", 1.0, 0.0)
        valid = np.flatnonzero(part == "valid")
        return BankData(
            BankBatches(bank.path, [], classes=self.task.classes),
            weights=weights / weights.sum(),
            valid_rows=valid[np.argsort(frames.to_numpy()[valid], kind="stable")],
            config=self._train_config(),
        )

    def _train_config(self) -> TrainConfig:
        config = self.config
        return TrainConfig(
            epochs=config.head_epochs + config.epochs,
            batch_size=config.batch_size,
            sampling="uniform",
            replacement=False,
            seed=config.seed,
        )

    def _train(self, module: Finetuning, data: BankData) -> None:
        config = self.config
        if not (self.out / "checkpoints" / "last.ckpt").exists():
            self._standardise(module, data)
        best = ModelCheckpoint(
            self.out / "checkpoints",
            filename="best",
            monitor="valid_loss",
            save_weights_only=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        stop = StopWhenNoBetter(head_epochs=config.head_epochs, patience=config.patience)
        settings = self._train_config()
        fit(module, data, settings, self.out, callbacks=[stop, best])
        if early := stop.said(epochs=settings.epochs):
            say(f"train: {early}")
        module.cpu()

    def _standardise(self, module: Finetuning, data: BankData) -> None:
        """The head sees embeddings of mean 0 and deviation 1, so that its rate fits every student."""
        student, batches = module.model.student.eval(), data.fresh_batches(0)
        vectors = []
        with torch.no_grad(), track("listen", total=len(batches), unit="batches") as line:
            for batch in batches:
                vectors.append(student.embed_log_mel(batch.log_mel))
                line.advance()
        module.model.head.standardise_by(torch.cat(vectors))

    def _load_best(self, module: Finetuning) -> int:
        """Take the weights of the lowest loss; the epoch that they are of, from 1."""
        state = SafetensorsCheckpointIO().load_checkpoint(self.out / "checkpoints" / "best.ckpt")
        module.load_state_dict(state["state_dict"])
        module.eval()
        return int(state["epoch"]) + 1

    def _head(self, module: Finetuning, data: BankData) -> Head:
        """The head as arrays, with thresholds from the validation part."""
        head = head_of(module, self.task)
        if not self.task.multi_label:
            return head
        logits, labels = [], []
        with torch.no_grad():
            for batch in data.valid_batches():
                logits.append(module.model.classify_log_mel(batch.log_mel))
                labels.append(labels_of(batch))
        probabilities = probabilities_of(torch.cat(logits).double().numpy(), multi_label=True)
        return head.with_thresholds(best_thresholds(probabilities, torch.cat(labels).long().numpy()).tolist())

    def _export(self, head: Head, epoch: int) -> dict[str, Any]:
        exported, student = self.out / "student.onnx", TorchModel(self.student)
        clips = some_sound(self.task.paths, sample_rate=student.sample_rate)
        if not exported.exists():
            to_onnx(self.student, exported, clips=clips[:2])
        note = {"head": head.kind, "data": self.task.name, "clips": len(self.task), "finetuned_epochs": epoch}
        return write_classifier(
            exported,
            head,
            self.out / "classifier.onnx",
            note=note,
            embed=lambda audio: student.embed(audio, sample_rate=student.sample_rate),
            clips=clips,
        )

    def _summary(self, epoch: int, compared: dict[str, Any]) -> dict[str, Any]:
        path = self.out / "classifier.onnx"
        classifier = OnnxClassifier(path)
        scores = score_parts(self.task, self.parts, classifier)
        picture = draw_last(self.task, scores, self.out / "classifier.confusion.png")
        file = {"path": str(path), "bytes": path.stat().st_size, "compared": compared, **picture}
        return {
            "student": {
                "name": classifier.name,
                "params": self.student.num_params,
                "embedding_dim": classifier.embedding_dim,
                "space_id": classifier.space_id,
                "from": self.start,
                "licence": classifier.licence,
            },
            "classes": list(classifier.classes),
            "multi_label": classifier.multi_label,
            "clips": {part: self.parts.count(part) for part in ("train", "valid", "test")},
            "epoch": epoch,
            "metric": self.task.metric,
            **scores,
            "note": self.task.note,
            "classifier": file,
        }


def _keys(bank: Bank, task: Task) -> list[bytes]:
    """For each file a digest of its log-mels, which copies have in common."""
    digests: dict[str, Any] = {}
    with track("look for copies", total=len(bank)) as line:
        for rows in bank.scan(["uri", "logmel"]):
            for file, log_mel in zip(rows["uri"].to_pylist(), rows["logmel"], strict=True):
                digests.setdefault(file, hashlib.blake2b()).update(log_mel.values.to_numpy())
                line.advance()
    return [digests[file_name(path)].digest() for path in task.paths]


def _tell_longest(files: Sequence[str]) -> None:
    """Say where most of what is trained on is one file, whose windows weigh as much as other files.

    Args:
        files: The file of each window that is trained on.
    """
    (file, windows), *others = Counter(files).most_common()
    if others and windows > len(files) / 2:
        say(
            f"{windows} of {len(files)} windows that are trained on are of one file, {file}, which outweighs the "
            "others: keep a part of it, as long as they are"
        )


def head_of(module: Finetuning, task: Task) -> Head:
    """A trained head as arrays."""
    head = module.model.head
    layers: list[Any] = list(head.layers)
    return Head(
        mean=head.mean.double().numpy(),
        scale=head.scale.double().numpy(),
        layers=tuple(
            (layer.weight.detach().double().numpy().T, layer.bias.detach().double().numpy()) for layer in layers
        ),
        classes=task.classes,
        multi_label=task.multi_label,
    )
