"""Who may ask an index: the student that built it; of a teacher's, its students through their head, and itself."""

import json

import numpy as np
import pytest

pytest.importorskip("lance", reason="needs the extra search")
pytest.importorskip("torch", reason="needs the extra train")

import torch

from sondo.audio.logmel import LogMelConfig
from sondo.cli import main
from sondo.errors import SondoError
from sondo.loading import load
from sondo.runtime import SpaceMismatchError
from sondo.search import Index, IndexInfo, build, query
from sondo.search.ask import asker_of
from sondo.search.info import teacher_space_id
from sondo.students.storage import load_projector

TOY = {"name": "toy", "fingerprint": "0123456789abcdef", "embedding_dim": 24}
PLACE = {"offset_s": 0.0, "duration_s": 1.0, "labels": None, "file_bytes": 1, "file_mtime_ns": 2}


def teacher_index(path, vectors, *, fingerprint=TOY["fingerprint"]):
    """An index of a teacher's vectors, file `N.wav` for row N."""
    info = IndexInfo(
        kind="teacher",
        space_id=teacher_space_id({**TOY, "fingerprint": fingerprint, "embedding_dim": vectors.shape[1]}),
        model="toy",
        fingerprint=fingerprint,
        embedding_dim=vectors.shape[1],
        sample_rate=32000,
        licence="CC0-1.0",
    )
    index = Index.create(path, info)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    index.append([{"uri": f"{row}.wav", **PLACE} for row in range(len(vectors))], unit.astype(np.float32))
    return index


@pytest.mark.slow
def test_a_student_asks_its_teachers_index_through_its_mapping_head(student_folder, sound_folder, tmp_path):
    sounds = [sound_folder / f"{number}.wav" for number in range(5)]
    head = load_projector(student_folder / "student")
    embedded = torch.from_numpy(load(student_folder).embed(sounds))
    with torch.inference_mode():
        mapped = head(embedded).numpy()
    index = teacher_index(tmp_path / "t.lance", mapped)
    for number, sound in enumerate(sounds):
        hit, *_ = query(index, sound, model=student_folder, k=1)
        assert hit.uri == f"{number}.wav"
        assert hit.cosine == pytest.approx(1.0, abs=1e-4)


def test_a_student_of_another_version_of_the_teacher_is_refused(student_folder, tmp_path):
    index = teacher_index(tmp_path / "t.lance", np.eye(24), fingerprint="ffff")
    with pytest.raises(SpaceMismatchError, match="this very version taught"):
        asker_of(index, student_folder)


def test_a_student_without_a_mapping_head_is_refused(student, tmp_path):
    from sondo.students.storage import save

    save(student, tmp_path / "plain")
    index = teacher_index(tmp_path / "t.lance", np.eye(24))
    with pytest.raises(SondoError, match="no mapping head"):
        asker_of(index, tmp_path / "plain")


def test_the_index_of_one_student_is_not_asked_by_another(student, student_folder, sound_folder, tmp_path):
    from sondo.students.storage import save

    build(sound_folder, tmp_path / "i.lance", model=student_folder)
    student.info = {}
    save(student, tmp_path / "other")
    with pytest.raises(SpaceMismatchError, match="ask with the model that built the index"):
        query(tmp_path / "i.lance", sound_folder / "0.wav", model=tmp_path / "other")


def test_a_teachers_index_says_who_can_ask_when_nobody_is_named(tmp_path):
    index = teacher_index(tmp_path / "t.lance", np.eye(24))
    with pytest.raises(SondoError, match=r"space of the teacher toy: .* such as teacher:modulation"):
        query(index, "dog.wav")


def test_the_teacher_itself_asks_its_index(sound_folder, tmp_path):
    from sondo.evaluate.embed import teacher_embedder
    from sondo.teachers import create

    teacher = create("modulation")
    vectors = np.stack([teacher_embedder(teacher)(sound_folder / f"{number}.wav") for number in range(4)])
    info = {"name": "modulation", "fingerprint": teacher.fingerprint, "embedding_dim": teacher.embedding_dim}
    index = Index.create(
        tmp_path / "t.lance",
        IndexInfo(
            kind="teacher",
            space_id=teacher_space_id(info),
            model="modulation",
            fingerprint=teacher.fingerprint,
            embedding_dim=teacher.embedding_dim,
            sample_rate=teacher.sample_rate,
            licence="MIT",
        ),
    )
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    index.append([{"uri": f"{row}.wav", **PLACE} for row in range(4)], unit)
    hit, *_ = query(index, sound_folder / "2.wav", model="teacher:modulation", k=1)
    assert (hit.uri, round(hit.cosine, 4)) == ("2.wav", 1.0)


