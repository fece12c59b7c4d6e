"""What a crowd agrees on: from several answers a picture to one label, or to none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Agreement:
    """For R pictures: the agreed answer (R,), -1 where there is none, and the largest share of equal answers (R,)."""

    labels: npt.NDArray[np.int32]
    share: npt.NDArray[np.float32]
    """NaN where nobody answered."""


def agree(
    rows: npt.NDArray[np.integer], answers: npt.NDArray[np.integer], n_rows: int, min_agree: int = 2
) -> Agreement:
    """An answer is the label if at least ``min_agree`` people gave it and no other answer was given as often.

    Args:
        rows: (A,) the picture of each answer; answers that were not given do not occur.
        answers: (A,) what was answered, as numbers from 0.
    """
    width = int(answers.max(initial=0)) + 1
    pairs, votes = np.unique(rows.astype(np.int64) * width + answers, return_counts=True)
    row, answer = np.divmod(pairs, width)
    most = np.zeros(n_rows, np.int64)
    np.maximum.at(most, row, votes)
    winning = votes == most[row]
    winners = np.bincount(row[winning], minlength=n_rows)
    labels = np.full(n_rows, -1, np.int32)
    labels[row[winning]] = answer[winning]
    labels[(winners != 1) | (most < min_agree)] = -1
    given = np.bincount(rows, minlength=n_rows)
    share = np.divide(most, given, out=np.full(n_rows, np.nan), where=given > 0)
    return Agreement(labels, share.astype(np.float32))


def favourites(rows: npt.NDArray[np.integer], answers: npt.NDArray[np.integer], n_rows: int) -> npt.NDArray[np.int32]:
    """The most frequent answer of every picture (R,), -1 where nobody answered.

    Of several, the one given first: as the order of people means nothing, no class is preferred.

    Args:
        rows: (A,) the picture of each answer.
        answers: (A,) what was answered, as numbers from 0, in the order of people for each picture.
    """
    pairs = rows.astype(np.int64) * (int(answers.max(initial=0)) + 1) + answers
    _, place, votes = np.unique(pairs, return_inverse=True, return_counts=True)
    most = np.zeros(n_rows, np.int64)
    np.maximum.at(most, rows, votes[place])
    winning = votes[place] == most[rows]
    found = np.full(n_rows, -1, np.int32)
    found[rows[winning][::-1]] = answers[winning][::-1]  # of equal rows, the last one written stays
    return found


def normalised(answer: str) -> str:
    """Answers that differ only in case and surrounding space are the same."""
    return answer.strip().casefold()
