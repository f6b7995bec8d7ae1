"""A real run, and a seeded script that does to it what befalls runs."""
