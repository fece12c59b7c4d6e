"""Mixing in pairs, and pseudo labels: every number is worked by hand, from N = K = 4 one-pixel pictures on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mtss_zoo_strategies import pseudo_labels
from mtss_zoo_strategies.mixing import blend, cut_range, draw_pairs, mix_batch
from mtss_zoo_strategies.pseudo_labels import (
    PseudoLabels,
    kept_cross_entropy,
    mix_by_confidence,
    mix_ordinarily,
    smoothed,
    type_share,
    unmixed,
)
from timm.data.mixup import Mixup, mixup_target, rand_bbox
from timm.loss import SoftTargetCrossEntropy
from torch import Tensor

from mtss_zoo.build import make
from mtss_zoo.recipe import Part

LN2 = math.log(2)
ALL = torch.ones(4, dtype=torch.bool)
CONFIDENCE = torch.tensor([0.9, 0.3, 0.6, 0.4])
PARTNER = torch.tensor([2, 0, 3, 1])
PIXELS = torch.tensor([10.0, 20, 30, 40])
PSEUDO = PseudoLabels(torch.eye(4), CONFIDENCE)
IMAGES = PIXELS[:, None, None, None].expand(4, 3, 1, 1)
# -log2 q = 1, 2, 3, 3 for every picture.
SCORES = -LN2 * torch.tensor([1.0, 2, 3, 3]).expand(4, 4)


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pairs of the worked example, all blended."""
    monkeypatch.setattr(pseudo_labels, "draw_pairs", lambda n: (PARTNER, torch.zeros(4, dtype=torch.bool)))


def close(found: Tensor, expected: Any) -> None:
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=1e-6)


# --- probabilistic pseudo mixup, worked -----------------------------------------------------------------------------


@pytest.mark.usefixtures("worked")
def test_shares_follow_the_confidences() -> None:
    mixed, labels = mix_by_confidence(IMAGES, {"kind": PSEUDO})
    own = labels["kind"].labels.diagonal()
    close(own, [0.6, 0.25, 0.6, 4 / 7])
    close(mixed[:, 0, 0, 0] / 10, [1.8, 1.25, 3.4, 3.1428571])


@pytest.mark.usefixtures("worked")
def test_partners_are_the_unmixed_pictures_which_stay_as_they_were() -> None:
    images = IMAGES.clone()
    mixed, _ = mix_by_confidence(images, {"kind": PSEUDO})
    assert mixed[1, 0, 0, 0] == 12.5  # 18.5 where picture 0 was overwritten first
    assert torch.equal(images, IMAGES)


@pytest.mark.usefixtures("worked")
def test_a_pair_is_as_sure_as_the_surer_of_the_two() -> None:
    _, labels = mix_by_confidence(IMAGES, {"kind": PSEUDO})
    close(labels["kind"].confidence, [0.9, 0.9, 0.6, 0.4])
    assert (labels["kind"].confidence >= 0.5).tolist() == [True, True, True, False]
    assert (CONFIDENCE >= 0.5).tolist() == [True, False, True, False]


@pytest.mark.usefixtures("worked")
def test_targets_are_smoothed_and_mixed() -> None:
    _, labels = mix_by_confidence(IMAGES, {"kind": PSEUDO})
    expected = [
        [0.565, 0.025, 0.385, 0.025],
        [0.7, 0.25, 0.025, 0.025],
        [0.025, 0.025, 0.565, 0.385],
        [0.025, 0.410714, 0.025, 0.539286],
    ]
    close(smoothed(labels["kind"].labels, ALL, 0.1), expected)


@pytest.mark.usefixtures("worked")
def test_the_loss_is_divided_by_all_pictures_not_by_those_that_are_kept() -> None:
    _, labels = mix_by_confidence(IMAGES, {"kind": PSEUDO})
    targets = smoothed(labels["kind"].labels, ALL, 0.1)
    each = [kept_cross_entropy(SCORES[i : i + 1], targets[i : i + 1], ALL[:1], ALL).item() for i in range(4)]
    assert each == pytest.approx([1.845 * LN2, 1.35 * LN2, 2.925 * LN2, 2.539286 * LN2], abs=1e-6)
    assert each == pytest.approx([1.278857, 0.935749, 2.027456, 1.760099], abs=1e-5)
    loss = kept_cross_entropy(SCORES, targets, labels["kind"].confidence >= 0.5, ALL).item()
    assert loss == pytest.approx(1.060515, abs=1e-5)  # 1.414020 divided by 3
    assert kept_cross_entropy(SCORES, targets, ~ALL, ALL) == 0


