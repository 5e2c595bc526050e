"""The command `cascadekit evaluate` as a script; `--help` says what it does."""

from cascadekit.commands import script

if __name__ == "__main__":
    script("evaluate")
