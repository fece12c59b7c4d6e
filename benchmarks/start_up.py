"""How long `import mtss_zoo`, `mtss-zoo list` and a first prediction take, as whole processes.

python benchmarks/start_up.py

The first two stand beside an empty interpreter, the prediction beside what PyTorch and timm take to be imported.
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
}
BUNDLED = """
import torch, mtss_zoo
model = mtss_zoo.build("mtss_student_fashion_products", pretrained=True)
model.predict(torch.zeros(3, 80, 60, dtype=torch.uint8))
"""
FIRST_PREDICTION = {
    "import torch": [sys.executable, "-c", "import torch"],
    "import torch, timm": [sys.executable, "-c", "import torch, timm"],
    "first prediction of the bundled student": [sys.executable, "-c", BUNDLED],
}


def main() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # as on a user's machine

    def run(command: list[str]) -> object:
        return subprocess.run(command, check=True, capture_output=True, env=environment)

    def timed(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
        return in_turn({name: partial(run, command) for name, command in commands.items()}, rounds)

    report("start up", timed(COMMANDS, 7), "python -c pass", "import 150 ms, list 500 ms")
    report("first prediction", timed(FIRST_PREDICTION, 3), "import torch", "3000 ms more than import torch")


if __name__ == "__main__":
    main()
