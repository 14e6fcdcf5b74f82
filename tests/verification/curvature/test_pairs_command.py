"""``python -m verification pairs FILE``: which files it reads, what it prints, how it ends."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

import adaqn_lab as lab
from tests.verification.curvature.test_check_pairs import quadratic
from verification import BadSubjectError, check_pairs
from verification.__main__ import main
from verification.curvature import held_pairs, read_pairs


def trained(recipe=None, runs=1, steps=12):
    """A QuasiNewton after some windows, and its parameter."""
    torch.manual_seed(0)
    w = torch.nn.Parameter(torch.randn(*([runs] if runs > 1 else []), 9))
    recipe = recipe or lab.ADAQN.but(pairs=lab.HessianVector(), guard=None, cadence=lab.Cadence(every=2))
    scale = torch.linspace(1, 3, 9)
    optimizer = lab.QuasiNewton(
        [w], recipe, lr=0.1, runs=runs, curvature=lambda: (scale * w * w).reshape(runs, -1).sum(1) / 2
    )
    for _ in range(steps):
        w.grad = scale * w.detach() + 0.01 * torch.randn(w.shape)
        optimizer.step()
    return optimizer, w


def lbfgs():
    w = torch.nn.Parameter(torch.ones(9))
    optimizer = torch.optim.LBFGS([w], max_iter=5)
    scale = torch.linspace(1, 3, 9)

    def closure():
        optimizer.zero_grad()
        loss = (scale * w * w).sum() / 2
        loss.backward()
        return loss

    optimizer.step(closure)
    return optimizer


S, Y = quadratic()
FILES = {
    "pairs.npz": lambda path: np.savez(path, S=S, Y=Y),
    "small.npz": lambda path: np.savez(path, s=S, y=Y, h0=0.5),
    "both.npy": lambda path: np.save(path, np.stack([S, Y])),
    "pairs.pt": lambda path: torch.save({"S": torch.tensor(S), "Y": torch.tensor(Y)}, path),
    "tuple.pt": lambda path: torch.save(torch.tensor(np.stack([S, Y])), path),
    "nested.pth": lambda path: torch.save({"epoch": 3, "mine": {"S": torch.tensor(S), "Y": torch.tensor(Y)}}, path),
    "quasi-newton.pt": lambda path: torch.save(trained()[0].state_dict(), path),
    "checkpoint.pt": lambda path: torch.save({"model": {}, "optimizer": trained()[0].state_dict()}, path),
    "lbfgs.pt": lambda path: torch.save(lbfgs().state_dict(), path),
}


@pytest.mark.parametrize("name", FILES)
def test_files(name, tmp_path, capsys):
    FILES[name](tmp_path / name)
    assert main(["pairs", str(tmp_path / name)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("Sound: ")
    assert "float32" in out


def test_pairs_of_a_ring_come_oldest_first(tmp_path):
    recipe = lab.ADAQN.but(
        pairs=lab.HessianVector(), guard=None, cadence=lab.Cadence(every=2), memory=lab.Window(capacity=3)
    )
    optimizer, _ = trained(recipe, runs=2, steps=16)
    torch.save(optimizer.state_dict(), tmp_path / "x.pt")
    for run in range(2):
        s, y, _ = read_pairs(tmp_path / "x.pt", run)
        expected = optimizer._algorithm.states["memory"].pairs(run)
        assert torch.equal(s, expected[0])
        assert torch.equal(y, expected[1])
        assert len(s) == 3


def test_torch_lbfgs_brings_its_h0(tmp_path):
    optimizer = lbfgs()
    torch.save(optimizer.state_dict(), tmp_path / "x.pt")
    s, y, h0 = read_pairs(tmp_path / "x.pt")
    state = optimizer.state_dict()["state"][0]
    assert torch.equal(torch.stack(s), torch.stack(state["old_stps"]))
    assert torch.equal(torch.stack(y), torch.stack(state["old_dirs"]))
    assert float(h0) == float(state["H_diag"])


def test_a_live_optimizer():
    optimizer, _ = trained()
    S, Y, h0 = held_pairs(optimizer)
    assert check_pairs(S, Y, h0)
    assert torch.equal(S, optimizer._algorithm.states["memory"].pairs()[0])
    own = lbfgs()
    S, Y, h0 = held_pairs(own)
    assert check_pairs(S, Y, h0)
    assert len(S) == len(Y) == len(own.state_dict()["state"][0]["old_stps"])
    dense = lab.ADAQN.but(pairs=lab.HessianVector(), guard=None, cadence=lab.Cadence(every=2), memory=lab.Dense())
    for none in (trained(steps=0)[0], trained(dense)[0], torch.optim.LBFGS([torch.ones(2)])):
        with pytest.raises(BadSubjectError, match="holds no list of pairs"):
            held_pairs(none)


def refused(tmp_path, name, make, *options):
    make(tmp_path / name)
    return main(["pairs", str(tmp_path / name), *options])


REFUSED = {
    "other keys": ("a.npz", lambda path: np.savez(path, weights=S), "has no S and Y (it has the keys weights)"),
    "one array": ("a.npy", lambda path: np.save(path, S), "has no S and Y"),
    "a list": ("a.pt", lambda path: torch.save([1, 2], path), "has no S and Y"),
    "no torch file": ("a.pt", lambda path: path.write_text("hello"), "is no file of pairs"),
    "damaged": ("a.npz", lambda path: path.write_bytes(b"PK\x03\x04junk"), "is no file of pairs"),
    "an object": ("a.pt", lambda path: torch.save(lab.ADAQN, path), "is no file of pairs"),
    "pickled": ("a.npy", lambda path: np.save(path, np.array([{}]), allow_pickle=True), "is no file of pairs"),
    "a directory": ("a.npz", lambda path: path.mkdir(), "cannot be read (Is a directory)"),
    "nothing there": ("a.pt", lambda path: None, "cannot be read (No such file or directory)"),
    "shapes": ("a.npz", lambda path: np.savez(path, S=S, Y=Y[1:]), "S has shape (6, 40) and Y (5, 40)"),
    "NaN": ("a.npz", lambda path: np.savez(path, S=S, Y=Y * np.nan), "Y has nan in pair 1 of 6, element 0"),
    "before the first pair": (
        "a.pt", lambda path: torch.save(trained(steps=2)[0].state_dict(), path), "since the start or a roll-back"
    ),
    "before the first step": (
        "a.pt", lambda path: torch.save(trained(steps=0)[0].state_dict(), path), "has no S and Y"
    ),
    "Adam's": (
        "a.pt", lambda path: torch.save(torch.optim.Adam([torch.ones(2)]).state_dict(), path), "has no S and Y"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_are_told_in_one_sentence(name, tmp_path, capsys):
    file, make, words = REFUSED[name]
    assert refused(tmp_path, file, make) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("verification: ")


def test_a_run_that_is_not_there(tmp_path, capsys):
    assert refused(tmp_path, "a.pt", lambda path: torch.save(trained()[0].state_dict(), path), "--run", "1") == 2
    assert "--run 1 is none of the 1 run(s)" in capsys.readouterr().err


def test_unsound_pairs_are_status_1_and_options_count(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", S=S, Y=-Y)
    assert main(["pairs", str(tmp_path / "a.npz"), "--plot", str(tmp_path / "a.svg"), "--h0", "2"]) == 1
    out = capsys.readouterr().out
    assert "H0 = 2 I" in out
    assert (tmp_path / "a.svg").exists()
    assert main(["pairs", str(tmp_path / "a.npz"), "--h0", "-2"]) == 2


def test_the_program(tmp_path):
    np.savez(tmp_path / "a.npz", S=S, Y=Y)
    command = [sys.executable, "-m", "verification", "pairs", str(tmp_path / "a.npz")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("Sound: ")
    done = subprocess.run([*command[:-1], "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "Exit status: 0 the pairs are sound, 1 they are not" in " ".join(done.stdout.split())
