"""Numbers of a run on their way to its files: counts, reports, rates, rows, TensorBoard."""
