"""Vectors from files, joined to clips."""

import json

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
torch = pytest.importorskip("torch")

import pyarrow.parquet as pq  # noqa: E402

from sondo.errors import SondoError  # noqa: E402
from sondo.runtime.write import write_embeddings  # noqa: E402
from sondo.teachers import create  # noqa: E402

VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4) + 1
URIS = ["/data/a/one.wav", "/data/b/one.wav", "/data/b/two.wav"]
IDS = ["id1", "id2", "id3"]
ZEROS = [0.0, 0.0, 0.0]


def _parquet(path, /, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def _lists(vectors=VECTORS):
    return [list(map(float, row)) for row in vectors]


def _npy(folder, ids, *, name="v.json"):
    np.save(folder / "v.npy", VECTORS)
    (folder / name).write_text(ids)
    return folder / "v.npy"


def test_joined_by_clip_id_in_any_order(tmp_path):
    teacher = create("precomputed", checkpoint=_parquet(tmp_path / "v.parquet", clip_id=IDS, vector=_lists()))
    assert teacher.needs_audio is False
    assert (teacher.name, teacher.embedding_dim) == ("precomputed", 4)
    got = teacher.lookup(IDS[::-1], URIS, ZEROS)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, VECTORS[::-1])


@pytest.mark.parametrize("keys", [URIS, ["a/one.wav", "./b/one.wav", "two.wav"]])
def test_joined_by_path_or_the_end_of_a_path(tmp_path, keys):
    teacher = create("precomputed", checkpoint=_parquet(tmp_path / "v.parquet", path=keys, vector=_lists()))
    np.testing.assert_array_equal(teacher.lookup(IDS, URIS, ZEROS), VECTORS)
    np.testing.assert_array_equal(teacher.lookup(IDS, URIS, ZEROS), VECTORS)


def test_what_embed_wrote_can_teach(tmp_path):
    written = write_embeddings(tmp_path / "e.parquet", ["b/two.wav", *URIS[:2]], VECTORS, space_id="s")
    found = create("precomputed", checkpoint=written).lookup(IDS, URIS, ZEROS)
    assert np.asarray(found).tolist() == VECTORS[[1, 2, 0]].tolist()


def test_an_npy_that_embed_wrote_can_teach(tmp_path):
    written = write_embeddings(tmp_path / "e.npy", ["b/two.wav", *URIS[:2]], VECTORS, space_id="s")
    found = create("precomputed", checkpoint=written).lookup(IDS, URIS, ZEROS)
    assert np.asarray(found).tolist() == VECTORS[[1, 2, 0]].tolist()


def test_numeric_columns_are_the_vector(tmp_path):
    columns = {f"d{index}": VECTORS[:, index] for index in range(4)}
    path = _parquet(tmp_path / "v.parquet", id=IDS, fold=[1, 2, 3], label=["x", "y", "z"], **columns)
    np.testing.assert_array_equal(create("precomputed", checkpoint=path).lookup(IDS, URIS, ZEROS), VECTORS)


def test_offsets_tell_the_clips_of_a_file_apart(tmp_path):
    keys, offsets = ["two.wav"] * 3, [0.0, 10.0, 20.0]
    path = _parquet(tmp_path / "v.parquet", path=keys, offset_s=offsets, vector=_lists())
    got = create("precomputed", checkpoint=path).lookup(["x", "y"], [URIS[2]] * 2, [20.0, 0.0])
    np.testing.assert_array_equal(got, VECTORS[[2, 0]])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("v.json", json.dumps(IDS)),
        ("v.json", json.dumps({"ids": IDS})),
        ("v_ids.txt", "id1\nid2\nid3\n"),
        ("v.csv", "fold,clip_id\n1,id1\n2,id2\n3,id3\n"),
    ],
)
def test_npy_with_ids_beside_it(tmp_path, name, text):
    teacher = create("precomputed", checkpoint=_npy(tmp_path, text, name=name))
    np.testing.assert_array_equal(teacher.lookup(IDS, URIS, ZEROS), VECTORS)


def test_a_missing_vector_is_counted_and_named(tmp_path):
    teacher = create("precomputed", checkpoint=_parquet(tmp_path / "v.parquet", path=["two.wav"], vector=_lists()[:1]))
    with pytest.raises(SondoError, match=r"no vector for 2 of 3 clips: /data/a/one.wav at 0 s \(clip id1\)"):
        teacher.lookup(IDS, URIS, ZEROS)


