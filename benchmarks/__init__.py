"""The measured claims, each runnable on its own (`python -m benchmarks.full_month`): ratios within one run."""
