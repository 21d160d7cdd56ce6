"""Questions about long conversations, as what a budget policy is trained in."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError
from ..memory.spec import MODULES
from ..pipelines.training.environment import Choose, Played
from ..values import ModuleState, TierChoice
from .memory import MemorySetup, draw_conversations, judge, open_desk, reward

if TYPE_CHECKING:
    from .conversation_memory import ConversationMemory
    from .sets.conversation import Conversation


class MemoryEnvironment:
    """An `Environment`: its reward is how much of evidence and answer stands in the memo.

    Everything is recalled on the runner's loop; what models answered once is not asked again.
    """

    def __init__(
        self,
        desk: ConversationMemory,
        conversations: Sequence[Conversation],
        runner: asyncio.Runner,
    ) -> None:
        self._desk = desk
        self._runner = runner
        self._queries = [
            (conversation, question)
            for conversation in conversations
            for question in conversation.questions
        ]
        self.encoder = desk.encoder.name
        self.descriptions: NDArray[np.float32] = desk.encoder.encode(
            [module.description for module in MODULES]
        )
        self.dim = self.descriptions.shape[1]

    def __len__(self) -> int:
        return len(self._queries)

    def play(self, query: int, choose: Choose) -> Played:
        """Make a memo for a question.

        Raises:
            ConfigurationError: what a model costs is not known.
        """
        conversation, question = self._queries[query]
        recalling = self._desk.recall(conversation.name, question.text, _Choosing(choose))
        recalled = self._runner.run(recalling)
        if recalled.cost_usd is None:
            raise ConfigurationError(
                "What a model of memory costs is not known, and a budget can't be learned without. "
                "Set price of the model in callboard.toml: [models.NAME.price] input_per_million "
                "and output_per_million."
            )
        judged = judge(conversation, question, recalled)
        return Played(reward=reward(judged), cost_usd=float(recalled.cost_usd))


class _Choosing:
    """A `TierPolicy` by a plain function."""

    wants_vectors = True

    def __init__(self, choose: Choose) -> None:
        self._choose = choose

    def choose(self, state: ModuleState) -> TierChoice:
        return TierChoice(tier=self._choose(state), reason="Training.")


@contextmanager
def memory_environment(
    data: Path | None, name: str, chosen: Sequence[int], setup: MemorySetup
) -> Iterator[MemoryEnvironment]:
    """Store conversations in a database of their own, and close it in the end.

    Raises:
        ConfigurationError: the data is not there.
        InvalidInput: there is no conversation of such a number.
        UnknownName: there is no such set.
    """
    conversations = draw_conversations(data, name, chosen, setup.limit)
    with (
        tempfile.TemporaryDirectory(prefix="callboard-train-") as folder,
        asyncio.Runner() as runner,
    ):
        desk = open_desk(setup, Path(folder))
        try:
            runner.run(desk.store_all(conversations))
            yield MemoryEnvironment(desk, conversations, runner)
        finally:
            runner.run(desk.close())
