"""Foreign and damaged checkpoints: nothing in them runs."""

import os
import pickle
import zipfile

import pytest
import torch

from data.errors import UserError
from reid.weights.checkpoints import CheckpointInfo, load_model, read_info
from reid.weights.published import export_published, import_published
from reid.weights.torch_pickle import Inert, TorchFile, plain
from tests.reid.weights.published_files import CONFIG, TINY, state_of, write_published


class Evil:
    """Would leave a file behind when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class EvilChain:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return eval, (f"open({str(self.path)!r}, 'w').close() or dict",)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("evil", [Evil, EvilChain])
def test_a_malicious_pickle_runs_nothing(tmp_path, evil, legacy):
    trace, path = tmp_path / "ran", tmp_path / "m.pth.tar"
    tree = {"state_dict": {"a": torch.ones(2)}, "config": evil(trace), "list": [evil(trace), {"k": evil(trace)}]}
    torch.save(tree, path, _use_new_zipfile_serialization=not legacy)
    with TorchFile(path) as file:
        assert isinstance(file.tree["config"], Inert)
        assert torch.equal(file.load(file.tree["state_dict"]["a"]), torch.ones(2))
    assert not trace.exists()
    with pytest.raises(UserError, match="no KPR or BPBReID checkpoint"):
        import_published(path)
    assert not trace.exists()


def test_hand_written_opcodes_run_nothing(tmp_path):
    trace = tmp_path / "ran"
    command = f"touch {trace}".encode()
    programs = [
        b"cos\nsystem\n(S'" + command + b"'\ntR.",
        b"(S'" + command + b"'\nios\nsystem\n.",
        b"cbuiltins\ngetattr\n(cos\nsystem\nS'__call__'\ntR(S'" + command + b"'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c" + bytes([len(command)]) + command + b"\x85R.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(S'x'\nI0\n(t(ttR.",
        b"ctorch._utils\n_rebuild_tensor_v2\n}S'__code__'\nS'x'\nsb.",
    ]
    for row, program in enumerate(programs):
        path = tmp_path / f"{row}.pth.tar"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", program)
        try:
            with TorchFile(path) as file:
                plain(file.tree)
        except UserError:
            pass
        assert not trace.exists(), row


@pytest.mark.parametrize("content", [b"", b"nonsense", pickle.dumps({"a": 1}), b"PK\x03\x04broken"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "m.pth.tar"
    path.write_bytes(content)
    with pytest.raises(UserError, match="checkpoint"):
        TorchFile(path)


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "m.pth.tar"
    write_published(path, state_of(TINY), CONFIG)
    whole = path.read_bytes()
    with pytest.raises(UserError, match="cannot read"):
        import_published(tmp_path / "absent.pth.tar")
    for cut in (10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError):
            import_published(path)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    path.write_bytes(bytes(flipped))
    with pytest.raises(UserError, match=r"damaged|cannot be read"):
        import_published(path)


def test_shared_and_strided_tensors_are_read(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    saved = {"a": base, "b": base.T, "c": base[1:, ::2], "d": torch.zeros(0, 3), "e": base.half(), "f": base.bfloat16()}
    for legacy in (False, True):
        torch.save(saved, tmp_path / "m.pt", _use_new_zipfile_serialization=not legacy)
        with TorchFile(tmp_path / "m.pt") as file:
            for name, tensor in saved.items():
                assert torch.equal(file.load(file.tree[name]), tensor), name


def test_foreign_safetensors_are_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "m.safetensors"
    save_file({"a": torch.ones(1)}, path)
    with pytest.raises(UserError, match="import_checkpoint"):
        read_info(path)
    save_file({"a": torch.ones(1)}, path, metadata={"mtmct_reid": "{}"})
    with pytest.raises(UserError, match="header"):
        read_info(path)
    save_file({"a": torch.ones(1)}, path, metadata={"mtmct_reid": CheckpointInfo(spec=TINY).model_dump_json()})
    with pytest.raises(UserError, match="does not fit"):
        load_model(path)
    path.write_bytes(b"x")
    with pytest.raises(UserError, match="damaged"):
        read_info(path)
    with pytest.raises(UserError, match="not found"):
        read_info(tmp_path / "absent.safetensors")


def test_export_of_a_foreign_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="not found"):
        export_published(tmp_path / "a.safetensors", tmp_path / "b.pth.tar")
