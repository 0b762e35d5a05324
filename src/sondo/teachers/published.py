"""The teachers' files that their authors published: addresses, licences, and nothing that needs torch."""

from __future__ import annotations

from sondo.weights import RemoteFile

_M2D_FOLDER = "m2d_vit_base-80x608p16x16-221006-mr7_enconly"

MATPAC = RemoteFile(
    url="https://github.com/aurianworld/matpac/releases/download/MATPAC%2B%2B/matpac_plus_6s_2048_enconly.pt",
    file_name="matpac_plus_6s_2048_enconly.pt",
    licence="unknown (github.com/aurianworld/matpac states none)",
    source="MATPAC++, Quelennec et al. 2025, arXiv 2508.12709 (github.com/aurianworld/matpac)",
)
"""The teacher of the S-SONDO paper: MATPAC++, self-supervised on AudioSet.

No licence file, and none in its READMEs, at b0e2dc7; three files of the training code carry fairseq's MIT header.
"""

M2D = RemoteFile(
    url=f"https://github.com/nttcslab/m2d/releases/download/v0.1.0/{_M2D_FOLDER}.zip",
    file_name=f"{_M2D_FOLDER}.zip",
    licence="NTT evaluation only, non-commercial (LICENSE.pdf of nttcslab/m2d)",
    source="M2D, Niizumi et al. 2023, arXiv 2210.14648 (github.com/nttcslab/m2d)",
)
"""The teacher of the S-SONDO paper: M2D/0.7, an archive with checkpoint-300.pth.

Its licence allows evaluating the software oneself, not for profit, and no copies for others.
"""
