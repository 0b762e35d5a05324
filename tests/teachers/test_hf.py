"""Audio models of transformers, small and random, against what the library itself gives for the same sound."""

import json
import math
import shutil

import numpy as np
import pytest
import torch

from sondo.errors import SondoError
from sondo.teachers import create

transformers = pytest.importorskip("transformers")

WAVE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 8, 4),
    "conv_stride": (5, 8, 4),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}


def wave_extractor(**options):
    return transformers.Wav2Vec2FeatureExtractor(sampling_rate=16000, do_normalize=True, **options)


def make(kind):
    torch.manual_seed(0)
    if kind in ("wav2vec2", "hubert", "wavlm", "data2vec"):
        config, model = {
            "wav2vec2": (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model),
            "hubert": (transformers.HubertConfig, transformers.HubertModel),
            "wavlm": (transformers.WavLMConfig, transformers.WavLMModel),
            "data2vec": (transformers.Data2VecAudioConfig, transformers.Data2VecAudioModel),
        }[kind]
        mask = kind in ("wavlm", "data2vec")
        norm = {"feat_extract_norm": "layer"} if mask else {"feat_extract_norm": "group"}
        return model(config(**WAVE, **norm)), wave_extractor(return_attention_mask=mask)
    if kind == "ast":
        config = transformers.ASTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            num_mel_bins=32,
            max_length=128,
        )
        return transformers.ASTModel(config), transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=128)
    if kind == "whisper":
        config = transformers.WhisperConfig(
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_source_positions=100,
            vocab_size=10,
            pad_token_id=0,
            bos_token_id=0,
            eos_token_id=0,
            decoder_start_token_id=0,
        )
        return transformers.WhisperModel(config), transformers.WhisperFeatureExtractor(chunk_length=2)
    audio = transformers.ClapAudioConfig(
        depths=[1, 1],
        num_attention_heads=[2, 2],
        patch_embeds_hidden_size=16,
        hidden_size=32,
        spec_size=64,
        num_mel_bins=16,
        window_size=2,
        projection_dim=6,
        enable_fusion=kind == "clap-fused",
    )
    text = transformers.ClapTextConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=20, projection_dim=6
    )
    config = transformers.ClapConfig(
        audio_config=audio.to_dict(),
        text_config=text.to_dict(),
        projection_dim=6,
        projection_hidden_act="gelu",  # a relu of six random values may be zero throughout
    )
    fused = {"truncation": "fusion"} if kind == "clap-fused" else {"truncation": "rand_trunc"}
    extractor = transformers.ClapFeatureExtractor(feature_size=16, max_length_s=2, padding="repeatpad", **fused)
    return transformers.ClapModel(config), extractor


KINDS = ("wav2vec2", "hubert", "wavlm", "data2vec", "ast", "whisper", "clap", "clap-fused")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp("hf") / f"{kind}-tiny"
        model, extractor = make(kind)
        model.eval().save_pretrained(folder)
        extractor.save_pretrained(folder)
        made[kind] = folder
    (made["ast"] / "README.md").write_text("---\nlicense: bsd-3-clause\ntags: [audio]\n---\n# A model\n")
    return made


def noise(rate, seconds, batch=1):
    sound = np.random.default_rng(1).standard_normal((batch, round(seconds * rate)))
    return torch.from_numpy((0.1 * sound).astype(np.float32))


def pooled(features):
    """The vectors of what CLAP's own calls give: themselves in transformers 4, an object that holds them in 5."""
    return features if torch.is_tensor(features) else features.pooler_output


def by_hand(kind, audio):
    """The vector of one sound that fits the model, by the library's own calls."""
    model, extractor = make(kind)
    model.eval()
    features = extractor(audio[0].numpy(), sampling_rate=extractor.sampling_rate, return_tensors="pt")
    with torch.inference_mode():
        if kind == "whisper":
            return (
                model.encoder(features["input_features"])
                .last_hidden_state[0, : math.ceil(audio.shape[1] / 320)]
                .mean(0)
            )
        if kind.startswith("clap"):
            if "is_longer" in features:
                features["is_longer"] = torch.zeros_like(features["is_longer"])
            return pooled(model.get_audio_features(**features))[0]
        output = model(**features)
        return output.pooler_output[0] if kind == "ast" else output.last_hidden_state[0].mean(0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_gives_the_librarys_vectors_alone_and_in_a_batch(folders, kind):
    teacher = create(f"hf:{folders[kind]}")
    audio = noise(teacher.sample_rate, 1.0, batch=3)
    with torch.inference_mode():
        found = teacher.embed(audio)
        alone = torch.cat([teacher.embed(row[None]) for row in audio])
    torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[1], by_hand(kind, audio[1:2]), rtol=1e-4, atol=1e-5)
    assert found.shape == (3, teacher.embedding_dim)
    assert teacher.name == f"hf-{kind}-tiny"
    assert teacher.num_params > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", [0.1, 5.3])
