"""`python -m ops.reference [--check]`: writes `docs/reference/`, or says which of its pages are stale."""

from __future__ import annotations

import sys

import click

from ops.reference.pages import out_of_date, write_pages


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where a page is stale.")
def main(check: bool) -> None:
    """Write the reference pages of the documentation from the code."""
    changed = out_of_date() if check else write_pages()
    for name in changed:
        click.echo(f"{'stale' if check else 'written'}: docs/reference/{name}")
    if check and changed:
        click.echo("run `make docs` and check the pages in", err=True)
        sys.exit(1)
    if not changed:
        click.echo("docs/reference is up to date")


if __name__ == "__main__":
    main()
