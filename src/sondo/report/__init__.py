"""What a run looks like to a person: the tables that commands end with, and the page of `sondo report` (`page`).

May import: `sondo.screen`, `sondo.claim` (to write JSON), rich, and for types alone what the tables are of; `page` has
its own list. It reads the same figures that `summary.json` holds, so the two cannot differ.
"""

from sondo.report.suite import beside_paper, show_suite, write_suite
from sondo.report.tables import show_infos, show_next_steps, show_summary, show_task

__all__ = [
    "beside_paper",
    "show_infos",
    "show_next_steps",
    "show_suite",
    "show_summary",
    "show_task",
    "write_suite",
]
