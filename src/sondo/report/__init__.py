"""What a run looks like to a person: the tables that commands end with.

May import: `sondo.screen`, rich. It reads the same figures that `summary.json` holds, so the two cannot differ.
"""

from sondo.report.tables import show_infos, show_next_steps, show_summary, show_task

__all__ = ["show_infos", "show_next_steps", "show_summary", "show_task"]
