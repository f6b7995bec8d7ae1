"""From the flags of `quinoa train` to a run that has ended, for the command and for Python."""
