"""Products with B against B itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from verification.curvature.matrices import CurvatureMatrix

torch.manual_seed(0)
MODEL = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)).double()
PARAMETERS = list(MODEL.parameters())
N = sum(p.numel() for p in PARAMETERS)
X = torch.randn(7, 3, dtype=torch.float64)
TARGET = torch.arange(7) % 3
W = torch.cat([p.detach().reshape(-1) for p in PARAMETERS])[None]


def outputs_at(w):
    return torch.func.functional_call(MODEL, unflat(w), (X,))


def unflat(w):
    parts = torch.split(w, [p.numel() for p in PARAMETERS])
    return {name: part.view(p.shape) for part, (name, p) in zip(parts, MODEL.named_parameters(), strict=True)}


def cross_entropy(outputs):
    return nn.functional.cross_entropy(outputs, TARGET)


def squares(outputs):
    return (outputs - 1.0).square().sum(1).mean()


def dense(kind, loss):
    w = W[0]
    if kind == "hessian":
        return torch.func.hessian(lambda w: loss(outputs_at(w)))(w)
    J = torch.func.jacrev(outputs_at)(w).reshape(-1, N)
    H = torch.func.hessian(loss)(outputs_at(w)).reshape(21, 21)
    return J.T @ H @ J


def columns(B):
    return torch.cat([B.product(W, v[None]) for v in torch.eye(N, dtype=torch.float64)]).T


@pytest.mark.parametrize(
    ("kind", "loss"),
    [("hessian", cross_entropy), ("hessian", squares), ("gauss-newton", cross_entropy), ("gauss-newton", squares)],
)
def test_products(kind, loss):
    outputs = lambda: MODEL(X)  # noqa: E731
    B = CurvatureMatrix(PARAMETERS, 1, lambda: (lambda o: (loss(o), o))(outputs()), kind, None, False)
    assert torch.allclose(columns(B), dense(kind, loss), rtol=1e-9, atol=1e-12)
    assert kind.split("-")[0] in B.said.lower()
    maximising = CurvatureMatrix(PARAMETERS, 1, lambda: (lambda o: (-loss(o), o))(outputs()), kind, None, True)
    assert torch.allclose(columns(maximising), dense(kind, loss), rtol=1e-9, atol=1e-12)


def test_the_fisher_matrix_of_softmax_is_that_of_all_labels():
    """sum over labels of p(label) g g', example by example."""
    expected = torch.zeros(N, N, dtype=torch.float64)
    for example in range(7):
        p = outputs_at(W[0])[example].softmax(0)
        for label in range(3):
            g = torch.func.grad(lambda w, i=example, k=label: -outputs_at(w)[i].log_softmax(0)[k])(W[0])
            expected += p[label] * torch.outer(g, g) / 7
    B = CurvatureMatrix(PARAMETERS, 1, lambda: (lambda o: (cross_entropy(o), o))(MODEL(X)), "fisher", None, False)
    assert torch.allclose(columns(B), expected, rtol=1e-9, atol=1e-12)
    assert B.said == "the Fisher matrix, which for softmax cross-entropy is the Gauss-Newton matrix"


def sampled_softmax(outputs):
    labels = torch.distributions.Categorical(logits=outputs.detach()).sample()
    return nn.functional.cross_entropy(outputs, labels, reduction="none")


def sampled_gaussian(outputs):
    """-ln p of N(outputs, 1 / 2), but for a constant."""
    return (outputs - outputs.detach() - torch.randn_like(outputs) / 2**0.5).square().sum(1)


@pytest.mark.parametrize(("loss", "sampled"), [(cross_entropy, sampled_softmax), (squares, sampled_gaussian)])
def test_the_fisher_matrix_of_sampled_labels_tends_to_it(loss, sampled):
    torch.manual_seed(0)
    v = torch.randn(1, N, dtype=torch.float64)
    B = CurvatureMatrix(PARAMETERS, 1, lambda: (lambda o: (loss(o), o))(MODEL(X)), "fisher", sampled, False)
    mean = torch.stack([B.product(W, v) for _ in range(1500)]).mean(0)
    expected = v @ dense("gauss-newton", loss)
    assert float((mean - expected).norm() / expected.norm()) < 0.15
    assert B.said == "the Fisher matrix of sampled labels"


def test_one_sampled_product_is_that_of_its_gradients():
    v = torch.randn(1, N, dtype=torch.float64)
    labels = torch.tensor([0, 2, 1, 1, 0, 2, 2])

    def losses(outputs):
        return nn.functional.cross_entropy(outputs, labels, reduction="none")

    B = CurvatureMatrix(PARAMETERS, 1, lambda: (lambda o: (cross_entropy(o), o))(MODEL(X)), "fisher", losses, False)
    G = torch.func.jacrev(lambda w: losses(outputs_at(w)))(W[0])
    assert torch.allclose(B.product(W, v), v @ G.T @ G / 7, rtol=1e-9)


def test_frozen_and_unused_parameters_get_zeros():
    MODEL[0].bias.requires_grad_(False)
    spare = nn.Parameter(torch.ones(2, dtype=torch.float64))
    try:
        B = CurvatureMatrix(
            [*PARAMETERS, spare],
            1,
            lambda: (lambda o: (cross_entropy(o), o))(MODEL(X)),
            "fisher",
            sampled_softmax,
            False,
        )
        w = torch.cat([W, torch.ones(1, 2, dtype=torch.float64)], 1)
        product = B.product(w, torch.ones_like(w))
        assert torch.equal(product[0, -2:], torch.zeros(2, dtype=torch.float64))
        assert torch.equal(product[0, 12:16], torch.zeros(4, dtype=torch.float64))
        assert product.abs().sum() > 0
    finally:
        MODEL[0].bias.requires_grad_(True)


def test_classes_may_lie_in_any_dimension_but_the_first():
    def curvature():
        outputs = MODEL(X).T[None]  # (1, classes, places)
        return nn.functional.cross_entropy(outputs, TARGET[None]), outputs

    B = CurvatureMatrix(PARAMETERS, 1, curvature, "fisher", None, False)
    assert torch.allclose(columns(B), dense("gauss-newton", cross_entropy), rtol=1e-9, atol=1e-12)
