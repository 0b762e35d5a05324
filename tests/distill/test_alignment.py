"""The student beside its teacher: clips are heard in batches, and each as if it were alone."""

import numpy as np
import pyarrow as pa
import torch

from sondo.bank import Bank
from sondo.bank.schema import CLIP_SCHEMA, BankInfo
from sondo.distill.alignment import embed_rows


def test_each_clip_is_heard_as_alone_whatever_its_length(student, tmp_path):
    generator = np.random.default_rng(0)
    lengths = [*(40, 60, 40), *[50] * 20, 60]
    mels = [generator.standard_normal((128, frames)).astype(np.float16) for frames in lengths]
    clip = {"offset_s": 0.0, "duration_s": 1.0, "file_bytes": 1, "file_mtime_ns": 1}
    rows = [
        clip | {"clip_id": f"{n}", "uri": f"{n}.wav", "frames": mel.shape[1], "logmel": mel.ravel()}
        for n, mel in enumerate(mels)
    ]
    bank = Bank.create(tmp_path / "b.lance", BankInfo())
    bank.append(pa.Table.from_pylist(rows, schema=CLIP_SCHEMA))
    asked = np.array([0, 1, 2, *range(5, 24)])
    found = embed_rows(bank, asked, student)
    student.eval()
    with torch.inference_mode():
        alone = [student.embed_log_mel(torch.from_numpy(mels[row].astype(np.float32))[None])[0] for row in asked]
    np.testing.assert_allclose(found, np.stack(alone), rtol=1e-4, atol=1e-5)
