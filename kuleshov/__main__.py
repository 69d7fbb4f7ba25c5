"""`python -m kuleshov` and `accelerate launch -m kuleshov` are the command `kuleshov`."""

from kuleshov.cli import main

if __name__ == "__main__":
    main()
