"""`sondo report`: a run or a classifier as one HTML page that needs nothing beside it, neither a network nor scripts.

What lives here: what a run's folder says of itself (`notes`), the student beside its teacher on clips of the bank
(`closeness`), the pictures (`pictures`), what the two kinds of page show (`run`, `classifier`), their templates, and
what puts them together (`write`). May import: `sondo.audio`, `sondo.bank`, `sondo.distill`, `sondo.evaluate`,
`sondo.students`, `sondo.runtime`, `sondo.claim`, `sondo.scratch`; `sondo.bench` and, of the extra `report`, jinja2 and
matplotlib inside functions.
"""

from sondo.report.page.write import write_report

__all__ = ["write_report"]
