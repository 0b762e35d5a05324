"""`sondo report`: a run as one HTML page that needs nothing beside it, neither a network nor scripts.

What lives here: what a run's folder says of itself (`notes`), the student beside its teacher on clips of the bank
(`closeness`), the pictures (`pictures`) and the page (`write`, `page.html.j2`). May import: `sondo.bank`,
`sondo.distill`, `sondo.students`, `sondo.bench`; jinja2 and matplotlib, of the extra `report`, inside functions.
"""

from sondo.report.page.write import write_report

__all__ = ["write_report"]
