"""Using a learned policy: evaluating, playing, exporting, drawing and filming it."""