def test_untrained_classes_leave_the_softmax_and_get_no_gradient() -> None:
    trained = torch.tensor([True, True, True, False])
    targets = smoothed(torch.eye(4)[:3], trained, 0.1)
    close(targets[0], [1 - 0.1 + 0.1 / 3, 0.1 / 3, 0.1 / 3, 0.0])
    scores = torch.tensor([[1.0, 2, 3, 400]] * 3, requires_grad=True)
    loss = kept_cross_entropy(scores, targets, ALL[:3], trained)
    loss.backward()
    three = kept_cross_entropy(scores[:, :3], targets[:, :3], ALL[:3], ALL[:3])
    torch.testing.assert_close(loss, three)
    assert scores.grad is not None and scores.grad.isfinite().all()
    assert not scores.grad[:, 3].any() and scores.grad[:, :3].any()


def test_the_teachers_best_class_is_taken_in_single_precision() -> None:
    """In half precision, probabilities near 1 are 0.0005 apart."""
    scores = torch.tensor([[0.0, 9.0, -math.inf]], dtype=torch.float16)
    taught = pseudo_labels.pseudo_labels(scores, torch.zeros(1, 3), torch.zeros(1, 3, dtype=torch.bool))
    assert taught.labels.tolist() == [[0, 1, 0]]
    assert taught.confidence.dtype == torch.float32
    assert taught.confidence.item() == pytest.approx(1 / (1 + math.exp(-9)), abs=1e-7)


def test_a_known_label_replaces_the_teachers_guess() -> None:
    scores = torch.tensor([[0.0, 1.0, 2.0]] * 4)
    targets = torch.tensor([[0.0, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0.5, 1]])
    known = torch.tensor([[True] * 3, [False] * 3, [True] * 3, [True, True, False]])
    taught = pseudo_labels.pseudo_labels(scores, targets, known)
    assert taught.labels.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0]]
    guess = 1 / (1 + math.exp(-1) + math.exp(-2))
    close(taught.confidence, [1.0, guess, guess, 1.0])


