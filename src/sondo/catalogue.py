"""The students that there are by name, as a list shows them without torch: architectures, published checkpoints and
weights to start from. What makes and reads them is in `sondo.students`.

May import: `sondo.weights`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sondo.weights import RemoteFile, hub_is_here

OWN_FORM = "package.module:function"
TIMM_FORM = "timm:MODEL"
_MIT = "MIT"


@dataclass(frozen=True, kw_only=True)
class StudentInfo:
    """A student as a list shows it, at its default size; None where it depends on the network.

    Args:
        name: What `create` takes.
        params: Number of parameters.
        embedding_dim: Values of an embedding.
        sample_rate: Hz.
        licence: Licence of the architecture; weights have the one that their teacher hands down.
        source: Where it was published.
    """

    name: str
    params: int | None
    embedding_dim: int | None
    sample_rate: int
    licence: str
    source: str


STUDENTS: tuple[StudentInfo, ...] = (
    StudentInfo(
        name="mobilenetv3",
        params=2_971_664,
        embedding_dim=960,
        sample_rate=32000,
        licence=_MIT,
        source="Howard et al. 2019, arXiv 1905.02244; for audio Schmid et al. 2023, arXiv 2211.04772",
    ),
    StudentInfo(
        name="dymn",
        params=8_643_312,
        embedding_dim=960,
        sample_rate=32000,
        licence=_MIT,
        source="Schmid et al. 2023, arXiv 2310.15648",
    ),
    StudentInfo(
        name="eres2net",
        params=1_368_068,
        embedding_dim=1024,
        sample_rate=32000,
        licence=_MIT,
        source="Chen et al. 2023, arXiv 2305.12838; its five-layer form with temporal statistics of S-SONDO",
    ),
)
FORMS = (
    StudentInfo(
        name=TIMM_FORM,
        params=None,
        embedding_dim=None,
        sample_rate=32000,
        licence="Apache-2.0 (timm); see the model",
        source="any image model of timm that takes one channel and any width (pip install timm)",
    ),
    StudentInfo(
        name=OWN_FORM,
        params=None,
        embedding_dim=None,
        sample_rate=32000,
        licence="its own",
        source="your function: an nn.Module from log-mels (batch, 1, mels, frames) to vectors (batch, dim)",
    ),
)


def available() -> list[StudentInfo]:
    """All students, each at its default size; the last two are forms in which others are named."""
    return [*STUDENTS, *FORMS]


_REPOSITORY = "hf://mohammedali2501/ssondo"
WEIGHTS_LICENCE = "MIT (S-SONDO)"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A checkpoint that can be had by name.

    Args:
        name: Short name, as its authors use it.
        file: Its file in the authors' repository.
        student: Its architecture, a name of the registry.
        teacher: Who taught it.
        licence: Licence of the weights, and what the teacher hands down.
        params: Number of parameters of the student.
        embedding_dim: Values of an embedding.
        sample_rate: Hz.
    """

    name: str
    file: str
    student: str
    teacher: str
    licence: str
    params: int
    embedding_dim: int
    sample_rate: int

    @property
    def reference(self) -> str:
        """Where the file is on the hub."""
        return f"{_REPOSITORY}/{self.file}"

    @property
    def weights(self) -> str:
        """Whether the file has been downloaded."""
        return "here" if hub_is_here(self.reference) else f"not here yet; first use downloads {self.reference}"


_TEACHERS = {
    "matpac": ("MATPAC++", f"{WEIGHTS_LICENCE}; of its teacher MATPAC++: unknown, none is stated"),
    "m2d": ("M2D", f"{WEIGHTS_LICENCE}; of its teacher M2D: NTT, evaluation only, no commercial use"),
}
PUBLISHED = {
    f"{short}-{info.name}": Published(
        name=f"{short}-{info.name}",
        file=f"{short}_{info.name}.ckpt",
        student=info.name,
        teacher=teacher,
        licence=licence,
        params=info.params or 0,
        embedding_dim=info.embedding_dim or 0,
        sample_rate=info.sample_rate,
    )
    for short, (teacher, licence) in _TEACHERS.items()
    for info in STUDENTS
}

PREFIX = "efficientat/"
"""What stands before a name of `WEIGHTS`."""

LICENCE = "MIT"
_RELEASE = "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/"

# name -> file; mnNN and dymnNN have NN / 10 of the paper's width
_FILES = {
    **{f"mn{width}_im": f"mn{width}_im.pt" for width in ("01", "02", "04", "05", "10", "20", "30", "40")},
    "mn01_as": "mn01_as_mAP_298.pt",
    "mn02_as": "mn02_as_mAP_378.pt",
    "mn04_as": "mn04_as_mAP_432.pt",
    "mn05_as": "mn05_as_mAP_443.pt",
    "mn10_as": "mn10_as_mAP_471.pt",
    "mn20_as": "mn20_as_mAP_478.pt",
    "mn30_as": "mn30_as_mAP_482.pt",
    "mn40_as": "mn40_as_mAP_484.pt",
    **{f"dymn{width}_im": f"dymn{width}_im.pt" for width in ("04", "10", "20")},
    "dymn04_as": "dymn04_as.pt",
    "dymn10_as": "dymn10_as.pt",
    "dymn20_as": "dymn20_as_mAP_493.pt",
}
WEIGHTS = {
    name: RemoteFile(
        url=f"{_RELEASE}{file}", file_name=file, licence=LICENCE, source="EfficientAT (Schmid et al. 2023), v0.0.1"
    )
    for name, file in _FILES.items()
}
"""Weights of EfficientAT to start from; see `sondo.students.efficientat`."""
