"""HTTP's own rules: bodies, problems, keys, pages, traces. Each in one place for every route."""
