"""Students where other people's benchmarks look for models: MTEB (`mteb`), X-ARES (`xares`), checks of the HEAR API.

The HEAR API itself is `sondo.hear`, because a benchmark imports it by that name.

May import: `sondo.loading`, `sondo.runtime`, `sondo.audio`, `sondo.errors`, `sondo.screen`, numpy, torch; mteb
through `require`.
"""
