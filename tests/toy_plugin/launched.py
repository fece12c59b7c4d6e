"""Trains the toy recipe: ``python launched.py '{"out": ..., "overrides": ...}'``. Lightning starts it once more."""

import json
import sys
from pathlib import Path

import mtss_zoo

if __name__ == "__main__":
    mtss_zoo.train(Path(__file__).with_name("recipe.yaml"), **json.loads(sys.argv[1]))
