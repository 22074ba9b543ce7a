"""What every backend of storage promises: one suite, run on each of them."""
