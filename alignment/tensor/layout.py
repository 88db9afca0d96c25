"""Place conversations in rows of tokens so that nothing is computed twice.

A *tree* is a prompt with one or more answers. Shared, it is one run of tokens: the prompt once, then every answer,
each of which sees the prompt and itself, at the positions it would have alone. Several trees fit in one row (packing).
Unshared, each answer stands in a row of its own behind its own copy of the prompt.

Invariant: the log-probability of an answer does not depend on the layout (tests/spec/alignment/test_layout.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Tokens = Sequence[int]
_PROMPT = 0  # branch number of prompt tokens; answers are 1, 2, ...


@dataclass(frozen=True, slots=True)
class Tree:
    """A prompt and its answers, as token ids."""

    prompt: Tokens
    answers: tuple[Tokens, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """B rows of T tokens, and where the answers are in them.

    ids, positions: (B, T).
    mask: (B, 1, T, T) bool, True where a position may look; None when plain causal order is right.
    rows, columns: (N,) the positions whose hidden state predicts an answer token, answers in order.
    targets: (N,) the token that is predicted there.
    segments: (N,) the number of the answer; answers are numbered tree by tree.
    lengths: (S,) tokens of each answer.
    ends: (S, 2) row and column of each answer's last token.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor | None
    rows: Tensor
    columns: Tensor
    targets: Tensor
    segments: Tensor
    lengths: Tensor
    ends: Tensor

    @property
    def answers(self) -> int:
        """How many answers, S."""
        return int(self.lengths.shape[0])

    def to(self, device: torch.device) -> Layout:
        """The same on another device."""
        moved = [value.to(device) if value is not None else None for value in _fields(self)]
        return Layout(*moved)


def lay_out(trees: Sequence[Tree], *, share: bool, pad: int, pack: bool = True) -> Layout:
    """Build the layout.

    share: one copy of a prompt for all its answers; else one for each.
    pad: token id of padding, which nothing looks at.
    pack: put several short trees in one row, as long as the longest one is.
    """
    runs = [_run(tree) for tree in _alone(trees, share=share)]
    width = max(len(run.ids) for run in runs)
    bins = _packed([len(run.ids) for run in runs], width) if pack else [[i] for i in range(len(runs))]
    plain = not share and all(len(members) == 1 for members in bins)
    shape = (len(bins), width)
    ids = torch.full(shape, pad, dtype=torch.long)
    positions = torch.zeros(shape, dtype=torch.long)
    tree_of, branch_of = torch.full(shape, -1), torch.zeros(shape, dtype=torch.long)
    answers: list[_Place] = []
    for row, members in enumerate(bins):
        at = 0
        for member in members:
            run = runs[member]
            part = slice(at, at + len(run.ids))
            ids[row, part] = torch.tensor(run.ids)
            positions[row, part] = torch.tensor(run.positions)
            branch_of[row, part] = torch.tensor(run.branches)
            tree_of[row, part] = member
            answers += [
                _Place(member, row, at + run.last_of_prompt, at + start, tokens) for start, tokens in run.answers
            ]
            at += len(run.ids)
    answers.sort(key=lambda place: (place.tree, place.start))
    mask = None if plain else _mask(tree_of, branch_of)
    return _assemble(ids, positions, mask, answers)


def sharing_gain(trees: Sequence[Tree], *, hidden: int, layers: int, intermediate: int, vocab: int) -> float:
    """Predicted ratio of work without sharing to work with it; above 1, sharing saves time.

    Counts multiplications of the linear layers on every token, of attention on every pair in a padded row, and of the
    head on answer tokens (the same both ways, which is why the gain shrinks with a large vocabulary).
    """
    unshared = [len(tree.prompt) + len(answer) for tree in trees for answer in tree.answers]
    shared = [len(tree.prompt) + sum(map(len, tree.answers)) for tree in trees]
    head = sum(len(answer) for tree in trees for answer in tree.answers) * hidden * vocab * 4 / 3
    per_token = layers * (4 * hidden * hidden + 3 * hidden * intermediate)

    def work(lengths: list[int]) -> float:
        widest = max(lengths)
        rows = len(_packed(lengths, widest))
        return rows * widest * per_token + rows * widest * widest * 2 * hidden * layers + head

    return work(unshared) / work(shared)


@dataclass(frozen=True, slots=True)
class _Run:
    ids: list[int]
    positions: list[int]
    branches: list[int]
    last_of_prompt: int
    answers: list[tuple[int, Tokens]]  # offset in the run, tokens


@dataclass(frozen=True, slots=True)
class _Place:
    tree: int
    row: int
    before: int  # column that predicts the first token
    start: int
    tokens: Tokens


def _alone(trees: Sequence[Tree], *, share: bool) -> list[Tree]:
    if share:
        return list(trees)
    return [Tree(tree.prompt, (answer,)) for tree in trees for answer in tree.answers]


def _run(tree: Tree) -> _Run:
    p = len(tree.prompt)
    ids, positions, branches = list(tree.prompt), list(range(p)), [_PROMPT] * p
    answers = []
    for branch, answer in enumerate(tree.answers, start=1):
        answers.append((len(ids), answer))
        ids += answer
        positions += range(p, p + len(answer))
        branches += [branch] * len(answer)
    return _Run(ids, positions, branches, p - 1, answers)


def _packed(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """First fit, longest first: indexes of runs per row."""
    rows: list[list[int]] = []
    free: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        for row, room in enumerate(free):
            if lengths[index] <= room:
                rows[row].append(index)
                free[row] -= lengths[index]
                break
        else:
            rows.append([index])
            free.append(capacity - lengths[index])
    return rows


def _mask(tree_of: Tensor, branch_of: Tensor) -> Tensor:
    """(B, 1, T, T): look back, in the same tree, at the prompt or at one's own answer."""
    same_tree = tree_of[:, :, None] == tree_of[:, None, :]
    seen = (branch_of[:, None, :] == _PROMPT) | (branch_of[:, :, None] == branch_of[:, None, :])
    causal = torch.ones(tree_of.shape[1], tree_of.shape[1], dtype=torch.bool).tril()
    return (same_tree & seen & causal)[:, None]


def _assemble(ids: Tensor, positions: Tensor, mask: Tensor | None, answers: list[_Place]) -> Layout:
    rows: list[int] = []
    columns: list[int] = []
    targets: list[int] = []
    segments: list[int] = []
    for number, place in enumerate(answers):
        n = len(place.tokens)
        rows += [place.row] * n
        columns += [place.before, *range(place.start, place.start + n - 1)][:n]
        targets += place.tokens
        segments += [number] * n
    return Layout(
        ids,
        positions,
        mask,
        torch.tensor(rows),
        torch.tensor(columns),
        torch.tensor(targets),
        torch.tensor(segments),
        torch.tensor([len(place.tokens) for place in answers]),
        torch.tensor([[place.row, place.start + len(place.tokens) - 1] for place in answers]),
    )


def _fields(layout: Layout) -> list[Tensor | None]:
    return [
        layout.ids,
        layout.positions,
        layout.mask,
        layout.rows,
        layout.columns,
        layout.targets,
        layout.segments,
        layout.lengths,
        layout.ends,
    ]
