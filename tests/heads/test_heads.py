"""The label-embedding head and the linear head."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mtss_zoo_heads.label_embedding import LabelEmbeddingHead
from mtss_zoo_heads.linear import LinearHead

from mtss_zoo.interfaces import EmbeddingHead, Head


def head(num_features: int = 6, num_classes: int = 3, dim: int = 4) -> LabelEmbeddingHead:
    torch.manual_seed(0)
    return LabelEmbeddingHead(num_features, num_classes, dim)


def test_shapes_and_contracts():
    features = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    embedding, linear = head(), LinearHead(6, 3)
    assert isinstance(embedding, EmbeddingHead)
    assert isinstance(linear, Head)
    assert embedding.embed(features).shape == (5, 4)
    assert embedding(features).shape == linear(features).shape == (5, 3)
    assert torch.equal(embedding(features), embedding.score(embedding.embed(features)))


def test_the_worked_example():
    model = head(num_classes=1, dim=2)
    model.dictionary.data = torch.tensor([[3.0, 4.0]])
    torch.testing.assert_close(model.score(torch.tensor([[1.0, 0.0], [0.0, 2.0]])), torch.tensor([[0.6], [0.8]]))


@given(st.integers(0, 10_000), st.floats(1e-2, 1e3), st.floats(1e-2, 1e3))
@settings(deadline=None)
def test_scores_are_cosines_of_directions_alone(seed, image_length, label_length):
    model = head()
    embeddings = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
    scores = model.score(embeddings)
    expected = torch.cosine_similarity(embeddings[:, None], model.dictionary[None], dim=2)
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)
    model.dictionary.data *= label_length
    torch.testing.assert_close(model.score(embeddings * image_length), scores, atol=1e-5, rtol=0)


def test_zero_vectors_score_0_with_a_finite_gradient():
    model = head()
    model.dictionary.data[0] = 0
    embeddings = torch.zeros(2, 4).index_fill(0, torch.tensor([1]), 1).requires_grad_()
    scores = model.score(embeddings)
    scores.sum().backward()
    assert scores[0].eq(0).all()
    assert scores[:, 0].eq(0).all()
    assert embeddings.grad.isfinite().all()
    assert model.dictionary.grad.isfinite().all()


def test_gradcheck_of_the_cosine():
    model = head().double()
    embeddings = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(model.score, embeddings)


def test_cosines_are_float32_under_autocast():
    model, features = head(), torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = model.embed(features)
        scores = model(features)
    assert embeddings.dtype == torch.bfloat16
    assert scores.dtype == torch.float32
    assert torch.equal(scores, model.score(embeddings.float()))


@pytest.mark.parametrize("dim", [64, 1024])
def test_label_embeddings_start_at_about_length_1(dim):
    lengths = head(8, 100, dim).dictionary.norm(dim=1)
    assert 0.7 < lengths.min() < lengths.max() < 1.3


@pytest.mark.parametrize("build", [LabelEmbeddingHead, LinearHead])
def test_a_head_built_on_the_meta_device_is_filled_by_its_state_dict(build):
    features = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    filled = build(6, 3)
    with torch.device("meta"):
        empty = build(6, 3)
    empty.load_state_dict(filled.state_dict(), assign=True)
    assert torch.equal(empty(features), filled(features))


def test_the_linear_head_can_start_near_zero():
    """2e-5 in Semi-ViT, where -2 and 2 cut nothing off."""
    torch.manual_seed(0)
    linear = LinearHead(768, 30, init_std=2e-5)
    assert linear.weight.std().item() == pytest.approx(2e-5, rel=0.02)
    assert linear.weight.abs().max() < 2e-4
    assert not linear.bias.any()


def test_the_start_of_the_linear_head_is_cut_off_at_2():
    torch.manual_seed(0)
    weight = LinearHead(768, 30, init_std=3.0).weight
    assert 1.9 < weight.abs().max() <= 2


def test_the_linear_head_starts_as_that_of_pytorch_otherwise():
    torch.manual_seed(0)
    ours = LinearHead(6, 3)
    torch.manual_seed(0)
    assert torch.equal(ours.weight, torch.nn.Linear(6, 3).weight)
    assert ours.bias.any()
