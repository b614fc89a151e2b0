"""`python -m ops.story [--check]`: plays the story and writes its examples, or says which of them are stale."""

from __future__ import annotations

import sys

import click

from ops.story.examples import out_of_date, write_examples


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where an example is stale.")
def main(check: bool) -> None:
    """Write the golden examples from the story."""
    changed = out_of_date() if check else write_examples()
    for name in changed:
        click.echo(f"{'stale' if check else 'written'}: schemas/examples/{name}")
    if check and changed:
        click.echo("run `make examples` and check the files in", err=True)
        sys.exit(1)
    if not changed:
        click.echo("schemas/examples is up to date")


if __name__ == "__main__":
    main()
