"""M2D against values of the published code, and how its folders, archives and sizes are read."""

import argparse
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from vit_weights import check_full_size, layout, save, seeded, sound

from sondo.errors import SondoError
from sondo.teachers.m2d import make_m2d_teacher

GOLDEN = Path(__file__).parents[1] / "golden"
CASE = json.loads((GOLDEN / "teacher_m2d.json").read_text())
TINY = CASE["tiny"]
SIZES = {key: TINY[key] for key in ("width", "depth", "mlp_width")}
FOLDER = "m2d_vit_base-80x608p16x16-tiny"


def wanted(part):
    with np.load(GOLDEN / "teacher_m2d.npz") as file:
        return {key.removeprefix(f"{part}."): file[key] for key in file if key.startswith(f"{part}.")}


def tiny(recipe, folder, *, file="checkpoint-300.pth", columns=38, patch_frames=16, **more):
    arrays = seeded(recipe, layout(**SIZES, columns=columns, patch_frames=patch_frames))
    return save(folder / file, arrays, nested=True, **more)


@pytest.fixture
def checkpoint(recipe, tmp_path):
    return tiny(recipe, tmp_path / FOLDER)


@pytest.mark.parametrize("compat", [None, "ssondo"])
@pytest.mark.parametrize("name", ["3s", "10s", "10s_1001", "3s_200p4"])
def test_up_to_ten_seconds_both_modes_give_the_published_values(recipe, tmp_path, name, compat):
    run = TINY["runs"][name]
    stats = {} if run["norm_stats"] is None else {"norm_stats": torch.tensor(run["norm_stats"])}
    path = tiny(recipe, tmp_path / run["folder"], columns=run["columns"], patch_frames=run["patch_frames"], **stats)
    teacher = make_m2d_teacher("m2d", checkpoint=path, compat=compat)
    got = teacher.embed(sound(recipe, run))
    assert np.abs(got.numpy() - wanted("tiny")[name]).max() <= TINY["max_abs"][name]


def test_compat_gives_the_published_values_above_ten_seconds(recipe, checkpoint):
    audio, want = sound(recipe, TINY["runs"]["12p5s"]), wanted("tiny")["12p5s"]
    compat = make_m2d_teacher("m2d", checkpoint=checkpoint, compat="ssondo").embed(audio)
    assert np.abs(compat.numpy() - want).max() <= TINY["max_abs"]["12p5s"]
    ours = make_m2d_teacher("m2d", checkpoint=checkpoint)
    by_frames = (1001 * ours.embed(audio[:, :160000]) + 251 * ours.embed(audio[:, 160000:])) / 1252
    torch.testing.assert_close(ours.embed(audio), by_frames, atol=1e-5, rtol=0)
    assert np.abs(ours.embed(audio).numpy() - want).max() > 1e-2


def test_file_folder_and_archive_are_one_teacher(recipe, checkpoint, tmp_path):
    archive = tmp_path / "m2d.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(checkpoint, f"{FOLDER}/checkpoint-300.pth")
    renamed = tmp_path / "elsewhere" / "M2D_ssl.pth"
    renamed.parent.mkdir()
    renamed.write_bytes(checkpoint.read_bytes())
    prints = {
        make_m2d_teacher("m2d", checkpoint=given).fingerprint
        for given in (checkpoint, checkpoint.parent, archive, renamed, renamed.parent)
    }
    assert len(prints) == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(SondoError, match=r"holds 0 files of weights \(\.pth\)"):
        make_m2d_teacher("m2d", checkpoint=tmp_path / "empty")
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(SondoError, match=r"m2d\.zip is damaged"):
        make_m2d_teacher("m2d", checkpoint=archive)


