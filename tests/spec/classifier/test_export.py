"""The graphs of stage 2: what they compute is what was trained, as far as eight bits allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from guard.classifier.encoder import SmallEncoder, open_session
from guard.classifier.package import LOWER_FILE, UPPER_FILE
from guard.training.encoder import Encoder, EncoderShape
from guard.training.export import LOWER, write_encoder

SHAPE = EncoderShape(layers=4, width=32, attention_heads=2, inner=64, vocabulary=50, positions=20, epsilon=1e-5)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Encoder, SmallEncoder]:
    """An encoder with weights by chance, and the same as graphs."""
    torch.manual_seed(1)
    encoder = Encoder(SHAPE, 3).eval()
    with torch.no_grad():
        encoder.head.weight.mul_(20)
    write_encoder(tmp_path, encoder)
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
