"""A summary of many notes, by services that take their time."""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

WORD = re.compile(r"[^\W\d_]{4,}")
WORDS_PER_MINUTE = 200


@dataclass(frozen=True)
class Summary:
    notes: int
    words: int
    minutes: int
    topics: list[tuple[str, int]]


async def summarise(texts: Sequence[str], seconds: float) -> Summary:
    words, topics = await asyncio.gather(count_words(texts, seconds), find_topics(texts, seconds))
    return Summary(len(texts), words, -(-words // WORDS_PER_MINUTE), topics)


async def count_words(texts: Sequence[str], seconds: float) -> int:
    await asyncio.sleep(seconds)  # stands in for a call over the network
    return sum(len(text.split()) for text in texts)


async def find_topics(texts: Sequence[str], seconds: float) -> list[tuple[str, int]]:
    await asyncio.sleep(seconds)
    counted = Counter(word.lower() for text in texts for word in WORD.findall(text))
    return counted.most_common(5)
