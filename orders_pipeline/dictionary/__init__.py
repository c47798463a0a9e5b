"""The standard data dictionary: fields, entities, vocabularies, channels, sources and thresholds, as data."""
