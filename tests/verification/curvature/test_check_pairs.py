"""What check_pairs says of pairs whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from verification import BadSubjectError, check_pairs
from verification.curvature.span import ROWS, Span, triangle
from verification.references import dense_bfgs, scipy_operator


def quadratic(m=6, n=40, seed=0, dtype="float64", condition=100.0):
    """Pairs y = A s of a positive definite matrix."""
    generator = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(generator.standard_normal((n, n)))
    A = Q * np.geomspace(1, condition, n) @ Q.T
    S = generator.standard_normal((m, n))
    return S.astype(dtype), (S @ A).astype(dtype)


def bent(cosine, m=3, n=30):
    """Pairs whose s and y have this cosine."""
    generator = np.random.default_rng(0)
    S, across = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in generator.standard_normal((2, m, n)))
    across -= np.einsum("ij,ij->i", S, across)[:, None] * S
    return S, cosine * S + across / np.linalg.norm(across, axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 7), (3, 40), (8, 12), (9, 4)])
def test_the_spectrum_is_that_of_the_dense_matrix(seed, m, n):
    S, Y = quadratic(m, n, seed)
    h0 = np.random.default_rng(seed).uniform(0.1, 3.0, n)
    report = check_pairs(S, Y, h0)
    root = np.sqrt(h0)
    H = dense_bfgs.inverse_hessian(S, Y, h0) / np.outer(root, root)
    found = np.sort(np.concatenate([report.span.eigenvalues, np.ones(max(n - 2 * m, 0))]))
    assert np.allclose(found, np.linalg.eigvalsh(H), rtol=1e-6)
    assert report.sound == bool(report)
    assert report.sound
    assert report.judgement.startswith("Sound: H is positive definite")


def test_the_growth_is_that_of_the_first_loop():
    S, Y = quadratic(4, 30)
    products = [np.eye(30)]
    for s, y in zip(S[::-1], Y[::-1], strict=True):
        products.append((np.eye(30) - np.outer(y, s) / (s @ y)) @ products[-1])
    expected = max(np.linalg.norm(product, 2) for product in products)
    assert Span.of(S, Y, np.ones(30)).growth == pytest.approx(expected)


def test_the_smallest_eigenvalue_has_digits_of_its_own():
    """1e-14 beside 1e6: from H alone it would be rounding."""
    S, Y = np.eye(2), np.diag([1e14, 1e-6])
    assert np.allclose(check_pairs(S, Y, h0=1.0).span.eigenvalues, [1e-14, 1e6], rtol=1e-6)


def test_scaling_a_pair_changes_nothing_of_h():
    S, Y = quadratic()
    t = np.geomspace(1e-3, 1e3, len(S))[:, None]
    assert np.allclose(check_pairs(S, Y, 0.1).span.eigenvalues, check_pairs(t * S, t * Y, 0.1).span.eigenvalues)


def test_float32_digits_are_those_that_are_lost():
    S, Y = quadratic(dtype="float32")
    report = check_pairs(S, Y)
    assert 5.5 < report.directions.digits_ours <= 7.3
    assert report.pairs.dtype == "float32"
    worse = check_pairs(*bent(1e-4))
    assert worse
    assert worse.directions.digits_ours < report.directions.digits_ours - 2
    assert worse.directions.digits_textbook < report.directions.digits_textbook - 2
    assert "but SciPy's operator errs by" in worse.judgement
    few = replace(report.directions, digits_ours=1.2)
    assert "Sound in float64 only: " in replace(report, directions=few).judgement


def test_pairs_of_which_float64_leaves_nothing_are_not_sound():
    report = check_pairs(*bent(1e-12))
    assert not report
    assert "leave nothing of H v in float64" in report.judgement


def test_wrong_signs_are_named_and_left_out():
    S, Y = quadratic()
    Y[2] *= -1
    Y[4] = 0.0
    report = check_pairs(S, Y)
    assert not report
    assert report.refused == (3, 5)
    assert report.kept.numbers == (1, 2, 4, 6)
    assert "s'y <= 0 in pairs 3, 5" in report.judgement
    assert str(report).count("refused") >= 2
    assert np.allclose(report.span.eigenvalues, check_pairs(*(x[[0, 1, 3, 5]] for x in (S, Y))).span.eigenvalues)


def test_a_sign_that_rounding_decides_is_told():
    S, Y = quadratic()
    Y[1] -= (Y[1] @ S[1]) / (S[1] @ S[1]) * S[1] * (1 - 1e-7)
    assert check_pairs(S, Y).unsure == ()
    report = check_pairs(S.astype("float32"), Y.astype("float32"))
    assert report.unsure == (2,) or report.refused == (2,)
    assert not report


def test_no_pair_at_all_has_the_right_sign():
    S, Y = quadratic()
    report = check_pairs(S, -Y)
    assert report.span is None
    assert not report
    assert "H of these 6 pairs is not positive definite" in str(report)


def test_a_wrong_implementation_is_seen(monkeypatch):
    """One of the loops forgets a pair."""
    right = scipy_operator.direction
    monkeypatch.setattr(scipy_operator, "direction", lambda S, Y, h0, g: right(S[1:], Y[1:], h0, g))
    report = check_pairs(*quadratic())
    assert not report
    assert "Not sound: implementations differ by" in report.judgement


@pytest.mark.parametrize("kind", ["list", "tensors", "tensor", "bfloat16", "float32"])
def test_whatever_holds_rows_is_taken(kind):
    S, Y = quadratic()
    made = {
        "list": lambda x: x.tolist(),
        "tensors": lambda x: [torch.tensor(row, requires_grad=True) for row in x],
        "tensor": torch.tensor,
        "bfloat16": lambda x: torch.tensor(x).bfloat16(),
        "float32": lambda x: x.astype("float32"),
    }[kind]
    report = check_pairs(made(S), made(Y))
    assert report
    assert report.pairs.dtype == {"bfloat16": "bfloat16", "float32": "float32"}.get(kind, "float64")


@pytest.mark.parametrize("h0", [2.0, np.float32(2.0), torch.tensor(2.0), np.full(40, 2.0), torch.full((1, 40), 2.0)])
def test_h0_in_every_form(h0):
    report = check_pairs(*quadratic(), h0)
    assert (report.pairs.h0 == 2.0).all()
    assert report.pairs.uniform


def test_without_h0_it_is_that_of_the_newest_pair_that_counts():
    S, Y = quadratic()
    Y[-1] *= -1
    report = check_pairs(S, Y)
    assert report.pairs.h0[0] == pytest.approx(S[-2] @ Y[-2] / (Y[-2] @ Y[-2]))
    assert "pair 5" in report.pairs.h0_said


BAD = {
    "shapes": (np.ones((2, 3)), np.ones((3, 3)), None, "S has shape (2, 3) and Y (3, 3)"),
    "one vector": (np.ones(3), np.ones(3), None, "S has shape (3,); it is (m, n)"),
    "nothing": (np.ones((0, 3)), np.ones((0, 3)), None, "S has shape (0, 3), which holds no pair"),
    "no numbers": (np.ones((0, 3)), np.ones((0, 3)), None, "holds no pair"),
    "words": ([["a"]], [["b"]], None, "S holds <U1"),
    "ragged": ([[1.0], [1.0, 2.0]], [[1.0]], None, "S is no matrix of numbers"),
    "complex": (np.ones((1, 2)) * 1j, np.ones((1, 2)), None, "S holds complex128"),
    "h0's size": (np.ones((1, 2)), np.ones((1, 2)), np.ones(3), "h0 has shape (3,) and the pairs 2 elements"),
    "h0's sign": (np.ones((1, 2)), np.ones((1, 2)), [1.0, 0.0], "h0 has 0.0 at element 1 (from 0)"),
    "h0 a word": (np.ones((1, 2)), np.ones((1, 2)), "x", "h0='x' is no number"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_pairs_is_told_in_one_sentence(name):
    S, Y, h0, words = BAD[name]
    with pytest.raises(BadSubjectError) as error:
        check_pairs(S, Y, h0)
    assert words in str(error.value)
    assert str(error.value).count(". ") == 0
    assert str(error.value).endswith(".")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_told_where(value):
    S, Y = quadratic()
    Y[3, 17] = value
    with pytest.raises(BadSubjectError, match=rf"Y has {value} in pair 4 of 6, element 17 \(from 0\);"):
        check_pairs(S, Y)
    Y[3, 19] = value
    with pytest.raises(BadSubjectError, match=r"element 17 \(from 0\) and 1 more of that pair;"):
        check_pairs(S, Y)


def test_vectors_longer_than_a_block():
    n = 2 * ROWS + 17
    generator = np.random.default_rng(0)
    S = generator.standard_normal((3, n), dtype=np.float32)
    d = np.exp(generator.uniform(-1, 1, n)).astype(np.float32)
    report = check_pairs(S, S * d)
    assert report
    columns = np.vstack([S / np.sqrt(report.pairs.h0), S * d * np.sqrt(report.pairs.h0)]).astype(np.float64)
    R = triangle(report.pairs.S, report.pairs.Y, report.pairs.h0)
    assert R.shape == (6, 6)
    assert np.allclose(R.T @ R, columns @ columns.T, rtol=1e-6)


def test_the_picture_is_drawn(tmp_path):
    S, Y = quadratic()
    Y[1] *= -1
    check_pairs(S, Y).plot(tmp_path / "pairs.svg")
    check_pairs(S, -S).plot(tmp_path / "none.png")
    first = (tmp_path / "pairs.svg").read_bytes()
    check_pairs(S, Y).plot(tmp_path / "pairs.svg")
    assert (tmp_path / "pairs.svg").read_bytes() == first
    assert len(first) < 100_000
    with pytest.raises(BadSubjectError, match="cannot be drawn"):
        check_pairs(S, Y).plot(tmp_path / "pairs.xyz")
    with pytest.raises(BadSubjectError, match="cannot be drawn"):
        check_pairs(S, Y).plot(tmp_path / "nowhere" / "pairs.svg")
