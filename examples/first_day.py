"""The first day with Haechi, with nothing but the stock OpenAI client.

Start the gateway (`make serve`), then:

    HAECHI_API_KEY=hk_... python examples/first_day.py http://127.0.0.1:8080/v1
"""

from __future__ import annotations

import os
import sys

import openai


def show(title: str, text: str) -> None:
    """One line per step."""
    print(f"{title}: {text!r}")


def ask(client: openai.OpenAI, prompt: str) -> str:
    """What the user sees: the answer, or why there is none."""
    try:
        answer = client.chat.completions.create(
            model="default", messages=[{"role": "user", "content": prompt}], max_tokens=24, temperature=0
        )
    except openai.BadRequestError as refused:
        return f"refused: {refused.code}"
    choice = answer.choices[0]
    return f"{choice.finish_reason}: {choice.message.content}"


def main(base_url: str) -> None:
    """An ordinary day, and the other kind."""
    client = openai.OpenAI(base_url=base_url, api_key=os.environ["HAECHI_API_KEY"], max_retries=0)

    show("ordinary", ask(client, "What is the capital of France?"))

    stream = client.chat.completions.create(
        model="default",
        messages=[{"role": "user", "content": "Count to five."}],
        max_tokens=24,
        temperature=0,
        stream=True,
    )
    show("streamed", "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices))

    show("resident number", ask(client, "제 주민등록번호는 900101-1234568입니다. 기억해 주세요."))

    for language, insult in (
        ("en", "You are a fucking idiot."),
        ("ko", "야 이 씨발 새끼야."),
        ("zh", "你这个傻逼，去死吧。"),
    ):
        show(f"toxic {language}", ask(client, insult))

    with client.chat.completions.create(
        model="default", messages=[{"role": "user", "content": "Tell me a long story."}], max_tokens=200, stream=True
    ) as story:
        for _ in story:
            break
    show("hung up", "after the first chunk")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/v1")