# --- cutmix boxes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "share", "centre", "pixels", "kept"),
    [
        (4, 0.75, 2, (1, 3), 0.75),
        (4, 0.75, 0, (0, 1), 0.9375),
        (224, 0.6, 112, (42, 183), 0.603775),
        (224, 0.6, 0, (0, 71), 0.899534),
    ],
)
def test_boxes_and_the_shares_that_they_leave(
    size: int, share: float, centre: int, pixels: tuple[int, int], kept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    covered = cut_range(torch.tensor([centre]), torch.tensor([share]), size)[0]
    assert covered.nonzero().flatten().tolist() == list(range(*pixels))
    monkeypatch.setattr(torch, "randint", lambda high, shape: torch.full(shape, centre))
    images = torch.zeros(1, 3, size, size)
    mixed, corrected = blend(images, images + 1, torch.tensor([share]), torch.tensor([True]))
    expected = torch.zeros(size, size)
    expected[slice(*pixels), slice(*pixels)] = 1
    assert torch.equal(mixed, expected.expand(1, 3, size, size))
    assert corrected.item() == pytest.approx(kept, abs=1e-6)


@given(height=st.integers(1, 40), width=st.integers(1, 40), share=st.integers(0, 1000), seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_boxes_are_those_of_timm(height: int, width: int, share: int, seed: int) -> None:
    """Shares of which no box is a whole number of pixels by a hair's breadth."""
    own = (share + 0.3117) / 1002
    y, x = seed % height, seed // height % width
    with pytest.MonkeyPatch.context() as patch:
        centres = iter((y, x))
        patch.setattr(np.random, "randint", lambda *_, **__: next(centres))
        top, bottom, left, right = rand_bbox((3, height, width), own)
    shares = torch.tensor([own])
    rows, columns = cut_range(torch.tensor([y]), shares, height), cut_range(torch.tensor([x]), shares, width)
    assert rows[0].nonzero().flatten().tolist() == list(range(top, bottom))
    assert columns[0].nonzero().flatten().tolist() == list(range(left, right))


# --- what always holds ----------------------------------------------------------------------------------------------

N = st.integers(1, 8)


@given(n=N, height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_the_share_is_the_mean_weight_of_the_pictures_pixels(n: int, height: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    share, cut = torch.rand(n), torch.rand(n) < 0.5
    ones = torch.ones(n, 3, height, width)
    mixed, kept = blend(ones, 0 * ones, share, cut)
    torch.testing.assert_close(mixed.mean((1, 2, 3)), kept)
    assert torch.equal(kept[~cut], share[~cut])
    assert set(mixed[cut].unique().tolist()) <= {0.0, 1.0}


@given(n=N, seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_targets_sum_to_one_and_the_partner_is_a_permutation(n: int, seed: int) -> None:
    torch.manual_seed(seed)
    partner, _ = draw_pairs(n)
    assert sorted(partner.tolist()) == list(range(n))
    trained = torch.tensor([True, True, False, True, True])
    pseudo = {name: PseudoLabels(torch.eye(5)[torch.randint(2, (n,))], torch.rand(n) + 0.01) for name in "ab"}
    for mix in (unmixed, mix_ordinarily, mix_by_confidence):
        _, labels = mix(torch.rand(n, 3, 4, 4), pseudo)
        for name in "ab":
            targets = smoothed(labels[name].labels, trained, 0.1)
            torch.testing.assert_close(targets.sum(1), torch.ones(n))
            assert (targets >= 0).all() and not targets[:, 2].any()


@given(seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_a_picture_that_is_its_own_partner_is_itself(seed: int) -> None:
    torch.manual_seed(seed)
    images = torch.randn(6, 3, 5, 5)
    labels = PseudoLabels(torch.eye(6), torch.rand(6) + 0.01)
    partner = torch.tensor([0, 1, 2, 4, 5, 3])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pseudo_labels, "draw_pairs", lambda n: (partner, torch.rand(n) < 0.5))
        mixed, after = mix_by_confidence(images, {"kind": labels})
    assert torch.equal(mixed[:3], images[:3])
    torch.testing.assert_close(after["kind"].labels[:3], labels.labels[:3])
    assert torch.equal(after["kind"].confidence[:3], labels.confidence[:3])


@given(n=N, seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_several_types_of_equal_confidence_are_mixed_as_one_bit_by_bit(n: int, seed: int) -> None:
    torch.manual_seed(seed)
    images = torch.rand(n, 3, 6, 6)
    one = PseudoLabels(torch.eye(4)[torch.randint(4, (n,))], torch.rand(n) + 0.01)
    torch.manual_seed(seed)
    alone, alone_labels = mix_by_confidence(images, {"a": one})
    torch.manual_seed(seed)
    both, both_labels = mix_by_confidence(images, {"a": one, "b": one})
    assert torch.equal(alone, both)
    for name in ("a", "b"):
        assert torch.equal(alone_labels["a"].labels, both_labels[name].labels)
        assert torch.equal(alone_labels["a"].confidence, both_labels[name].confidence)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8))
@settings(deadline=None)
def test_with_one_type_labels_have_the_share_of_the_pixels_to_the_last_bit(shares: list[float]) -> None:
    share = torch.tensor(shares)
    assert torch.equal(type_share(share, torch.ones(len(shares)), torch.randperm(len(shares))), share)


# --- several types --------------------------------------------------------------------------------------------------


def two_types(monkeypatch: pytest.MonkeyPatch, cut: bool) -> tuple[Tensor, dict[str, PseudoLabels]]:
    """Two pictures of 0 and 1, each the other's partner; colours 0.9 and 0.3 sure, sizes 0.5 and 0.5."""
    drawn = torch.tensor([1, 0]), torch.tensor([cut, cut])
    monkeypatch.setattr(pseudo_labels, "draw_pairs", lambda n: drawn)
    pseudo = {
        "colour": PseudoLabels(torch.eye(2), torch.tensor([0.9, 0.3])),
        "size": PseudoLabels(torch.eye(2), torch.tensor([0.5, 0.5])),
    }
    images = torch.tensor([1.0, 0])[:, None, None, None].expand(2, 3, 4, 4)
    mixed, labels = mix_by_confidence(images, pseudo)
    return mixed.mean((1, 2, 3)), labels


def test_pixels_follow_the_mean_confidence_and_labels_that_of_their_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means 0.7 and 0.4: shares 7/11 and 4/11 of the pixels; 3/4 and 1/4 of the colours, half of the sizes."""
    pixels, labels = two_types(monkeypatch, cut=False)
    close(pixels, [7 / 11, 7 / 11])
    close(labels["colour"].labels, [[0.75, 0.25], [0.75, 0.25]])
    close(labels["size"].labels, [[0.5, 0.5], [0.5, 0.5]])
    close(labels["colour"].confidence, [0.9, 0.9])
    close(labels["size"].confidence, [0.5, 0.5])


def test_a_box_changes_the_labels_of_every_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sides int(4 sqrt(4/11)) = 2 and int(4 sqrt(7/11)) = 3 around (1, 1): 12/16 and 9/16 of the pixels are kept."""
    monkeypatch.setattr(torch, "randint", lambda high, shape: torch.ones(shape, dtype=torch.long))
    pixels, labels = two_types(monkeypatch, cut=True)
    close(pixels, [12 / 16, 1 - 7 / 16])
    own, other = 12 / 16 * 0.9 / 0.7, 4 / 16 * 0.3 / 0.4
    assert labels["colour"].labels[0, 0].item() == pytest.approx(own / (own + other), abs=1e-6)
    own, other = 7 / 16 * 0.5 / 0.4, 9 / 16 * 0.5 / 0.7
    assert labels["size"].labels[1, 1].item() == pytest.approx(own / (own + other), abs=1e-6)


# --- ordinary mixing, and labelled pictures -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_ordinary_mixing_has_one_share_and_lets_an_unreliable_partner_leak_in(seed: int) -> None:
    torch.manual_seed(seed)
    mixed, labels = mix_ordinarily(torch.eye(4)[:, :3, None, None].expand(4, 3, 8, 8), {"kind": PSEUDO})
    own, partners = labels["kind"].labels.diagonal(), labels["kind"].labels.flip(1).diagonal()
    assert len(own.unique()) == 1
    torch.testing.assert_close(own + partners, torch.ones(4))
    torch.testing.assert_close(mixed[0, 0].mean(), own[0])
    assert torch.equal(labels["kind"].confidence, CONFIDENCE)


def test_half_of_the_batches_are_cut_and_shares_follow_the_beta_distribution() -> None:
    torch.manual_seed(0)
    ones_and_zeros = torch.cat([torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)])
    drawn = [mix_batch(ones_and_zeros, 0.8, 1.0) for _ in range(1000)]
    cut = [set(mixed.unique().tolist()) <= {0.0, 1.0} for mixed, _ in drawn]
    assert 0.45 < np.mean(cut) < 0.55
    blended = [share for (_, share), was_cut in zip(drawn, cut, strict=True) if not was_cut]
    assert np.mean(blended) == pytest.approx(0.5, abs=0.04)
    assert np.var(blended) == pytest.approx(1 / (4 * (2 * 0.8 + 1)), abs=0.015)  # of Beta(a, a)
    assert all(mixed[0].mean().item() == pytest.approx(share, abs=1e-6) for mixed, share in drawn)


@pytest.mark.parametrize(("mixup", "cutmix", "cut"), [(0.8, 0.0, False), (0.0, 1.0, True)])
def test_one_kind_alone(mixup: float, cutmix: float, cut: bool) -> None:
    images = torch.cat([torch.ones(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)])
    for seed in range(10):
        torch.manual_seed(seed)
        mixed, _ = mix_batch(images, mixup, cutmix)
        assert (set(mixed.unique().tolist()) <= {0.0, 1.0}) == cut


def test_draws_come_from_torchs_global_generator() -> None:
    def drawn(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        return [mix_batch(images, 0.8, 1.0)[0], mix_by_confidence(images, {"kind": PSEUDO})[0]]

    images = torch.rand(4, 3, 8, 8)
    assert all(map(torch.equal, drawn(1), drawn(1)))
    assert not any(map(torch.equal, drawn(1), drawn(2)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_mixed_loss_is_that_of_timms_soft_targets(smoothing: float) -> None:
    """share * CE(own) + (1 - share) * CE(partner's) is the cross entropy of the mixed targets, smoothed or not."""
    torch.manual_seed(3)
    images, classes, scores = torch.rand(6, 3, 8, 8), torch.randint(5, (6,)), torch.randn(6, 5)
    mixed, share = mix_batch(images, 0.8, 0.0)
    theirs = Mixup(mixup_alpha=0.8, label_smoothing=smoothing, num_classes=5)
    theirs._params_per_batch = lambda: (share, False)
    their_images, soft = theirs(images.clone(), classes)
    torch.testing.assert_close(mixed, their_images)
    loss = make("loss", Part(name="cross_entropy", args={"label_smoothing": smoothing}))
    targets, known = torch.eye(5)[classes], torch.ones(6, 5, dtype=torch.bool)
    ours = share * loss(scores, targets, known) + (1 - share) * loss(scores, targets.flip(0), known)
    torch.testing.assert_close(ours, SoftTargetCrossEntropy()(scores, soft))
    torch.testing.assert_close(soft, mixup_target(classes, 5, share, smoothing))