def mapped_index(student_folder, sound_folder, out):
    main(["index", str(sound_folder), "--model", str(student_folder), "--teacher_space", "--out", str(out)])
    return Index(out)


def test_a_students_index_in_its_teachers_space(student_folder, sound_folder, tmp_path):
    index = mapped_index(student_folder, sound_folder, tmp_path / "i.lance")
    assert (index.info.kind, index.info.model, index.info.space_id) == ("teacher", "toy", teacher_space_id(TOY))
    student = load(student_folder)
    assert index.info.mapped_from == student.space_id
    head = load_projector(student_folder / "student")
    with torch.inference_mode():
        wanted = head(torch.from_numpy(student.embed(sound_folder / "3.wav"))[None])[0].numpy()
    hit, *_ = index.nearest(wanted, space_id=index.info.space_id, k=1)
    assert (hit.uri, round(hit.cosine, 4)) == (str((sound_folder / "3.wav").resolve()), 1.0)
    hit, *_ = query(index, sound_folder / "2.wav", model=student_folder, k=1)
    assert (hit.uri, round(hit.cosine, 4)) == (str((sound_folder / "2.wav").resolve()), 1.0)
    teacher_index(tmp_path / "t.lance", np.eye(24))
    with pytest.raises(SondoError, match="are by the teacher itself, these would be by mobilenetv3"):
        build(sound_folder, tmp_path / "t.lance", model=student_folder, teacher_space=True)
    with pytest.raises(SondoError, match="no mapping head of the teacher tou: it has toy"):
        build(sound_folder, tmp_path / "j.lance", model=student_folder, teacher_space=True, teacher="tou")


class Reader:
    """A teacher who knows one word, where file 1 lies."""

    name, fingerprint, embedding_dim, sample_rate = "toy", TOY["fingerprint"], 24, 32000

    def embed_text(self, texts):
        assert texts == ["a low tone"]
        return self.vectors


@pytest.mark.slow
def test_words_ask_a_teacher_that_reads_them(student_folder, sound_folder, tmp_path, monkeypatch, capsys):
    index = mapped_index(student_folder, sound_folder, tmp_path / "i.lance")
    head = load_projector(student_folder / "student")
    with torch.inference_mode():
        Reader.vectors = 7 * head(torch.from_numpy(load(student_folder).embed(sound_folder / "1.wav"))[None])
    monkeypatch.setattr("sondo.teachers.create", lambda name, **_: Reader())
    ask = ["search", str(index.path), "a low tone", "--text", "--k", "1", "--json", str(tmp_path / "hits.json")]
    main([*ask, "--model", "teacher:hf:clap"])
    (hit,) = json.loads((tmp_path / "hits.json").read_text())["hits"]
    assert hit["file"] == str((sound_folder / "1.wav").resolve())
    monkeypatch.delattr(Reader, "embed_text")
    for model, why in (("teacher:hf:clap", "only hears: CLAP models"), (str(student_folder), "a student only hears")):
        with pytest.raises(SystemExit):
            main([*ask, "--model", model])
        assert why in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("words", [["rain", "dog"], None, "", "  "])
def test_what_is_no_words_asks_nobody(words, tmp_path):
    index = teacher_index(tmp_path / "t.lance", np.eye(24))
    with pytest.raises(SondoError, match=r"the query is words in one string, such as 'a dog barking', not "):
        query(index, words, text=True, model="teacher:hf:clap")


