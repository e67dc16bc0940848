"""Benchmarks: ratios of kwinnow against other ways to do the same. See docs/benchmarks.md."""
