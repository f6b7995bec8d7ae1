"""Many runs that differ in their settings: planned, run several at once, and compared."""
