"""What judging a text costs beside full-size Detoxify in fp32: the embedded classifier's stage 2, and its cascade.

Detoxify's published weights are not needed to measure time: a model of the true architecture and size with random weights
(XLM-R base, 12 layers of 768, 250,002 pieces, as `multilingual`; `original` and `unbiased` are as deep and wide) does the
same arithmetic. Each text is one call on one thread for either side; Detoxify is given the token count of the classifier's own
tokenizer, cut at 512 as Detoxify cuts. Texts are ordinary ones written for this file. Needs `haechi[guard,local]`.
Run: `python -m benchmarks.detoxify_cost`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.figures import report
from guard.classifier import EmbeddedClassifier, load
from guard.classifier.folding import fold

ORDINARY = {
    "en": (
        "Could you help me plan a week of simple dinners?",
        "The committee met on Tuesday to discuss the new library, and most members agreed that longer hours would help.",
        "Please find attached the notes from this morning's meeting. I added the two points about the budget.",
        "How do I sort a list of dictionaries by two keys in Python, the second one in descending order?",
        "Thanks for the quick reply! I will try the update tonight and tell you tomorrow whether it works.",
        "The train to the coast takes two hours and runs every thirty minutes until late in the evening.",
    ),
    "ko": (
        "주말에 가족과 함께 갈 만한 조용한 식당을 추천해 주세요.",
        "위원회는 화요일에 모여 새 도서관 문제를 논의했고, 대부분의 위원은 개관 시간을 늘리는 데 찬성했다.",
        "오늘 오전 회의록을 첨부합니다. 예산에 관한 두 가지 내용을 추가했습니다.",
        "파이썬에서 사전 목록을 두 개의 키로 정렬하려면 어떻게 해야 하나요?",
        "빠른 답변 감사합니다! 오늘 저녁에 업데이트해 보고 내일 결과를 알려 드릴게요.",
        "바닷가로 가는 기차는 두 시간이 걸리고 늦은 저녁까지 삼십 분마다 다닙니다.",
    ),
    "zh": (
        "请帮我安排一周简单的晚餐。",
        "委员会周二开会讨论新图书馆的问题，多数委员同意延长开放时间。",
        "附件是今天上午会议的记录，我补充了关于预算的两点内容。",
        "在Python里怎样按两个键给字典列表排序，其中第二个键要降序？",
        "谢谢您的快速回复！我今晚试试更新，明天告诉您结果。",
        "开往海边的火车需要两个小时，每三十分钟一班，一直开到深夜。",
    ),
}
STAGE_2_BAR, CASCADE_BAR = 10.0, 100.0


def cpu_ms(work: Callable[[], object], *, rounds: int) -> float:
    """The least CPU time of one call of several, in milliseconds."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best * 1000


def detoxify() -> Any:
    """The true architecture and size, random weights, fp32, one thread."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

    torch.set_num_threads(1)
    config = XLMRobertaConfig(
        vocab_size=250_002,
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        max_position_embeddings=514,
        type_vocab_size=1,
        num_labels=16,
    )
    return XLMRobertaForSequenceClassification(config).eval()


def judge_once(model: Any, tokens: int) -> Callable[[], object]:
    """One text of so many tokens through Detoxify."""
    import torch

    ids = torch.arange(5, 5 + min(tokens, 512)).unsqueeze(0)

    def run() -> object:
        with torch.inference_mode():
            return torch.sigmoid(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits)

    return run


def tokens_of(classifier: EmbeddedClassifier, text: str) -> int:
    """Tokens of a text with the two at its ends."""
    from tokenizers import Tokenizer

    from guard.classifier.model import FOLDER

    return len(Tokenizer.from_file(str(FOLDER / "tokenizer.json")).encode(text, add_special_tokens=False).ids) + 2


def main() -> int:
    """Report both ratios over all texts, and each language on standard error."""
    classifier = load()
    encoder = classifier.encoder
    if encoder is None:
        sys.stderr.write("the embedded classifier has no stage 2\n")
        return 3
    model = detoxify()
    sums = {"detoxify": 0.0, "stage 2": 0.0, "cascade": 0.0}
    for language, texts in ORDINARY.items():
        mine = dict.fromkeys(sums, 0.0)
        for text in texts:
            folded = fold(text)
            mine["detoxify"] += cpu_ms(judge_once(model, tokens_of(classifier, text)), rounds=5)
            mine["stage 2"] += cpu_ms(lambda folded=folded: encoder.logits(folded), rounds=15)  # type: ignore[misc]
            mine["cascade"] += cpu_ms(lambda text=text: classifier.score(text), rounds=15)  # type: ignore[misc]
        for name, spent in mine.items():
            sums[name] += spent
        shown = ", ".join(f"{name} {spent / len(texts):.2f} ms" for name, spent in mine.items())
        ratios = f"x{mine['detoxify'] / mine['stage 2']:.0f}, x{mine['detoxify'] / mine['cascade']:.0f}"
        sys.stderr.write(f"{language}: {shown} a text; {ratios}\n")
    report("detoxify CPU over stage 2 CPU", sums["detoxify"] / sums["stage 2"], "x", bar=STAGE_2_BAR, better="higher")
    report("detoxify CPU over cascade CPU", sums["detoxify"] / sums["cascade"], "x", bar=CASCADE_BAR, better="higher")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
