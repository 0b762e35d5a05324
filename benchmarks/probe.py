"""Seconds of the linear probe on made-up vectors of a size of your choice, and how far it is from scikit-learn.

    python benchmarks/probe.py                                    # 5,000 x 960 x 50
    python benchmarks/probe.py --clips 50000 --dim 3840 --classes 200

The whole probe is timed: standardisation, six values of C, choice on a validation part, fit. With --against, one value
of C is also fitted by scikit-learn (one class after the other), which takes long at full size.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from sondo.evaluate.probe import GRID, fit_probe


def made_up(num_clips: int, dim: int, num_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated vectors with spectrum 1/k, and about two labels for each clip that depend on them; rare classes too.

    Returns:
        (clips, dim) float32 and (clips, classes) of 0 and 1.
    """
    rng = np.random.default_rng(seed)
    scale = (1 / np.sqrt(1 + np.arange(dim))).astype(np.float32)
    mixing = rng.standard_normal((dim, dim), dtype=np.float32) / np.sqrt(dim)
    vectors = np.empty((num_clips, dim), dtype=np.float32)
    logits = np.empty((num_clips, num_classes), dtype=np.float32)
    weight = rng.standard_normal((dim, num_classes), dtype=np.float32)
    for first in range(0, num_clips, 4096):
        block = slice(first, min(first + 4096, num_clips))
        hidden = rng.standard_normal((block.stop - first, dim), dtype=np.float32) * scale
        vectors[block] = hidden @ mixing
        logits[block] = hidden @ weight
    logits += rng.logistic(size=logits.shape).astype(np.float32) * logits.std()
    share = np.geomspace(0.1, 20 / num_clips, num_classes)
    threshold = np.array([np.quantile(logits[:, k], 1 - share[k]) for k in range(num_classes)])
    return vectors, (logits > threshold).astype(np.int64)


def main() -> None:
    """Time it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--dim", type=int, default=960)
    parser.add_argument("--classes", type=int, default=50)
    parser.add_argument("--against", type=float, help="compare with scikit-learn at this C")
    given = parser.parse_args()
    vectors, targets = made_up(given.clips, given.dim, given.classes)
    order = np.random.default_rng(1).permutation(given.clips)
    train, valid = np.sort(order[given.clips // 10 :]), np.sort(order[: given.clips // 10])
    start, start_cpu = time.perf_counter(), time.process_time()
    probe = fit_probe(
        vectors, targets, train=train, inner=[(train, valid)], num_classes=given.classes, metric="map", grid=GRID
    )
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{given.clips:,} clips x {given.dim:,} values x {given.classes} classes: {seconds:.1f} s,")
    print(f"{cpu:.1f} s of CPU time (what counts on a busy machine), for up to {len(GRID)} values of C;")
    print(f"chosen {probe.inverse_regularisation:g}; peak memory of the process {memory:.1f} GiB")
    if given.against:
        compare(vectors, targets, train, valid, given.against)


def compare(vectors: np.ndarray, targets: np.ndarray, train: np.ndarray, valid: np.ndarray, value: float) -> None:
    """Largest difference in probability from scikit-learn's solution on the validation part."""
    from scipy.special import expit
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    start = time.perf_counter()
    ours = fit_probe(
        vectors, targets, train=train, inner=(), num_classes=targets.shape[1], metric="map", grid=(value,)
    ).decision(vectors[valid])
    middle = time.perf_counter()
    scaler = StandardScaler().fit(vectors[train].astype(np.float64))
    fitted, asked = scaler.transform(vectors[train]), scaler.transform(vectors[valid])
    theirs = np.stack(
        [
            LogisticRegression(C=value, tol=1e-6, max_iter=2000).fit(fitted, labels).decision_function(asked)
            for labels in targets[train].T
        ],
        axis=1,
    )
    end = time.perf_counter()
    print(f"C {value:g}: ours {middle - start:.1f} s, scikit-learn {end - middle:.1f} s;", end=" ")
    print(f"largest difference in probability {np.abs(expit(ours) - expit(theirs)).max():.1e}")


if __name__ == "__main__":
    main()
