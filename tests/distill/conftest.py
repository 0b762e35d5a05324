"""A bank of given vectors, without sound."""

import errno
import os

import numpy as np
import pyarrow as pa
import pytest
from filelock import FileLock

from sondo.bank import Bank
from sondo.bank.schema import CLIP_SCHEMA, BankInfo


@pytest.fixture
def vector_bank(tmp_path):
    """Makes a bank whose column `teacher.given` holds the vectors; labels where they are given."""

    def make(vectors, *, labels=None, name="v.lance"):
        vectors = np.asarray(vectors, dtype=np.float16)
        num_clips, dim = vectors.shape
        bank = Bank.create(tmp_path / name, BankInfo())
        clip = {"offset_s": 0.0, "duration_s": 1.0, "file_bytes": 1, "file_mtime_ns": 1, "frames": 0, "logmel": []}
        rows = [clip | {"clip_id": f"{n}", "uri": f"{n}.wav", "labels": labels and labels[n]} for n in range(num_clips)]
        bank.append(pa.Table.from_pylist(rows, schema=CLIP_SCHEMA))
        kind = pa.list_(pa.float16(), dim)
        values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim)
        bank.add_column("teacher.given", kind, iter([values]), {"stage": "teach", "fingerprint": "v1"})
        return bank

    return make


@pytest.fixture
def blobs():
    """Makes `num_blobs` heaps of vectors far apart, shuffled, with the heap of each."""

    def make(num_blobs, per_blob, *, dim=4, seed=0):
        generator = np.random.default_rng(seed)
        centres = 40 * np.eye(num_blobs, dim) if num_blobs <= dim else generator.uniform(-60, 60, (num_blobs, dim))
        heap = generator.permutation(np.repeat(np.arange(num_blobs), per_blob))
        return (centres[heap] + generator.standard_normal((len(heap), dim))).astype(np.float32), heap

    return make


@pytest.fixture
def read_only(monkeypatch):
    """Makes a bank one on a disk that can only be read, as far as its lock and its permissions go."""

    def make(bank):
        def refuse(*_, **__):
            raise OSError(errno.EROFS, "Read-only file system")

        really = os.access
        inside = os.fspath(bank.path)
        monkeypatch.setattr(
            os,
            "access",
            lambda path, mode: really(path, mode) and not (mode & os.W_OK and f"{path}".startswith(inside)),
        )
        monkeypatch.setattr(FileLock, "acquire", refuse)

    return make
