"""`python -m cascadekit`: the same as the `cascadekit` command."""

from cascadekit.commands import main

main()
