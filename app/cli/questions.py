"""The options of the commands that ask the questions of long conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

DataDir = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The folder of the data sets that are not shipped."),
]
SetName = Annotated[
    str, typer.Option("--set", metavar="NAME", help="locomo, or diaries, which is shipped.")
]
StrategyName = Annotated[
    Literal["implementation", "reasoning", "capacity"],
    typer.Option("--strategy", help="What sets the tiers apart."),
]
ModuleModel = Annotated[
    str,
    typer.Option("--model", metavar="NAME", help="The configured model that works in the modules."),
]
Numbers = Annotated[
    str,
    typer.Option("--conversations", metavar="N-M", help="Numbers of conversations: 0-5, or 0,2,5."),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Questions of each conversation, by a fixed draw."),
]
MemoTokens = Annotated[
    int, typer.Option("--memo-tokens", min=32, help="Tokens of a memo, at most.")
]
