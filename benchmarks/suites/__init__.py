"""One file per question that the benchmarks ask."""
