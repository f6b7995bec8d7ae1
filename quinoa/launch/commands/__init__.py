"""The commands of the program, one module each, each with its `COMMAND`."""
