"""The forms of hearsim 0.1 (`models --pack`, `train SPEC`, ...), accepted for one more version with a note."""

import shlex
from typing import Any

import typer
from typer.core import TyperGroup


class OldForms(TyperGroup):
    """A group that rewrites a command line of hearsim 0.1 to the present sub-command."""

    def rewrite(self, args: list[str]) -> list[str] | None:
        """Return the present arguments for old ones; None for arguments not of the old form."""
        raise NotImplementedError

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Rewrite old arguments, with a note on stderr."""
        new = None if ctx.resilient_parsing or "--help" in args[:1] or args[:1] == ["-h"] else self.rewrite(args)
        if new is not None:
            note_new_form(ctx.command_path, args, f"{ctx.command_path} {shlex.join(new)}")
            args = new
        return super().parse_args(ctx, args)


def note_new_form(command: str, args: list[str], new: str) -> None:
    """Print a note on stderr with the old form of a command line and the new one."""
    old = f"{command} {shlex.join(args)}".strip()
    typer.echo(f"hearsim: note: `{old}` is now `{new}`; the next version takes the new form only", err=True)


def without_option(args: list[str], name: str) -> list[str]:
    """Return arguments whose option `name VALUE` or `name=VALUE` has become plain VALUE."""
    return [arg.removeprefix(f"{name}=") for arg in args if arg != name]


def is_option(args: list[str]) -> bool:
    """Return whether the first argument is an option or missing."""
    return not args or args[0].startswith("-")
