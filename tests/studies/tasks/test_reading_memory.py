"""A text of 40 MB, read and encoded in a process of its own: the peak of its memory."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

import studies

CODE = """
import json, sys
from pathlib import Path
import torch
from studies.tasks import load_data, load_text, named_task, save_data

def peak():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])

named_task("words", load_text(Path(sys.argv[1])), smoke=True)
before = peak()
text = load_text(Path(sys.argv[2]))
task = named_task(sys.argv[3], text)
save_data(task, text, Path(sys.argv[4]))
print(json.dumps([text.characters, sum(map(len, task.encoded.parts)), peak() - before]))
"""
SIZE = 40_000_000
STATUS = Path("/proc/self/status")


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghij", k=draw.randint(1, 8))) for _ in range(5000)]
    page = " ".join(draw.choices(words, k=200_000))
    path = tmp_path_factory.mktemp("long") / "long.txt"
    path.write_text((page + "\n") * (SIZE // len(page) + 1))
    return path


# Not getrusage: its peak begins at that of the process which started this one.
@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux's account of a process's memory")
@pytest.mark.parametrize(("task", "bytes_each"), [("characters", 1), ("words-2000", 2)])
def test_takes_the_encoded_parts_and_little_more(
    task: str, bytes_each: int, long_file: Path, text_file: Path, tmp_path: Path
) -> None:
    """The text in memory, or eight bytes a symbol, would be 40 MB more and 280 MB more."""
    given = [str(text_file), str(long_file), task, str(tmp_path / "data")]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *given],
        capture_output=True,
        text=True,
        cwd=Path(studies.__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr
    characters, symbols, more = json.loads(done.stdout)
    assert characters >= SIZE
    assert more < bytes_each * symbols + 44_000_000
