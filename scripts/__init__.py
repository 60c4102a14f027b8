"""What contributors run: the environment of a clone, its checks, and the files they generate."""
