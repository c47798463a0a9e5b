"""One order book from every channel's exports: recognised, read, matched three ways and published for BI."""
