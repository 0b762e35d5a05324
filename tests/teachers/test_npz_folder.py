"""The folder of .npz files that the published extraction writes."""

import numpy as np
import pytest

from sondo.errors import SondoError
from sondo.teachers import create

RNG = np.random.default_rng(0)
ONE, SLICES = RNG.standard_normal(6), RNG.standard_normal((3, 6))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "knowledge"
    (root / "train").mkdir(parents=True)
    np.savez(root / "train" / "Yabc.npz", embed=ONE[None], layer_outputs=np.zeros((2, 1, 6)))
    np.savez(root / "train" / "Ydef.npz", embed=SLICES)
    return root


def test_vectors_are_joined_by_the_name_of_the_sound_file(folder):
    teacher = create("precomputed", checkpoint=folder)
    found = teacher.lookup(["1", "2"], ["/data/train/Ydef.wav", "/data/train/Yabc.wav"], [0.0, 0.0])
    np.testing.assert_allclose(found, [SLICES.mean(0), ONE], rtol=1e-6)
    assert (teacher.embedding_dim, teacher.needs_audio) == (6, False)
    before = teacher.fingerprint
    np.savez(folder / "train" / "Yghi.npz", embed=ONE)
    assert create("precomputed", checkpoint=folder).fingerprint != before


def test_what_does_not_fit_is_named(folder):
    teacher = create("precomputed", checkpoint=folder)
    with pytest.raises(SondoError, match=r"no .npz for 1 of 2 clips: /x/Yzzz.wav. Its files are named like Yabc.npz"):
        teacher.lookup(["1", "2"], ["/x/Yabc.wav", "/x/Yzzz.wav"], [0.0, 0.0])
    with pytest.raises(SondoError, match="one vector for two clips, .* at 0 s and .* at 10 s"):
        teacher.lookup(["1", "2"], ["/x/Yabc.wav"] * 2, [0.0, 10.0])
    (folder / "eval").mkdir()
    np.savez(folder / "eval" / "Yabc.npz", embed=ONE)
    with pytest.raises(SondoError, match="give the subset's own folder"):
        create("precomputed", checkpoint=folder).lookup(["1"], ["/x/Yabc.wav"], [0.0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"one": np.zeros(3), "two": np.zeros((1, 3)), "rate": np.array(32000), "who": np.array(["a"])},
            r"no array embed or embedding and .* it has one \(3,\), two \(1, 3\), .*: rename the vectors to embed",
        ),
        ({"rate": np.array(32000)}, r"it has rate \(\)"),
        ({"embed": np.array([np.nan, 1.0])}, "no finite"),
        ({"embed": np.zeros((2, 2, 2))}, r"shape \(2, 2, 2\)"),
        ({"embed": np.array([{}], dtype=object)}, "cannot be read as an .npz file: .*allow_pickle"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(SondoError, match=message):
        create("precomputed", checkpoint=tmp_path)


@pytest.mark.parametrize("name", ["embedding", "vector"])
def test_vectors_may_have_another_name(tmp_path, capsys, name):
    for stem in ("a", "b"):
        others = {"logits": np.zeros(3)} if name == "embedding" else {"rate": np.array(32000), "who": np.array(["x"])}
        np.savez(tmp_path / f"{stem}.npz", **others, **{name: SLICES})
    found = create("precomputed", checkpoint=tmp_path).lookup(["1"], ["/x/b.wav"], [0.0])
    np.testing.assert_allclose(found[0], SLICES.mean(0), rtol=1e-6)
    assert ("the array vector is taken" in capsys.readouterr().err) == (name == "vector")
    np.savez(tmp_path / "b.npz", other=SLICES)
    with pytest.raises(SondoError, match=f"b.npz has no array '{name}' .it has other"):
        create("precomputed", checkpoint=tmp_path).lookup(["1"], ["/x/b.wav"], [0.0])


def test_damage_other_sizes_and_an_empty_folder(folder, tmp_path):
    np.savez(folder / "train" / "Yghi.npz", embed=np.zeros(5))
    with pytest.raises(SondoError, match="Yghi.npz has 5 values, the other files have 6"):
        create("precomputed", checkpoint=folder).lookup(["1"], ["Yghi.wav"], [0.0])
    (folder / "train" / "Yabc.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(SondoError, match="Yabc.npz cannot be read"):
        create("precomputed", checkpoint=folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SondoError, match="has no .npz files"):
        create("precomputed", checkpoint=tmp_path / "empty")
