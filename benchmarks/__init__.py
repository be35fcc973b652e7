"""Measures of what docs/testing.md promises, as ratios to bare programs. Run: `python -m benchmarks [NAME…]`."""
