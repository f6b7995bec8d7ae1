"""Uses of a learned policy: evaluation, playback, export, pictures and videos."""
