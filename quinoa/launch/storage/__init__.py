"""Safe files: written whole or by whole records, and locks on folders."""
