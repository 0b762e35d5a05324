"""Search: sound that sounds alike, found in a Lance table of vectors.

    sondo.search.build("clips/", "clips-index.lance", model="student.onnx")
    sondo.search.query("clips-index.lance", "dog.wav", k=5)

What lives here: the table and its nearest neighbours (`index`), what it says about itself (`info`), filling it from
sound (`build`) or from a bank's column (`from_bank`), following sound that was moved (`moved`), who may ask it (`ask`),
and a student's vectors in its teacher's space (`teacher_space`).

May import: `sondo.audio`, `sondo.bank`, `sondo.runtime`, `sondo.loading`, `sondo.errors`, `sondo.in_threads`,
`sondo.screen`, `sondo.scratch`, `sondo.weights`, lance, pyarrow, numpy; `sondo.students`, `sondo.teachers` and
`sondo.evaluate` inside functions only, because they need torch.
"""

from __future__ import annotations

from sondo.errors import require

require("lance", extra="search", why="A vector index needs lance")

from sondo.search.ask import query  # noqa: E402
from sondo.search.build import BuildReport, build  # noqa: E402
from sondo.search.index import Hit, Index  # noqa: E402
from sondo.search.info import IndexInfo  # noqa: E402

__all__ = ["BuildReport", "Hit", "Index", "IndexInfo", "build", "query"]
