"""A table of unit vectors: the nearest by cosine, of one space alone, exact or nearly so."""

import numpy as np
import pytest

pytest.importorskip("lance", reason="needs the extra search")

from sondo.errors import SondoError
from sondo.runtime import SpaceMismatchError
from sondo.search import Hit, Index, IndexInfo
from sondo.search import index as index_module
from sondo.search.results import show_hits

INFO = IndexInfo(
    kind="student", space_id="space-a", model="m.onnx", embedding_dim=16, sample_rate=32000, licence="CC0-1.0"
)


def rows(count, start=0):
    place = {"offset_s": 10.0, "duration_s": 5.0, "labels": ["dog"], "file_bytes": 1, "file_mtime_ns": 2}
    return [{"uri": f"{number}.wav", **place} for number in range(start, start + count)]


def unit(count, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def index(tmp_path):
    made = Index.create(tmp_path / "i.lance", INFO)
    made.append(rows(300), unit(300))
    return made


def test_the_nearest_are_those_of_the_largest_cosine(index):
    query = 7.5 * np.random.default_rng(1).standard_normal(16)
    cosines = unit(300) @ query / np.linalg.norm(query)
    order = np.argsort(-cosines)[:5]
    hits = index.nearest(query, space_id="space-a", k=5)
    assert [hit.uri for hit in hits] == [f"{number}.wav" for number in order]
    np.testing.assert_allclose([hit.cosine for hit in hits], cosines[order], atol=1e-5)
    assert hits[0][2:] == (10.0, 5.0, ("dog",))


def test_it_is_the_same_when_opened_again(index):
    again = Index(index.path)
    assert (again.info, len(again), again.is_approximate) == (INFO, 300, False)


def test_a_query_of_another_space_is_refused_and_told_what_to_do(index):
    with pytest.raises(SpaceMismatchError, match=r"'space-a'.*'space-b'.*ask with the model that built the index"):
        index.nearest(unit(1)[0], space_id="space-b")


@pytest.mark.parametrize(
    ("vector", "message"),
    [(np.ones(15), "16 values"), (np.zeros(16), "zero or not finite"), (np.full(16, np.nan), "zero or not finite")],
)
def test_a_vector_that_cannot_be_compared_is_refused(index, vector, message):
    with pytest.raises(SondoError, match=message):
        index.nearest(vector, space_id="space-a")


def test_from_a_number_of_rows_on_the_search_is_approximate_and_its_cosines_are_exact(index, monkeypatch):
    index.finish()
    assert not index.is_approximate
    monkeypatch.setattr(index_module, "ANN_FROM_ROWS", 300)
    index.finish()
    assert index.is_approximate
    assert index.ann_kind == "IVF_HNSW_SQ"
    hit, *others = index.nearest(unit(300)[42], space_id="space-a", k=120)
    assert hit.uri == "42.wav"
    assert hit.cosine == pytest.approx(1.0, abs=1e-5)
    assert hit.cosine <= 1
    assert len(others) == 119


def test_what_is_added_to_an_approximate_index_is_found(index, monkeypatch):
    monkeypatch.setattr(index_module, "ANN_FROM_ROWS", 300)
    index.finish()
    late = unit(20, seed=5)
    index.append(rows(20, start=300), late)
    for finished in (False, True):
        if finished:
            index.finish()
        assert index.nearest(late[7], space_id="space-a", k=1)[0].uri == "307.wav"


def test_forgotten_files_are_found_no_more(index):
    index.forget(["3.wav"])
    assert len(index) == 299
    assert "3.wav" not in {hit.uri for hit in index.nearest(unit(300)[3], space_id="space-a", k=299)}


def test_what_is_no_index_is_refused(tmp_path):
    with pytest.raises(SondoError, match="sondo index"):
        Index(tmp_path / "absent.lance")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("mine")
    with pytest.raises(SondoError, match="not an index"):
        Index.create(tmp_path / "folder", INFO)


def test_a_bank_is_no_index(tmp_path):
    from sondo.bank import Bank
    from sondo.bank.schema import BankInfo

    Bank.create(tmp_path / "b.lance", BankInfo())
    with pytest.raises(SondoError, match="not an index of sondo"):
        Index(tmp_path / "b.lance")


def test_a_name_with_a_line_end_stays_on_its_line(capsys):
    show_hits([Hit(0.5, "a\nb.wav", 0.0, 1.0, ())])
    assert capsys.readouterr().out.splitlines()[1:] == [r"   1  0.5000         0  a\nb.wav"]
