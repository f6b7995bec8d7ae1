"""What can be set: frozen dataclasses whose fields say their type, bounds, default and meaning."""
