"""The transformer against torch's own layers, and how sound of any length becomes one vector."""

from pathlib import Path

import pytest
import torch
from vit_weights import layout, save, seeded

from sondo.audio.errors import AudioError
from sondo.errors import SondoError
from sondo.teachers.base import Teacher
from sondo.teachers.matpac import make_matpac_teacher
from sondo.teachers.vit import AudioTransformer, TransformerShape, read_shape

SHAPES = layout(width=64, depth=1, mlp_width=96, columns=38, inside="student_encoder.")


@pytest.fixture
def checkpoint(recipe, tmp_path):
    return save(tmp_path / "matpac.pt", seeded(recipe, SHAPES))


@pytest.fixture
def teacher(checkpoint):
    return make_matpac_teacher("matpac", checkpoint=checkpoint)


def noise(seconds, batch=1):
    return 0.2 * torch.randn(batch, round(16000 * seconds), generator=torch.Generator().manual_seed(3))


def test_the_transformer_equals_one_built_of_torchs_own_layers():
    shape = TransformerShape(rows=5, columns=4, width=24, mlp_width=40, depth=2, num_heads=3)
    ours = AudioTransformer(shape, chunk_frames=64).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    log_mel = torch.randn(2, 80, 40, generator=generator)

    padded = torch.nn.functional.pad(log_mel, (0, 8))
    patches = padded.unfold(1, 16, 16).unfold(2, 16, 16)
    weight, bias = ours.patch_embed["proj"].weight.flatten(1), ours.patch_embed["proj"].bias
    positions = ours.pos_embed[0, 1:].reshape(5, 4, 24)[:, :3]
    tokens = (patches.reshape(2, 5, 3, 256) @ weight.T + bias + positions).reshape(2, 15, 24)
    first = (ours.cls_token + ours.pos_embed[:, :1]).expand(2, 1, 24)
    tokens = torch.cat([first, tokens], 1)
    for block in ours.blocks:
        layer = torch.nn.TransformerEncoderLayer(
            24, 3, 40, 0.0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
        )
        names = {"norm1": "norm1", "norm2": "norm2", "self_attn.out_proj": "attn.proj", "linear1": "mlp.fc1"}
        names |= {"linear2": "mlp.fc2"}
        state = {
            f"{theirs}.{kind}": block.state_dict()[f"{own}.{kind}"]
            for theirs, own in names.items()
            for kind in ("weight", "bias")
        }
        state |= {f"self_attn.in_proj_{kind}": block.state_dict()[f"attn.qkv.{kind}"] for kind in ("weight", "bias")}
        layer.load_state_dict(state)
        tokens = layer.train()(tokens)
    normed = torch.nn.functional.layer_norm(tokens, (24,), ours.norm.weight, ours.norm.bias, 1e-6)[:, 1:]
    want = torch.cat([normed.reshape(2, 5, 3, 24)[:, row] for row in range(5)], dim=-1)
    torch.testing.assert_close(ours(log_mel), want, atol=1e-5, rtol=1e-5)


def test_it_has_the_shape_of_a_teacher(teacher):
    assert isinstance(teacher, Teacher)
    assert (teacher.sample_rate, teacher.embedding_dim) == (16000, 5 * 64)
    assert teacher.num_params == sum(torch.Size(shape).numel() for shape in SHAPES.values())


def test_long_sound_weighs_its_rest_by_its_frames(teacher):
    audio = noise(22.5)
    parts = [teacher.embed(audio[:, start : start + 160000]) for start in (0, 160000, 320000)]
    want = (998 * parts[0] + 998 * parts[1] + 248 * parts[2]) / (998 + 998 + 248)
    torch.testing.assert_close(teacher.embed(audio), want, atol=1e-5, rtol=0)


def test_compat_fills_the_rest_up_to_a_window_that_weighs_as_much(checkpoint, teacher):
    audio = noise(12.5)
    compat = make_matpac_teacher("matpac", checkpoint=checkpoint, compat="ssondo")
    filled = torch.nn.functional.pad(audio[:, 160000:], (0, 120000))
    want = (teacher.embed(audio[:, :160000]) + teacher.embed(filled)) / 2
    torch.testing.assert_close(compat.embed(audio), want, atol=1e-5, rtol=0)
    assert not torch.allclose(compat.embed(audio), teacher.embed(audio), atol=1e-2)
    for seconds in (0.5, 10.0, 20.0):
        assert torch.equal(compat.embed(noise(seconds)), teacher.embed(noise(seconds)))


def test_a_sound_has_the_same_vector_alone_and_among_others(teacher):
    audio = noise(12.5, batch=17)
    together = teacher.embed(audio)
    assert together.shape == (17, 320)
    for row in (0, 16):
        torch.testing.assert_close(teacher.embed(audio[row : row + 1]), together[row : row + 1], atol=1e-5, rtol=0)


def test_a_rest_of_less_than_a_tenth_of_a_second_is_left_out(teacher):
    audio = noise(10.09)
    assert torch.equal(teacher.embed(audio), teacher.embed(audio[:, :160000]))
    assert not torch.equal(teacher.embed(noise(10.1)), teacher.embed(noise(10.1)[:, :160000]))


def test_a_tenth_of_a_second_is_enough_and_less_is_refused(checkpoint, teacher):
    assert teacher.embed(noise(0.1)).isfinite().all()
    with pytest.raises(AudioError, match=r"1599 samples .* too short for teacher matpac: at least 1600"):
        teacher.embed(noise(0.1)[:, :1599])
    compat = make_matpac_teacher("matpac", checkpoint=checkpoint, compat="ssondo")
    assert compat.embed(noise(0.1)[:, :400]).shape == (1, 320)
    with pytest.raises(AudioError, match="at least 400"):
        compat.embed(noise(0.1)[:, :399])
    with pytest.raises(SondoError, match=r"shape \(batch, samples\), not \(16000,\)"):
        teacher.embed(noise(1.0)[0])


def test_the_fingerprint_follows_the_file_and_the_settings(recipe, checkpoint, teacher, tmp_path):
    again = make_matpac_teacher("other", checkpoint=str(checkpoint))
    assert again.fingerprint == teacher.fingerprint
    compat = make_matpac_teacher("matpac", checkpoint=checkpoint, compat="ssondo")
    changed = seeded(recipe, SHAPES)
    changed["student_encoder.norm.bias"][0] += 1
    other = make_matpac_teacher("matpac", checkpoint=save(tmp_path / "other.pt", changed))
    assert len({teacher.fingerprint, compat.fingerprint, other.fingerprint}) == 3


def test_an_unknown_compat_is_refused(checkpoint):
    with pytest.raises(SondoError, match="compat is 'paper': give ssondo"):
        make_matpac_teacher("matpac", checkpoint=checkpoint, compat="paper")


def test_patches_over_all_bands_make_one_row():
    tensors = {
        "patch_embed.proj.weight": torch.zeros(64, 1, 80, 2),
        "pos_embed": torch.zeros(1, 305, 64),
        "blocks.0.mlp.fc1.weight": torch.zeros(96, 64),
    }
    want = TransformerShape(
        rows=1, columns=304, patch_bands=80, patch_frames=2, width=64, mlp_width=96, depth=1, num_heads=1
    )
    assert read_shape(tensors, path=Path("speech.pth")) == want