def test_a_path_that_fits_two_files_is_refused(tmp_path):
    path = _parquet(tmp_path / "v.parquet", path=["one.wav", "two.wav"], vector=_lists()[:2])
    with pytest.raises(SondoError, match=r"'one.wav' fits more than one clip, /data/a/one.wav .* /data/b/one.wav"):
        create("precomputed", checkpoint=path).lookup(IDS, URIS, ZEROS)


def test_one_vector_for_two_clips_of_a_file_is_refused(tmp_path):
    teacher = create("precomputed", checkpoint=_parquet(tmp_path / "v.parquet", path=["two.wav"], vector=_lists()[:1]))
    with pytest.raises(SondoError, match=r"fits more than one clip, .*two.wav at 0 s and .*two.wav at 10 s"):
        teacher.lookup(["x", "y"], [URIS[2]] * 2, [0.0, 10.0])


def test_it_does_not_listen(tmp_path):
    teacher = create("precomputed", checkpoint=_parquet(tmp_path / "v.parquet", id=IDS, vector=_lists()))
    with pytest.raises(SondoError, match=r"cannot embed other sound"):
        teacher.embed(torch.zeros(1, 32000))


def test_the_fingerprint_is_that_of_the_vectors(tmp_path):
    prints = [
        create("precomputed", checkpoint=_parquet(tmp_path / f"{n}.parquet", id=IDS, vector=_lists(v))).fingerprint
        for n, v in enumerate((VECTORS, VECTORS, VECTORS + 1))
    ]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"id": ["a", "a", "b"], "v": _lists()}, {}, "1 keys stand there more than once, first a"),
        ({"id": [None, "a", "b"], "v": _lists()}, {}, "without a value in id"),
        ({"who": IDS, "v": _lists()}, {}, "no column of ids or paths .* it has who, v: rename .* to path"),
        ({"id": IDS, "v": _lists()}, {"key": "who"}, "no column 'who'"),
        ({"id": IDS, "v": _lists()}, {"column": "w"}, "no column of vectors 'w'; it has v"),
        ({"id": IDS, "v": _lists(), "w": _lists()}, {}, "several columns of vectors, v, w: rename .* to embedding"),
        ({"id": IDS, "v": [[1.0], [1.0, 2.0], None]}, {}, r"unlike lengths \(missing, 1, 2\)"),
        ({"id": IDS, "v": [[1.0], [float("nan")], [2.0]]}, {}, "1 vectors with values that are not finite.* id2"),
        ({"id": IDS, "fold": [1, 2, 3]}, {}, "has no vectors"),
    ],
)
def test_parquet_that_is_not_clear(tmp_path, columns, options, message):
    with pytest.raises(SondoError, match=message):
        create("precomputed", checkpoint=_parquet(tmp_path / "v.parquet", **columns), **options)


def test_of_several_columns_the_one_called_embedding_is_meant(tmp_path):
    path = _parquet(tmp_path / "v.parquet", path=IDS, logits=_lists(VECTORS + 1), embedding=_lists())
    found = create("precomputed", checkpoint=path).lookup([""], [IDS[1]], [0.0])
    np.testing.assert_allclose(found[0], VECTORS[1], rtol=1e-6)


def test_files_that_are_broken(tmp_path):
    for name, message in (
        ("v.parquet", "cannot be read as a Parquet file"),
        ("v.npy", "cannot be read as an .npy file"),
        ("v.pickle", "read from .parquet or .npy, not .pickle"),
    ):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(SondoError, match=message):
            create("precomputed", checkpoint=tmp_path / name)


def test_npy_and_ids_that_do_not_fit(tmp_path):
    path = _npy(tmp_path, '["a", "b"]')
    with pytest.raises(SondoError, match=r"2 ids for 3 vectors"):
        create("precomputed", checkpoint=path)
    (tmp_path / "v.txt").write_text("a\nb\nc\n")
    with pytest.raises(SondoError, match=r"several files of ids beside it: expected one of v.json, v.txt"):
        create("precomputed", checkpoint=path)
    (tmp_path / "v.txt").unlink()
    (tmp_path / "v.json").write_text('{"ids": [1, 2, 3]}')
    with pytest.raises(SondoError, match=r"expected a JSON list"):
        create("precomputed", checkpoint=path)
    (tmp_path / "v.json").unlink()
    with pytest.raises(SondoError, match=r"no file of ids beside it: expected one of v.json, v.csv, v.txt"):
        create("precomputed", checkpoint=path)
    np.save(tmp_path / "v.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(SondoError, match=r"cannot be read as an .npy file"):
        create("precomputed", checkpoint=path)
