"""`python -m geodis` is the command `geodis`."""

from geodis.cli import app

if __name__ == "__main__":
    app(prog_name="geodis")
