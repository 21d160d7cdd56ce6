"""`callboard train`: makes the policies that choose how much memory may cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .questions import DataDir, Limit, MemoTokens, ModuleModel, Numbers, SetName, StrategyName
from .terminal import AsJson, emit, err, numbers, show, tell

commands = typer.Typer(
    help="Train what decides about memory.", no_args_is_help=True, rich_markup_mode=None
)


@commands.callback()
def options() -> None:
    """Train what decides about memory."""


@commands.command()
def budget(
    ctx: typer.Context,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where the policy, its checkpoint and pictures go."),
    ],
    data: DataDir = None,
    name: SetName = "locomo",
    method: Annotated[
        Literal["ppo", "bandit"],
        typer.Option(help="Reinforcement learning of a network, or a contextual bandit."),
    ] = "ppo",
    strategy: StrategyName = "implementation",
    cost_weights: Annotated[
        list[float] | None,
        typer.Option(
            "--cost-weight",
            min=0,
            metavar="L",
            help="How much a low cost counts beside the task; may be given again.  [default: 0.1]",
        ),
    ] = None,
    model: ModuleModel = "main",
    conversations: Numbers = "0-5",
    limit: Limit = None,
    memo_tokens: MemoTokens = 512,
    epochs: Annotated[int, typer.Option(min=1, help="How often every question is seen.")] = 7,
    batch: Annotated[int, typer.Option(min=2, help="Questions between two improvements.")] = 32,
    seed: Annotated[int, typer.Option(help="The same seed gives the same policy.")] = 0,
    aligned: Annotated[
        bool,
        typer.Option(
            "--aligned/--not-aligned", help="Bring the rewards of task and cost to one scale."
        ),
    ] = True,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a policy that chooses the tier of every memory module, query by query.

    What models answer is kept in the cache folder, and paid once. The policy is
    DIR/policy.safetensors; name it as policy in [memory] of callboard.toml. Needs the extra
    'train'.
    """
    import torch

    from ...benchmarks.memory import MemorySetup
    from ...benchmarks.memory_environment import memory_environment
    from ...pipelines.training.course import Course, train_bandit_policy, train_policies
    from ...pipelines.training.ppo import TrainingSettings

    torch.set_num_threads(1)  # the network is small: threads would wait for each other
    chosen = numbers(conversations)
    weights = tuple(cost_weights or (0.1,))
    setup = MemorySetup(
        strategy=strategy, model=model, memo_tokens=memo_tokens, limit=limit, config=ctx.obj
    )
    settings = TrainingSettings(
        cost_weight=weights[0], epochs=epochs, batch=batch, seed=seed, aligned=aligned
    )
    out.mkdir(parents=True, exist_ok=True)
    with err().status("Storing the conversations") as status:

        def progress(what: str) -> None:
            status.update(what[:1].upper() + what[1:])

        with memory_environment(data, name, chosen, setup) as environment:
            course = Course(
                environment=environment,
                descriptions=environment.descriptions,
                folder=out,
                card={
                    "set": name,
                    "conversations": list(chosen),
                    "limit": limit,
                    "strategy": strategy,
                    "model": model,
                    "memo_tokens": memo_tokens,
                },
                resume=resume,
            )
            if method == "bandit":
                points = {"bandit": train_bandit_policy(course, settings, progress)}
            else:
                points = train_policies(course, settings, weights, progress)
    rows = [
        {"policy": one, "task_reward": round(p.reward, 4), "cost_usd": round(p.cost_usd, 6)}
        for one, p in points.items()
    ]
    if as_json:
        emit({"rows": rows, "folder": str(out)})
        return
    from .tables import draw_rows

    show(draw_rows(rows))
    tell(f"Written to {out}.")
