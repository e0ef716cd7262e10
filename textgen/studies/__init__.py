"""Studies: a file of arms and seeds is planned, run and reported."""
