"""``python -m tests.mutation [PATTERN ...]``: write the mutants, then judge those whose names match."""

import os
import subprocess
import sys
from pathlib import Path

from mutmut.__main__ import copy_also_copy_files, copy_src_dir, create_mutants


def main() -> int:
    """Write ``mutants/``, a copy of the repository whose functions hold all their mutants, and judge in it."""
    tree = Path("mutants").resolve()
    tree.mkdir(exist_ok=True)
    for copy in tree.glob("adaqn_lab/**/*.cpp"):
        copy.unlink()  # copy_src_dir leaves what is there, and create_mutants renews .py files only
    copy_src_dir()
    copy_also_copy_files()
    create_mutants(os.cpu_count() or 1)
    judge = [sys.executable, "-m", "tests.mutation.judge", *sys.argv[1:]]
    return subprocess.run(judge, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
