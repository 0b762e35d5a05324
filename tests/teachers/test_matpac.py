"""MATPAC against values of the published code, and which of its files are read."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from vit_weights import check_full_size, layers, layout, save, seeded, sound

from sondo.errors import SondoError
from sondo.teachers.matpac import make_matpac_teacher

GOLDEN = Path(__file__).parents[1] / "golden"
CASE = json.loads((GOLDEN / "teacher_matpac.json").read_text())
TINY = CASE["tiny"]
SIZES = {key: TINY[key] for key in ("width", "depth", "mlp_width")}
INSIDE = "student_encoder."


def wanted(part):
    with np.load(GOLDEN / "teacher_matpac.npz") as file:
        return {key.removeprefix(f"{part}."): file[key] for key in file if key.startswith(f"{part}.")}


def tiny(recipe, path, *, columns=38, **changes):
    return save(path, seeded(recipe, layout(**SIZES | changes, columns=columns, inside=INSIDE)))


@pytest.mark.parametrize("compat", [None, "ssondo"])
@pytest.mark.parametrize("name", ["3s", "10s", "10s_992"])
def test_up_to_ten_seconds_both_modes_give_the_published_values(recipe, tmp_path, name, compat):
    run = TINY["runs"][name]
    # The published code tells the two layouts apart by letters of the path: these would mislead it.
    path = tiny(recipe, tmp_path / ("asas.pt" if run["columns"] == 38 else "plain.pt"), columns=run["columns"])
    teacher = make_matpac_teacher("matpac", checkpoint=path, compat=compat)
    got = teacher.embed(sound(recipe, run))
    assert np.abs(got.numpy() - wanted("tiny")[name][:, 0]).max() <= TINY["max_abs"][name]


def test_compat_gives_the_published_values_above_ten_seconds(recipe, tmp_path):
    path = tiny(recipe, tmp_path / "matpac.pt")
    audio, want = sound(recipe, TINY["runs"]["12p5s"]), wanted("tiny")["12p5s"]
    compat = make_matpac_teacher("matpac", checkpoint=path, compat="ssondo")
    assert np.abs(compat.embed(audio).numpy() - want.mean(axis=1)).max() <= TINY["max_abs"]["12p5s"]
    first = make_matpac_teacher("matpac", checkpoint=path).embed(audio[:, :160000])
    assert np.abs(first.numpy() - want[:, 0]).max() <= TINY["max_abs"]["12p5s"]


def test_a_classification_head_is_left_out(recipe, tmp_path):
    plain = tiny(recipe, tmp_path / "plain.pt", columns=62)
    tuned = save(
        tmp_path / "head.pt",
        seeded(recipe, layout(**SIZES, columns=62, inside=INSIDE)),
        **{"head.weight": torch.zeros(527, 128), "head_norm.running_mean": torch.zeros(128)},
    )
    audio = sound(recipe, TINY["runs"]["3s"])
    first, second = (make_matpac_teacher("matpac", checkpoint=path).embed(audio) for path in (plain, tuned))
    assert torch.equal(first, second)


def test_what_is_no_encoder_of_matpac_is_refused(recipe, tmp_path):
    of_m2d = save(tmp_path / "m2d.pth", seeded(recipe, layout(**SIZES, columns=38)), nested=True)
    with pytest.raises(SondoError, match=r"m2d\.pth is a checkpoint of M2D: use teacher m2d"):
        make_matpac_teacher("matpac", checkpoint=of_m2d)
    other = save(tmp_path / "other.pt", {"conv.weight": np.zeros((2, 2), np.float32)})
    with pytest.raises(SondoError, match=r"no checkpoint of MATPAC: expected .*student_encoder.*found conv\.weight"):
        make_matpac_teacher("matpac", checkpoint=other)
    with pytest.raises(SondoError, match="absent.pt"):
        make_matpac_teacher("matpac", checkpoint=tmp_path / "absent.pt")


def test_tensors_that_do_not_fit_together_are_named(recipe, tmp_path):
    arrays = seeded(recipe, layout(**SIZES, columns=38, inside=INSIDE))
    lacking = {key: value for key, value in arrays.items() if key != "student_encoder.blocks.1.norm1.bias"}
    with pytest.raises(SondoError, match=r"width 128 with 2 blocks: it lacks blocks\.1\.norm1\.bias"):
        make_matpac_teacher("matpac", checkpoint=save(tmp_path / "lacking.pt", lacking))
    without = {key: value for key, value in arrays.items() if key != "patch_embed.proj.weight"}
    with pytest.raises(SondoError, match=r"damaged: .*\(\)"):
        make_matpac_teacher("matpac", checkpoint=save(tmp_path / "without.pt", without))
    odd = dict(arrays, pos_embed=np.zeros((1, 190, 128), np.float32))
    with pytest.raises(SondoError, match="189 positions give no grid"):
        make_matpac_teacher("matpac", checkpoint=save(tmp_path / "odd.pt", odd))


def test_without_a_checkpoint_it_names_the_published_file(tmp_path, monkeypatch):
    monkeypatch.setenv("SONDO_HOME", str(tmp_path))
    monkeypatch.setenv("SONDO_OFFLINE", "1")
    with pytest.raises(SondoError, match="releases/download/.*/matpac_plus_6s_2048_enconly.pt"):
        make_matpac_teacher("matpac")


@pytest.mark.slow
def test_at_full_size_it_gives_the_published_values(recipe, tmp_path):
    full = CASE["full"]
    arrays = seeded(recipe, layout(width=768, depth=12, mlp_width=3072, columns=38, inside=INSIDE))
    assert recipe.same(recipe.fingerprint(arrays), full["fingerprint"])
    path = save(tmp_path / "matpac.pt", arrays)
    teacher, want = make_matpac_teacher("matpac", checkpoint=path), wanted("full")
    assert (teacher.num_params, teacher.embedding_dim) == (85_400_832, 3840)
    check_full_size(recipe, full, want, teacher)

    # "fast" is the same network on a log-mel filled up to whole chunks; its steps come out chunk by chunk interleaved.
    audio = sound(recipe, full["runs"]["fast_10s"])
    compat = make_matpac_teacher("matpac", checkpoint=path, compat="ssondo")
    with torch.inference_mode():
        log_mel = torch.nn.functional.pad(teacher._front_end(audio), (0, 2 * 608 - 998))
        steps = teacher._encoder(log_mel)
        vectors, _ = compat._embed_windows(sound(recipe, full["runs"]["ssondo_12p5s"]))
    frames = steps.reshape(1, 2, 38, 3840).transpose(1, 2).flatten(1, 2)[:, ::6, ::64]
    long = sound(recipe, full["runs"]["ssondo_12p5s"])
    slices = [long[:, :160_000], torch.nn.functional.pad(long[:, 160_000:], (0, 120_000))]
    by_slice = [layers(teacher._encoder, teacher._front_end(part))[..., ::64] for part in slices]
    for name, got in (
        ("fast_10s.embeddings", steps.mean(1)),
        ("fast_10s.frames", frames),
        ("fast_10s.layers", layers(teacher._encoder, log_mel)[..., ::64]),
        ("ssondo_12p5s.layers", torch.stack(by_slice, dim=2)),
        ("ssondo_12p5s.embeddings", vectors),
    ):
        assert np.abs(got.numpy() - want[name]).max() <= full["outputs"][name]["max_abs"], name
