"""`geodis train`: an encoder out of images, fields or views, trained without labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geodis.cli.app import Group, MaxOrder, Quiet, Seed, console, exit_codes, shows_progress, solved

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from torch import nn

    from geodis.training import AbstractObjective, AbstractViews, History, TrainedEncoder

TABLES = (".npz", ".parquet", ".pq", ".safetensors")
SMALLEST = 16  # pixels a side of images that convolutions halve four times
SHOWN = 5  # held-out items that are named


def train(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of images; .npy fields (n, channels, *grid) or a folder of them; views that exist already, "
            ".npz with views (n, m, ...) and params (n, m, p), or embeddings as `geodis fit` reads them.",
            show_default=False,
        ),
    ],
    objective: Annotated[
        str,
        typer.Option(
            "--objective",
            help="simclr or vicreg (invariant), care (implicit: inner products kept), spectral (explicit: elements "
            "are known), hybrid (care and spectral).",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Where the encoder goes (.safetensors).", show_default=False)],
    action: Annotated[
        str,
        typer.Option(
            "--action",
            help="How the group moves items. Images: rotation, shift, scaling, hue, quarter-turns, square; fields: "
            "cube, shift, rotation; none for views that exist already.",
        ),
    ] = "none",
    group: Group = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps at most.")] = 1000,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.0, help="CPU seconds at most.", show_default="no limit")
    ] = None,
    features: Annotated[int, typer.Option("--features", min=2, help="Numbers that the encoder returns.")] = 64,
    width: Annotated[
        int | None,
        typer.Option("--width", min=1, help="Of the network.", show_default="32 channels, or 256 units on rows"),
    ] = None,
    batch_items: Annotated[int, typer.Option("--batch-items", min=2, help="Items a step.")] = 128,
    n_elements: Annotated[
        int | None,
        typer.Option("--n-elements", min=2, help="Views an item and step.", show_default="2; spectral 8, hybrid 4"),
    ] = None,
    max_order: MaxOrder = None,
    rate: Annotated[float, typer.Option("--learning-rate", help="Of AdamW, at its highest.")] = 2e-3,
    held_out: Annotated[
        float, typer.Option("--held-out", help="Share of the items on which progress is measured.")
    ] = 0.1,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="File that keeps the state: a stopped run goes on from there.")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Where a picture of the history goes (.png).")] = None,
    types: Annotated[
        str | None,
        typer.Option("--types", help="Channels of a field: order and parity, e.g. 0+ (scalar), 1+ (vector), 0-:2."),
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", min=1, help="Scale and crop images to this many pixels a side.")
    ] = None,
    grey: Annotated[bool, typer.Option("--grey", help="Read images as one channel.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="A random so many of the items.")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train an encoder without labels, so that a group acts on what it returns.

    [bold]Example[/bold]

    [cyan]geodis train photos --size 32 --action rotation --objective care --steps 100 --out net.safetensors[/cyan]

    [cyan]geodis encode photos --size 32 --action rotation --model net.safetensors --out photos.npz[/cyan]

    [cyan]geodis fit photos.npz --out photos.safetensors[/cyan]

    Fit and verify on items that the training did not see. A network of four convolutions takes images and fields of 16
    pixels a side or more, a perceptron everything else.

    The weights that do best on the held-out items are kept; --seconds, --steps and a lack of progress end the training.
    """
    with exit_codes():
        from geodis.formats.writers import writable
        from geodis.training import Plan, train_encoder

        writable(out, (".safetensors",))
        if plot is not None:
            writable(plot, (".png",))
        recipe = recipe_called(objective)
        screen = console(quiet)
        views, labels = viewed(source, action, group, types, size, grey, limit, seed)
        goal = solved(lambda k: recipe.objective(views, features, k), max_order, screen)
        screen.print(f"{source}: {views!r}", soft_wrap=True)
        plan = Plan(max_steps=steps, max_seconds=seconds, learning_rate=rate)
        trained = train_encoder(
            network(views.shape, features, width, recipe.on_sphere, seed),
            views,
            goal,
            plan,
            batch_items=batch_items,
            batch_elements=n_elements or recipe.n_elements,
            held_out=held_out,
            seed=seed,
            checkpoint=checkpoint,
            verbose=shows_progress(quiet),
        )
        trained.save(out)
        screen.print(_table(trained))
        _tell(trained, views, labels, out, screen)
        if plot is not None:
            _draw(trained.history, plot)
            screen.print(f"wrote {plot}", soft_wrap=True)


# --- what the names stand for -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Recipe:
    """An objective out of (views, features, max_order), how many views it likes, and whether codes have norm 1."""

    objective: Callable[[AbstractViews, int, int], AbstractObjective]
    n_elements: int
    on_sphere: bool


