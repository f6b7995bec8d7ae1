"""What this system does in a second, beside the machine's limits and what else one could use."""
