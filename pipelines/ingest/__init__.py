"""The ingest engine."""
