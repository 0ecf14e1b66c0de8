"""`hearsim docs`: the pages of hearsim/docs in the terminal."""

import sys
from importlib.resources import files
from typing import Annotated

import typer

from hearsim.cli import completion
from hearsim.cli.output import console


def docs(
    topic: Annotated[
        str, typer.Argument(help="Page to show.", show_default="the list of pages", autocompletion=completion.topics)
    ] = "",
) -> None:
    """Show a page of the documentation: formatted in a terminal, as Markdown when piped; without TOPIC, list them."""
    from hearsim.core.errors import HearsimError
    from hearsim.core.validation import nearest

    by_topic = pages()
    if not topic:
        for name, text in by_topic.items():
            typer.echo(f"{name:<18}{text.splitlines()[0].lstrip('# ')}")
    elif topic not in by_topic:
        near = nearest(topic, list(by_topic)) or f"there are {', '.join(by_topic)}"
        raise HearsimError(f"no page is called {topic!r}: {near}")
    elif sys.stdout.isatty():
        from rich.markdown import Markdown

        console().print(Markdown(by_topic[topic]))
    else:
        typer.echo(by_topic[topic])


def pages() -> dict[str, str]:
    """Return the pages of the documentation, as Markdown by name."""
    folder = files("hearsim") / "docs"
    listed = sorted((page for page in folder.iterdir() if page.name.endswith(".md")), key=lambda page: page.name)
    return {page.name.removesuffix(".md"): page.read_text(encoding="utf-8") for page in listed}