def test_files_of_training_and_tuning_are_read(recipe, checkpoint, tmp_path):
    arrays = seeded(recipe, layout(**SIZES, columns=38))
    tensors = {key: torch.from_numpy(value) for key, value in arrays.items()}
    trained, tuned = tmp_path / "trained.pth", tmp_path / "tuned.pth"
    extra = {"decoder_pos_embed": torch.zeros(1), "target_blocks.0.norm1.bias": torch.zeros(128)}
    torch.save({"model": tensors | extra, "args": argparse.Namespace(lr=0.1), "epoch": 300}, trained)
    prefix = "module.ar.runtime.backbone."
    moved = {prefix + key: value for key, value in tensors.items()}
    torch.save(moved | {prefix + "norm_stats": torch.tensor([-7.1, 4.2]), "module.head.weight": torch.zeros(2)}, tuned)
    audio = sound(recipe, TINY["runs"]["3s"])
    want = make_m2d_teacher("m2d", checkpoint=checkpoint).embed(audio)
    for path in (trained, tuned):
        torch.testing.assert_close(make_m2d_teacher("m2d", checkpoint=path).embed(audio), want, atol=1e-5, rtol=0)


def test_sizes_that_contradict_the_tensors_are_refused(recipe, tmp_path):
    for folder, said in (
        ("m2d_vit_base-80x1001p16x16-x", "the folder's name says 80x1001, but"),
        ("m2d_vit_base-80x608p16x4-x", "says patches of 16x4, but"),
        ("m2d_vit_base-80x608p16x16p32k-x", "is for sound at 32kHz"),
    ):
        path = tiny(recipe, tmp_path / folder)
        with pytest.raises(SondoError, match=said):
            make_m2d_teacher("m2d", checkpoint=path)
    path = tiny(recipe, tmp_path / FOLDER)
    for size in ("80x992", "128x608", "608", "80xlong"):
        with pytest.raises(SondoError, match=r"input_size says .* fit patches of 16x16 and 80x608 to 80x623"):
            make_m2d_teacher("m2d", checkpoint=path, input_size=size)


def test_input_size_tells_what_the_folder_does_not(recipe, tmp_path):
    run = TINY["runs"]["10s_1001"]
    path = tiny(recipe, tmp_path / "renamed", columns=62, norm_stats=torch.tensor(run["norm_stats"]))
    teacher = make_m2d_teacher("m2d", checkpoint=path, input_size="80x1001")
    got = teacher.embed(sound(recipe, run)).numpy()
    assert np.abs(got - wanted("tiny")["10s_1001"]).max() <= TINY["max_abs"]["10s_1001"]
    assert teacher.fingerprint != make_m2d_teacher("m2d", checkpoint=path).fingerprint


def test_norm_stats_that_cannot_be_and_files_of_matpac_are_refused(recipe, tmp_path):
    with pytest.raises(SondoError, match=r"norm_stats .* a deviation above 0"):
        make_m2d_teacher("m2d", checkpoint=tiny(recipe, tmp_path / FOLDER, norm_stats=torch.tensor([-7.0, 0.0])))
    arrays = seeded(recipe, layout(**SIZES, columns=38, inside="student_encoder."))
    with pytest.raises(SondoError, match=r"matpac\.pt is a checkpoint of MATPAC: use teacher matpac"):
        make_m2d_teacher("m2d", checkpoint=save(tmp_path / "matpac.pt", arrays))


def test_its_licence_is_named_and_the_published_file_too(checkpoint, tmp_path, monkeypatch):
    assert "non-commercial" in make_m2d_teacher("m2d", checkpoint=checkpoint).licence
    monkeypatch.setenv("SONDO_HOME", str(tmp_path))
    monkeypatch.setenv("SONDO_OFFLINE", "1")
    with pytest.raises(SondoError, match="releases/download/v0.1.0/m2d_vit_base-80x608p16x16-221006-mr7_enconly.zip"):
        make_m2d_teacher("m2d")


@pytest.mark.slow
def test_at_full_size_it_gives_the_published_values(recipe, tmp_path):
    full = CASE["full"]
    arrays = seeded(recipe, layout(width=768, depth=12, mlp_width=3072, columns=38))
    assert recipe.same(recipe.fingerprint(arrays), full["fingerprint"])
    path = save(tmp_path / "m2d_vit_base-80x608p16x16-221006-mr7" / "checkpoint-300.pth", arrays, nested=True)
    teacher = make_m2d_teacher("m2d", checkpoint=path)
    assert (teacher.num_params, teacher.embedding_dim) == (85_400_832, 3840)
    check_full_size(recipe, full, wanted("full"), teacher)
