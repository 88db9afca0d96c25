"""Write generated preference pairs, four of them unfit, and both answers of each good pair as demonstrations.

Usage: python make_pairs.py FOLDER
"""

import sys
from pathlib import Path

from alignment.data.demo import demo_rows
from alignment.data.files import write_jsonl

BAD = [
    {"prompt": "What is tea?", "chosen": "A drink.", "rejected": "A drink."},
    {"prompt": "What is tea?", "chosen": "", "rejected": "A drink."},
    {"prompt": "What is a map?", "chosen": "A drawing.", "rejected": "Who knows."},
    {"prompt": "What is a map?", "chosen": "Who knows.", "rejected": "A drawing."},
]

folder = Path(sys.argv[1])
pairs = demo_rows()
write_jsonl(folder / "pairs.jsonl", [*pairs, *BAD])
# A model that imitates both answers is friendly half of the time: something for DPO and PPO to mend.
write_jsonl(
    folder / "answers.jsonl",
    [{"prompt": row["prompt"], "completion": row[side]} for row in pairs for side in ("chosen", "rejected")],
)
