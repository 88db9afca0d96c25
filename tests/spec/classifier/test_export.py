"""The graphs of stage 2: what they compute is what was trained, as far as eight bits allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto

from guard.classifier.encoder import SmallEncoder, open_session
from guard.classifier.package import LOWER_FILE, UPPER_FILE
from guard.training.encoder import Encoder, EncoderShape
from guard.training.export import LOWER, Graph, array, reaches, write_encoder

SHAPE = EncoderShape(layers=4, width=32, attention_heads=2, inner=64, vocabulary=50, positions=20, epsilon=1e-5)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Encoder, SmallEncoder]:
    """An encoder with weights by chance, and the same as graphs."""
    torch.manual_seed(1)
    encoder = Encoder(SHAPE, 3).eval()
    with torch.no_grad():
        encoder.head.weight.mul_(20)
    write_encoder(tmp_path, encoder, [[3, 4, 5, 6], [7, 8]])
    lower, upper = (open_session((tmp_path / name).read_bytes(), tmp_path / name) for name in (LOWER_FILE, UPPER_FILE))
    return encoder, SmallEncoder(None, lower, upper)  # type: ignore[arg-type]  # no words are asked for


def test_the_two_graphs_one_after_the_other_say_what_the_encoder_says(written: tuple[Encoder, SmallEncoder]) -> None:
    """For texts of any length."""
    encoder, graphs = written
    for length in (1, 2, 11):
        ids = torch.arange(length)[None] + 3
        with torch.no_grad():
            vectors = encoder.norm_embedding(encoder.words(ids) + encoder.positions.weight[:length])
            expected = encoder(ids, torch.ones_like(ids)).numpy()
        assert np.ptp(expected) > 1
        np.testing.assert_allclose(graphs.judged(vectors.numpy()), expected, atol=0.3)


def test_the_lower_graph_gives_what_its_layers_make_of_every_token(written: tuple[Encoder, SmallEncoder]) -> None:
    """And no layer is computed twice, or by nobody."""
    encoder, graphs = written
    x = torch.randn(1, 5, SHAPE.width)
    expected = x
    with torch.no_grad():
        for layer in encoder.layers[:LOWER]:
            expected = layer(expected, torch.zeros(1, 1, 1, 5))
    np.testing.assert_allclose(graphs.lower.states(x.numpy()), expected.numpy(), atol=0.2)


def test_one_input_that_reaches_far_does_not_blind_the_others(tmp_path: Path) -> None:
    """Eight bits over forty times the usual reach would leave six steps for all that is usual."""
    torch.manual_seed(2)
    layer = torch.nn.Linear(64, 16)
    x = torch.randn(1, 9, 64)
    x[..., 5] *= 40
    with torch.no_grad():
        layer.weight[:, 5] /= 40
        expected = layer(x).numpy()
    errors = {}
    for name, reach in (("as it is", None), ("evened out", x.abs().amax((0, 1)).numpy())):
        graph = Graph()
        out = graph.linear("x", "wide", array(layer.weight), array(layer.bias), reach)
        graph.node("Identity", [out], "states")
        content = graph.model("g", {"x": (TensorProto.FLOAT, [1, "T", 64])}, {"states": [1, "T", 16]})
        errors[name] = np.abs(open_session(content, tmp_path).states(x.numpy()) - expected).mean()
    assert errors["evened out"] < errors["as it is"] / 4


def test_how_far_inputs_reach_is_seen_on_the_texts_alone() -> None:
    """The largest of all texts, for every input of every layer; longer texts change nothing but what they hold."""
    torch.manual_seed(3)
    encoder = Encoder(SHAPE, 3).eval()
    one, two, both = (reaches(encoder, texts) for texts in ([[3, 4, 5]], [[9, 8]], [[3, 4, 5], [9, 8]]))
    assert len(both) == SHAPE.layers
    for a, b, ab in zip(one, two, both, strict=True):
        np.testing.assert_array_equal(ab.widen, np.maximum(a.widen, b.widen))
        np.testing.assert_array_equal(ab.narrow, np.maximum(a.narrow, b.narrow))
        assert ab.widen.shape == (SHAPE.width,)
        assert ab.narrow.shape == (SHAPE.inner,)
