"""The paper's tables again, and grids of one's own: named variants of one recipe, trained from one bank and compared.

What lives here: `paper` (the published figures, `paper.json`, with the source of each), the grid, its cells, and the
table and picture that they end in. May import: `sondo.recipes`, the stages of `sondo.distill`,
`sondo.bank`, `sondo.students`, `sondo.evaluate`, `sondo.report`, `sondo.claim`, `sondo.errors`, `sondo.scratch`,
`sondo.screen`; `paper` imports nothing heavy, so that others can compare with it.
"""
