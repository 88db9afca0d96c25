"""The log-probability of an answer does not depend on how the rows are laid out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.models import Shape, new_policy, new_tokenizer
from alignment.tensor.layout import Layout, Tree, lay_out, sharing_gain
from alignment.tensor.logprob import segment_sums, token_logprobs

FAMILIES = ("qwen2", "qwen3", "qwen3_moe")


def some_trees(vocab: int, seed: int = 0) -> list[Tree]:
    gen = torch.Generator().manual_seed(seed)

    def run(n: int) -> list[int]:
        return torch.randint(3, vocab, (n,), generator=gen).tolist()

    return [
        Tree(run(p), tuple(run(n) for n in answers))
        for p, answers in [(9, (4, 7)), (3, (1, 2)), (5, (6, 3, 2)), (1, (3, 3))]
    ]


def answer_logps(model: Any, layout: Layout) -> torch.Tensor:
    out = model.model(input_ids=layout.ids, attention_mask=layout.mask, position_ids=layout.positions, use_cache=False)
    hidden = out.last_hidden_state[layout.rows, layout.columns]
    logps, _ = token_logprobs(hidden, model.lm_head.weight, layout.targets)
    return segment_sums(logps, layout.segments, layout.answers)


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Any:
    tokenizer = new_tokenizer(["some text"], vocab=300)
    return new_policy(Shape(family=request.param, hidden=32, layers=2), tokenizer, seed=1)


def one_by_one(model: Any, trees: list[Tree]) -> torch.Tensor:
    """The definition: each prompt and answer alone, all logits."""
    sums = []
    for tree in trees:
        for answer in tree.answers:
            ids = torch.tensor([[*tree.prompt, *answer]])
            logps = torch.log_softmax(model(input_ids=ids, use_cache=False).logits.double(), -1)[
                0, len(tree.prompt) - 1 : -1
            ]
            sums.append(logps.gather(1, torch.tensor(answer)[:, None]).sum())
    return torch.stack(sums).float()


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("pack", [False, True])
def test_every_layout_gives_the_log_probability_of_the_row_alone(model: Any, share: bool, pack: bool) -> None:
    """To 1e-5 in fp32, in dense models and in mixtures of experts."""
    trees = some_trees(model.config.vocab_size)
    got = answer_logps(model, lay_out(trees, share=share, pad=0, pack=pack))
    torch.testing.assert_close(got, one_by_one(model, trees), atol=2e-5, rtol=1e-5)


def test_gradients_of_a_shared_layout_are_those_of_separate_rows(model: Any) -> None:
    """The prompt's gradient gathers from all of its answers."""
    trees = some_trees(model.config.vocab_size)
    mix = torch.tensor([1.0, -1, 0.5, 2, -0.3, 0.2, 1, -2, 1])
    grads = []
    for layout in (lay_out(trees, share=False, pad=0, pack=False), lay_out(trees, share=True, pad=0)):
        model.zero_grad()
        (answer_logps(model, layout) * mix).sum().backward()
        grads.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert float((grads[0] - grads[1]).norm() / grads[0].norm()) < 1e-5


@given(
    sizes=st.lists(
        st.tuples(st.integers(1, 12), st.lists(st.integers(1, 9), min_size=1, max_size=4)), min_size=1, max_size=6
    ),
    share=st.booleans(),
    pack=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_layout_puts_every_token_in_its_place(sizes: list[tuple[int, list[int]]], share: bool, pack: bool) -> None:
    """Ids say what they should where they should, at the position the token has alone; the mask shows its past only."""
    token = iter(range(1, 10**6))
    trees = [
        Tree([next(token) for _ in range(p)], tuple([next(token) for _ in range(n)] for n in ns)) for p, ns in sizes
    ]
    layout = lay_out(trees, share=share, pad=0, pack=pack)
    flat = [(tree.prompt, answer) for tree in trees for answer in tree.answers]
    assert layout.targets.tolist() == [t for _, answer in flat for t in answer]
    assert layout.lengths.tolist() == [len(answer) for _, answer in flat]
    for i, (prompt, answer) in enumerate(flat):
        row, column = layout.ends[i].tolist()
        assert layout.ids[row, column] == answer[-1]
        assert layout.positions[row, column] == len(prompt) + len(answer) - 1
        if layout.mask is not None:
            seen = layout.ids[row][layout.mask[row, 0, column]].tolist()
        else:
            seen = layout.ids[row][: column + 1].tolist()
        assert seen == [*prompt, *answer]
        before = layout.columns[layout.segments == i]
        assert layout.ids[row, before].tolist() == [prompt[-1], *answer[:-1]]


def test_sharing_is_predicted_to_pay_for_long_prompts_only() -> None:
    """The head is not shared, so with a large vocabulary and short prompts there is little to gain."""
    size = {"hidden": 512, "layers": 12, "intermediate": 1024, "vocab": 151_936}
    long = [Tree([1] * 512, ([1] * 64, [1] * 64))] * 2
    short = [Tree([1] * 4, ([1] * 64, [1] * 64))] * 2
    assert sharing_gain(long, **size) > 1.3
    assert sharing_gain(short, **size) < 1.05