def write_tiny_file(path, *, mapped):
    """A file whose embedding is (mean, peak), and whose `teacher_space` is (peak, mean)."""
    onnx = pytest.importorskip("onnx", reason="needs the extra train")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("ReduceMean", ["audio", "axes"], ["mean"], keepdims=1),
        helper.make_node("ReduceMax", ["audio", "axes"], ["peak"], keepdims=1),
        helper.make_node("Concat", ["mean", "peak"], ["embedding"], axis=1),
        helper.make_node("Concat", ["peak", "mean"], ["teacher_space"], axis=1),
    ]
    names = ["embedding", "teacher_space"] if mapped else ["embedding"]
    graph = helper.make_graph(
        nodes if mapped else nodes[:3],
        "tiny",
        [helper.make_tensor_value_info("audio", kind, ["batch", "samples"])],
        [helper.make_tensor_value_info(name, kind, ["batch", 2]) for name in names],
        [helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    about = {"format": "1", "name": "tiny", "space_id": "tiny-abc", "sample_rate": "32000", "embedding_dim": "2"}
    about |= {"licence": "CC0-1.0", "front_end": json.dumps(LogMelConfig().to_dict())}
    about |= {"teacher": json.dumps({**TOY, "embedding_dim": 2})} if mapped else {}
    helper.set_model_props(model, {f"sondo.{key}": value for key, value in about.items()})
    onnx.save(model, str(path))
    return path


def test_an_exported_file_asks_through_its_output_teacher_space(sound_folder, tmp_path):
    path = write_tiny_file(tmp_path / "tiny.onnx", mapped=True)
    mean, peak = load(path).embed(sound_folder / "1.wav")
    index = teacher_index(tmp_path / "t.lance", np.array([[peak, mean], [mean, peak], [-peak, mean]]))
    hit, *_ = query(index, sound_folder / "1.wav", model=path, k=1)
    assert (hit.uri, round(hit.cosine, 4)) == ("0.wav", 1.0)


def test_where_the_model_that_built_it_has_gone_the_index_says_so(student_folder, sound_folder, tmp_path):
    build(sound_folder / "deep", tmp_path / "i.lance", model=student_folder)
    student_folder.rename(tmp_path / "elsewhere")
    with pytest.raises(SondoError, match=r"i\.lance was built by .*run, which is not there: .*--model"):
        query(tmp_path / "i.lance", sound_folder / "deep" / "long.flac")
    assert len(query(tmp_path / "i.lance", sound_folder / "deep" / "long.flac", model=tmp_path / "elsewhere")) == 2


def test_an_exported_file_without_that_output_is_refused(tmp_path):
    index = teacher_index(tmp_path / "t.lance", np.eye(2))
    with pytest.raises(SondoError, match=r"no output `teacher_space`.*export the run again"):
        asker_of(index, write_tiny_file(tmp_path / "tiny.onnx", mapped=False))


def test_the_command_line_shows_and_writes_what_was_found(student_folder, sound_folder, tmp_path, capsys):
    out = tmp_path / "i.lance"
    main(["index", str(sound_folder), "--model", str(student_folder), "--out", str(out)])
    assert "7 clips (7 new), 0 set aside" in capsys.readouterr().out
    table, values = tmp_path / "hits.csv", tmp_path / "hits.json"
    ask = ["search", str(out), str(sound_folder / "2.wav"), "--k", "2", "--out", str(table)]
    main([*ask, "--json", str(values)])
    said = capsys.readouterr().out
    assert "exact search over 7 clips" in said
    assert str((sound_folder / "2.wav").resolve()) in said.splitlines()[1]
    rows = [line.split(",") for line in table.read_text().splitlines()]
    assert rows[0][:4] == ["rank", "cosine", "file", "offset_s"]
    hits = json.loads(values.read_text())["hits"]
    assert [hit["file"] for hit in hits] == [row[2] for row in rows[1:]]
    assert [hit["rank"] for hit in hits] == [1, 2]
    with pytest.raises(SystemExit):
        main(ask)
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "name", "message"),
    [
        ("--out", "hits.csv", "hits.csv is there already"),
        ("--out", "hits.txt", "hits.txt: such a file is called something.csv"),
        ("--json", "hits.csv/below.json", "hits.csv is a file, name another"),
    ],
)
def test_a_place_where_nothing_can_be_written_is_told_before_the_search(
    option, name, message, tmp_path, monkeypatch, capsys
):
    teacher_index(tmp_path / "t.lance", np.eye(24))
    monkeypatch.setattr("sondo.search.query", lambda *_, **__: pytest.fail("it searched"))
    (tmp_path / "hits.csv").write_text("mine")
    with pytest.raises(SystemExit):
        main(["search", str(tmp_path / "t.lance"), "dog.wav", option, str(tmp_path / name)])
    assert message in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "hits.csv").read_text() == "mine"
