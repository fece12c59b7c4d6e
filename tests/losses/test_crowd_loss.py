"""Soft targets from the answers of a crowd, and the estimate of what it confuses."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mtss_zoo_losses.classification import CrossEntropyLoss
from mtss_zoo_losses.crowd import CrowdCrossEntropyLoss
from torch import Tensor, nn
from torch.nn import functional as F

from mtss_zoo.errors import RecipeError

LOG3 = math.log(3)
TWO_OF_THREE = torch.tensor([[2 / 3, 1 / 3]], dtype=torch.float64)


def estimating(counts: list[list[float]] | Tensor | None = None, **args: float) -> CrowdCrossEntropyLoss:
    """With a prior of one answer to every cell of two classes, and these counts."""
    loss = CrowdCrossEntropyLoss(confusion="estimated", **{"prior_accuracy": 0.5, "prior_answers": 2, **args})
    if counts is not None:
        loss.set_extra_state(torch.as_tensor(counts))
    return loss


def known(targets: Tensor) -> Tensor:
    return torch.ones_like(targets, dtype=torch.bool)


def three(targets: Tensor) -> Tensor:
    """So many answers a picture."""
    return torch.full((len(targets),), 3)


def random_batch(seed: int, pictures: int = 6, classes: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scores, shares of three answers, a mask, and the number of the answers."""
    generator = torch.Generator().manual_seed(seed)
    answers = torch.randint(classes, (pictures, 3), generator=generator)
    scores = 3 * torch.randn(pictures, classes, generator=generator, dtype=torch.float64)
    shares = F.one_hot(answers, classes).double().mean(1)
    return scores, shares, torch.rand(pictures, classes, generator=generator) < 0.7, three(shares)


@pytest.mark.parametrize("args", [{}, {"label_smoothing": 0.1, "scale": 4.0}])
def test_without_an_estimate_the_target_is_the_distribution_of_the_answers(args):
    batch = random_batch(0)
    assert torch.equal(CrowdCrossEntropyLoss(**args)(*batch[:3]), CrossEntropyLoss(**args)(*batch[:3]))
    scores = torch.tensor([[0.0, LOG3]], dtype=torch.float64)
    loss = CrowdCrossEntropyLoss()(scores, TWO_OF_THREE, known(scores))
    assert loss.item() == pytest.approx(2 / 3 * math.log(4) + 1 / 3 * math.log(4 / 3))


def test_the_worked_example():
    """C = (.8 .2, .4 .6), a network that says (1/4, 3/4), and the answers 0 0 1.

    q is in proportion to 1/4 * .8 * .8 * .2 = .032 and 3/4 * .4 * .4 * .6 = .072, so it is (4/13, 9/13): the network
    outweighs two of three answers.
    """
    loss = estimating([[7.0, 1.0], [3.0, 5.0]], decay=0.5)
    torch.testing.assert_close(loss.confusion_matrix(2), torch.tensor([[0.8, 0.2], [0.4, 0.6]]))
    scores = torch.tensor([[0.0, LOG3]], dtype=torch.float64)
    value = loss(scores, TWO_OF_THREE, known(scores), three(scores))
    assert value.item() == pytest.approx(4 / 13 * math.log(4) + 9 / 13 * math.log(4 / 3))
    expected = torch.tensor([[3.5 + 8 / 13, 0.5 + 4 / 13], [1.5 + 18 / 13, 2.5 + 9 / 13]])
    torch.testing.assert_close(loss.counts, expected)


def test_one_answer_counts_once():
    """q is in proportion to 1/4 * .8 = .2 and 3/4 * .4 = .3, so it is (.4, .6), and one answer is counted."""
    loss = estimating([[7.0, 1.0], [3.0, 5.0]], decay=0.5)
    scores, targets = torch.tensor([[0.0, LOG3]], dtype=torch.float64), torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    value = loss(scores, targets, known(targets), torch.tensor([1]))
    assert value.item() == pytest.approx(0.4 * math.log(4) + 0.6 * math.log(4 / 3))
    torch.testing.assert_close(loss.counts, torch.tensor([[3.5 + 0.4, 0.5], [1.5 + 0.6, 2.5]]))


def test_a_label_that_nobody_answered_is_the_target_and_is_not_counted():
    loss = estimating([[7.0, 1.0], [3.0, 5.0]], decay=0.5)
    scores = torch.tensor([[0.0, LOG3]] * 2, dtype=torch.float64)
    targets = torch.tensor([[1.0, 0.0], [2 / 3, 1 / 3]], dtype=torch.float64)
    value = loss(scores, targets, known(targets), torch.tensor([0, 3]))
    torn = 4 / 13 * math.log(4) + 9 / 13 * math.log(4 / 3)
    assert value.item() == pytest.approx((math.log(4) + torn) / 2)
    assert loss.counts.sum().item() == pytest.approx(16 / 2 + 3)


