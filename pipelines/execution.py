"""Where an agent runs: here, on the event loop of the Board."""

from __future__ import annotations

from ..agents.registry import Registered
from ..agents.runner import AgentRunner
from ..models.journal import Journal, OnText
from ..values import AgentResult, AgentTask


class LocalExecutor:
    """Runs one agent in this process. A `values.Executor`."""

    def __init__(
        self,
        runner: AgentRunner,
        registered: Registered,
        journal: Journal,
        on_text: OnText | None,
    ) -> None:
        self._runner = runner
        self._registered = registered
        self._journal = journal
        self._on_text = on_text

    async def run(self, task: AgentTask) -> AgentResult:
        """Return the agent's answer; raise what made it fail."""
        return await self._runner.run(self._registered, task, self._journal, on_text=self._on_text)
