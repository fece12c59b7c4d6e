"""How long `import mtss_zoo` and `mtss-zoo list` take, as whole processes, beside an empty interpreter.

python benchmarks/start_up.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from measure import in_turn, report

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import mtss_zoo": [sys.executable, "-c", "import mtss_zoo"],
    "mtss-zoo list": [str(Path(sys.executable).with_name("mtss-zoo")), "list"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def main() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # as on a user's machine

    def run(command: list[str]) -> object:
        return subprocess.run(command, check=True, capture_output=True, env=environment)

    actions = {name: partial(run, command) for name, command in COMMANDS.items()}
    report("start up", in_turn(actions, rounds=7), "python -c pass", "import 150 ms, list 500 ms")


if __name__ == "__main__":
    main()
