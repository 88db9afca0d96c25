"""Rows become tokens through the model's own template, and every boundary is checked."""

from __future__ import annotations

from typing import Any

import pytest

from alignment.data.encode import EncodedAnswer, EncodedPair, Encoder, TooLong, end_self_test
from alignment.data.judge import Finding
from alignment.data.rows import Demonstration, Message, Pair, Reason
from alignment.errors import EndNotLearned
from alignment.models import new_tokenizer

TEXTS = ["How do I bake bread?", "Gladly: mix flour and water.", "밀가루와 물을 섞으세요.", "把面粉和水混合。"] * 4


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return new_tokenizer(TEXTS, vocab=400)


def pair(line: int, chosen: str, rejected: str, *history: str) -> Pair:
    roles = ("user", "assistant") * 9
    prompt = tuple(Message(role, text) for role, text in zip(roles, history or ("How do I bake bread?",), strict=False))
    return Pair(line, prompt, chosen, rejected)


def encoded(encoder: Encoder, *pairs: Pair) -> list[EncodedPair | Finding]:
    return list(encoder.pairs(pairs))


@pytest.mark.parametrize("history", [("Hi?",), ("빵은 어떻게 굽나요?", "섞으세요.", "그다음은?"), ("怎么做面包？",)])
def test_prompt_and_answer_are_what_the_template_renders(tokenizer: Any, history: tuple[str, ...]) -> None:
    """Concatenated, the parts are the whole conversation up to the end of the last turn."""
    (row,) = encoded(Encoder(tokenizer, max_tokens=500), pair(1, "Gladly.", "아니요.", *history))
    assert isinstance(row, EncodedPair)
    text = tokenizer.decode(row.prompt + row.chosen)
    assert text.endswith("<|im_start|>assistant\nGladly.<|im_end|>")
    assert all(turn in text for turn in history)


def test_both_answers_end_with_the_end_of_turn_or_the_row_is_refused(tokenizer: Any) -> None:
    """Never is one side cut: a row too long is refused whole, or loses the start of its prompt on both sides."""
    short, long = "Yes.", "flour " * 60
    (row,) = encoded(Encoder(tokenizer, max_tokens=60), pair(1, long, short))
    assert isinstance(row, Finding)
    assert row.reason is Reason.TOO_LONG
    whole = encoded(Encoder(tokenizer, max_tokens=900), pair(1, long, short))[0]
    assert isinstance(whole, EncodedPair)
    limit = len(whole.prompt) + len(whole.chosen) - 5
    (cut,) = encoded(Encoder(tokenizer, max_tokens=limit, too_long=TooLong.TRIM_PROMPT), pair(1, long, short))
    assert isinstance(cut, EncodedPair)
    assert cut.prompt == whole.prompt[5:]
    assert (cut.chosen, cut.rejected) == (whole.chosen, whole.rejected)
    assert cut.chosen[-1] == cut.rejected[-1] == tokenizer.eos_token_id


def test_a_template_that_rewrites_the_prompt_is_found_by_row_and_token(tokenizer: Any) -> None:
    """As Qwen 3's stock template does with earlier thinking."""
    crooked = new_tokenizer(TEXTS, vocab=400)
    crooked.chat_template = (
        "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' + "
        "(m.content if loop.last else m.content.split('</think>')[-1]) + '<|im_end|>\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
    )
    good, bad = pair(1, "Yes.", "No."), pair(2, "Yes.", "No.", "Hm</think>Why?")
    first, second = encoded(Encoder(crooked, max_tokens=500), good, bad)
    assert isinstance(first, EncodedPair)
    assert isinstance(second, Finding)
    assert (second.line, second.reason) == (2, Reason.TEMPLATE)


def test_a_template_that_does_not_close_the_turn_is_found(tokenizer: Any) -> None:
    """Without the end mark the model would never learn to stop."""
    open_ended = new_tokenizer(TEXTS, vocab=400)
    open_ended.chat_template = "{%- for m in messages %}{{- m.role + ': ' + m.content }}{%- endfor %}{%- if add_generation_prompt %}assistant: {% endif %}"
    (row,) = encoded(Encoder(open_ended, max_tokens=500), pair(1, "Yes.", "No."))
    assert isinstance(row, Finding)
    assert row.reason in {Reason.NO_END, Reason.TEMPLATE}


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{%- if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{%- endif %}", "no system role"),
        ("{%- for m in messages %}{{ m.role }}", "endfor"),
        ("{{ messages[0].content + 1 }}", "str"),
    ],
)
def test_a_row_that_the_template_fails_on_is_named_and_the_others_stay(template: str, said: str) -> None:
    """A template may refuse a role, or be no template at all: that is a finding with the template's own words."""
    made = new_tokenizer(TEXTS, vocab=400)
    made.chat_template = template + made.chat_template
    odd = Pair(2, (Message("system", "Be brief."), Message("user", "bread?")), "Yes.", "No.")
    rows = encoded(Encoder(made, max_tokens=99), pair(1, "Yes.", "No."), odd, pair(3, "Yes.", "No."))
    findings = [row for row in rows if isinstance(row, Finding)]
    assert [row.line for row in findings] == ([2] if "system" in template else [1, 2, 3])
    assert all(row.reason is Reason.TEMPLATE and said in row.detail for row in findings)


def test_an_answer_of_unknown_tokens_is_found() -> None:
    """A tokenizer without bytes to fall back on sees nothing in such a row."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["[UNK]", "[PAD]", "<|im_end|>", "user", "assistant", ":", "hello", "yes", "no"]
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    small = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="[UNK]", pad_token="[PAD]", eos_token="<|im_end|>")
    small.chat_template = (
        "{%- for m in messages %}{{- m.role + ' : ' + m.content + ' <|im_end|> ' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- 'assistant : ' }}{%- endif %}"
    )
    rows = encoded(Encoder(small, max_tokens=99), pair(1, "yes", "no", "hello"), pair(2, "안녕 하세요", "no", "hello"))
    assert isinstance(rows[0], EncodedPair)
    assert isinstance(rows[1], Finding)
    assert rows[1].reason is Reason.UNKNOWN_TOKENS


def test_a_padding_token_that_is_the_end_token_is_refused(tokenizer: Any) -> None:
    """Masking the padding would mask the end of every answer."""
    end_self_test(Encoder(tokenizer, max_tokens=99), [(5, tokenizer.eos_token_id)])
    with pytest.raises(EndNotLearned):
        end_self_test(Encoder(tokenizer, max_tokens=99), [(5, 6)])
    same = new_tokenizer(TEXTS, vocab=400)
    same.pad_token = same.eos_token
    with pytest.raises(EndNotLearned):
        end_self_test(Encoder(same, max_tokens=99), [(5, same.eos_token_id)])


def test_prompts_and_demonstrations_are_encoded_in_order(tokenizer: Any) -> None:
    """A prompt alone is opened for an answer; a long one is named."""
    rows = [Demonstration(i, (Message("user", "bread " * i),), "Yes.") for i in range(1, 4)]
    encoder = Encoder(tokenizer, max_tokens=200)
    answers = [row for row in encoder.answers(rows) if isinstance(row, EncodedAnswer)]
    prompts = list(encoder.prompts(rows, max_prompt_tokens=len(answers[1].prompt)))
    assert [row.line for row in prompts] == [1, 2, 3]
    assert [isinstance(row, Finding) for row in prompts] == [False, False, True]
    assert isinstance(prompts[0], EncodedAnswer)
    assert prompts[0].prompt == answers[0].prompt
    assert encoder.text(answers[0].answer) == "Yes."
