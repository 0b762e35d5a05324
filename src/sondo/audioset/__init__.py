"""AudioSet from its official files: manifests with all labels of a clip, and its sound from YouTube.

What lives here: the official files (`segments`: which part of which video, with what labels; `labels`: what the ids
mean; `lists`: where Google publishes both), manifests of them for `sondo ingest` (`manifest`), and the download of the
sound (`download`; `fetcher`: yt-dlp behind a small protocol; `gone`: the table of what YouTube no longer has).
A copy in Parquet, such as agkphysics/AudioSet of the Hugging Face hub, needs none of it: `sondo.bank.shards` reads it.

May import: `sondo.audio`, `sondo.weights`, `sondo.errors`, `sondo.scratch`, `sondo.screen`; yt-dlp and pyarrow
inside functions. Never torch.

Source: Gemmeke et al., "Audio Set: An ontology and human-labeled dataset for audio events", ICASSP 2017; its lists are
CC BY 4.0, its ontology CC BY-SA 4.0, and its sound belongs to those who uploaded it.
"""

from sondo.audioset.download import DownloadReport, download
from sondo.audioset.labels import Label, read_labels
from sondo.audioset.manifest import ManifestReport, make_manifest
from sondo.audioset.segments import SUBSETS, Segment, read_segments

__all__ = [
    "SUBSETS",
    "DownloadReport",
    "Label",
    "ManifestReport",
    "Segment",
    "download",
    "make_manifest",
    "read_labels",
    "read_segments",
]