def test_short_and_long_sound_gives_the_same_vector_twice(folders, kind, seconds):
    teacher = create(f"hf:{folders[kind]}")
    audio = noise(teacher.sample_rate, seconds)
    with torch.inference_mode():
        first, second = teacher.embed(audio), teacher.embed(audio)
    assert torch.isfinite(first).all()
    assert torch.equal(first, second)


def test_long_sound_is_the_mean_of_windows_by_their_length(folders):
    teacher = create(f"hf:{folders['whisper']}")
    audio = noise(16000, 5.0)
    with torch.inference_mode():
        parts = [teacher.embed(audio[:, :32000]), teacher.embed(audio[:, 32000:64000]), teacher.embed(audio[:, 64000:])]
        torch.testing.assert_close(teacher.embed(audio), (2 * parts[0] + 2 * parts[1] + parts[2]) / 5)


def test_the_poolings_of_ast(folders):
    model, extractor = make("ast")
    audio = noise(16000, 0.5)
    features = extractor(audio[0].numpy(), sampling_rate=16000, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.eval()(**features).last_hidden_state[0]
        vectors = {p: create(f"hf:{folders['ast']}", pooling=p).embed(audio)[0] for p in ("mean", "cls", "pooler")}
    torch.testing.assert_close(vectors["cls"], tokens[0])
    torch.testing.assert_close(vectors["pooler"], (tokens[0] + tokens[1]) / 2)
    # 32 bands give 2 rows of patches every 10 bands; 50 frames of sound begin 5 patches every 10 frames.
    patches = tokens[2:].reshape(2, 12, 16)
    torch.testing.assert_close(vectors["mean"], patches[:, :5].mean((0, 1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["hubert", "ast", "whisper"])
def test_the_frames_of_any_layer(folders, kind):
    model, extractor = make(kind)
    audio = noise(16000, 2.0 if kind == "whisper" else 1.28)  # as long as the model's window
    features = extractor(audio[0].numpy(), sampling_rate=16000, return_tensors="pt")
    heard = model.eval().get_encoder() if kind == "whisper" else model.eval()
    with torch.inference_mode():
        states = heard(**{k: v for k, v in features.items() if k != "attention_mask"}, output_hidden_states=True)
        layers = dict(enumerate(states.hidden_states))
        for layer, frames in {**layers, "mean": torch.stack([*layers.values()][1:]).mean(0)}.items():
            teacher = create(f"hf:{folders[kind]}", layer=layer)
            assert teacher.pooling == "mean"
            wanted = (frames[0, 2:] if kind == "ast" else frames[0]).mean(0)
            torch.testing.assert_close(teacher.embed(audio)[0], wanted, rtol=1e-4, atol=1e-5)


def test_layers_that_there_are_not(folders):
    with pytest.raises(SondoError, match="layer 3: the model has the layers 1 to 2"):
        create(f"hf:{folders['hubert']}", layer=3)
    with pytest.raises(SondoError, match="has no pooling 'pooler' of a layer: it has mean, cls"):
        create(f"hf:{folders['ast']}", layer=1, pooling="pooler")
    with pytest.raises(SondoError, match="gives no frames of its layers"):
        create(f"hf:{folders['clap']}", layer=1)
    plain, first = (create(f"hf:{folders['hubert']}", **options) for options in ({}, {"layer": 1}))
    assert plain.fingerprint != first.fingerprint


def test_fingerprint_and_licence(folders):
    ast = create(f"hf:{folders['ast']}")
    assert ast.licence == "bsd-3-clause"
    assert ast.fingerprint == create(f"hf:{folders['ast']}").fingerprint
    assert ast.fingerprint != create(f"hf:{folders['ast']}", pooling="cls").fingerprint
    assert create(f"hf:{folders['clap']}").licence == "unknown"


@pytest.fixture(scope="module")
def clap_with_words(folders, tmp_path_factory):
    """CLAP with a tokenizer of whole words, and the library's own model of both towers."""
    tokenizers = pytest.importorskip("tokenizers")
    words = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "dog": 5, "barking": 6, "rain": 7}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=16, model_input_names=["input_ids", "attention_mask"], **special
    )
    folder = tmp_path_factory.mktemp("words") / "clap-words"
    shutil.copytree(folders["clap"], folder)
    fast.save_pretrained(folder)
    return folder, fast, transformers.ClapModel.from_pretrained(folder).eval()


def test_words_lie_where_the_library_puts_them(clap_with_words):
    folder, tokenizer, model = clap_with_words
    texts = ["a dog barking", "rain"]
    found = create(f"hf:{folder}").embed_text(texts)
    with torch.inference_mode():
        for text, vector in zip(texts, found, strict=True):  # alone, so without padding
            wanted = pooled(model.get_text_features(**tokenizer([text], return_tensors="pt")))[0]
            torch.testing.assert_close(vector, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    assert not torch.allclose(found[0], found[1], atol=1e-2)


def test_cosines_times_the_scale_are_the_librarys_logits(clap_with_words):
    folder, tokenizer, model = clap_with_words
    teacher = create(f"hf:{folder}")
    audio = 0.1 * torch.randn(2, 48_000, generator=torch.Generator().manual_seed(0))
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    features = extractor(list(audio.numpy()), sampling_rate=48_000, return_tensors="pt")
    with torch.inference_mode():
        found = teacher.logit_scale * teacher.embed(audio) @ teacher.embed_text(["rain"]).T
        wanted = model(**tokenizer(["rain"], return_tensors="pt"), **features).logits_per_audio
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_lone_string_is_one_text(clap_with_words):
    teacher = create(f"hf:{clap_with_words[0]}")
    assert torch.equal(teacher.embed_text("rain"), teacher.embed_text(["rain"]))


@pytest.mark.parametrize(
    ("texts", "message"),
    [([], "no text to embed"), ("", "text 0 .* is ''"), (["rain", " ."], "text 1 .* is ' .'"), ([None], "is None")],
)
def test_what_is_no_text_is_refused(clap_with_words, texts, message):
    with pytest.raises(SondoError, match=message):
        create(f"hf:{clap_with_words[0]}").embed_text(texts)


def test_who_cannot_read_says_so(folders, clap_with_words):
    with pytest.raises(SondoError, match="hf-hubert-tiny cannot read words: CLAP models can"):
        create(f"hf:{folders['hubert']}").embed_text(["rain"])
    with pytest.raises(SondoError, match="cannot read words: CLAP models can, with their own pooling"):
        create(f"hf:{clap_with_words[0]}", pooling="pooler").embed_text(["rain"])
    with pytest.raises(SondoError, match="clap-tiny that reads words cannot be loaded: (it comes without|Can't load)"):
        create(f"hf:{folders['clap']}").embed_text(["rain"])


def test_what_cannot_be_had_is_said(folders, tmp_path, monkeypatch):
    with pytest.raises(SondoError, match="has no pooling 'cls': it has mean"):
        create(f"hf:{folders['wavlm']}", pooling="cls")
    with pytest.raises(SondoError, match="no folder './absent'"):
        create("hf:./absent")
    with pytest.raises(SondoError, match="takes no checkpoint"):
        create(f"hf:{folders['ast']}", checkpoint="x.pt")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SondoError, match="cannot be loaded as an audio model"):
        create(f"hf:{tmp_path}")
    code = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(code))
    (tmp_path / "mine.py").write_text("raise SystemExit('the code ran')")
    with pytest.raises(SondoError, match="comes with code of its own.*--teacher.trust_remote_code"):
        create(f"hf:{tmp_path}")


