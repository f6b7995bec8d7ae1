"""Tests of an agent or an environment of the user's own, done before it is trained."""
