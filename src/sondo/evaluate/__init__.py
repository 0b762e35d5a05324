"""How much a student keeps: downstream tasks, a linear probe on frozen embeddings, scores with 95 % intervals.

The same probe is used for teacher and student; their quotient is the retention. What lives here: `tasks` (a file for
each), `probe` and its solver `logistic`, `knn`, `metrics`, `splits` and `intervals`; `score` puts them together for one
model and task, `suite` for several of both; `copies` finds sounds whose answers were learned; `cache` and
`scored` keep what was done. May import: `sondo.audio`, `sondo.claim`, `sondo.csv_rows`, `sondo.errors`,
`sondo.in_threads`, `sondo.loading`, `sondo.recipe`, `sondo.scratch`, `sondo.screen`; `sondo.teachers` inside functions.
scipy (extra ``train``) is imported when a probe is fitted, torch when a teacher embeds: importing this package needs
neither.
"""

from __future__ import annotations

from sondo.evaluate.copies import TRAINED_ON, told_alike, told_copies, told_trained_on
from sondo.evaluate.embed import embed_task, teacher_embedder
from sondo.evaluate.intervals import Interval
from sondo.evaluate.probe import LinearProbe, fit_probe
from sondo.evaluate.score import ProbeResult, TaskComparison, compare, compare_results, evaluate_vectors
from sondo.evaluate.task import Task, TaskInfo
from sondo.evaluate.tasks import available, load_task

__all__ = [
    "TRAINED_ON",
    "Interval",
    "LinearProbe",
    "ProbeResult",
    "Task",
    "TaskComparison",
    "TaskInfo",
    "available",
    "compare",
    "compare_results",
    "embed_task",
    "evaluate_vectors",
    "fit_probe",
    "load_task",
    "teacher_embedder",
    "told_alike",
    "told_copies",
    "told_trained_on",
]
