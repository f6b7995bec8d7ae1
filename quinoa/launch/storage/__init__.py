"""Crash-safe files: replaced atomically or appended by whole records, and locked folders."""