def test_an_estimate_without_the_number_of_answers_is_refused():
    with pytest.raises(RecipeError, match="`confusion: estimated` needs the number of answers of each picture"):
        estimating()(*random_batch(0)[:3])


def test_scale_sharpens_the_network_as_a_prior_too():
    scores = torch.tensor([[0.0, LOG3 / 16]], dtype=torch.float64)
    value = estimating([[7.0, 1.0], [3.0, 5.0]], scale=16)(scores, TWO_OF_THREE, known(scores), three(scores))
    assert value.item() == pytest.approx(4 / 13 * math.log(4) + 9 / 13 * math.log(4 / 3))


def test_before_the_first_batch_the_crowd_is_supposed_to_be_right_as_often_as_the_prior_says():
    loss = CrowdCrossEntropyLoss(confusion="estimated", prior_accuracy=0.7)
    expected = torch.tensor([[0.7, 0.15, 0.15], [0.15, 0.7, 0.15], [0.15, 0.15, 0.7]])
    torch.testing.assert_close(loss.confusion_matrix(3), expected)
    assert loss.confusion_matrix(1).tolist() == [[1]]


def test_a_masked_class_leaves_the_rows_of_the_confusion():
    """Of the rows (.4 .1 .5) and (.28 .42 .3), the first two classes are seen: (.8 .2) and (.4 .6) again."""
    counts = [[39.0, 9.0, 49.0], [27.0, 41.0, 29.0], [5.0, 50.0, 7.0]]
    loss = estimating(counts, prior_accuracy=1 / 3, prior_answers=3)
    scores = torch.tensor([[0.0, LOG3, 50.0]], dtype=torch.float64)
    targets = torch.tensor([[2 / 3, 1 / 3, 0.9]], dtype=torch.float64)
    value = loss(scores, targets, torch.tensor([[True, True, False]]), three(scores))
    assert value.item() == pytest.approx(4 / 13 * math.log(4) + 9 / 13 * math.log(4 / 3))
    changed = loss.counts / 0.99 - torch.tensor(counts)
    assert changed[2].abs().max() == pytest.approx(0, abs=1e-4)
    assert changed[:, 2].abs().max() == pytest.approx(0, abs=1e-4)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_the_gradient_is_that_of_the_likelihood_of_the_answers(seed):
    """-log sum_k softmax(scores)_k prod_l C[k, l]^n_l, the mean over pictures."""
    scores, shares, _, number = random_batch(seed)
    counts = 5 * torch.rand(4, 4, generator=torch.Generator().manual_seed(seed))
    loss = estimating(counts)
    one, other = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    log_confusion = loss.confusion_matrix(4).double().log()
    loss(one, shares, known(shares), number).backward()
    (-torch.logsumexp(other.log_softmax(1) + 3 * shares @ log_confusion.t(), 1).mean()).backward()
    torch.testing.assert_close(one.grad, other.grad)


def dawid_skene(answers: list[list[int]], classes: int, rounds: int, pseudo: np.ndarray) -> tuple[list, list]:
    """Plain EM with one confusion matrix for all people: the class shares and the matrix before every round."""
    shares, confusion = [np.full(classes, 1 / classes)], [pseudo / pseudo.sum(1, keepdims=True)]
    for _ in range(rounds):
        counts, q_of_all = pseudo.copy(), []
        for said in answers:
            q = np.array([shares[-1][k] * np.prod([confusion[-1][k, a] for a in said]) for k in range(classes)])
            q_of_all.append(q / q.sum())
            for k in range(classes):
                for a in said:
                    counts[k, a] += q_of_all[-1][k]
        shares.append(np.mean(q_of_all, axis=0))
        confusion.append(counts / counts.sum(1, keepdims=True))
    return shares, confusion


def test_with_the_class_shares_as_the_network_it_is_dawid_and_skenes_em():
    """Some pictures were shown to one or two people only."""
    answers = [[0, 0, 1], [0, 0, 0], [1, 1, 0], [1], [2, 2, 1], [2, 1, 2], [1, 0], [2, 2, 2]]
    pseudo = 4 * np.array([[0.7, 0.15, 0.15], [0.15, 0.7, 0.15], [0.15, 0.15, 0.7]])
    shares, confusion = dawid_skene(answers, 3, 6, pseudo)
    targets = torch.stack([F.one_hot(torch.tensor(said), 3).double().mean(0) for said in answers])
    number = torch.tensor([len(said) for said in answers])
    loss = estimating(prior_accuracy=0.7, prior_answers=4, decay=0.0)
    for prior, expected in zip(shares, confusion, strict=True):
        np.testing.assert_allclose(loss.confusion_matrix(3), expected, atol=1e-5)
        loss(torch.from_numpy(np.log(prior)).expand(len(answers), 3), targets, known(targets), number)
    assert np.abs(confusion[-1] - confusion[0]).max() > 0.1


