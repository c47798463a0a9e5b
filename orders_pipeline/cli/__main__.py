"""`python -m orders_pipeline.cli`."""

import sys

from orders_pipeline.cli import main

sys.exit(main())
