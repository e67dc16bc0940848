"""Windows itself."""
