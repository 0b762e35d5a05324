"""Classes from words, with stand-ins for the words: does the mapping head lead where the teacher's vectors are?

No CLAP weights are needed: in place of the vector of a class's name stands the mean of the teacher's vectors of that
class, of length 1 each, from the folds that are not asked about. Clips are then told by the cosine of the teacher's own
vector to these, and of the student's mapped one, as `sondo probe --head words` does it.

python benchmarks/words.py RUN esc10.csv      # a run on ESC-10's sound; the table names folds and categories
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sondo.bank import Bank
from sondo.distill.alignment import embed_rows
from sondo.distill.cluster import bank_vectors
from sondo.evaluate.intervals import fold_interval
from sondo.students import load, load_projector


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def main() -> None:
    """Print both accuracies with their intervals over the folds, and what the student keeps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("table", type=Path)
    given = parser.parse_args()
    with given.table.open(encoding="utf-8", newline="") as file:
        about = {row["filename"]: row for row in csv.DictReader(file)}
    bank = Bank(given.run / "bank.lance")
    rows = np.arange(len(bank))
    clips = [about[Path(uri).name] for uri in bank.read(["uri"]).column(0).to_pylist()]
    labels, folds = np.array([clip["category"] for clip in clips]), np.array([int(clip["fold"]) for clip in clips])
    classes = np.unique(labels)
    projector = load_projector(given.run / "student")
    assert projector is not None, "a student that was taught has a mapping head"
    embeddings = embed_rows(bank, rows, load(given.run / "student"))
    with torch.inference_mode():
        mapped = projector(torch.from_numpy(embeddings)).numpy()
    vectors = {"teacher": unit(bank_vectors(bank, bank.columns("teacher")[0], rows)), "student": unit(mapped)}
    scores: dict[str, list[float]] = {name: [] for name in vectors}
    for fold in np.unique(folds):
        known, asked = folds != fold, folds == fold
        words = unit(np.stack([vectors["teacher"][known & (labels == name)].mean(axis=0) for name in classes]))
        for name, found in vectors.items():
            told = classes[(found[asked] @ words.T).argmax(axis=1)]
            scores[name].append(float((told == labels[asked]).mean()))
    for name, values in scores.items():
        low, high = (100 * limit for limit in fold_interval(values))
        print(f"{name}: {100 * np.mean(values):.1f} ({low:.1f} to {high:.1f})")
    print(f"kept {100 * np.mean(scores['student']) / np.mean(scores['teacher']):.1f} %")


if __name__ == "__main__":
    main()
