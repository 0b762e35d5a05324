"""Cluster columns: several k, hierarchies, what is kept and what is stale."""

import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import adjusted_rand_score

from sondo.bank import Bank, ingest
from sondo.cli import main
from sondo.distill.cluster import cluster, configured_k, read_clusters
from sondo.errors import SondoError
from sondo.recipe import ClusterConfig


def teach_again(bank, vectors):
    """New vectors in the place of the old ones."""
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).ravel()), vectors.shape[1])
    kind = pa.list_(pa.float16(), vectors.shape[1])
    bank.add_column("teacher.given", kind, iter([values]), {"stage": "teach", "fingerprint": "v2"})


def test_a_hierarchy_is_one_column_that_knows_the_way_up(vector_bank, blobs):
    vectors, heap = blobs(4, 40)
    bank = vector_bank(vectors)
    assert cluster(bank, teacher="teacher.given", k=[16, 4]) == "cluster.given.16-4"
    fine, coarse = read_clusters(bank, "cluster.given.16-4").T
    assert np.array_equal(fine, bank.read(["cluster.given.16-4"]).column(0).to_numpy())
    assert len(set(fine)) == 16
    assert adjusted_rand_score(heap, coarse) == 1


def test_flat_clusters_have_one_level(vector_bank, blobs):
    vectors, heap = blobs(4, 40)
    bank = vector_bank(vectors)
    clusters = read_clusters(bank, cluster(bank, teacher="teacher.given", k=4))
    assert clusters.shape == (160, 1)
    assert adjusted_rand_score(heap, clusters[:, 0]) == 1


def test_a_hierarchy_is_kept_and_made_again_for_other_vectors(vector_bank, blobs, capsys):
    vectors, _ = blobs(4, 40)
    bank = vector_bank(vectors)
    column = cluster(bank, teacher="teacher.given", k=[8, 4])
    cluster(bank, teacher="teacher.given", k=[8, 4])
    assert "is there for all 160 clips" in capsys.readouterr().err
    teach_again(bank, vectors[::-1])
    with pytest.raises(SondoError, match=r"cluster\.given\.8-4 is stale.*sondo cluster"):
        read_clusters(bank, column)
    before = bank.read([column]).column(0).to_numpy()
    cluster(bank, teacher="teacher.given", k=[8, 4])
    assert "made again" in capsys.readouterr().err
    assert not np.array_equal(before, read_clusters(bank, column)[:, 0])


def test_a_bank_that_can_only_be_read_gives_the_clusters_that_it_has(vector_bank, blobs, read_only):
    bank = vector_bank(blobs(4, 10)[0])
    cluster(bank, teacher="teacher.given", k=4)
    read_only(bank)
    assert cluster(bank, teacher="teacher.given", k=4) == "cluster.given.4"
    with pytest.raises(SondoError, match=r"cannot write .*v\.lance: .* copy it to another place"):
        cluster(bank, teacher="teacher.given", k=5)


def test_clusters_that_are_there_are_named_with_their_option(vector_bank, blobs):
    bank = vector_bank(blobs(4, 10)[0])
    with pytest.raises(SondoError, match=r"clusters there: none\): run `sondo cluster` first$"):
        read_clusters(bank, "cluster.given.5")
    cluster(bank, teacher="teacher.given", k=4)
    cluster(bank, teacher="teacher.given", k=[8, 4])
    with pytest.raises(SondoError, match=r"that are there: --cluster.k 4 or --cluster.hierarchy '\[8, 4\]'$"):
        read_clusters(bank, "cluster.given.5")
    with pytest.raises(SondoError, match=r"run `sondo cluster` first$"):
        read_clusters(bank, "cluster.another.5")


@pytest.mark.parametrize("levels", [[4, 8], [4, 4], [4], [4, 0]])
def test_levels_that_do_not_fall_are_refused(vector_bank, blobs, levels):
    bank = vector_bank(blobs(4, 10)[0])
    with pytest.raises(SondoError, match=r"cluster\.hierarchy is"):
        cluster(bank, teacher="teacher.given", k=levels)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_clustering_has_is_refused(vector_bank, blobs, seed):
    with pytest.raises(SondoError, match=f"cluster.seed is {seed}: expected 0 to 4294967295"):
        cluster(vector_bank(blobs(4, 10)[0]), teacher="teacher.given", k=4, seed=seed)


def test_more_clusters_than_clips_are_refused(vector_bank, blobs):
    with pytest.raises(SondoError, match="41 clusters of 40 clips"):
        cluster(vector_bank(blobs(4, 10)[0]), teacher="teacher.given", k=[41, 4])


def test_a_configuration_names_k_or_a_hierarchy():
    assert configured_k(ClusterConfig(), 1000) == 50
    assert configured_k(ClusterConfig(k=7), 1000) == 7
    assert configured_k(ClusterConfig(hierarchy=[200, 50]), 1000) == [200, 50]
    with pytest.raises(SondoError, match="exclude each other"):
        ClusterConfig(k=7, hierarchy=[200, 50])
    with pytest.raises(SondoError, match=r"cluster\.k is 0"):
        ClusterConfig(k=0)


def test_the_verb_makes_a_column_for_each_k_and_keeps_what_is_there(vector_bank, blobs, capsys):
    bank = vector_bank(blobs(4, 40)[0])
    call = ["cluster", "--bank", str(bank.path), "--teacher.name", "precomputed", "--teacher.label", "given"]
    main([*call, "--k", "4"])
    capsys.readouterr()
    main([*call, "--k", "3", "4", "5", "--hierarchy", "8", "4"])
    said = capsys.readouterr()
    assert said.err.count("is there for all") == 1
    columns = {f"cluster.given.{name}" for name in ("3", "4", "5", "8-4")}
    assert all(column in said.out for column in columns)
    assert set(Bank(bank.path).columns("cluster")) == columns


def test_the_verb_tells_of_the_columns_that_it_made_before_a_k_that_is_refused(vector_bank, blobs, capsys):
    bank = vector_bank(blobs(4, 10)[0])
    call = ["cluster", "--bank", str(bank.path), "--teacher.name", "precomputed", "--teacher.label", "given"]
    with pytest.raises(SystemExit):
        main([*call, "--k", "4", "41"])
    said = capsys.readouterr()
    assert "column cluster.given.4" in said.out
    assert "41 clusters of 40 clips" in said.err


@pytest.mark.slow
def test_training_draws_from_a_hierarchy(sound_folder, tmp_path, capsys):
    ingest(tmp_path / "b.lance", audio=sound_folder)
    bank = ["--bank", str(tmp_path / "b.lance"), "--teacher", "modulation"]
    main(["teach", *bank])
    settings = ["--student.width_mult", "0.1", "--train.epochs", "1", "--train.batch_size", "4"]
    train = ["train", *bank, "--out", str(tmp_path / "run"), *settings, "--cluster.hierarchy=[3, 2]"]
    with pytest.raises(SystemExit):
        main(train)
    assert "no column cluster.modulation.3-2" in capsys.readouterr().err
    main(["cluster", *bank, "--hierarchy", "3", "2"])
    main(train)
    assert json.loads((tmp_path / "run" / "train.json").read_text())["clusters"] == "cluster.modulation.3-2"
    assert (tmp_path / "run" / "student" / "model.safetensors").is_file()
