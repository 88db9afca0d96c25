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
        "What should I cook with two leeks, some cream and yesterday's rice?",
        "The museum is closed on Mondays, but the garden behind it stays open all week.",
        "My flight was moved to Thursday. Can we have the call on Friday instead?",
        "Explain the difference between a list and a tuple to somebody who has never programmed.",
        "He was born in a small village in the north and became a teacher before he wrote his first novel.",
        "Sales rose by four percent in the third quarter, mostly because of the new shops in the south.",
        "I left my umbrella on the bus again.",
        "Which of these two paragraphs sounds more friendly, and why?",
        "Turn the radiator down before you leave, the windows in the kitchen are still open.",
        "Scientists have found a species of frog that was believed to be gone for forty years.",
        "Translate this into Spanish, please: the keys are under the blue pot.",
        "The second half was slow, although the actors did their best with a thin story.",
        "Our team won in the last minute, I can hardly speak any more.",
        "Write a short thank-you note to my neighbour, who watered the plants while I was away.",
        "The package arrived this morning, but the charger is missing.",
        "If a rectangle is twice as long as it is wide and has an area of 50, how long is it?",
        "Mum's knee is better, she walked to the market and back yesterday.",
        "Rain is expected from noon on, with strong winds along the coast.",
    ),
    "ko": (
        "주말에 가족과 함께 갈 만한 조용한 식당을 추천해 주세요.",
        "위원회는 화요일에 모여 새 도서관 문제를 논의했고, 대부분의 위원은 개관 시간을 늘리는 데 찬성했다.",
        "오늘 오전 회의록을 첨부합니다. 예산에 관한 두 가지 내용을 추가했습니다.",
        "파이썬에서 사전 목록을 두 개의 키로 정렬하려면 어떻게 해야 하나요?",
        "빠른 답변 감사합니다! 오늘 저녁에 업데이트해 보고 내일 결과를 알려 드릴게요.",
        "바닷가로 가는 기차는 두 시간이 걸리고 늦은 저녁까지 삼십 분마다 다닙니다.",
        "대파 두 개랑 생크림, 어제 지은 밥으로 뭘 만들 수 있을까요?",
        "박물관은 월요일에 쉬지만 뒤쪽 정원은 일주일 내내 열려 있다.",
        "비행기가 목요일로 바뀌었어요. 통화는 금요일에 해도 될까요?",
        "프로그래밍을 해 본 적 없는 사람에게 리스트와 튜플의 차이를 설명해 줘.",
        "그는 북쪽의 작은 마을에서 태어나 첫 소설을 쓰기 전까지 교사로 일했다.",
        "삼 분기 매출은 남부에 새로 연 매장 덕분에 사 퍼센트 늘었다.",
        "버스에 또 우산을 두고 내렸어.",
        "이 두 문단 중에 어느 쪽이 더 친절하게 들려? 이유도 알려 줘.",
        "나가기 전에 난방 좀 줄여 줘. 부엌 창문이 아직 열려 있어.",
        "과학자들이 사십 년 동안 사라진 줄 알았던 개구리를 다시 찾아냈다.",
        "이 문장을 스페인어로 옮겨 주세요. 열쇠는 파란 화분 밑에 있어요.",
        "배우들은 애썼지만 이야기가 얇아서 후반부가 늘어졌다.",
        "우리 팀이 마지막 일 분에 이겼어. 소리 질렀더니 목이 다 쉬었네.",
        "집을 비운 동안 화분에 물을 준 이웃에게 짧은 감사 편지를 써 줘.",
        "택배가 오늘 아침에 왔는데 충전기가 빠져 있어요.",
        "가로가 세로의 두 배이고 넓이가 50인 직사각형의 가로는 얼마인가요?",
        "엄마 무릎이 나아서 어제는 시장까지 걸어갔다 오셨어.",
        "낮부터 비가 오고 해안에는 바람이 강하게 불겠습니다.",
    ),
    "zh": (
        "请帮我安排一周简单的晚餐。",
        "委员会周二开会讨论新图书馆的问题，多数委员同意延长开放时间。",
        "附件是今天上午会议的记录，我补充了关于预算的两点内容。",
        "在Python里怎样按两个键给字典列表排序，其中第二个键要降序？",
        "谢谢您的快速回复！我今晚试试更新，明天告诉您结果。",
        "开往海边的火车需要两个小时，每三十分钟一班，一直开到深夜。",
        "两根大葱、一点奶油和昨天的剩饭能做什么菜？",
        "博物馆周一闭馆，后面的花园整个星期都开放。",
        "我的航班改到周四了，电话会议能不能放在周五？",
        "给从没写过程序的人讲讲列表和元组的区别。",
        "他出生在北方的一个小村子，写第一部小说之前当过老师。",
        "第三季度销售额增长了百分之四，主要来自南方新开的门店。",
        "我又把伞落在公交车上了。",
        "这两段话哪一段听起来更亲切？为什么？",
        "出门前把暖气调低一点，厨房的窗户还开着。",
        "科学家重新发现了一种四十年来被认为已经消失的青蛙。",
        "请把这句话翻译成西班牙语：钥匙在蓝色花盆下面。",
        "演员很努力，可故事单薄，后半段有些拖沓。",
        "我们队最后一分钟赢了，我嗓子都喊哑了。",
        "我不在家的时候邻居帮我浇花，帮我写一张简短的感谢卡。",
        "包裹今天早上到了，可是少了充电器。",
        "长方形的长是宽的两倍，面积是50，长是多少？",
        "妈妈的膝盖好多了，昨天走着去菜市场又走回来。",
        "预计中午开始下雨，沿海风力较大。",
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
