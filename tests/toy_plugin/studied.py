"""Studies in processes of their own that may be killed: ``python studied.py '{"out": ..., "attempts": [...]}'``.

The attempts are those of `searched`: each is the same study, and may get a signal at a certain moment.
"""

import json
import sys

from searched import attempt

from mtss_zoo.studies.study import run_study

if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    print(json.dumps([attempt(moment, job["out"], run_study, **job["arguments"]) for moment in job["attempts"]]))
