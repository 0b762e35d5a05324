"""`python -m sondo`, the same as `sondo`."""

from sondo.cli import main

if __name__ == "__main__":
    main()
