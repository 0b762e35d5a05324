import numpy as np
import pytest

import sondo
from sondo.errors import SondoError
from sondo.runtime import SpaceMismatchError, read_embeddings, write_embeddings

RNG = np.random.default_rng(0)
FEW, MANY = RNG.standard_normal((2, 6)).astype(np.float32), RNG.standard_normal((5, 6)).astype(np.float32)


def cosine(a, b):
    return sum(a * b) / (sum(a * a) * sum(b * b)) ** 0.5


def test_the_cosine_of_each_with_each():
    got = sondo.similarity((FEW, "x"), (MANY, "x"))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [[cosine(a, b) for b in MANY] for a in FEW], atol=1e-6)
    np.testing.assert_allclose(sondo.similarity((FEW[0], "x"), (MANY, "x")), got[0], atol=1e-6)
    np.testing.assert_allclose(sondo.similarity((FEW, "x"), (MANY[3], "x")), got[:, 3], atol=1e-6)
    assert sondo.similarity((3 * FEW[0], "x"), (FEW[0], "x")) == pytest.approx(1.0)
    assert sondo.similarity((FEW[0], "x"), (-FEW[0], "x")) == pytest.approx(-1.0)


@pytest.mark.parametrize("extension", ["npz", "npy", "csv", "parquet"])
def test_files_carry_their_space(tmp_path, extension):
    if extension == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra train")
    here = write_embeddings(tmp_path / f"a.{extension}", ["p, q", "ü.wav"], FEW, space_id="x")
    there = write_embeddings(tmp_path / f"b.{extension}", list("abcde"), MANY, space_id="x")
    found = read_embeddings(here)
    assert (found.space_id, found.names) == ("x", ("p, q", "ü.wav"))
    assert found.vectors.tobytes() == FEW.tobytes()
    want = sondo.similarity((FEW, "x"), (MANY, "x"))
    np.testing.assert_array_equal(sondo.similarity(here, str(there)), want)
    np.testing.assert_array_equal(sondo.similarity(found, there), want)
    other = write_embeddings(tmp_path / f"c.{extension}", list("abcde"), MANY, space_id="y")
    with pytest.raises(SpaceMismatchError, match="two spaces, 'x' and 'y'"):
        sondo.similarity(here, other)


@pytest.mark.parametrize(
    ("a", "message"),
    [
        ((FEW, "y"), "two spaces"),
        ((FEW, ""), "no space id"),
        (FEW, "ndarray, which does not say in which space it lies"),
        ([FEW, "x"], "list, which does not say"),
        ((FEW, None), "tuple, which does not say"),
    ],
)
def test_spaces_are_never_guessed(a, message):
    with pytest.raises(SpaceMismatchError, match=message):
        sondo.similarity(a, (MANY, "x"))
    with pytest.raises(SpaceMismatchError, match=message.replace("two spaces", "'x' and 'y'")):
        sondo.similarity((MANY, "x"), a)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((2, 6), np.float32), "zero or not finite"),
        (np.full((2, 6), np.nan, np.float32), "zero or not finite"),
        (np.ones((2, 5), np.float32), "5 and 6 numbers"),
        (np.ones((2, 6), np.int64), "dtype int64"),
        (np.ones((1, 2, 6), np.float32), "shape"),
        (np.ones((0, 6), np.float32), "shape"),
    ],
)
def test_vectors_that_cannot_be_compared(vectors, message):
    with pytest.raises(SondoError, match=message):
        sondo.similarity((vectors, "x"), (MANY, "x"))


def test_files_that_are_none(tmp_path):
    (tmp_path / "text.csv").write_text("a,b\n1,2\n")
    (tmp_path / "mixed.csv").write_text("name,space_id,e0\na,x,1\nb,y,1\n")
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    (tmp_path / "empty.npz").write_bytes(b"")
    whole = write_embeddings(tmp_path / "whole.npz", ["a", "b"], FEW, space_id="x").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:-40])
    np.savez(tmp_path / "other.npz", vectors=FEW)
    np.savez(tmp_path / "unfit.npz", embeddings=FEW, names=np.array(["a"]), space_id="x")
    np.save(tmp_path / "alone.npy", FEW)
    np.save(tmp_path / "beside.npy", FEW)
    (tmp_path / "beside.json").write_text("[1, 2]")  # someone's own
    (tmp_path / "array.npz").write_bytes((tmp_path / "beside.npy").read_bytes())
    (tmp_path / "unclosed.csv").write_text('name,space_id,e0\n"' + "a,x,1\n" * 30_000)
    damaged = ("text.csv", "mixed.csv", "broken.npz", "empty.npz", "cut.npz", "other.npz", "alone.npy")
    for name in (*damaged, "beside.npy", "array.npz", "unclosed.csv"):
        with pytest.raises(SondoError, match=f"{name}: not a file of embeddings"):
            read_embeddings(tmp_path / name)
    with pytest.raises(SondoError, match="1 names and vectors"):
        read_embeddings(tmp_path / "unfit.npz")
    with pytest.raises(SondoError, match="no such file"):
        sondo.similarity(tmp_path / "nowhere.npz", tmp_path / "alone.npy")
    with pytest.raises(SondoError, match="`sondo embed` makes one of sounds"):
        sondo.similarity("dog.wav", "cat.wav")
