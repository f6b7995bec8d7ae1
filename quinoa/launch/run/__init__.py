"""The folder of a run, and the vocabulary of what is written there."""