def recipe_called(name: str) -> Recipe:
    """How an objective of this name is made."""
    from geodis import training
    from geodis.errors import UnknownNameError

    def spectral(views: Any, features: int, order: int) -> Any:
        return training.Spectral.on(views, max_order=order, n_content=features // 4)

    def hybrid(views: Any, features: int, order: int) -> Any:
        explicit = training.Spectral.on(views, max_order=order, n_content=features // 4, content=0.0)
        return training.Hybrid(((1.0, training.CARE(chunks=16)), (1.0, explicit)))

    known = {
        "simclr": Recipe(lambda views, features, order: training.SimCLR(), 2, True),
        "vicreg": Recipe(lambda views, features, order: training.VICReg(), 2, False),
        "care": Recipe(lambda views, features, order: training.CARE(), 2, True),
        "spectral": Recipe(spectral, 8, False),
        "hybrid": Recipe(hybrid, 4, False),
    }
    if name not in known:
        raise UnknownNameError("objective", name, ", ".join(known))
    return known[name]


def viewed(
    source: Path,
    action: str,
    group: str | None,
    types: str | None,
    size: int | None,
    grey: bool,
    limit: int | None,
    seed: int,
) -> tuple[AbstractViews, Any]:
    """The views, and what their items are called."""
    import numpy as np

    from geodis.cli.encode import asked
    from geodis.errors import ParameterError
    from geodis.formats.views import views_or_orbits
    from geodis.orbits import Orbits
    from geodis.training import ActionViews, GivenViews

    if source.suffix.lower() not in TABLES:
        if group is not None:
            raise ParameterError("--group", "none where an action says which", group)
        found, mover, items = asked(source, action, None, types, size, grey, limit, seed)
        if mover is None:
            raise ParameterError("--action", "how the group moves items", "none", "Say --action rotation, for example.")
        return ActionViews(items, mover), found.labels
    beside = {"--action": action if action != "none" else None, "--types": types, "--size": size, "--limit": limit}
    told = [name for name, value in beside.items() if value is not None]
    if told:
        raise ParameterError(", ".join(told), "none for views that exist already", "some")
    read = views_or_orbits(source, group)
    views = GivenViews.of_orbits(read) if isinstance(read, Orbits) else GivenViews(*read)
    return views, np.arange(views.n_items)


def network(shape: tuple[int, ...], features: int, width: int | None, on_sphere: bool, seed: int) -> nn.Module:
    """A convolutional network for images (C, H, W), a perceptron for all else."""
    from math import prod

    from torch import nn

    from geodis.coordinates.unit_norm import UnitNorm
    from geodis.training import convnet, mlp

    if len(shape) == 3 and min(shape[1:]) >= SMALLEST:
        layers = [*convnet(features, (shape[0], shape[1], shape[2]), width=width or 32, seed=seed)]
    else:
        layers = [nn.Flatten(), *mlp(prod(shape), features, width=width or 256, seed=seed)]
    return nn.Sequential(*layers, *[UnitNorm()] * on_sphere)


# --- what is told -----------------------------------------------------------------------------------------------------
def _table(trained: TrainedEncoder) -> Table:
    from rich.table import Table

    done = trained.history
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("loss on held-out items", "before", "after", "best step", "steps", "CPU seconds"):
        table.add_column(name, justify="left" if name.startswith("loss") else "right")
    table.add_column("status")
    numbers = (f"{-trained.initial:.3f}", f"{-trained.score:.3f}", str(done.best_step), str(len(done.losses)))
    table.add_row(trained.about.partition("(")[0].lower(), *numbers, f"{done.seconds:.1f}", done.status)
    return table


def _tell(trained: TrainedEncoder, views: AbstractViews, labels: Any, out: Path, screen: Console) -> None:
    sizes = sum(p.numel() for p in trained.module.parameters())
    shape = " × ".join(map(str, trained.shape))
    held = [str(labels[i]) for i in trained.held[:SHOWN].tolist()]
    few = ", ".join(held) + " …" * (len(trained.held) > SHOWN)
    screen.print(f"{len(trained.held)} of {views.n_items} items were held out ({few}).", soft_wrap=True)
    if trained.score <= trained.initial:
        screen.print("Nothing was learned that holds on them: more items, more steps or another rate are needed.")
    n_features = trained(trained_input(trained.shape)).shape[1]
    screen.print(f"wrote {out}: {shape} → {n_features} features, {sizes} weights", soft_wrap=True)
    screen.print(f"Next, on items that were not trained on: geodis encode … --model {out} --out …", soft_wrap=True)


def trained_input(shape: tuple[int, ...]) -> Any:
    """One input of zeros."""
    import numpy as np

    return np.zeros((1, *shape), dtype=np.float32)


def _draw(history: History, path: Path) -> None:
    from geodis.files import write_atomically

    figure = history.plot().figure
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", dpi=150, bbox_inches="tight"))