def test_without_a_way_to_the_hub_its_client_is_not_asked_to_try_for_long(monkeypatch):
    def refuse(url):
        raise type("ConnectError", (OSError,), {})("Name or service not known")

    for name in ("SONDO_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", refuse)
    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", lambda *_, **__: pytest.fail("it tries for long"))
    with pytest.raises(SondoError, match=r"nobody/nothing cannot be had .*Name or service not known.*hf:FOLDER"):
        create("hf:nobody/nothing")


def test_where_the_environment_forbids_the_network_none_is_tried(monkeypatch):
    def from_cache(source, **options):
        assert options["local_files_only"] is True
        raise OSError("it is not in the cache")

    monkeypatch.setenv("SONDO_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *_: pytest.fail("the network was asked"))
    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", from_cache)
    with pytest.raises(SondoError, match=r"nobody/nothing cannot be had .*it is not in the cache"):
        create("hf:nobody/nothing")


def test_without_network_the_message_says_how_to_give_a_folder(monkeypatch):
    def refused(*arguments, **options):
        raise OSError("We couldn't connect to 'https://huggingface.co'")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda url: None)
    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", refused)
    with pytest.raises(SondoError, match="nobody/nothing cannot be had from the Hugging Face hub .*hf:FOLDER"):
        create("hf:nobody/nothing")
