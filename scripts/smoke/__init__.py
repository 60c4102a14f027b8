"""The job of each set of distributions, played where only its wheels are installed."""
