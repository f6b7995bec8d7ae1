"""Running an experiment from its flags, for `quinoa train` and for Python."""
