"""`python -m pegboard` is `pegboard`."""

from pegboard._cli import main

if __name__ == "__main__":
    main()
