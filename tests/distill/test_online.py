"""Teachers that listen in training: the same sound for them and the student, replayed, kept, and resumed."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sondo.audio.arrays import resample
from sondo.audio.logmel import log_mel
from sondo.bank import Bank, ingest
from sondo.bank.schema import BankInfo
from sondo.cli import main
from sondo.distill.augment import augment, augment_sounds, clip_seeds
from sondo.distill.data import BankBatches
from sondo.distill.module import Distillation
from sondo.distill.online import OnlineTeacher
from sondo.distill.sound_views import SoundBatches
from sondo.distill.teach import teach
from sondo.distill.train import train
from sondo.errors import SondoError
from sondo.recipe import AugmentConfig, StudentConfig, TrainConfig
from sondo.students import load_projector

LOUDER = AugmentConfig(gain_db=12, roll=True, mixup_alpha=0.3)


class Levels:
    """Loudness of the sound and of its halves; it keeps what it heard."""

    name, sample_rate, embedding_dim, licence, fingerprint = "levels", 16000, 3, "CC0", "v1"

    def __init__(self):
        self.heard = []

    def embed(self, audio):
        self.heard += list(audio.numpy())
        halves = audio[:, : audio.shape[1] // 2], audio[:, audio.shape[1] // 2 :]
        return torch.stack([part.square().mean(1).sqrt() + 0.01 for part in (audio, *halves)], dim=1)


@pytest.fixture
def bank(sound_folder, tmp_path):
    (sound_folder / "deep" / "long.flac").unlink()
    ingest(tmp_path / "b.lance", audio=sound_folder)
    opened = Bank(tmp_path / "b.lance")
    teach(opened, Levels())
    return opened


def views(bank, config, seed=3, rates=(16000,)):
    return SoundBatches(BankBatches(bank.path, ["teacher.levels"]), config, seed=seed, sample_rates=list(rates))


def test_sounds_are_changed_as_log_mels_are():
    rate, seeds = 32000, clip_seeds(1, 0, range(3))
    time = np.arange(rate) / rate
    sounds = [(0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32) for hz in (400, 1900, 7000)]
    mels = torch.from_numpy(np.stack([log_mel(sound) for sound in sounds]))
    for config, tolerance in ((AugmentConfig(gain_db=12), 5e-3), (AugmentConfig(mixup_alpha=0.3), 0.02)):
        changed, mix = augment_sounds(sounds, seeds, config)
        expected, expected_mix = augment(mels, seeds, config)
        assert np.abs(np.stack([log_mel(sound) for sound in changed]) - expected.numpy()).max() < tolerance
        assert (mix is None) == (expected_mix is None)
    assert torch.equal(mix.partner_B, expected_mix.partner_B)
    assert torch.equal(mix.weight_B, expected_mix.weight_B)
    rolled, _ = augment_sounds([time.astype(np.float32)], seeds[:1], AugmentConfig(roll=True))
    assert sorted(rolled[0].tolist()) == sorted(time.astype(np.float32).tolist())
    assert rolled[0][0] > 0


def test_a_partner_of_another_length_is_repeated_or_cut():
    short, long = np.full(4, 1.0, np.float32), np.arange(10, dtype=np.float32)
    changed, mix = augment_sounds([short, long], clip_seeds(1, 0, range(2)), AugmentConfig(mixup_alpha=0.3))
    weights = mix.weight_B.numpy()
    assert changed[0] == pytest.approx(weights[0] * short + (1 - weights[0]) * long[:4], rel=1e-6)
    assert changed[1] == pytest.approx(weights[1] * long + (1 - weights[1]) * np.ones(10), rel=1e-6)


def test_what_nothing_changes_is_the_banks_own(bank):
    batch = views(bank, AugmentConfig(mel_masks=0))[0, [0, 1]]
    assert torch.equal(batch.log_mel, BankBatches(bank.path, ["teacher.levels"])[[0, 1]].log_mel)


def test_student_and_teachers_hear_one_changed_sound(bank):
    batch = views(bank, LOUDER, rates=(32000, 16000))[5, [0, 3, 4]]
    whole, low = batch.sounds
    assert [len(sound) for sound in whole] == [16000, 32000, 22400]
    for clip, sound in enumerate(whole):
        frames = log_mel(sound).shape[1]
        assert np.abs(batch.log_mel[clip, :, :frames].numpy() - log_mel(sound)).max() < 2e-2  # float16 in the bank
        assert np.array_equal(low[clip], resample(sound, 32000, 16000))
    plain = views(bank, AugmentConfig(), rates=(32000,))[5, [0, 3, 4]].sounds[0]
    assert all(np.abs(sound - before).max() > 0.01 for sound, before in zip(whole, plain, strict=True))


def test_masks_are_for_the_student_alone(bank):
    masked = views(bank, AugmentConfig(gain_db=12, time_masks=2, mel_masks=2))[1, [0, 1, 2]]
    plain = views(bank, AugmentConfig(gain_db=12))[1, [0, 1, 2]]
    assert not torch.equal(masked.log_mel, plain.log_mel)
    assert all(np.array_equal(a, b) for a, b in zip(masked.sounds[0], plain.sounds[0], strict=True))


def test_a_view_is_repeated_and_another_differs(bank):
    first, again, other = (views(bank, LOUDER)[view, [0, 3, 4]] for view in (2, 2, 3))
    assert torch.equal(first.log_mel, again.log_mel)
    assert all(np.array_equal(a, b) for a, b in zip(first.sounds[0], again.sounds[0], strict=True))
    assert torch.equal(first.mix.weight_B, again.mix.weight_B)
    assert not torch.equal(first.log_mel, other.log_mel)


def run(bank, out, *, teacher, augmentation=LOUDER, online=True, epochs=3, **settings):
    column = teach(bank, teacher)
    config = TrainConfig(epochs=epochs, batch_size=4, clips_per_epoch=8, sampling="uniform", **settings)
    return train(
        bank,
        teachers=[column],
        clusters=None,
        student=StudentConfig(width_mult=0.1),
        config=config,
        augmentation=augmentation,
        online=[OnlineTeacher(teacher)] if online else [],
        out=out,
    )


def steps_of(monkeypatch):
    """The batches that training is given, as it sees them."""
    seen = []
    step = Distillation._step

    def noting(self, batch, name):
        if name == "train_loss":
            seen.append(batch)
        return step(self, batch, name)

    monkeypatch.setattr(Distillation, "_step", noting)
    return seen


@pytest.mark.slow
def test_the_targets_are_what_the_teacher_says_of_what_the_student_hears(bank, tmp_path, monkeypatch):
    seen = steps_of(monkeypatch)
    run(bank, tmp_path / "r", teacher=Levels(), epochs=2)
    assert len(seen) == 4
    for step, batch in enumerate(seen):
        heard = views(bank, LOUDER, seed=0)[step // 2, batch.rows.tolist()]
        assert torch.equal(batch.log_mel, heard.log_mel)
        told = torch.cat([Levels().embed(torch.from_numpy(sound)[None]) for sound in heard.sounds[0]])
        assert torch.allclose(batch.targets[0], told, rtol=2e-3)


@pytest.mark.slow
def test_views_come_again_and_the_teacher_is_not_asked_twice(bank, tmp_path, monkeypatch):
    seen, teacher = steps_of(monkeypatch), Levels()
    config = AugmentConfig(gain_db=12, mixup_alpha=0.3, views=2)
    run(bank, tmp_path / "r", teacher=teacher, augmentation=config, epochs=4)
    assert len(teacher.heard) == 2 * 8
    epochs = [seen[first : first + 2] for first in range(0, 8, 2)]
    for epoch, steps in enumerate(epochs):
        for batch, of_view in zip(steps, epochs[epoch % 2], strict=True):
            assert torch.equal(batch.log_mel, of_view.log_mel)
            assert torch.equal(batch.targets[0], of_view.targets[0])
    assert not torch.equal(epochs[0][0].targets[0], epochs[1][0].targets[0])
    assert sorted(path.name for path in (tmp_path / "r" / "views").iterdir()) == ["0.safetensors", "1.safetensors"]


@pytest.mark.parametrize("num_views", [None, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_a_killed_run_ends_with_the_weights_of_an_undisturbed_one(bank, tmp_path, monkeypatch, num_views):
    config = AugmentConfig(gain_db=6, roll=True, mixup_alpha=0.3, time_masks=1, views=num_views)
    whole = run(bank, tmp_path / "whole", teacher=Levels(), augmentation=config, epochs=3)
    step = Distillation.training_step

    def killed(self, batch, batch_idx):
        if self.current_epoch == 2 and batch_idx == 1:
            raise RuntimeError("killed")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Distillation, "training_step", killed)
    with pytest.raises(RuntimeError, match="killed"):
        run(bank, tmp_path / "broken", teacher=Levels(), augmentation=config, epochs=3)
    monkeypatch.setattr(Distillation, "training_step", step)
    teacher = Levels()
    resumed = run(bank, tmp_path / "broken", teacher=teacher, augmentation=config, epochs=3)
    assert len(teacher.heard) == (0 if num_views else 8)
    for name in ("model.safetensors", "projector.safetensors"):
        expected, found = load_file(whole / name), load_file(resumed / name)
        assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.slow
def test_a_named_teacher_listens_from_the_command_line(bank, tmp_path):
    names = ["--bank", str(bank.path), "--teacher", "modulation"]
    main(["teach", *names])
    training = ["--train.epochs", "1", "--train.batch_size", "4", "--train.sampling", "uniform"]
    hearing = ["--teacher.online", "true", "--augment.gain_db", "6", "--augment.views", "1"]
    main(["train", *names, "--out", str(tmp_path / "r"), "--student.width_mult", "0.1", *training, *hearing])
    assert load_projector(tmp_path / "r" / "student").embedding_dim == 544
    vectors = load_file(tmp_path / "r" / "views" / "0.safetensors")
    assert sum(len(value) for key, value in vectors.items() if key.endswith(".rows")) == 5


@pytest.mark.slow
def test_readers_in_processes_of_their_own_give_the_same_student(bank, tmp_path):
    here = run(bank, tmp_path / "here", teacher=Levels(), epochs=1)
    there = run(bank, tmp_path / "there", teacher=Levels(), epochs=1, workers=1)
    expected, found = (load_file(folder / "model.safetensors") for folder in (here, there))
    assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        (AugmentConfig(), "nothing changes the sound: set --augment.gain_db"),
        (AugmentConfig(time_masks=2), "nothing changes the sound"),
    ],
)
def test_a_teacher_that_would_hear_nothing_new_is_refused(bank, tmp_path, augmentation, message):
    with pytest.raises(SondoError, match=message):
        run(bank, tmp_path / "r", teacher=Levels(), augmentation=augmentation)


def test_views_without_a_teacher_that_listens_are_refused(bank, tmp_path):
    config = AugmentConfig(gain_db=3, views=2)
    with pytest.raises(SondoError, match="set --teacher.online, or leave it out"):
        run(bank, tmp_path / "r", teacher=Levels(), augmentation=config, online=False)


def test_vectors_from_elsewhere_cannot_listen():
    class Looked:
        name, sample_rate, embedding_dim, needs_audio = "looked", 0, 2, False

    with pytest.raises(SondoError, match="looked has vectors of the bank's clips alone and cannot listen"):
        OnlineTeacher(Looked())


def test_another_teacher_than_that_of_the_column_is_refused(bank, tmp_path):
    newer = Levels()
    newer.fingerprint = "v2"
    config = TrainConfig(epochs=1, batch_size=4, sampling="uniform")
    with pytest.raises(SondoError, match=r"teacher\.levels is of another teacher.*fingerprint was 'v1', is now 'v2'"):
        train(
            bank,
            teachers=["teacher.levels"],
            clusters=None,
            student=StudentConfig(width_mult=0.1),
            config=config,
            augmentation=LOUDER,
            online=[OnlineTeacher(newer)],
            out=tmp_path / "r",
        )


def test_a_bank_whose_teachers_hear_another_part_is_refused(sound_folder, tmp_path):
    ingest(tmp_path / "c.lance", audio=sound_folder, info=BankInfo(compat="ssondo"))
    with pytest.raises(SondoError, match="other parts of a file"):
        run(Bank(tmp_path / "c.lance"), tmp_path / "r", teacher=Levels())


def test_a_teacher_with_a_vector_that_is_none_is_named(bank, tmp_path):
    class Breaks(Levels):
        def embed(self, audio):
            return super().embed(audio) * float("nan")

    with pytest.raises(SondoError, match=r"levels gave nan for row \d of the bank as epoch 0 changes it"):
        train(
            bank,
            teachers=["teacher.levels"],
            clusters=None,
            student=StudentConfig(width_mult=0.1),
            config=TrainConfig(epochs=1, batch_size=4, sampling="uniform"),
            augmentation=LOUDER,
            online=[OnlineTeacher(Breaks())],
            out=tmp_path / "r",
        )
