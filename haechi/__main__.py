"""`python -m haechi` is the console command."""

from haechi.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
