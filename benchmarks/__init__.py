"""The measured claims, each runnable on its own: `python -m benchmarks.full_month`. Figures are ratios within one run."""
