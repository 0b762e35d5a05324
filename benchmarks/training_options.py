"""What each option of training is worth by itself, on spoken digits: losses, geometry, augmentation, labels, heads.

    python benchmarks/training_options.py --data fsdd [--only NAME ...] [--epochs 12] [--seeds 2] [--out runs/options]

`fsdd` is the folder of the Free Spoken Digit Dataset, as `sondo evaluate --task fsdd` reads it. Every option changes
one thing in a small student (width 0.1, the paper's head and read-out) that learns from `modulation` on a part of the
training split; all else, the seeds too, stays. Prints a Markdown table: the mean cosine to the teacher on unheard clips
(in the teacher's own space), and the accuracy of a probe on the student's embeddings of them, each for every seed.
Runs that are finished are not run again.
"""

import argparse
import csv
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sondo.bank import Bank, ingest
from sondo.distill.alignment import alignment
from sondo.distill.cluster import cluster
from sondo.distill.online import OnlineTeacher
from sondo.distill.teach import teach
from sondo.distill.train import train
from sondo.recipe import AugmentConfig, StudentConfig, TrainConfig
from sondo.students import load, load_projector
from sondo.teachers import create

TRAIN_EVERY, TEST_EVERY, CLUSTERS = 6, 1, 30
SOUND = AugmentConfig(gain_db=6, roll=True, mixup_alpha=0.3)
OPTIONS: dict[str, tuple[dict[str, object], AugmentConfig, bool]] = {
    "cosine alone": ({}, AugmentConfig(), False),
    "geometry centre": ({"geometry": "centre"}, AugmentConfig(), False),
    "geometry phi_s": ({"geometry": "phi_s"}, AugmentConfig(), False),
    "+ 0.5 pairwise_similarity": ({"loss": "cosine + 0.5 * pairwise_similarity"}, AugmentConfig(), False),
    "+ 0.1 queue_kl": ({"loss": "cosine + 0.1 * queue_kl(size=1024)"}, AugmentConfig(), False),
    "+ 0.05 spread_out": ({"loss": "cosine + 0.05 * spread_out"}, AugmentConfig(), False),
    "+ 0.1 clap": ({"loss": "cosine + 0.1 * clap"}, AugmentConfig(), False),
    "matryoshka 24, 96": ({"matryoshka": [24, 96]}, AugmentConfig(), False),
    "linear head": ({"head": "linear"}, AugmentConfig(), False),
    "3 mapping heads": ({"projectors": 3}, AugmentConfig(), False),
    "augmented, teacher offline": ({}, SOUND, False),
    "augmented, teacher online": ({}, SOUND, True),
    "half labels": ({"supervised": 0.5}, AugmentConfig(), False),
    "labels alone": ({"supervised": 1.0}, AugmentConfig(), False),
}


def make_bank(data: Path, out: Path) -> Bank:
    """A part of the data set with its digits as labels."""
    rows, kept = list(csv.DictReader((data / "fsdd.csv").open(encoding="utf-8"))), ["path,split,label"]
    for split, name, every in (("train", "train", TRAIN_EVERY), ("test", "valid", TEST_EVERY)):
        of_split = [row for row in rows if row["split"] == split]
        kept += [f"{data.resolve()}/audio/{row['filename']},{name},{row['digit']}" for row in of_split[::every]]
    out.mkdir(parents=True, exist_ok=True)
    (out / "clips.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    ingest(out / "bank.lance", manifest=out / "clips.csv")
    return Bank(out / "bank.lance")


def score(bank: Bank, folder: Path, column: str) -> tuple[float, float]:
    """Cosine to the teacher and accuracy of a probe, on clips that were not trained on."""
    student, head = load(folder), load_projector(folder)
    closeness = float("nan") if head is None else float(alignment(bank, column, student, head)["cosine"])
    table = bank.read(["split", "labels"]).to_pylist()
    with torch.inference_mode():
        mels = [torch.from_numpy(mel.astype(np.float32))[None] for mel in bank.log_mels(range(len(bank)))]
        vectors = np.concatenate([student.embed_log_mel(mel).numpy() for mel in mels])
    digits, trained = [row["labels"][0] for row in table], np.array([row["split"] == "train" for row in table])
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    probe.fit(vectors[trained], np.array(digits)[trained])
    return closeness, float(probe.score(vectors[~trained], np.array(digits)[~trained]))


def main() -> None:
    """Train every option with every seed and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=list(OPTIONS))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/options"))
    options = parser.parse_args()
    teacher = create("modulation")
    bank = make_bank(options.data, options.out)
    column = teach(bank, teacher)
    clusters = cluster(bank, teacher=column, k=CLUSTERS)
    base = TrainConfig(epochs=options.epochs, batch_size=16, head="mlp", geometry="none", learning_rate=2e-3)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in options.only}
    for seed in range(options.seeds):
        for place, name in enumerate(OPTIONS):
            if name not in found:
                continue
            settings, augmentation, online = OPTIONS[name]
            folder = train(
                bank,
                teachers=[column],
                clusters=clusters,
                student=StudentConfig(width_mult=0.1, readout="last"),
                config=replace(base, seed=seed, **settings),
                augmentation=augmentation,
                online=[OnlineTeacher(teacher)] if online else [],
                out=options.out / f"{place}-{seed}-{options.epochs}",
            )
            found[name].append(score(bank, folder, column))
    print(f"{len(bank)} clips, {options.epochs} epochs, {options.seeds} seeds\n")
    print("| option | cosine to the teacher, held out | digits, % |\n| --- | --- | --- |")
    for name, scores in found.items():
        cosines, accuracies = ([value[part] for value in scores] for part in (0, 1))
        each = " ".join(f"{100 * value:.1f}" for value in accuracies)
        print(
            f"| {name} | {statistics.mean(cosines):.3f} ({' '.join(f'{value:.3f}' for value in cosines)}) "
            f"| {100 * statistics.mean(accuracies):.1f} ({each}) |"
        )


if __name__ == "__main__":
    main()
