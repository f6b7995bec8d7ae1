"""What an agent or an environment of one's own is put through before it is trusted with a run."""