CROWD = torch.tensor([[0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.0, 0.3, 0.7]])


def crowd_of(pictures: int) -> tuple[Tensor, Tensor]:
    """True classes, and the shares of three answers a picture by people who confuse classes as `CROWD` says."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(3, (pictures,), generator=generator)
    answers = torch.multinomial(CROWD[truth], 3, replacement=True, generator=generator)
    return truth, F.one_hot(answers, 3).float().mean(1)


@pytest.mark.parametrize("certainty", [10.0, 0.0])
def test_a_known_confusion_is_recovered_from_answers(certainty):
    """With a network that knows the classes, and with one that knows nothing: three answers a picture identify it."""
    truth, targets = crowd_of(3000)
    loss = CrowdCrossEntropyLoss(confusion="estimated", prior_answers=10)
    scores = certainty * F.one_hot(truth, 3).float()
    for rows in torch.arange(3000).split(100) * (1 if certainty else 20):
        loss(scores[rows], targets[rows], known(targets[rows]), three(rows))
    torch.testing.assert_close(loss.confusion_matrix(3), CROWD, atol=0.05, rtol=0)


def test_nothing_is_estimated_in_eval_mode():
    batch = random_batch(0)
    loss = estimating().eval()
    first = loss(*batch)
    assert loss.counts.shape == (0, 0)
    assert loss(*batch) == first
    assert loss.train()(*batch) == first != loss(*batch)


def both(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.parametrize("args", [{}, {"label_smoothing": 0.1, "scale": 2.0}])(test)


@both
@given(seed=st.integers(0, 10_000), order=st.permutations(range(6)), junk=st.sampled_from(["nan", "inf", "-inf", "7"]))
@settings(deadline=None, max_examples=30)
def test_masked_entries_and_the_order_of_the_batch_have_no_influence(args, seed, order, junk):
    """Neither on the value, nor on the gradient, nor on what is estimated."""
    scores, targets, mask, number = random_batch(seed)
    plain, other = scores.clone().requires_grad_(), scores.masked_fill(~mask, float(junk)).requires_grad_()
    one, two, shuffled = (estimating(torch.eye(4), **args) for _ in range(3))
    value = one(plain, targets, mask, number)
    with_junk = two(other, targets.masked_fill(~mask, float(junk)), mask, number)
    value.backward()
    with_junk.backward()
    assert torch.equal(value, with_junk)
    assert torch.equal(plain.grad, other.grad)
    assert torch.equal(one.counts, two.counts)
    assert plain.grad.isfinite().all() and one.counts.isfinite().all()
    assert plain.grad[~mask].eq(0).all()
    again = shuffled(scores[order], targets[order], mask[order], number[order])
    torch.testing.assert_close(again, value.detach())
    torch.testing.assert_close(shuffled.counts, one.counts)


@pytest.mark.parametrize("mask", [False, True])
def test_a_batch_without_answers_costs_nothing_and_teaches_nothing(mask):
    scores = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = estimating([[4.0, 2.0], [2.0, 4.0]], decay=0.5)
    value = loss(scores, torch.zeros(3, 2), torch.full((3, 2), mask), three(scores))
    value.backward()
    assert value.item() == 0
    assert scores.grad.eq(0).all()
    assert loss.counts.tolist() == [[2, 1], [1, 2]]


@both
def test_bfloat16_scores_are_compared_in_float32(args):
    scores, targets, mask, number = random_batch(3)
    low = (7 * scores).bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = estimating(torch.eye(4), **args)(low, targets.float(), mask, number)
    loss.backward()
    assert loss.dtype == torch.float32
    assert low.grad.isfinite().all()
    torch.testing.assert_close(
        loss.detach(), estimating(torch.eye(4), **args)(low.detach().float(), targets.float(), mask, number)
    )


@pytest.mark.parametrize("steps", [0, 2])
def test_the_estimate_survives_a_restart_also_before_the_first_step(steps):
    batch = random_batch(0)
    whole = nn.ModuleDict({"neck_loss": estimating()})
    for _ in range(steps):
        whole["neck_loss"](*batch)
    restarted = nn.ModuleDict({"neck_loss": estimating()})
    restarted.load_state_dict(whole.state_dict())
    assert torch.equal(restarted["neck_loss"](*batch), whole["neck_loss"](*batch))
    assert torch.equal(restarted["neck_loss"].counts, whole["neck_loss"].counts)
    before = whole["neck_loss"].counts.clone()
    restarted["neck_loss"](*batch)
    assert torch.equal(whole["neck_loss"].counts, before)


def test_all_processes_of_a_training_count_together(monkeypatch):
    """Two processes with the same batch count what one process counts in a batch twice as long."""
    batch = random_batch(0)
    alone, together = estimating(), estimating()
    alone(*(torch.cat([part, part]) for part in batch))
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor.mul_(2))
    together(*batch)
    torch.testing.assert_close(together.counts, alone.counts)
