"""Output on a terminal or in a notebook: text, numbers, progress bars."""
