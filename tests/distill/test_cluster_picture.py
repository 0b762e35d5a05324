"""Pictures of clusters and the report around them."""

import json
import struct

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from sondo.cli import main
from sondo.distill import cluster_picture, cluster_report
from sondo.distill.cluster_picture import draw_clusters, project
from sondo.errors import MissingExtraError

pytest.importorskip("matplotlib")


def pixels(path):
    """The picture as (rows, columns, 3) in [0, 1]."""
    from matplotlib.image import imread

    return imread(path)[..., :3]


@pytest.mark.parametrize("how", [pytest.param("tsne", marks=pytest.mark.slow), "pca"])
def test_what_is_apart_stays_apart_in_the_plane(blobs, how):
    vectors, heap = blobs(3, 40, dim=60)
    points = project(vectors, how, seed=0)
    assert points.shape == (120, 2)
    assert silhouette_score(points, heap) > 0.7
    assert np.array_equal(points, project(vectors, how, seed=0))


@pytest.mark.parametrize("vectors", [np.eye(2, 5), np.arange(4.0)[:, None], np.eye(4, 3)])
def test_a_few_clips_can_be_laid_out(vectors):
    assert project(vectors.astype(np.float32), "tsne").shape == (len(vectors), 2)


def test_umap_is_an_extra(monkeypatch, blobs):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"sondo\[umap\]"):
        project(blobs(3, 10)[0], "umap")


@pytest.mark.parametrize("num_clips", [30, pytest.param(3000, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_nothing_is_cut_off_by_many_clusters_and_long_labels(tmp_path, num_clips):
    generator = np.random.default_rng(0)
    points = generator.standard_normal((num_clips, 2)).astype(np.float32)
    labels = [None if n % 9 == 0 else f"a long name of a kind of sound, number {n % 40}" for n in range(num_clips)]
    draw_clusters(points, np.arange(num_clips) % 90, labels, tmp_path / "p.png", title="t")
    picture = pixels(tmp_path / "p.png")
    border = np.concatenate(
        [picture[:2].ravel(), picture[-2:].ravel(), picture[:, :2].ravel(), picture[:, -2:].ravel()]
    )
    assert (border == 1).all()
    assert (picture < 0.9).any()


def test_groups_differ_in_colour_or_shape():
    colours, shapes = cluster_picture.COLOURS, cluster_picture.SHAPES
    looks = {(colours[n % len(colours)], shapes[n % len(shapes)]) for n in range(cluster_picture.MAX_NUMBERED)}
    assert len(looks) == cluster_picture.MAX_NUMBERED == 70


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.slow
def test_the_verb_reports_figures_and_pictures(vector_bank, blobs, tmp_path, capsys, monkeypatch, labelled):
    monkeypatch.setattr(cluster_report, "PICTURE_CLIPS", 100)
    vectors, heap = blobs(4, 40)
    bank = vector_bank(vectors, labels=[[f"heap {number}"] for number in heap] if labelled else None)
    folder = tmp_path / "report"
    call = ["cluster", "--bank", str(bank.path), "--teacher.name", "precomputed", "--teacher.label", "given"]
    main([*call, "--k", "3", "4", "--hierarchy", "8", "4", "--report", str(folder), "--projection", "pca"])
    names = {"cluster.given.json", "cluster.given.3.png", "cluster.given.4.png", "cluster.given.8-4.png"}
    assert {file.name for file in folder.iterdir()} == names
    report = json.loads((folder / "cluster.given.json").read_text())
    figures = [(each["column"], each["level"], each["k"]) for each in report["clusterings"]]
    assert figures == [
        ("cluster.given.3", 1, 3),
        ("cluster.given.4", 1, 4),
        ("cluster.given.8-4", 1, 8),
        ("cluster.given.8-4", 2, 4),
    ]
    assert report["picture_clips"] == 100
    assert report["clusterings"][1]["silhouette"] > report["clusterings"][0]["silhouette"]
    table = capsys.readouterr().out
    assert f"{report['clusterings'][1]['silhouette']:.3g}" in table
    width, height = struct.unpack(">II", (folder / "cluster.given.4.png").read_bytes()[16:24])
    assert (width > 1.7 * height) == labelled  # a second panel for the labels


def test_a_report_without_matplotlib_is_refused_before_anything_is_done(
    vector_bank, blobs, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    bank = vector_bank(blobs(4, 10)[0])
    call = ["cluster", "--bank", str(bank.path), "--teacher.name", "precomputed", "--teacher.label", "given"]
    with pytest.raises(SystemExit):
        main([*call, "--k", "3", "--report", str(tmp_path / "report")])
    assert "sondo[report]" in capsys.readouterr().err
    assert bank.columns("cluster") == []
