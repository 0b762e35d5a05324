"""A user's own network, and a model of timm, as students."""

import sys
from fnmatch import fnmatch
from types import ModuleType

import pytest
import torch

from sondo.errors import SondoError
from sondo.students import create, load, save
from sondo.students.registry import check_name

SOURCE = """
import torch

def make_student():
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d((4, 1)), torch.nn.Flatten(), torch.nn.Linear(4, 7))

def make_wide(width_mult):
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d((4, 1)), torch.nn.Flatten(),
                               torch.nn.Linear(4, int(8 * width_mult)))

def make_map():
    return torch.nn.Conv2d(1, 3, 3)

def make_nothing():
    return "a network"

def make_lazy():
    return torch.nn.Sequential(torch.nn.LazyConv2d(2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

def make_fixed():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(128 * 624, 3))

def make_wide_kernel():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 3, (3, 8)), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

def fails():
    raise RuntimeError("no weights here")
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mynets.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    yield "mynets"
    sys.modules.pop("mynets", None)


def test_a_function_in_the_working_folder_makes_a_student(mine):
    student = create(f"{mine}:make_student").eval()
    audio = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        log_mel = student.front_end(audio)
        wanted = student.backbone.network(log_mel[:, None])
        torch.testing.assert_close(student(audio), wanted)
    assert student.embedding_dim == 7
    assert create(f"{mine}:make_wide", width_mult=0.5).embedding_dim == 4


def test_lazy_layers_can_be_trained(mine):
    student = create(f"{mine}:make_lazy")
    student.embed_log_mel(torch.zeros(2, 128, 20)).sum().backward()
    assert all(weight.grad is not None for weight in student.backbone.parameters())


def test_its_folder_is_loaded_only_when_its_code_is_allowed(mine, tmp_path):
    student = create(f"{mine}:make_student")
    folder = save(student, tmp_path / "student")
    with pytest.raises(SondoError, match=r"mynets:make_student.*--allow_code"):
        load(folder)
    assert load(folder, allow_code=True).space_id == student.space_id


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mynets:make_map", r"gives \(2, 3, 126, 622\).*expected vectors"),
        ("mynets:make_fixed", r"fails on .*\(2, 1, 128, 5\).* must take any number of frames from 5 on"),
        ("mynets:make_wide_kernel", r"fails on .*\(2, 1, 128, 5\).*Kernel size"),
        ("mynets:make_nothing", "made str: expected an nn.Module"),
        ("mynets:fails", "RuntimeError: no weights here"),
        ("mynets:absent", "no function absent"),
        ("absent_module:f", r"absent_module cannot be imported: .* \(looked for in /.* and on the Python path\)"),
        ("mynets:", "expected package.module:function"),
    ],
)
def test_what_is_no_student_is_named(mine, name, message):
    with pytest.raises(SondoError, match=message):
        create(name)


def test_what_it_does_not_have_is_refused(mine):
    with pytest.raises(SondoError, match="takes no width_mult"):
        create(f"{mine}:make_student", width_mult=0.5)
    with pytest.raises(SondoError, match="no read-out 'multilevel'"):
        create(f"{mine}:make_student", readout="multilevel")


class FakeTimm(ModuleType):
    """What sondo asks of timm; timm itself needs a torchvision that fits torch, which tests must not need."""

    def is_model(self, name):
        return name == "tiny_net"

    def list_models(self, pattern):
        return [name for name in ("tiny_net",) if fnmatch(name, pattern)]

    def create_model(self, name, *, pretrained, in_chans, num_classes):
        assert (pretrained, in_chans, num_classes) == (False, 1, 0)
        return torch.nn.Sequential(torch.nn.Conv2d(1, 5, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())


@pytest.fixture
def timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", FakeTimm("timm"))


def test_a_timm_model_is_a_student_by_its_bare_name_too(timm, tmp_path):
    student = create("timm:tiny_net").eval()
    log_mel = torch.randn(2, 128, 90, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(student.embed_log_mel(log_mel), student.backbone.network(log_mel[:, None]))
    assert student.embedding_dim == 5
    check_name("tiny_net")
    assert create("tiny_net").name == load(save(student, tmp_path / "s")).name == "timm:tiny_net"


def test_an_unknown_timm_model_is_named_with_near_ones(timm):
    with pytest.raises(SondoError, match="no model 'tiny'.*did you mean tiny_net"):
        create("timm:tiny")
    with pytest.raises(SondoError, match="no student is called 'tiny'"):
        create("tiny")


def test_a_timm_that_does_not_work_is_said(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.setattr("sondo.errors.importlib.import_module", broken)
    with pytest.raises(SondoError, match="timm is installed but cannot be imported .*nms.* reinstall torchvision"):
        create("timm:tiny_net")
